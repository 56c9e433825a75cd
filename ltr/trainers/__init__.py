"""Training: options, what a settings module builds, the loop with its checkpoints and its progress."""
