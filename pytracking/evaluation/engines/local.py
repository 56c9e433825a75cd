"""Jobs in worker processes of this machine.

Each worker has a pipe to this process and gets one job at a time, so that the death of one costs this job alone: the
worker is replaced, and the job is run again. A worker keeps the networks that it loaded. Workers end with their pipe:
none outlives a run whose process is killed for more than a frame.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from collections import defaultdict
from collections.abc import Iterator
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from ltr.common.errors import InputError
from ltr.common.interruption import held_for_workers, leave_to_parent
from ltr.common.provenance import gpu_number, note_workers
from pytracking.evaluation.engines.base import Engine
from pytracking.evaluation.engines.dispatcher import Attempt, Dispatcher, GpuWatch
from pytracking.evaluation.jobs import Outcome, Stopped, failure, named, pack, run_packed

FRAME_INTERVAL = 0.5  # seconds between two reports of a worker
STOP_PATIENCE = 20.0  # seconds that a worker has to come to the end of a frame
MAX_STILLBORN = 3  # workers in a row that die before their first job
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

_STOP = b""


@dataclass(frozen=True)
class _Frame:
    finished: int
    total: int


_READY = _Frame(0, 0)


@dataclass
class _Worker:
    slot: int  # of `workers`; a replacement takes the slot and with it the GPU
    process: BaseProcess
    connection: Connection
    is_ready: bool = False
    attempt: Attempt | None = None
    ends: bool = False  # it was told, or said, that it ends

    def how(self) -> str:
        """How it died."""
        self.process.join(5)
        code = self.process.exitcode
        if code is not None and code < 0:
            with contextlib.suppress(ValueError):
                name = signal.Signals(-code).name
                return f"was killed ({name})" + (": out of memory?" if name == "SIGKILL" else "")
        return f"ended (exit status {code})"


@dataclass
class LocalEngine(Engine):
    """Worker processes that share the CPU threads, and GPUs in turn."""

    workers: int
    gpus: SequenceOf[int] | None = None  # None: all that are there
    torch_threads: int | None = None  # of each worker; None: an equal share of this process's
    _stillborn: int = field(default=0, init=False)
    _watches: dict[int | None, GpuWatch] = field(default_factory=lambda: defaultdict(GpuWatch), init=False)  # by GPU

    def __post_init__(self) -> None:
        import torch

        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if missing := [gpu for gpu in self.gpus or () if gpu >= count]:
            raise InputError(f"GPU {missing[0]} was asked for, but PyTorch finds {count} here; leave --gpus out")
        self.gpus = list(range(count)) if self.gpus is None else list(self.gpus)
        self.torch_threads = self.torch_threads or max(1, torch.get_num_threads() // self.workers)

    def describe(self) -> str:
        """How the machine is shared."""
        return f"{self.workers} processes shared this machine" if self.workers > 1 else ""

    def check_device(self, device: str | None) -> None:
        """Raise InputError for one GPU by its number, where several workers share out GPUs."""
        number = gpu_number(device)
        if number is not None and self.workers > 1 and self.gpus != [number]:
            raise InputError(
                f"device '{device}' is one GPU, found {self.workers} workers that share {self._gpu_names()}\n"
                f"  leave --device out, or keep all workers on that GPU: --gpus {number} (run_experiment.py), or "
                f"CUDA_VISIBLE_DEVICES={number} before any command"
            )

    def _gpu_names(self) -> str:
        return f"GPU {', '.join(map(str, self.gpus or ()))}"

    def run(self, dispatcher: Dispatcher) -> None:
        """Run all jobs. Raises InputError where workers cannot start, DeviceError where every GPU fails."""
        workers: list[_Worker] = []
        try:
            while dispatcher.num_waiting or any(worker.attempt for worker in workers):
                if dispatcher.is_stopping:
                    break
                self._hand_out(dispatcher, workers)
                self._start_missing(dispatcher, workers)
                pause = dispatcher.pause() if dispatcher.num_waiting else 0.0
                for ready in wait([worker.connection for worker in workers], pause or 1.0):
                    worker = next(worker for worker in workers if worker.connection is ready)
                    self._receive(dispatcher, worker, workers)
        finally:
            _stop(dispatcher, workers)

    def _hand_out(self, dispatcher: Dispatcher, workers: list[_Worker]) -> None:
        for worker in workers:
            if worker.is_ready and not worker.ends and worker.attempt is None:
                worker.attempt = attempt = dispatcher.take()
                if attempt is None:
                    return
                try:
                    content = pack(attempt.job)
                except Exception as error:  # whatever a tracker or sequence that cannot be pickled raises
                    worker.attempt = None
                    dispatcher.finish(attempt, failure(attempt.job, error))
                    continue
                with contextlib.suppress(OSError):  # it died: told by its pipe in a moment
                    worker.connection.send_bytes(content)

    def _start_missing(self, dispatcher: Dispatcher, workers: list[_Worker]) -> None:
        idle = sum(worker.attempt is None and not worker.ends for worker in workers)
        wanted = min(self.workers - len(workers), dispatcher.num_waiting - idle)
        good = {slot for slot in range(self.workers) if not self._watches[self._gpu(slot)].is_bad}
        if not good and not workers:
            raise self._watches[self._gpu(0)].error()
        slots = sorted(good - {worker.slot for worker in workers})
        workers.extend(self._start(slot) for slot in slots[: max(0, wanted)])

    def _gpu(self, slot: int) -> int | None:
        return self.gpus[slot % len(self.gpus)] if self.gpus else None

    def _start(self, slot: int) -> _Worker:
        assert self.torch_threads is not None
        context = multiprocessing.get_context("spawn")  # a forked process cannot use CUDA
        here, there = context.Pipe()
        arguments = (there, self._gpu(slot), self.torch_threads, self.workers)
        process = context.Process(target=_work, args=arguments, daemon=True)
        with held_for_workers(), _environment(dict.fromkeys(THREAD_VARIABLES, str(self.torch_threads))):
            process.start()
        there.close()
        return _Worker(slot, process, here)

    def _receive(self, dispatcher: Dispatcher, worker: _Worker, workers: list[_Worker]) -> None:
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            self._bury(dispatcher, worker, workers)
            return
        if message == _READY:
            worker.is_ready = True
            self._stillborn = 0
        elif isinstance(message, _Frame) and worker.attempt is not None:
            dispatcher.frame(worker.attempt, message.finished, message.total)
        elif isinstance(message, Outcome) and worker.attempt is not None:
            attempt, worker.attempt = worker.attempt, None
            worker.ends = message.ends_process
            outcome = named(attempt.job, message)
            dispatcher.finish(attempt, outcome)
            self._watch(dispatcher, worker, outcome)

    def _watch(self, dispatcher: Dispatcher, worker: _Worker, outcome: Outcome) -> None:
        gpu = self._gpu(worker.slot)
        watch = self._watches[gpu]
        was_bad = watch.is_bad
        watch.see(outcome)
        if watch.is_bad and not was_bad:
            dispatcher.notice(f"GPU {gpu} failed with one sequence after the other and gets no more workers")
        if outcome.device_failure:
            worker.process.kill()  # by itself it may wait for the GPU for ever

    def _bury(self, dispatcher: Dispatcher, worker: _Worker, workers: list[_Worker]) -> None:
        workers.remove(worker)
        how = worker.how()
        worker.connection.close()
        if worker.attempt is not None:
            dispatcher.lose(worker.attempt, how)
        elif not worker.is_ready:
            self._stillborn += 1
            if self._stillborn >= MAX_STILLBORN:
                raise InputError(
                    f"worker processes end while they start; the last one {how}, its own message is above\n"
                    '  a script that starts workers needs the guard: if __name__ == "__main__":'
                )


def _stop(dispatcher: Dispatcher, workers: list[_Worker]) -> None:
    """End all workers after their frame, and hand in what they finished."""
    for worker in workers:
        with contextlib.suppress(OSError):
            worker.connection.send_bytes(_STOP)
    deadline = time.monotonic() + STOP_PATIENCE
    try:
        for worker in workers:
            while worker.attempt is not None and worker.connection.poll(max(0.0, deadline - time.monotonic())):
                try:
                    message = worker.connection.recv()
                except (EOFError, OSError):
                    break
                if isinstance(message, Outcome):
                    attempt, worker.attempt = worker.attempt, None
                    dispatcher.finish(attempt, named(attempt.job, message))
            worker.process.join(2.0 if worker.is_ready and worker.attempt is None else 0)
    finally:  # also where the user interrupts the waiting
        for worker in workers:
            worker.process.kill()  # no effect where it has ended
            worker.connection.close()
        for worker in workers:
            worker.process.join()


@contextlib.contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Environment of processes that are started meanwhile."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def limit_threads(count: int) -> None:
    """Threads of torch and OpenCV in this process."""
    import cv2
    import torch

    torch.set_num_threads(count)
    cv2.setNumThreads(count)


def _work(connection: Connection, gpu: int | None, torch_threads: int, workers: int) -> None:
    """One of `workers` worker processes."""
    leave_to_parent()
    limit_threads(torch_threads)
    note_workers(workers)
    if gpu is not None:
        import torch

        torch.cuda.set_device(gpu)
    connection.send(_READY)
    while True:
        try:
            content = connection.recv_bytes()
        except (EOFError, OSError):
            return
        if content == _STOP:
            return
        outcome = run_packed(content, _Progress(connection))
        try:
            connection.send(outcome)
        except OSError:
            return
        if outcome.ends_process:
            return  # a new process has all the memory, and a GPU that works


class _Progress:
    """Reports frames now and then, and stops the tracker where this process is told to stop or is alone."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._next = 0.0

    def __call__(self, finished: int, total: int) -> None:
        if finished < total and self._connection.poll():
            raise Stopped
        if (now := time.monotonic()) >= self._next:
            self._next = now + FRAME_INTERVAL
            try:
                self._connection.send(_Frame(finished, total))
            except OSError:
                raise Stopped from None
