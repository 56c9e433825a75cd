import json
import math
import os
import signal
import time
from pathlib import Path

import pytest
import torch

from ltr.admin.loading import load_network
from ltr.run_training import main
from tests.ltr.trainers import runs
from tests.ltr.trainers.toy import Options, ToyActor, ToySet, toy_net

# 22 samples in batches of 4: 5 iterations an epoch, and 2 samples that fill no batch.
EVERY_TWO = "checkpoint_interval=2"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Networks and state of a training that nothing happened to."""
    workspace = tmp_path_factory.mktemp("undisturbed")
    assert runs.train(workspace) == 0
    return runs.networks_of(workspace), runs.state_of(workspace)


def assert_equal(workspace, undisturbed):
    """The same networks and the same state, bit for bit."""
    assert not runs.first_difference((runs.networks_of(workspace), runs.state_of(workspace)), undisturbed)
    record = json.loads((runs.toy_folder(workspace) / "training.json").read_text())
    assert record["epochs_done"] == 3
    assert not list(runs.toy_folder(workspace).glob(".*"))


@pytest.mark.parametrize(
    "event",
    [
        ("signal_before_step", "SIGKILL", 1),
        ("signal_before_step", "SIGKILL", 5),
        ("signal_before_step", "SIGKILL", 9),
        ("signal_in_validation", "SIGKILL"),
        *(("kill_before_replacing", number) for number in range(2, 11)),
        *(("kill_in_state", number) for number in (1, 3, 4)),
    ],
    ids=lambda event: "-".join(map(str, event)),
)
def test_killed_and_continued(tmp_path, undisturbed, event):
    assert runs.train(tmp_path, EVERY_TWO, event=event) == -signal.SIGKILL
    assert runs.train(tmp_path, EVERY_TWO) == 0
    assert_equal(tmp_path, undisturbed)


def test_killed_again_and_again(tmp_path, undisturbed):
    results = []
    while not results or results[-1] != 0:
        results.append(runs.train(tmp_path, EVERY_TWO, event=("signal_before_step", "SIGKILL", 4)))
    # Of three iterations between two kills, two or three are kept.
    assert results == [-signal.SIGKILL] * (len(results) - 1) + [0]
    assert 4 <= len(results) <= 7
    assert_equal(tmp_path, undisturbed)


def test_killed_from_outside_with_workers(tmp_path, undisturbed):
    process = runs.start(tmp_path, EVERY_TWO, "num_workers=2", "seconds=0.02")
    state = runs.toy_folder(tmp_path) / "state.pt"
    while not state.exists():
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert runs.finish(process) == -signal.SIGKILL
    assert runs.train(tmp_path, "num_workers=1", "seconds=0.02") == 0  # though the orphans may still be there
    # The option `seconds` is in the files of the networks, which are as equal as the state in what counts.
    assert not runs.first_difference(runs.state_of(tmp_path), undisturbed[1])
    assert runs.networks_of(tmp_path).keys() == undisturbed[0].keys()


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_asked_to_stop(tmp_path, undisturbed, name):
    assert runs.train(tmp_path, event=("signal_before_step", name, 7)) == 128 + signal.Signals[name]
    assert f"stopped by {name}; the state is saved" in (tmp_path / "log0.txt").read_text()
    state = runs.state_of(tmp_path)
    assert (state["epoch"], state["iteration"]) == (2, 2)  # the step under way was ended
    assert runs.train(tmp_path) == 0
    assert "continuing in epoch 2, after 2 of 5 iterations" in (tmp_path / "log0.txt").read_text()
    assert_equal(tmp_path, undisturbed)


def test_asked_to_stop_in_the_validation(tmp_path, undisturbed):
    assert runs.train(tmp_path, event=("signal_in_validation", "SIGTERM")) == 128 + signal.SIGTERM
    state = runs.state_of(tmp_path)
    assert (state["epoch"], state["iteration"]) == (2, 5)
    assert runs.train(tmp_path) == 0
    assert_equal(tmp_path, undisturbed)


@pytest.mark.parametrize("size", [2000, 0])
def test_no_room(tmp_path, undisturbed, size):
    """The limit is below the size of the state, or of everything, from the sixth iteration on."""
    assert runs.train(tmp_path, EVERY_TWO, event=("no_room_at_step", 6, size)) == 1
    text = (tmp_path / "log0.txt").read_text() if size else "File too large"  # the log has no room either
    assert "File too large" in text
    if size:
        assert "cannot write" in text
        assert "what was written before is intact" in text
    assert runs.state_of(tmp_path)["epoch"] == 2
    assert not list(runs.toy_folder(tmp_path).glob(".*"))
    assert runs.train(tmp_path, EVERY_TWO) == 0
    assert_equal(tmp_path, undisturbed)


def test_two_processes_are_one(tmp_path):
    """Differences come from the order of summation: a few units in the last place, in each of nine steps."""
    settings = ("dropout=0", "epochs=3", "num_samples=26")
    assert runs.train_together(tmp_path / "two", *settings, "batch_size=4") == [0, 0]
    assert runs.train(tmp_path / "one", *settings, "batch_size=8") == 0
    two, one = (runs.state_of(tmp_path / name) for name in ("two", "one"))
    torch.testing.assert_close(two["actor"], one["actor"], rtol=1e-4, atol=1e-5)
    assert [entry["samples"] for entry in two["history"]] == [24, 24, 24]
    for mine, other in zip(two["history"], one["history"], strict=True):
        assert mine["train"] == pytest.approx(other["train"], rel=1e-4)
    assert two["history"][1]["val"] == pytest.approx(one["history"][1]["val"], rel=1e-4)


def test_one_of_two_is_asked_to_stop(tmp_path):
    event = ("signal_before_step", "SIGTERM", 4)
    assert runs.train_together(tmp_path / "a", "epochs=2") == [0, 0]
    assert runs.train_together(tmp_path / "b", "epochs=2", event=event) == [143, 143]
    assert runs.train_together(tmp_path / "b", "epochs=2") == [0, 0]
    networks, others = runs.networks_of(tmp_path / "a"), runs.networks_of(tmp_path / "b")
    assert not runs.first_difference(networks, others)


@pytest.fixture
def one_thread():
    """As many as the other processes have: sums depend on it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_a_training_in_this_process_is_the_same(tmp_path, undisturbed):
    torch.rand(5)  # what was drawn before has no influence
    assert main([runs.SETTINGS, f"workspace={tmp_path}", "num_workers=1"]) == 0
    assert_equal(tmp_path, undisturbed)


