"""What the parameter files of the RT-MDNet family share."""

from typing import Any

from pytracking.features.net_wrappers import NetWithBackbone
from pytracking.tracker.rtmdnet.params import RTMDNetParams

# fc4-6 of the lite model start from random weights, which the first frame must move further than trained ones. Found by
# benchmarks/rtmdnet_family.py, the same for simpleRT-MDNet and RLS-RTMDNet; updates use three times as much.
LITE_RATE = 1e-3
LITE_MAX_RANK = 64  # columns of P of fc4; 128 and 256 track no better and cost more


def rtmdnet() -> RTMDNetParams:
    return RTMDNetParams(net=NetWithBackbone(net_path="rt-mdnet.pth"))


def rtmdnet_lite() -> RTMDNetParams:
    """RT-MDNet on the embedded EfficientNet-Lite0; fc4-6 start from random weights."""
    return RTMDNetParams(
        net=NetWithBackbone(architecture="mdnet_lite0"),
        init_learning_rate=LITE_RATE,
        update_learning_rate=3 * LITE_RATE,
        rls_max_rank=LITE_MAX_RANK,
    )


def simple(base: RTMDNetParams) -> RTMDNetParams:
    """simpleRT-MDNet: no long-term memory, and the weight backup of Alg. 1."""
    return base.replace(regular_memory="short", weight_backup=True)


def rls(base: RTMDNetParams, **changes: Any) -> RTMDNetParams:
    """RLS-RTMDNet: simpleRT-MDNet whose first frame and regular updates use Eq. 33, delta 5e-4, beta 1."""
    return simple(base).replace(online_optimizer="rls_sgd", **changes)
