"""From image to network input: crops, augmentation, and the network with its preprocessing."""
