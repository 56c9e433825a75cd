"""Programs beside the main ones."""
