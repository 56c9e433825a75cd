"""DiMP networks: target classifier and IoU predictor, trained together."""
