"""Parameter files, `<tracker>/<name>.py` with a function `parameters()`: what differs from the defaults, no more."""