def test_by_hand(undisturbed):
    """The first epoch's losses, from the definition of where randomness comes from."""
    from ltr.trainers.randomness import Stream, derive_seed, seed_everything

    options = Options()
    seed_everything(derive_seed(0, Stream.BUILD))
    actor, data = ToyActor(toy_net()), ToySet(options)
    optimizer = torch.optim.Adam(actor.parameters())
    optimizer.param_groups[0]["lr"] = 0.05
    groups = [[actor.net[0].weight, actor.net[0].bias], [*actor.net[2].parameters(), *actor.net[4].parameters()]]
    optimizer = torch.optim.Adam([{"params": groups[0], "lr": 0.05}, {"params": groups[1], "lr": 0.025}])
    order = torch.randperm(22, generator=torch.Generator().manual_seed(derive_seed(0, Stream.ORDER, 1)))
    losses = []
    actor.train()
    for step, indices in enumerate(order[:20].view(5, 4).tolist()):
        samples = []
        for index in indices:
            seed_everything(derive_seed(0, Stream.SAMPLE, 1, index))
            samples.append(data[index])
        seed_everything(derive_seed(0, Stream.STEP, 1, step, 0))
        loss, _ = actor({key: torch.stack([sample[key] for sample in samples]) for key in ("x", "y")})
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    _, state = undisturbed
    assert state["history"][0]["train"]["loss"] == sum(losses) / 5
    assert state["history"][0]["learning_rates"] == {"first": 0.05, "rest": 0.025}
    assert [entry["learning_rates"]["first"] for entry in state["history"]] == [0.05, 0.05, 0.025]


def test_network_of_an_epoch(tmp_path):
    arguments = [runs.SETTINGS, f"workspace={tmp_path}", "name=short", "keep_checkpoints=2"]
    assert main(arguments) == 0
    folder = runs.toy_folder(tmp_path, "toy_short")
    assert sorted(path.name for path in folder.glob("ToyNet*")) == [
        f"ToyNet_ep000{epoch}.{kind}" for epoch in (2, 3) for kind in ("json", "safetensors")
    ]
    toy = {"constructor_fun_name": "toy_net", "constructor_module": runs.SETTINGS}
    net, content = load_network(folder, **toy)
    assert content["epoch"] == 3
    assert content["constructor"]["kwds"] == {"dropout": 0.3}
    state = torch.load(folder / "state.pt", weights_only=True)
    torch.testing.assert_close({f"net.{key}": value for key, value in net.state_dict().items()}, state["actor"])
    record = json.loads((folder / "ToyNet_ep0002.json").read_text())
    assert (record["epoch"], record["seed"], record["options"]["lr"]) == (2, 0, 0.05)
    assert record["result"].keys() >= {"train", "val", "learning_rates", "samples", "bad_samples"}
    assert record["session"]["environment"]["versions"]["torch"] == torch.__version__.split("+")[0]
    assert "val" not in json.loads((folder / "ToyNet_ep0003.json").read_text())["result"]


def test_loss_that_is_not_finite(tmp_path, capsys):
    assert main([runs.SETTINGS, f"workspace={tmp_path}", "nan=7"]) == 1
    error = capsys.readouterr().err
    assert "the loss became nan in epoch 1, iteration" in error
    assert "point-7" in error
    assert not runs.networks_of(tmp_path)


