"""P on a device against its definition in float64, whatever precision the caller allows for networks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from pytracking.util_scripts.check_device.processes import Found, Setting
from pytracking.util_scripts.check_device.results import Measurement
from rls import oracle
from rls.base import InverseCorrelation
from rls.inverse_correlation import make_inverse_correlation

SIZE, COUNT, DELTA = 64, 40, 0.1
COLUMNS = 16  # of a P that must compress
# P is between 0 and 1/δ; its error in units of 1/δ.
REASON = "a hundred rounding units of float32"
TOLERANCE = 1e-5


def inverse_correlation(setting: Setting) -> Found:
    """New, repeated, zero and NaN inputs, a product, compression and reset, of both forms of P."""
    device = torch.device(setting.device)
    inputs = _drifting()
    with _low_precision_allowed(device):
        measured = [m for form in ("low_rank", "dense") for m in _one_form(form, inputs, device)]
        measured += _compressed(inputs, device)
    return Found(measured, {})


def _one_form(form: str, inputs: Tensor, device: torch.device) -> list[Measurement]:
    P = make_inverse_correlation(form, SIZE, DELTA, 1.0, None, torch.float32, device)
    stages = {
        "new inputs": inputs,
        "a repeated input": inputs[-1:],
        "an input of zeros": torch.zeros(1, SIZE),
    }
    taken, measured = inputs[:0], []
    for name, rows in stages.items():
        for row in rows.to(device):
            P.update(row)
        taken = torch.cat((taken, rows))
        expected = oracle.inverse_correlation(taken, DELTA)
        measured.append(_error(f"{form} P, {name}", P.to_dense(), expected))
    gradient = torch.randn(3, SIZE, generator=torch.Generator().manual_seed(1))
    product = P.apply(gradient.to(device))
    # Of the length of a row, 8, which the product's numbers have where P is 1/δ.
    measured.append(_error(f"{form} P, product with a gradient", product / 8, gradient.double() @ expected / 8))
    measured.append(Measurement(f"{form} P, NaN taken in", float(not _refuses_nan(P)), 0, "it is to be refused"))
    P.reset()
    identity = torch.eye(SIZE, dtype=torch.float64) / DELTA
    measured.append(_error(f"{form} P, reset", P.to_dense(), identity))
    return measured


def _refuses_nan(P: InverseCorrelation) -> bool:
    """With an error, and P as it was."""
    before = P.to_dense()
    try:
        P.update(torch.full((SIZE,), float("nan"), device=P.device))
    except ValueError:
        return torch.equal(P.to_dense(), before)
    return False


def _compressed(inputs: Tensor, device: torch.device) -> list[Measurement]:
    """With fewer columns than inputs: against the same in float64, and positive definite."""
    found, expected = (
        make_inverse_correlation("low_rank", SIZE, DELTA, 1.0, COLUMNS, dtype, at)
        for dtype, at in ((torch.float32, device), (torch.float64, torch.device("cpu")))
    )
    for row in inputs:
        found.update(row.to(device))
        expected.update(row.double())
    negative = max(0.0, -found.smallest_eigenvalue()) * DELTA
    return [
        _error("low_rank P, compressed", found.to_dense(), expected.to_dense()),
        Measurement("low_rank P, compressed, negative eigenvalue", negative, 0, "P is positive definite"),
    ]


def _error(name: str, found: Tensor, expected: Tensor) -> Measurement:
    error = float((found.cpu().double() - expected.double()).abs().max()) * DELTA
    return Measurement(name, error, TOLERANCE, REASON, "/ δ")


def _drifting() -> Tensor:  # (COUNT, SIZE)
    """Each input much like the one before, as those of a video."""
    generator = torch.Generator().manual_seed(0)
    rows = [torch.randn(SIZE, generator=generator)]
    for _ in range(COUNT - 1):
        step = torch.randn(SIZE, generator=generator)
        rows.append((rows[-1] + 0.3 * step) / (1 + 0.3**2) ** 0.5)
    return torch.stack(rows)


@contextmanager
def _low_precision_allowed(device: torch.device) -> Iterator[None]:
    """What a program that trains networks may have set."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("medium")
    torch.backends.cudnn.allow_tf32 = True
    try:
        with torch.autocast(device.type, torch.bfloat16):
            yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]
