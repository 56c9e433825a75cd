"""Parameter files of the dummy trackers."""
