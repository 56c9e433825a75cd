"""Visual object tracking: trackers, parameter files, evaluation and command line tools."""
