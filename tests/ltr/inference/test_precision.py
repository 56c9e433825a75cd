import contextlib
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import torch

from ltr.common.errors import InputError
from ltr.inference.precision import compute_in, computes_in, float32_arithmetic, in_float32
from ltr.inference.prepare import prepare
from ltr.models.tracking.dimpnet import dimpnet_lite0
from ltr.models.tracking.mdnet import mdnet, mdnet_lite0
from tests.ltr.models.networks import random_statistics


@torch.no_grad()
@pytest.mark.skipif(not computes_in("bfloat16", "cpu"), reason="the processor has no bfloat16 instructions")
def test_half_precision_inside_float32_outside() -> None:
    torch.manual_seed(0)
    network = random_statistics(dimpnet_lite0(backbone_pretrained=False, bb_regressor=True))
    low = prepare(network, dtype="bfloat16")
    x = torch.randn(1, 3, 96, 96)
    expected, found = network.extract_backbone_features(x), low.extract_backbone_features(x)  # type: ignore[operator]
    for name, layer in expected.items():
        assert found[name].dtype == torch.float32
        difference = float((found[name] - layer).std() / layer.std())
        assert 1e-4 < difference < 0.05  # 8 bits a number, some dozens of layers
    classified = low.extract_classification_feat(found)
    regressed = low.bb_regressor.get_iou_feat(low.get_backbone_bbreg_feat(found))
    assert {tensor.dtype for tensor in (classified, *regressed)} == {torch.float32}


def test_what_a_gpu_emulates_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its compute capability: torch says that bfloat16 works from 5.0 on, and has it from 8.0 on."""
    asked = []

    @contextlib.contextmanager
    def current(device: str) -> Iterator[None]:
        asked.append(device)
        yield

    def is_supported(including_emulation: bool = True) -> bool:
        return including_emulation or capability >= (8, 0)

    monkeypatch.setattr(torch.cuda, "device", current)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_supported)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    kinds = ("float16", "bfloat16", "tf32")
    for capability, has in (((5, 2), []), ((7, 5), ["float16"]), ((8, 0), [*kinds])):  # noqa: B007
        assert [dtype for dtype in kinds if computes_in(dtype, "cuda:1")] == has
    assert set(asked) == {"cuda:1"}


def test_what_the_processor_lacks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    with pytest.raises(InputError, match="bfloat16, which 'cpu' lacks; use the dtype float32"):
        compute_in(torch.nn.Identity(), "bfloat16", "cpu")
    with pytest.raises(InputError, match="float16, which 'cpu' lacks"):
        compute_in(torch.nn.Identity(), "float16", "cpu")
    with pytest.raises(InputError, match="tf32, which 'cpu' lacks; use the dtype float32"):
        compute_in(torch.nn.Identity(), "tf32", "cpu")
    with pytest.raises(InputError, match="float32, tf32, bfloat16, float16, found 'int8'"):
        compute_in(torch.nn.Identity(), "int8", "cpu")


CPU = torch.device("cpu")
NEW = hasattr(torch.backends, "fp32_precision")  # torch's settings for each library, from 2.9 on
newer = pytest.mark.skipif(not NEW, reason="torch has one setting for each library from 2.9 on")


def settings() -> dict[str, Any]:
    """Everything that decides about products and convolutions of float32 tensors."""
    backends: Any = torch.backends
    reads: dict[str, Callable[[], Any]] = {
        "convolutions": lambda: backends.cudnn.allow_tf32,
        "products": torch.get_float32_matmul_precision,
        "autocast": lambda: torch.is_autocast_enabled("cpu"),
    }
    if NEW:
        owners = (backends, backends.cudnn, backends.cudnn.conv, backends.cudnn.rnn, backends.cuda.matmul)
        for number, owner in enumerate((*owners, backends.mkldnn, backends.mkldnn.conv, backends.mkldnn.matmul)):
            reads[f"fp32_precision {number}"] = lambda owner=owner: owner.fp32_precision  # type: ignore[misc]
    found = {}
    for name, read in reads.items():
        try:
            found[name] = read()
        except RuntimeError:  # one interface was used after the other, and they do not say the same
            found[name] = "inconsistent"
    return found


@pytest.fixture
def original() -> Iterator[dict[str, Any]]:
    before = settings()
    yield before
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = True
    if NEW:
        backends: Any = torch.backends
        backends.fp32_precision = "none"
        for owner in (backends.cuda.matmul, backends.mkldnn.matmul, backends.mkldnn.conv):
            owner.fp32_precision = "none"
    assert settings() == before


def assert_ieee() -> None:
    backends: Any = torch.backends
    assert not backends.cudnn.allow_tf32
    assert not backends.cuda.matmul.allow_tf32
    assert torch.get_float32_matmul_precision() == "highest"
    assert not torch.is_autocast_enabled("cpu")
    for owner in (backends.cudnn.conv, backends.mkldnn.conv) if NEW else ():
        assert owner.fp32_precision == "ieee"
    for owner in (backends.cuda.matmul, backends.mkldnn.matmul) if NEW else ():
        assert owner.fp32_precision in ("ieee", "none")


def _set(*path: str) -> Callable[[], None]:
    *names, value = path

    def apply() -> None:
        owner: Any = torch.backends
        for name in names:
            owner = getattr(owner, name)
        owner.fp32_precision = value

    return apply


CALLERS = [
    pytest.param(lambda: None, id="defaults"),
    pytest.param(lambda: torch.set_float32_matmul_precision("high"), id="high"),
    pytest.param(lambda: torch.set_float32_matmul_precision("medium"), id="medium"),
    pytest.param(lambda: setattr(torch.backends.cudnn, "allow_tf32", False), id="no TF32"),
    pytest.param(_set("tf32"), marks=newer, id="all"),
    pytest.param(_set("cudnn", "conv", "tf32"), marks=newer, id="cudnn tf32"),
    pytest.param(_set("cudnn", "conv", "none"), marks=newer, id="cudnn none"),
    pytest.param(_set("cuda", "matmul", "tf32"), marks=newer, id="matmul"),
    pytest.param(_set("mkldnn", "conv", "bf16"), marks=newer, id="oneDNN convolutions"),
    pytest.param(_set("mkldnn", "matmul", "bf16"), marks=newer, id="oneDNN products"),
]


@pytest.mark.parametrize("caller", CALLERS)
def test_float32_is_ieee_within_whatever_the_process_allows(
    caller: Callable[[], None], original: dict[str, Any]
) -> None:
    caller()
    before = settings()
    with float32_arithmetic(CPU):
        assert_ieee()
        with float32_arithmetic(CPU):
            assert_ieee()
        assert_ieee()
    assert settings() == before
    with pytest.raises(KeyError), float32_arithmetic(CPU):
        raise KeyError
    assert settings() == before


@newer
def test_a_setting_that_was_inherited_is_inherited_again(original: dict[str, Any]) -> None:
    backends: Any = torch.backends
    backends.fp32_precision = "tf32"
    with float32_arithmetic(CPU):
        pass
    backends.fp32_precision = "ieee"
    assert backends.mkldnn.conv.fp32_precision == backends.cuda.matmul.fp32_precision == "ieee"


def test_autocast_is_off_within_and_on_again_after() -> None:
    weight = torch.randn(8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        with float32_arithmetic(CPU):
            assert (weight @ weight).dtype == torch.float32
        assert (weight @ weight).dtype == torch.bfloat16


def test_threads_that_overlap_leave_nothing_behind(original: dict[str, Any]) -> None:
    first_is_in, second_is_in, first_is_out = (threading.Event() for _ in range(3))
    seen = []

    def first() -> None:
        with float32_arithmetic(CPU):
            first_is_in.set()
            second_is_in.wait(60)
        first_is_out.set()

    def second() -> None:
        first_is_in.wait(60)
        with float32_arithmetic(CPU):
            second_is_in.set()
            first_is_out.wait(60)
            seen.append(torch.backends.cudnn.allow_tf32)

    threads = [threading.Thread(target=function) for function in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert seen == [False]
    assert settings() == original


def test_methods_compute_in_float32() -> None:
    class Tracker:
        device = CPU

        @in_float32
        def track(self, number: int) -> int:
            """Track."""
            assert_ieee()
            return number

    assert Tracker().track(3) == 3
    assert Tracker.track.__doc__ == "Track."


class Probe(torch.nn.Module):
    """Notes whether convolutions may be TF32."""

    def __init__(self, fails: bool = False) -> None:
        super().__init__()
        self.fails = fails
        self.allowed: list[bool] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.allowed.append(torch.backends.cudnn.allow_tf32)
        assert torch.get_float32_matmul_precision() == "highest"
        if self.fails:
            raise KeyError
        return x


@pytest.fixture
def _tf32_on_paper(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings can be seen without a GPU, which their effect cannot."""
    monkeypatch.setattr("ltr.inference.precision.computes_in", lambda dtype, device: True)


