"""Parameter files of the dummy tracker that reports only boxes."""
