from .netfilter import NetFilter


def get_tracker_class():
    return NetFilter
