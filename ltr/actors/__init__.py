"""Actors: a network together with the loss of its training."""
