from .mosse import Mosse


def get_tracker_class():
    return Mosse
