"""Settings of trainings: `<module>/<settings>.py` holds Options, with their defaults, and build(options)."""
