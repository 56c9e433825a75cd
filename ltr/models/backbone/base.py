"""What every backbone offers to the networks built on it."""

from collections.abc import Iterable
from typing import Self

from torch import nn

from ltr.common.errors import InputError


class WeightsError(InputError):
    """The ImageNet weights that a network starts from are not here."""


class Backbone(nn.Module):
    """A classifier whose forward returns named feature maps.

    `forward(image, output_layers)` takes images (N, 3, H, W), normalized by the class's `image_mean` and `image_std`
    (RGB, on the scale 0...1), and returns a dict with the requested ones of `layer_names`; nothing behind the deepest
    of them is computed. `layer1`...`layer4` have the strides 4, 8, 16, 32.
    """

    image_mean: tuple[float, float, float]
    image_std: tuple[float, float, float]
    layer_names = ("conv1", "layer1", "layer2", "layer3", "layer4", "fc")
    _frozen: tuple[str, ...] = ()

    def freeze(self, names: Iterable[str]) -> None:
        """Stop the training of submodules, their batch-norm statistics included, e.g. ("conv1", "bn1", "layer1").

        "all" and "none" stand for all of them and for none. Raises ValueError for one that is not there.
        """
        children = [name for name, _ in self.named_children()]
        if isinstance(names, str):
            names = {"all": children, "none": []}.get(names, [names])
        known = {name for name, _ in self.named_modules()}
        if unknown := [name for name in names if name not in known]:
            raise ValueError(f"Expected frozen layers among {', '.join(children)}, got {', '.join(unknown)}.")
        self._frozen = tuple(names)
        for name in self._frozen:
            self.get_submodule(name).requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        for name in self._frozen:
            self.get_submodule(name).eval()
        return self

    def _deepest(self, output_layers: Iterable[str]) -> int:
        """Position in `layer_names` of the last layer that must be computed."""
        requested = tuple(output_layers)
        unknown = [name for name in requested if name not in self.layer_names]
        if unknown or not requested:
            raise ValueError(f"Expected output layers among {', '.join(self.layer_names)}, got {requested}.")
        return max(self.layer_names.index(name) for name in requested)
