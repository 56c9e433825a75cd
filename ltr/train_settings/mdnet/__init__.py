"""MDNet networks: a classifier with a branch for every training video."""
