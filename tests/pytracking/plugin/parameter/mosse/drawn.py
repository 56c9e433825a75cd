from pytracking.parameter.mosse import default
from pytracking.utils import Choice


def parameters():
    params = default.parameters()
    params.learning_rate = Choice(0.01, 0.02, 0.05, 0.1, 0.2)
    return params
