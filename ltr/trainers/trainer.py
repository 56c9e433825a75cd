"""The training loop: epochs of steps and validations, which can stop anywhere and continue as if they had not."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ltr.common.errors import InputError
from ltr.common.interruption import Ending, noting
from ltr.inference.precision import computes_in
from ltr.trainers.averages import Averages, StepSummary, summarize
from ltr.trainers.batches import BatchLoader
from ltr.trainers.folder import TrainingFolder
from ltr.trainers.options import TrainingOptions
from ltr.trainers.processes import Processes
from ltr.trainers.randomness import SeededDataset, Stream, derive_seed, seed_everything
from ltr.trainers.reporting import Clock, Curves, Progress, duration, stats_text
from ltr.trainers.task import TrainingTask

MIN_TRIED = 200  # samples before the share of bad ones counts, inside an epoch
VALIDATION_EPOCH = 0  # the samples of every validation are those of this epoch


class TrainingError(RuntimeError):
    """The training cannot go on: a loss that is not finite, too many samples that cannot be read."""


class Trainer:
    """Trains a task; its state is what `state` returns, everything else follows from the options."""

    def __init__(
        self,
        task: TrainingTask,
        options: TrainingOptions,
        folder: TrainingFolder,
        processes: Processes,
        record: dict[str, Any],  # what training.json holds, besides how far the training is
    ) -> None:
        """Raises InputError for options that do not fit the device or the data."""
        check_precision(options, processes.device)
        self.task, self.options, self.folder, self.processes, self.record = task, options, folder, processes, record
        self.actor = task.actor.to(processes.device)
        self.parallel = processes.parallel(self.actor, task.find_unused_parameters)
        trained = [parameter for parameter in self.actor.parameters() if parameter.requires_grad]
        self.optimizer = task.optimizer(task.parameter_groups or [{"params": trained}])
        self.schedule = task.schedule(self.optimizer) if task.schedule else None
        self.scaler = torch.amp.GradScaler(processes.device.type, enabled=options.amp == "float16")
        self.train_loader = self._loader(task.train_set, training=True)
        self.val_loader = self._loader(task.val_set, training=False) if task.val_set is not None else None
        self.epoch, self.iteration = 1, 0  # the epoch under way, and how many of its iterations are done
        self.averages = Averages()
        self.history: list[dict[str, Any]] = []
        self.stop = Ending()  # the signal that came, noted while `run` is under way
        self.clock, self.val_clock = Clock(), Clock()

    def run(self, progress: Progress) -> signal.Signals | None:
        """Train to the end. Returns the signal that stopped it, after its state was saved, or None.

        Raises TrainingError, and UnwritableError where a checkpoint cannot be written.
        """
        self._resume(progress)
        curves = Curves(self.folder.curves, self.options.tensorboard and self.processes.is_first, self.epoch)
        if curves.note:
            progress.say(curves.note)
        torch.backends.cudnn.benchmark = self.options.cudnn_benchmark
        with noting(self.stop), contextlib.closing(curves):
            while self.epoch <= self.options.epochs:
                if not (self._train(progress) and self._finish_epoch(progress, curves)):
                    self._save_state()
                    return self.stop.signal or signal.SIGTERM  # none here: another process was asked to stop
        return None

    def state(self) -> dict[str, Any]:
        """All that is needed to continue: tensors and plain values."""
        return {
            "epoch": self.epoch,
            "iteration": self.iteration,
            "actor": self.actor.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict() if self.schedule else None,
            "scaler": self.scaler.state_dict(),
            "averages": asdict(self.averages),
            "history": self.history,
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Continue from what `state` returned."""
        self.epoch, self.iteration = state["epoch"], state["iteration"]
        self.actor.load_state_dict(state["actor"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.schedule:
            self.schedule.load_state_dict(state["schedule"])
        if state["scaler"]:
            self.scaler.load_state_dict(state["scaler"])
        self.averages = Averages(**state["averages"])
        self.history = state["history"]

    def _resume(self, progress: Progress) -> None:
        state = self.folder.read_state()
        self.processes.wait()  # the first process writes a new state soon; the others must have read this one
        if state is not None:
            self.load_state(state)
            self._tidy()  # an earlier process may have been killed before it did
            progress.say(f"continuing in epoch {self.epoch}, after {self.iteration} of {self._num_batches} iterations")

    @property
    def _num_batches(self) -> int:
        return self.train_loader.sampler.num_batches

    def _loader(self, dataset: Dataset[Any], training: bool) -> BatchLoader:
        options, stream = self.options, Stream.SAMPLE if training else Stream.VALIDATION_SAMPLE
        seeded = SeededDataset(dataset, options.seed, stream)
        return BatchLoader(
            seeded,
            self.task.collate,
            options.batch_size,
            self.processes,
            training=training,
            num_workers=options.num_workers,
        )

    def _train(self, progress: Progress) -> bool:
        """The rest of the epoch's iterations; False where a signal came between them."""
        self.parallel.train()
        began = time.perf_counter()
        for indices, batch in self.train_loader.epoch(self.epoch, self.iteration):
            loaded = time.perf_counter()
            summary = self.step(indices, batch)
            self.averages.add(summary.stats, summary.samples, summary.bad)
            if self.averages.samples + self.averages.bad >= MIN_TRIED:
                self._check_bad_share(self.averages)
            self.clock.add(loaded - began, time.perf_counter() - began, summary.samples)
            what = f"epoch {self.epoch}/{self.options.epochs}"
            progress.show(what, self.iteration, self._num_batches, self.averages.means(), self.clock, self._time_left())
            if summary.stop:
                return False
            if self.options.checkpoint_interval and self.iteration % self.options.checkpoint_interval == 0:
                self._save_state()
            began = time.perf_counter()
        return True

    def step(self, indices: list[int], batch: Any) -> StepSummary:
        """One iteration. Raises TrainingError for a loss that is not finite."""
        self._seed(Stream.STEP, self.epoch, self.iteration)
        self.optimizer.zero_grad(set_to_none=True)
        with self._precision(), self._single_samples():
            loss, stats = self.parallel(batch)
        summary = self._summarize(loss, stats, len(indices), batch)
        if summary.not_finite:
            raise TrainingError(self._not_finite(loss, stats, indices))
        self.scaler.scale(loss).backward()
        if self.options.clip_grad_norm is not None:
            self.scaler.unscale_(self.optimizer)
            parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
            torch.nn.utils.clip_grad_norm_(parameters, self.options.clip_grad_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.schedule and self.task.schedule_step == "iteration":
            self.schedule.step()
        self.iteration += 1
        return summary

    def _finish_epoch(self, progress: Progress, curves: Curves) -> bool:
        """Validate, save, report; False where a signal came during the validation, which is then to be repeated."""
        self._check_bad_share(self.averages)
        val: dict[str, Any] = {}
        if self.val_loader is not None and self.options.val_interval and self.epoch % self.options.val_interval == 0:
            averages = self._validate(self.val_loader, progress)
            if averages is None:
                return False
            self._check_bad_share(averages, "the validation after ")
            val = {"val": averages.means(), "val_bad_samples": averages.bad}
        entry = {
            "epoch": self.epoch,
            "train": self.averages.means(),
            **val,
            "learning_rates": learning_rates(self.optimizer),
            "samples": self.averages.samples,
            "bad_samples": self.averages.bad,
        }
        self.history.append(entry)
        if self.schedule and self.task.schedule_step == "epoch":
            self.schedule.step()
        self._next_epoch(entry)
        self._report(entry, progress, curves)
        return True

    def _next_epoch(self, entry: dict[str, Any]) -> None:
        """Write the network, then the state: a state that says an epoch is done finds the network of that epoch."""
        finished, self.epoch, self.iteration, self.averages = self.epoch, self.epoch + 1, 0, Averages()
        if self.processes.is_first:
            network_record = {name: self.record[name] for name in ("settings", "options", "processes", "device")} | {
                "epoch": finished,
                "seed": self.options.seed,
                "samples_per_second": self.clock.rate,
                "data_share": self.clock.data_share,
                "session": self.record["sessions"][-1],
                "result": entry,
            }
            task = self.task
            net: Any = self.actor.net
            self.folder.write_network(net, finished, task.architecture, task.architecture_kwargs, network_record)
        self._save_state()
        self._tidy()

    def _tidy(self) -> None:
        """Bring what follows from the state up to date."""
        finished = self.epoch - 1
        if self.processes.is_first and finished > self.record["epochs_done"]:
            self.record["epochs_done"] = finished
            self.folder.write_record(self.record)
            if self.options.keep_checkpoints:
                self.folder.remove_networks(self.options.keep_checkpoints, finished)

    def _validate(self, val_loader: BatchLoader, progress: Progress) -> Averages | None:
        """Averages over the validation set; None where a signal came."""
        self.actor.eval()
        averages, began = Averages(), time.perf_counter()
        for number, (indices, batch) in enumerate(val_loader.epoch(VALIDATION_EPOCH), start=1):
            loaded = time.perf_counter()
            self._seed(Stream.VALIDATION_STEP, number)
            # The actor itself, because the processes may have different numbers of batches.
            with torch.no_grad(), self._precision():
                _, stats = self.actor(batch)
            values = {name: float(value) for name, value in stats.items()}
            averages.add(values, len(indices), num_bad(batch))
            self.val_clock.add(loaded - began, time.perf_counter() - began, len(indices))
            if self.stop.signal is not None:
                break
            of = val_loader.sampler.num_batches
            what = f"validation {self.epoch}/{self.options.epochs}"
            progress.show(what, number, of, averages.means(), self.val_clock, self._time_left())
            began = time.perf_counter()
        stops = self.processes.sum(torch.tensor(float(self.stop.signal is not None)))
        return None if stops else averages.merged(self.processes)

    def _save_state(self) -> None:
        if self.processes.is_first:
            self.folder.write_state(self.state())

    def _seed(self, stream: Stream, *place: int) -> None:
        seed_everything(derive_seed(self.options.seed, stream, *place, self.processes.rank))

    def _precision(self) -> torch.autocast:
        kind = {"off": None, "float16": torch.float16, "bfloat16": torch.bfloat16}[self.options.amp]
        return torch.autocast(self.processes.device.type, kind, enabled=kind is not None)

    @contextlib.contextmanager
    def _single_samples(self) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):  # PyTorch names it by text alone
                raise
            found = f"batch_size={self.options.batch_size}"
            raise TrainingError(
                f"batch normalization needs more than one sample at a time, found {found}; give batch_size=2 or more"
            ) from error

    def _summarize(self, loss: Tensor, stats: Mapping[str, Tensor], samples: int, batch: Any) -> StepSummary:
        bad, stop = num_bad(batch), self.stop.signal is not None
        return summarize(loss, stats, samples, bad, stop, self.processes)

    def _not_finite(self, loss: Tensor, stats: Mapping[str, Tensor], indices: list[int]) -> str:
        if torch.isfinite(loss):
            return f"the loss of another process became infinite or NaN in epoch {self.epoch}; see its message"
        name_of = getattr(self.task.train_set, "sample_name", None)
        names = [str(name_of(index)) for index in indices] if name_of else [f"number {index}" for index in indices]
        values = stats_text({name: float(value) for name, value in stats.items()})
        return (
            f"the loss became {loss.item()} in epoch {self.epoch}, iteration {self.iteration + 1} ({values})\n"
            f"  samples: {', '.join(names)}\n"
            "  nothing of this iteration was saved; lower learning rates, clip_grad_norm=..., or amp=off may help"
        )

    def _check_bad_share(self, averages: Averages, of: str = "") -> None:
        if averages.bad_share > self.options.max_bad_share:
            raise TrainingError(
                f"{averages.bad} of {averages.samples + averages.bad} samples of {of}epoch {self.epoch} could not be "
                f"read: {averages.bad_share:.1%}, more than max_bad_share={self.options.max_bad_share:g}\n"
                "  look at the data (their paths, incomplete downloads), or allow more"
            )

    def _time_left(self) -> float:
        options, epochs_left = self.options, self.options.epochs - self.epoch
        seconds = self.clock.left(epochs_left * self._num_batches + self._num_batches - self.iteration)
        if self.val_loader is not None and options.val_interval and self.val_clock.iterations:
            validations = options.epochs // options.val_interval - (self.epoch - 1) // options.val_interval
            seconds += self.val_clock.left(validations * self.val_loader.sampler.num_batches)
        return seconds

    def _report(self, entry: dict[str, Any], progress: Progress, curves: Curves) -> None:
        for part in ("train", "val"):
            curves.add(entry["epoch"], {f"{part}/{name}": value for name, value in entry.get(part, {}).items()})
        curves.add(entry["epoch"], {f"learning_rate/{n}": rate for n, rate in entry["learning_rates"].items()})
        curves.add(entry["epoch"], {"samples_per_second": self.clock.rate, "data_share": self.clock.data_share})
        parts = [f"epoch {entry['epoch']}/{self.options.epochs}: {stats_text(entry['train'])}"]
        if "val" in entry:
            parts.append(f"validation: {stats_text(entry['val'])}")
        if bad := entry["bad_samples"] + entry.get("val_bad_samples", 0):
            parts.append(f"{bad} samples could not be read")
        parts.append(f"{self.clock.rate:.1f} samples/s, data {self.clock.data_share:.0%}")
        parts.append(f"{duration(self._time_left())} left")
        progress.say(" | ".join(parts))


def check_precision(options: TrainingOptions, device: torch.device) -> None:
    """Raise InputError for a precision that the device does not train in, or only by emulation."""
    if options.amp == "float16" and device.type != "cuda":
        raise InputError(f"amp=float16 needs a GPU, found the device {device}; choose amp=off")
    if options.amp != "off" and not computes_in(options.amp, str(device)):
        raise InputError(
            f"amp={options.amp} needs a processor with instructions for it, which the device {device} lacks: it would "
            "be slower than amp=off; choose that"
        )


def learning_rates(optimizer: torch.optim.Optimizer) -> dict[str, float]:
    """Learning rate of each parameter group, by its name or its number."""
    return {str(group.get("name", number)): float(group["lr"]) for number, group in enumerate(optimizer.param_groups)}


def num_bad(batch: Any) -> int:
    """How many samples could not be read and were replaced in this batch."""
    bad = batch.get("num_bad") if isinstance(batch, Mapping) else None
    return int(bad.sum()) if isinstance(bad, Tensor) else 0
