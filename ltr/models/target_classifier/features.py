"""Layers between the backbone and the target filter."""

from torch import nn

from ltr.models.layers.normalization import InstanceL2Norm


def residual_basic_block(
    feature_dim: int = 256,
    num_blocks: int = 1,
    l2norm: bool = True,
    final_conv: bool = False,
    norm_scale: float = 1.0,
    out_dim: int | None = None,  # default: feature_dim
) -> nn.Sequential:
    """`num_blocks` ResNet basic blocks on `feature_dim` channels, a 3x3 convolution if `final_conv`, the L2 norm.

    Raises:
        ValueError: `out_dim` differs from the input's channels, and no layer could change their number.
    """
    return _features("BasicBlock", feature_dim, num_blocks, l2norm, final_conv, norm_scale, out_dim or feature_dim)


def residual_bottleneck(
    feature_dim: int = 256,
    num_blocks: int = 1,
    l2norm: bool = True,
    final_conv: bool = False,
    norm_scale: float = 1.0,
    out_dim: int | None = None,  # default: 4 * feature_dim
) -> nn.Sequential:
    """As `residual_basic_block`, with ResNet bottlenecks: the input has 4 * `feature_dim` channels."""
    channels = 4 * feature_dim
    return _features("Bottleneck", channels, num_blocks, l2norm, final_conv, norm_scale, out_dim or channels)


def _features(
    block: str,
    channels: int,
    num_blocks: int,
    l2norm: bool,
    final_conv: bool,
    norm_scale: float,
    out_dim: int,
) -> nn.Sequential:
    if not final_conv and out_dim != channels:
        raise ValueError(f"Without a final convolution the features keep {channels} channels, got out_dim={out_dim}.")
    layers: list[nn.Module] = []
    if num_blocks > 0:
        import torchvision.models.resnet as tv

        residual = getattr(tv, block)
        layers += [residual(channels, channels // residual.expansion) for _ in range(num_blocks)]
    if final_conv:
        layers.append(nn.Conv2d(channels, out_dim, 3, padding=1, bias=False))
    if l2norm:
        layers.append(InstanceL2Norm(scale=norm_scale))
    return nn.Sequential(*layers)
