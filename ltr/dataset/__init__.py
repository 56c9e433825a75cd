"""Training data sets: annotated tracks of single targets, and how their folders are laid out."""