@pytest.mark.usefixtures("_tf32_on_paper")
def test_tf32_is_on_inside_its_part_alone(original: dict[str, Any]) -> None:
    part, failing, other = Probe(), Probe(fails=True), Probe()
    compute_in(part, "tf32", "cpu")
    compute_in(failing, "tf32", "cpu")
    with float32_arithmetic(CPU):
        x = other(part(torch.ones(1)))
        with pytest.raises(KeyError):
            failing(x)
        other(part(x))
        assert_ieee()
    assert (part.allowed, failing.allowed, other.allowed) == ([True, True], [True], [False, False])
    assert x.dtype == torch.float32
    assert settings() == original


@pytest.mark.usefixtures("_tf32_on_paper")
@torch.no_grad()
@pytest.mark.parametrize("make", [partial(dimpnet_lite0, bb_regressor=True), mdnet_lite0, mdnet])
def test_parts_of_a_network_in_tf32(make: Callable[..., Any], original: dict[str, Any]) -> None:
    """Convolutions in front of what learns online, and of the boxes; not the filter and not what comes after them."""
    network = (make() if make is mdnet else make(backbone_pretrained=False)).eval()
    prepared = prepare(network, "cpu", "tf32")
    allowed: dict[str, bool] = {}
    for name, module in prepared.named_modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_pre_hook(
                lambda *_, name=name: allowed.update({name: torch.backends.cudnn.allow_tf32})
            )
    image = torch.randn(1, 3, 160, 160)
    with float32_arithmetic(CPU):
        if hasattr(prepared, "extract_roi_features"):
            prepared.extract_roi_features(image, torch.tensor([[0.0, 10, 10, 100, 100]]))
        else:
            backbone = prepared.extract_backbone_features(image)
            prepared.extract_classification_feat(backbone)
            layers = prepared.get_backbone_bbreg_feat(backbone)
            box = torch.tensor([[30.0, 30, 40, 50]])
            prepared.bb_regressor.iou_in(prepared.bb_regressor.get_modulation(layers, box), layers)(box[None])
        assert_ieee()
    outside = {name for name, on in allowed.items() if not on}
    assert len(allowed) - len(outside) >= 3
    assert not any(name.startswith(("feature_extractor", "layers")) for name in outside)
    assert settings() == original
