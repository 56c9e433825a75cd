"""Weights of MDNet as others published them: RT-MDNet's checkpoint, and VGG-M of MatConvNet."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ltr.admin.safe_unpickling import CheckpointError

MATLAB_MARK = b"MATLAB 5."  # first bytes of a MATLAB file up to version 7.2

_VGG_M_CONVOLUTIONS = {  # name in MDNet: position among the layers of VGG-M, shape (h, w, in, out)
    "layers.conv1.0": (0, (7, 7, 3, 96)),
    "layers.conv2.0": (4, (5, 5, 96, 256)),
    "layers.conv3.0": (8, (3, 3, 256, 512)),
}


def is_rt_mdnet(shared_layers: Mapping[Any, Any]) -> bool:
    """Whether these are the layers that RT-MDNet shares between its training videos: conv1-3, fc4 and fc5."""
    return {"conv1.0.weight", "conv3.0.weight", "fc4.0.weight", "fc5.1.weight"} <= shared_layers.keys()


def mdnet_state_dict(shared_layers: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """RT-MDNet's shared layers under the names of the whole network."""
    return {f"layers.{name}": tensor for name, tensor in shared_layers.items()}


def mdnet_arguments(state_dict: Mapping[str, Tensor]) -> dict[str, Any] | None:
    """Arguments of the constructor `mdnet` for these weights; None where they are another network's."""
    if not {f"{name}.weight" for name in _VGG_M_CONVOLUTIONS} <= state_dict.keys():
        return None
    branches = {key.split(".")[1] for key in state_dict if key.startswith("branches.")}
    return {"num_branches": len(branches), "with_fully_connected": "layers.fc4.0.weight" in state_dict}


def read_vgg_m(path: Path) -> dict[str, Tensor]:
    """conv1-3 of MatConvNet's `imagenet-vgg-m.mat` as a state dict of MDNet.

    Raises:
        CheckpointError: the file is damaged or holds another network.
    """
    from scipy.io import loadmat

    try:
        layers = loadmat(path, squeeze_me=True, struct_as_record=False)["layers"]
        weights = {name: _convolution(layers[index]) for name, (index, _) in _VGG_M_CONVOLUTIONS.items()}
    # scipy raises NotImplementedError for MATLAB 7.3 files; the others come from a file of another structure.
    except (KeyError, IndexError, AttributeError, TypeError, ValueError, OSError, NotImplementedError) as error:
        raise CheckpointError(
            f"{path} is damaged or not MatConvNet's VGG-M: expected convolutions at the positions 0, 4 and 8 of its "
            f"'layers'. The reader said: {type(error).__name__}: {error}"
        ) from error
    state_dict = {}
    for name, (index, shape) in _VGG_M_CONVOLUTIONS.items():
        kernel, bias = weights[name]
        if kernel.shape != shape or bias.shape != shape[3:]:
            raise CheckpointError(
                f"{path}: expected a convolution {shape} with {shape[3]} biases at position {index}, "
                f"found {kernel.shape} and {bias.shape}; is it VGG-M?"
            )
        state_dict[f"{name}.weight"] = torch.from_numpy(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)))
        state_dict[f"{name}.bias"] = torch.from_numpy(bias)
    return state_dict


def _convolution(layer: Any) -> tuple[np.ndarray, np.ndarray]:
    """Kernel (h, w, in, out) and bias (out,); older files keep them in fields of their own."""
    kernel, bias = layer.weights if hasattr(layer, "weights") else (layer.filters, layer.biases)
    return np.asarray(kernel, np.float32), np.array(bias, np.float32).reshape(-1)
