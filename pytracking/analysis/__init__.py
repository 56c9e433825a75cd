"""Scores, tables and plots of stored results."""
