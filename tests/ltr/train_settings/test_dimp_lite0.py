import pytest
import torch

from ltr.models.tracking.dimpnet import dimpnet_lite0
from ltr.train_settings.dimp.dimp_lite0 import ARCHITECTURE, Options, begin_untrained, build
from ltr.trainers.task import TrainingTask
from tests.ltr.train_settings.generated import make_tracks


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> TrainingTask:
    root = tmp_path_factory.mktemp("lite")
    options = Options(
        synthetic_tracks=2,
        sequences=make_tracks(root / "train", 1),
        val_sequences=make_tracks(root / "val", 1),
        crops_per_sequence=8,
        val_crops_per_sequence=8,
        cache=root / "cache",
        samples_per_epoch=4,
        batch_size=2,
        epochs=1,
    )
    return build(options)


def test_one_iteration_runs_and_reaches_every_trained_parameter(task: TrainingTask) -> None:
    torch.manual_seed(0)
    batch = task.collate([task.train_set[0], task.train_set[1]])
    loss, stats = task.actor(batch)
    loss.backward()
    assert torch.isfinite(loss)
    assert {"loss/iou", "loss/clf_final", "iou/chosen"} <= set(stats)
    groups = task.parameter_groups
    assert groups is not None
    trained = [parameter for group in groups for parameter in group["params"]]
    assert all(parameter.grad is not None for parameter in trained)
    wanted = {id(p) for p in task.actor.parameters() if p.requires_grad}
    assert {id(p) for p in trained} == wanted
    assert len(trained) == len(wanted)


def test_backbone_is_frozen(task: TrainingTask) -> None:
    assert not any(p.requires_grad for p in task.actor.net.feature_extractor.parameters())  # type: ignore[union-attr]


def test_learning_rate_rises_and_falls_within_the_epochs(task: TrainingTask) -> None:
    optimizer = task.optimizer(task.parameter_groups or [])
    assert task.schedule is not None
    schedule = task.schedule(optimizer)
    rates = []
    for _ in range(2):  # iterations of one epoch of four samples
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates[-1] <= Options().learning_rate
    assert task.schedule_step == "iteration"


def test_training_starts_where_the_untrained_classifier_is() -> None:
    torch.manual_seed(0)
    net, untrained = dimpnet_lite0(**ARCHITECTURE).eval(), dimpnet_lite0().eval()
    begin_untrained(net)
    train, test = torch.randn(3, 1, 112, 18, 18).relu(), torch.randn(1, 1, 112, 18, 18).relu()
    boxes = torch.tensor([100.0, 110, 70, 60]).expand(3, 1, 4)
    with torch.no_grad():
        scores, expected = net.classifier(train, test, boxes)[-1], untrained.classifier(train, test, boxes)[-1]
    assert torch.corrcoef(torch.stack((scores.flatten(), expected.flatten())))[0, 1] > 0.9
