"""The machine, and what its float32 is worth."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ltr.common.provenance import describe_environment, git_commit
from ltr.inference.engine import engine_available
from ltr.inference.precision import computes_in, float32_arithmetic
from pytracking.util_scripts.check_device.processes import Found, Setting
from pytracking.util_scripts.check_device.results import Measurement

DTYPES = ("tf32", "bfloat16", "float16")


def environment(setting: Setting) -> Found:
    """Software and device; a large product and a large convolution against float64."""
    device = torch.device(setting.device)
    facts: dict[str, Any] = describe_environment(setting.device) | {
        "commit": git_commit(),
        "dtypes": ["float32", *(dtype for dtype in DTYPES if computes_in(dtype, setting.device))],
        "processor_instructions": torch.backends.cpu.get_cpu_capability(),
        "openvino": engine_available(),
    }
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        facts |= {
            "capability": list(torch.cuda.get_device_capability(device)),
            "memory_bytes": properties.total_memory,
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
            "gpus": torch.cuda.device_count(),
        }
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(512, 512, generator=generator)
    maps, kernels = torch.randn(1, 128, 36, 36, generator=generator), torch.randn(128, 128, 3, 3, generator=generator)
    with float32_arithmetic(device):
        product = matrix.to(device) @ matrix.to(device)
        convolved = F.conv2d(maps.to(device), kernels.to(device), padding=1)
    # The roundings of sums of 500 to 1200 products average out; factors rounded as TF32 does it leave 3e-4.
    reason = "sums in float32; TF32 is at 3e-4"
    errors = {
        "product, relative error": relative_error(product, matrix.double() @ matrix.double()),
        "convolution, relative error": relative_error(convolved, F.conv2d(maps.double(), kernels.double(), padding=1)),
    }
    return Found([Measurement(name, value, 5e-6, reason) for name, value in errors.items()], facts)


def relative_error(found: Tensor, expected: Tensor) -> float:
    """Largest difference, as a share of the largest number expected."""
    values, wanted = (tensor.detach().cpu().double() for tensor in (found, expected))
    return float((values - wanted).abs().max() / wanted.abs().max())