def test_batch_normalization_of_one_sample(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(ToyActor, "train", torch.nn.Module.train)  # the toy's layer learns its statistics, as in DiMP
    assert main([runs.SETTINGS, f"workspace={tmp_path}", "batch_size=1"]) == 1
    error = capsys.readouterr().err
    assert (
        "error: batch normalization needs more than one sample at a time, found batch_size=1; give batch_size=" in error
    )
    assert main([runs.SETTINGS, f"workspace={tmp_path}", "batch_size=2", "epochs=1", "--restart"]) == 0


def test_unreadable_samples(tmp_path, capsys):
    words = [runs.SETTINGS, f"workspace={tmp_path}", "num_samples=24", "bad=2,3,5"]  # 3 of 27 tries
    assert main([*words, "epochs=1", "max_bad_share=0.12"]) == 0
    assert "3 samples could not be read" in capsys.readouterr().err
    history = runs.state_of(tmp_path)["history"]
    assert [(entry["samples"], entry["bad_samples"]) for entry in history] == [(24, 3)]
    assert main([*words, "epochs=1", "max_bad_share=0.1", "--restart"]) == 1
    assert "3 of 27 samples of epoch 1 could not be read: 11.1%" in capsys.readouterr().err


def test_unreadable_samples_of_the_validation(tmp_path):
    words = [runs.SETTINGS, f"workspace={tmp_path}", "bad=1,2,3", "val_interval=1", "epochs=1"]
    assert main([*words, "max_bad_share=0.14"]) == 0  # 3 of 25 tries, and 3 of 23 at most in the training
    assert runs.state_of(tmp_path)["history"][0]["val_bad_samples"] == 3


def test_state_that_could_not_be_read_back(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("ltr.trainers.trainer.Trainer.state", lambda self: {"path": Path()})
    assert main([runs.SETTINGS, f"workspace={tmp_path}"]) == 2
    assert "the state of the training holds pathlib." in capsys.readouterr().err
    assert not (runs.toy_folder(tmp_path) / "state.pt").exists()


def test_precision(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("ltr.trainers.trainer.computes_in", lambda dtype, device: True)  # or emulates it
    assert main([runs.SETTINGS, f"workspace={tmp_path}", "amp=bfloat16", "epochs=2"]) == 0
    loss = runs.state_of(tmp_path)["history"][1]["train"]["loss"]
    assert main([runs.SETTINGS, f"workspace={tmp_path}", "epochs=2", "name=full"]) == 0
    full = torch.load(runs.toy_folder(tmp_path, "toy_full") / "state.pt", weights_only=True)
    expected = full["history"][1]["train"]["loss"]
    assert loss != expected
    assert math.isclose(loss, expected, rel_tol=0.1)  # 8 bits of mantissa
    if not torch.cuda.is_available():
        assert main([runs.SETTINGS, f"workspace={tmp_path}", "amp=float16", "name=half"]) == 2
        assert "amp=float16 needs a GPU" in capsys.readouterr().err
    monkeypatch.setattr("ltr.trainers.trainer.computes_in", lambda dtype, device: False)
    assert main([runs.SETTINGS, f"workspace={tmp_path}", "amp=bfloat16", "name=slow"]) == 2
    assert "amp=bfloat16 needs a processor with instructions for it" in capsys.readouterr().err


def test_gradient_is_clipped(tmp_path):
    """Adam does not see a common factor of all gradients; SGD would not move at all with a norm this small."""
    from ltr.trainers.folder import TrainingFolder
    from ltr.trainers.processes import Processes
    from ltr.trainers.trainer import Trainer
    from tests.ltr.trainers.toy import build

    options = Options(clip_grad_norm=1e-3)
    trainer = Trainer(build(options), options, TrainingFolder(tmp_path, "a", "b"), Processes(torch.device("cpu")), {})
    indices, batch = next(trainer.train_loader.epoch(1))
    trainer.step(indices, batch)
    gradients = torch.cat([parameter.grad.flatten() for parameter in trainer.actor.parameters()])
    assert gradients.norm().item() == pytest.approx(1e-3, rel=1e-3)


def test_curves(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    assert main([runs.SETTINGS, f"workspace={tmp_path}", "tensorboard=true"]) == 0
    folder = tmp_path / "tensorboard" / "ltr" / "tests.ltr.trainers" / "toy"
    events = accumulator.EventAccumulator(str(folder)).Reload()
    assert set(events.Tags()["scalars"]) >= {"train/loss", "val/loss", "learning_rate/first", "data_share"}
    assert [event.step for event in events.Scalars("train/loss")] == [1, 2, 3]
    assert [event.step for event in events.Scalars("val/loss")] == [2]


def test_without_tensorboard(tmp_path, capsys, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    assert main([runs.SETTINGS, f"workspace={tmp_path}", "epochs=1", "tensorboard=true"]) == 0
    assert "install the extra `train`: pip install 'rls-onlinetrack[train]'" in capsys.readouterr().err
