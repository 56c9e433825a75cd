"""The DiMP trainings: values of the published ones, and an iteration of each on generated data."""

from pathlib import Path

import pytest
import torch

from ltr.common.errors import InputError
from ltr.train_settings.dimp import dimp18, dimp50, dimp50_got10k, super_dimp
from ltr.train_settings.dimp._base import DiMPOptions, make_processing
from ltr.trainers.options import parse_overrides
from tests.ltr.train_settings.generated import make_tracks

SMALL = ["backbone_pretrained=false", "val_data=", "train_samples=2", "train_weights=1", "feature_size=6"]


def test_values_of_the_published_training() -> None:
    options = dimp50.Options()
    assert (options.epochs, options.batch_size, options.train_samples, options.val_samples) == (50, 10, 26000, 5000)
    assert options.val_interval == 5
    assert options.train_data == ("lasot_train", "got10k_vottrain", "trackingnet_train", "coco_train")
    assert options.train_weights == (0.25, 1, 1, 1)
    assert options.val_data == ("got10k_votval",)
    processing = make_processing(options)
    assert (processing.output_size, processing.search_area_factor) == (288, 5)
    assert processing.label_sigma == pytest.approx(0.9)
    assert (processing.train_jitter.center, processing.train_jitter.scale) == (3, 0.25)
    assert (processing.test_jitter.center, processing.test_jitter.scale) == (4.5, 0.5)
    assert (processing.gray_probability, processing.brightness_jitter, processing.flip_probability) == (0.05, 0.2, 0)
    assert (processing.num_proposals, processing.min_proposal_iou) == (8, 0.1)


def test_differences_of_the_others() -> None:
    assert (dimp18.Options().batch_size, dimp18.Options().lr_boxes, dimp18.Options().lr_backbone) == (26, 1e-3, 2e-4)
    got10k = dimp50_got10k.Options()
    assert (got10k.train_data, got10k.train_weights, got10k.val_data) == (("got10k_train",), (1,), ("got10k_val",))
    assert got10k.lr_boxes == dimp50.Options().lr_boxes


def test_values_of_super_dimp() -> None:
    options = super_dimp.Options()
    assert (options.epochs, options.batch_size, options.train_samples, options.val_samples) == (50, 20, 40000, 10000)
    assert (options.train_weights, options.max_gap) == ((1, 1, 1, 1), 200)
    assert (options.iou_weight, options.initial_weight, options.intermediate_weight) == (0.01, 100, 400)
    assert (options.lr_boxes, options.lr_backbone, options.lr_step, options.lr_gamma) == (1e-3, 2e-5, 15, 0.2)
    processing = make_processing(options)
    assert (processing.output_size, processing.search_area_factor, processing.num_proposals) == (352, 6, 128)
    assert processing.label_sigma == pytest.approx(22 / 24)
    assert (processing.train_jitter.center, processing.test_jitter.center) == (3, 5.5)


@pytest.mark.parametrize(
    "wrong", ["max_scale_change=0.9", "flip_probability=1.5", "density_sigma=0", "num_proposals=0"]
)
def test_options_of_super_dimp_of_no_use_are_named(wrong: str) -> None:
    name = wrong.split("=", maxsplit=1)[0]
    with pytest.raises(InputError, match=rf"expected {name} .*, found {name}="):
        parse_overrides(super_dimp.Options, [wrong])


def test_every_data_set_has_its_weight() -> None:
    with pytest.raises(InputError, match="train_data=got10k_train train_weights=1"):
        parse_overrides(dimp50.Options, ["train_data=got10k_train"])


def test_data_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTRACKING_CONFIG", str(tmp_path / "local.toml"))
    with pytest.raises(InputError, match="PYTRACKING_GOT10K_PATH"):
        dimp50_got10k.build(dimp50_got10k.Options(backbone_pretrained=False))


@pytest.mark.parametrize(
    ("settings", "architecture"), [(dimp18, "dimpnet18"), (dimp50, "dimpnet50"), (super_dimp, "dimpnet50")]
)
def test_one_iteration(settings: object, architecture: str, tmp_path: Path) -> None:
    data = make_tracks(tmp_path)
    torch.manual_seed(0)
    options: DiMPOptions = parse_overrides(settings.Options, [f"train_data=folder_train:{data}", *SMALL])
    task = settings.build(options)
    assert (task.architecture, task.val_set) == (architecture, None)
    batch = task.collate([task.train_set[0], task.train_set[1]])
    assert ("target_density" in batch) == (settings is super_dimp)
    optimizer = task.optimizer(task.parameter_groups)
    schedule = task.schedule(optimizer)
    names = {"initializer": 5e-5, "optimizer": 5e-4, "features": 5e-5, "boxes": options.lr_boxes}
    names["backbone"] = options.lr_backbone
    assert {group["name"]: group["lr"] for group in optimizer.param_groups} == names

    loss, stats = task.actor.train()(batch)
    loss.backward()
    assert loss.isfinite()
    assert stats.keys() >= {"loss/iou", "loss/clf_final", "loss/clf_initial", "loss/clf_intermediate"}
    trained = [p for p in task.actor.parameters() if p.requires_grad]
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(trained)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in trained)  # none is left out
    before = [p.detach().clone() for p in trained]
    optimizer.step()
    assert all(not torch.equal(a, b) for a, b in zip(before, trained, strict=True))

    for _ in range(15):
        schedule.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(1e-5)
