"""Convolutions for inference on a CPU: bias, sum and activation in one call, 3x3 kernels by Winograd's method."""

import math
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ltr.models.layers.winograd import best_tile, cost, transform_kernel, winograd_conv3x3

Network = TypeVar("Network", bound=nn.Module)

# oneDNN's names of the activations, with their numbers.
_ACTIVATIONS: dict[type[nn.Module], tuple[str, list[float]]] = {
    nn.Identity: ("none", []),
    nn.ReLU: ("relu", []),
    nn.ReLU6: ("hardtanh", [0.0, 6.0]),
}
_NEARLY = 1.25  # how much more a tile may cost whose kernel is there: another one takes as much memory
_WINOGRAD_CHANNELS = 128  # with fewer the transforms cost what the products save
# oneDNN takes 30 us to start, a matrix product 3. Passes of its own for bias and activation take that back where the
# result does not stay in the cache; and with many inputs the product is all that counts.
_CACHED_NUMBERS = 400_000
_FEW_CHANNELS = 128


def fusion_available() -> bool:
    """Whether this build of PyTorch has oneDNN's fused convolutions, which belong to its compiler, not to its API."""
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_convolution_pointwise")


class FusedConv2d(nn.Module):
    """activation(conv(x) + skip) of a frozen convolution, for tensors on the CPU; without a gradient.

    `activation` is one of nn.Identity, nn.ReLU and nn.ReLU6. The result has memory of its own: the skip of a residual
    block is often the map of a backbone layer, which other parts of the network read later.
    """

    def __init__(self, conv: nn.Conv2d, activation: type[nn.Module] = nn.Identity, winograd: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(conv.weight.detach(), requires_grad=False)
        self.bias = None if conv.bias is None else nn.Parameter(conv.bias.detach(), requires_grad=False)
        self.activation = activation
        self.geometry = (list(conv.padding), list(conv.stride), list(conv.dilation), conv.groups)
        self.suits_winograd = (
            winograd
            and conv.kernel_size == (3, 3)
            and self.geometry == ([1, 1], [1, 1], [1, 1], 1)
            and min(conv.in_channels, conv.out_channels) >= _WINOGRAD_CHANNELS
            and self.weight.dtype == torch.float32
        )
        narrows = activation is nn.Identity and 2 * conv.out_channels <= conv.in_channels
        self.most_products = math.inf if narrows else _CACHED_NUMBERS  # largest result of a matrix product
        is_product = (
            conv.kernel_size == (1, 1)
            and self.geometry == ([0, 0], [1, 1], [1, 1], 1)
            and (narrows or conv.in_channels <= _FEW_CHANNELS)
        )
        self.columns = self.weight.flatten(1).mT.contiguous() if is_product else None  # (in, out)
        self.transformed: dict[int, Tensor] = {}  # kernels by tile size, made for the maps that come
        self.packed: Any = None  # the weight in oneDNN's own memory layout

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "packed": None}  # which cannot be copied

    def forward(self, x: Tensor, skip: Tensor | None = None) -> Tensor:  # (N, C, H, W), (N, K, H', W')
        if self.suits_winograd:
            return self._winograd(x, skip)
        if self.columns is not None and x[:, 0].numel() * self.columns.shape[1] <= self.most_products:
            return self._activated(self._product(x, self.columns, skip))
        if self.packed is None:
            # Without the size of the map the layout is a guess, and a strided 1x1 convolution up to 12 times slower.
            size = [1, *x.shape[1:]]
            self.packed = torch.ops.mkldnn._reorder_convolution_weight(self.weight, *self.geometry, size)
        name, numbers = _ACTIVATIONS[self.activation]
        convolve = torch.ops.mkldnn._convolution_pointwise
        if skip is None:
            result: Tensor = convolve(x, self.packed, self.bias, *self.geometry, name, numbers, "")
            return result
        unary = "relu" if self.activation is nn.ReLU else None  # oneDNN adds to a sum no other one
        result = convolve.binary(x, skip, self.packed, self.bias, *self.geometry, "add", 1.0, unary, [], None)
        return result if unary else self._activated(result)

    def _product(self, x: Tensor, columns: Tensor, skip: Tensor | None) -> Tensor:
        """The convolution as a product of pixels and weights, without a copy where x has its channels last."""
        pixels, outputs = x.permute(0, 2, 3, 1), columns.shape[1]
        rows = pixels.reshape(-1, x.shape[1])
        if skip is None:
            result = torch.mm(rows, columns)
        else:
            result = torch.addmm(skip.permute(0, 2, 3, 1).reshape(-1, outputs), rows, columns)
        if self.bias is not None:
            result.add_(self.bias)
        return result.view(*pixels.shape[:3], outputs).permute(0, 3, 1, 2)

    def _winograd(self, x: Tensor, skip: Tensor | None) -> Tensor:
        tile = self._tile(*x.shape[-2:])
        if tile not in self.transformed:
            self.transformed[tile] = transform_kernel(self.weight, tile)
        result = winograd_conv3x3(x, self.transformed[tile], self.bias, tile)
        return self._activated(result if skip is None else result.add_(skip))

    def _activated(self, result: Tensor) -> Tensor:
        if self.activation is nn.ReLU:
            return result.relu_()
        return result.clamp_(0, 6) if self.activation is nn.ReLU6 else result

    def _tile(self, height: int, width: int) -> int:
        """The best tile size, or one that is nearly as good and has its kernel."""
        best = best_tile(height, width)
        limit = _NEARLY * cost(best, height, width)
        return next((tile for tile in self.transformed if cost(tile, height, width) <= limit), best)

    def extra_repr(self) -> str:
        return f"{tuple(self.weight.shape)}, {self.activation.__name__}, winograd={self.suits_winograd}"


