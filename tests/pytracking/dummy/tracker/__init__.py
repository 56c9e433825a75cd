"""Dummy trackers."""
