"""Training samples: frames drawn from tracks, cut out, augmented and stacked."""