def fuse_convolutions(network: Network) -> Network:
    """Replace the convolutions of a folded network, in place, by fused ones, and return it.

    An activation belongs to the convolution registered before it in the same module, possibly with the place of a
    folded batch norm between them. A module that has a method `fused()` is replaced by what that returns. What a module
    names in `used_once` has no kernels for Winograd's method. A network stays as it is where PyTorch has no fused
    convolutions.
    """
    if fusion_available():
        _fuse_children(network)
    return network


def _fuse_children(parent: nn.Module, winograd: bool = True) -> None:
    names = list(parent._modules)
    for place, name in enumerate(names):
        worthwhile = winograd and name not in getattr(parent, "used_once", ())
        child = parent.get_submodule(name) if parent._modules[name] is not None else nn.Identity()
        if isinstance(child, nn.Conv2d) and _fusible(child):
            behind = [other for other in names[place + 1 : place + 3] if parent._modules[other] is not None]
            activation = next(iter(_skip_identity(parent, behind)), None)
            kind = nn.Identity if activation is None else type(parent.get_submodule(activation))
            setattr(parent, name, FusedConv2d(child, kind, worthwhile))
            if activation is not None:
                setattr(parent, activation, nn.Identity())
        elif callable(make := getattr(child, "fused", None)):
            setattr(parent, name, make())
        else:
            _fuse_children(child, worthwhile)


def _fusible(conv: nn.Conv2d) -> bool:
    """Whether the convolution is what its attributes say; a subclass may say that it is not."""
    plain = conv.padding_mode == "zeros" and not isinstance(conv.padding, str)
    return plain and getattr(conv, "is_plain", True)


def _skip_identity(parent: nn.Module, names: list[str]) -> list[str]:
    """The activation that comes next, as a list of one name, or nothing."""
    for name in names:
        module = parent.get_submodule(name)
        if type(module) in (nn.ReLU, nn.ReLU6):
            return [name]
        if not isinstance(module, nn.Identity):
            return []
    return []
