"""Parameter files of the RT-MDNet family; the shared bases are in `_base.py`."""
