"""Parameter files of the DiMP family; the shared bases are in `_base.py`."""
