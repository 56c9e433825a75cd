from types import SimpleNamespace

import pytest
import torch

from ltr.common.errors import InputError
from ltr.common.provenance import check_device, gpu_number


def test_numbers_of_gpus() -> None:
    assert [gpu_number(device) for device in (None, "cpu", "cuda", "cuda:0", "cuda:12")] == [None, None, None, 0, 12]
    for unknown in ("", "gpu", "cuda:one", "cuda:-1", "cuda 1"):
        with pytest.raises(InputError, match=f"unknown device '{unknown}'; expected cpu, cuda or cuda:<number>"):
            gpu_number(unknown)


@pytest.mark.parametrize("kind", ["mps", "xpu", "meta", "hpu", "vulkan", "xla"])
def test_kinds_of_devices_that_are_not_there(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, kind, SimpleNamespace(is_available=lambda: False), raising=False)
    with pytest.raises(
        InputError, match=f"'{kind}' was asked for, but PyTorch finds no device of the kind {kind} here"
    ):
        check_device(kind)


def test_devices_of_another_kind_that_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "xpu", SimpleNamespace(is_available=lambda: True, device_count=lambda: 2))
    check_device("xpu:1")
    with pytest.raises(InputError, match="'xpu:2' was asked for, but PyTorch finds 2 here, from xpu:0 to xpu:1"):
        check_device("xpu:2")


def test_devices_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for device in (None, "cpu"):
        check_device(device)
    for device in ("cuda", "cuda:0"):
        with pytest.raises(InputError, match=f"'{device}' was asked for, but PyTorch finds no GPU here; use --device"):
            check_device(device)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    for device in (None, "cpu", "cuda", "cuda:0", "cuda:1"):
        check_device(device)
    with pytest.raises(InputError, match="'cuda:2' was asked for, but PyTorch finds 2 here, from cuda:0 to cuda:1"):
        check_device("cuda:2")
