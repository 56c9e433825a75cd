from pytracking.utils import FeatureParams, TrackerParams


def parameters():
    params = TrackerParams()

    params.debug = 0
    params.visualization = False

    params.use_gpu = True

    # Search area
    params.image_sample_size = 63
    params.search_area_scale = 2.5
    params.scale_factors = [0.98, 1.0, 1.02]

    # Learning
    params.learning_rate = 0.05
    params.output_sigma_factor = 1 / 16
    params.filter_reg = 1.0
    params.augmentation = {"rotate": [5, -5], "blur": [(1, 1), 2]}

    params.features = FeatureParams(weights=[0.7, 0.3])

    return params
