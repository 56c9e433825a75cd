"""The MDNet trainings: values, an iteration of each on generated data, and steps on summed gradients."""

from pathlib import Path

import pytest
import torch

from ltr.admin.loading import build_network
from ltr.common.errors import InputError
from ltr.models.tracking.mdnet import mdnet
from ltr.train_settings.mdnet import rtmdnet, rtmdnet_lite
from ltr.train_settings.mdnet._accumulation import AccumulatedSGD
from ltr.train_settings.mdnet._base import start_from
from ltr.trainers.options import parse_overrides
from tests.ltr.train_settings.generated import make_tracks


def test_values_of_the_published_training() -> None:
    options = rtmdnet.Options()
    assert (options.num_frames, options.num_positive, options.num_negative) == (8, 32, 96)
    assert (options.learning_rate, options.momentum, options.weight_decay) == (1e-4, 0.9, 5e-4)
    assert (options.accumulate, options.max_sum_norm) == (50, 10)
    assert (options.embedding_weight, options.embedding_domains) == (0.1, 100)
    assert options.train_data == ("vid_train",)


@pytest.mark.parametrize("settings", [rtmdnet, rtmdnet_lite])
def test_one_iteration(settings: object, tmp_path: Path) -> None:
    data = make_tracks(tmp_path)
    torch.manual_seed(0)
    small = ["num_frames=2", "num_positive=4", "num_negative=8", "embedding_from=0", "accumulate=1", "start_from=none"]
    small += ["backbone_pretrained=false"] if settings is rtmdnet_lite else []
    task = settings.build(parse_overrides(settings.Options, [f"train_data=folder_train:{data}", *small]))
    assert len(task.actor.net.branches) == len(task.train_set) == 2
    batch = task.collate([task.train_set[index] for index in range(2)])
    loss, stats = task.actor.train()(batch)
    loss.backward()
    assert stats["loss/embedding"] > 0
    trained = [p for p in task.actor.parameters() if p.requires_grad]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in trained)
    optimizer = task.optimizer([{"params": trained}])
    before = [p.detach().clone() for p in trained]
    optimizer.step()
    assert all(not torch.equal(a, b) for a, b in zip(before, trained, strict=True))
    rebuilt = build_network(task.architecture, **task.architecture_kwargs)
    rebuilt.load_state_dict(task.actor.net.state_dict())


def test_lite_backbone_stays_as_it_is(tmp_path: Path) -> None:
    options = [f"train_data=folder_train:{make_tracks(tmp_path)}", "backbone_pretrained=false"]
    task = rtmdnet_lite.build(parse_overrides(rtmdnet_lite.Options, options))
    names = [name for name, p in task.actor.net.named_parameters() if p.requires_grad]
    assert {name.split(".")[0] for name in names} == {"layers", "branches"}
    modules = task.actor.train().net.feature_extractor.modules()
    assert not any(module.training for module in modules if isinstance(module, torch.nn.BatchNorm2d))


def test_start_from_a_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    published, net = mdnet(), mdnet(num_branches=3)
    path = tmp_path / "rt-mdnet.pth"
    torch.save({"shared_layers": published.layers.state_dict()}, path)
    last = net.branches[2][1].weight.clone()
    start_from(net, path)
    assert torch.equal(net.layers.conv2[0].weight, published.layers.conv2[0].weight)
    assert torch.equal(net.layers.fc4[0].weight, published.layers.fc4[0].weight)
    assert torch.equal(net.branches[2][1].weight, last)


def test_missing_start_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTRACKING_NETWORK_PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"imagenet-vgg-m\.mat.*\n.*start_from=none"):
        rtmdnet.build(rtmdnet.Options(train_data=(f"folder_train:{make_tracks(tmp_path / 'data')}",)))


def gradient_steps(optimizer: torch.optim.Optimizer, parameter: torch.nn.Parameter, gradients: list[float]) -> None:
    for gradient in gradients:
        parameter.grad = torch.tensor([gradient])
        optimizer.step()
        parameter.grad = None


def test_steps_on_summed_gradients_equal_sgd_on_the_sums() -> None:
    settings = {"momentum": 0.9, "weight_decay": 0.1}
    ours, plain = (torch.nn.Parameter(torch.ones(1)) for _ in range(2))
    optimizer = AccumulatedSGD([ours], 0.1, accumulate=3, max_norm=2.0, **settings)
    gradient_steps(optimizer, ours, [0.1, 0.2])
    assert ours.item() == 1
    stopped = optimizer.state_dict()
    optimizer = AccumulatedSGD([ours], 0.1, accumulate=3, max_norm=2.0, **settings)
    optimizer.load_state_dict(stopped)
    gradient_steps(optimizer, ours, [0.3, 1.0, -5.0, -6.0, 0.7])
    gradient_steps(torch.optim.SGD([plain], 0.1, **settings), plain, [0.6, -2.0])  # the second sum is clipped
    torch.testing.assert_close(ours, plain)
