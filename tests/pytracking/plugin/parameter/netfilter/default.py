from pytracking.features.net_wrappers import NetWithBackbone
from pytracking.utils import TrackerParams


def parameters():
    params = TrackerParams()

    params.debug = 0
    params.use_gpu = True

    params.image_sample_size = 18 * 16
    params.search_area_scale = 4

    params.net_opt_iter = 10

    params.net = NetWithBackbone(net_path="dimp_lite0.safetensors", use_gpu=params.use_gpu)

    return params
