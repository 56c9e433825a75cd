"""Jobs on the machines of a Ray cluster (https://docs.ray.io); the extra `cluster` installs it.

Workers are Ray actors, because a task that has used a GPU ends its process, and with it the network that it loaded.
Every machine needs this project in the same version, and the data under the same paths. Results come back to this
process, which writes them; with `shared_results` the workers write them themselves, to a folder that all machines see.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ltr.common.environment import IS_CHECKOUT, PROJECT
from ltr.common.errors import InputError
from ltr.common.interruption import kept_handlers
from ltr.common.provenance import gpu_number, note_workers
from pytracking.evaluation.engines.base import Engine
from pytracking.evaluation.engines.dispatcher import Attempt, Dispatcher, GpuWatch
from pytracking.evaluation.jobs import Finished, Outcome, failure, held, named, pack, saved

MAX_STILLBORN = 3  # workers in a row that die before their first job
START_PATIENCE = 60.0  # seconds without any worker until the user is told


@dataclass(eq=False)
class _Worker:
    actor: Any
    reference: Any  # of the call that is under way, None: idle
    is_ready: bool = False
    attempt: Attempt | None = None
    claim: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)  # where this process writes


@dataclass
class RayEngine(Engine):
    """Workers on a cluster that is there, or on one that is started for the run on this machine."""

    workers: int | None = None  # None: as many as the cluster has room for
    address: str | None = None  # None: RAY_ADDRESS, else a cluster on this machine, else one is started
    gpus_per_worker: float | None = None  # None: 1 where the cluster has GPUs, else 0
    torch_threads: int | None = None  # None: 1; as many CPUs are reserved for each worker
    shared_results: bool = False
    _stillborn: int = field(default=0, init=False)
    _watch: GpuWatch = field(default_factory=GpuWatch, init=False)  # of all: Ray alone knows them apart

    def __post_init__(self) -> None:
        _import_ray()

    def describe(self) -> str:
        """Where the jobs ran."""
        return "workers of a Ray cluster shared its machines"

    def check_device(self, device: str | None) -> None:
        """Raise InputError for a GPU by its number, which differs from machine to machine."""
        if gpu_number(device) is not None:
            raise InputError(
                f"device '{device}' is one GPU of one machine, found Ray, which gives each worker a GPU of its own\n"
                "  leave --device out, or type --device cuda; --gpus_per_worker says how much of a GPU a worker gets"
            )

    def run(self, dispatcher: Dispatcher) -> None:
        """Run all jobs. Raises InputError where workers cannot start, DeviceError where every worker's GPU fails."""
        with self._cluster() as ray:
            workers: list[_Worker] = []
            since = time.monotonic()
            try:
                while dispatcher.num_waiting or any(worker.attempt for worker in workers):
                    if dispatcher.is_stopping:
                        break
                    self._hand_out(dispatcher, workers)
                    self._start_missing(ray, dispatcher, workers)
                    references = {worker.reference: worker for worker in workers if worker.reference is not None}
                    pause = dispatcher.pause() if dispatcher.num_waiting else 0.0
                    if not references:
                        time.sleep(pause)
                        continue
                    finished, _ = ray.wait(list(references), num_returns=1, timeout=pause or 1.0)
                    for reference in finished:
                        self._receive(ray, dispatcher, references[reference], workers)
                    if since and any(worker.is_ready for worker in workers):
                        since = 0.0
                    elif since and time.monotonic() - since > START_PATIENCE:
                        since = 0.0
                        dispatcher.notice(f"waiting for room on the cluster, which has {ray.cluster_resources()}")
            finally:
                for worker in workers:
                    ray.kill(worker.actor)
                    worker.claim.close()

    @contextlib.contextmanager
    def _cluster(self) -> Iterator[Any]:
        ray = _import_ray()
        if ray.is_initialized():
            yield ray
            return
        try:
            with kept_handlers():  # Ray would end this process at SIGTERM before results are handed in
                ray.init(address=self.address, log_to_driver=False, logging_level="ERROR")
        except ConnectionError as error:
            raise InputError(f"no Ray cluster answers at {self.address}: {error}") from error
        try:
            yield ray
        finally:
            ray.shutdown()

    def _start_missing(self, ray: Any, dispatcher: Dispatcher, workers: list[_Worker]) -> None:
        idle = sum(worker.attempt is None for worker in workers)
        for _ in range(min(self._room(ray) - len(workers), dispatcher.num_waiting - idle)):
            workers.append(self._start(ray))  # noqa: PERF401 - a worker that was started must not be lost

    def _room(self, ray: Any) -> int:
        if self.workers is not None:
            return self.workers
        resources = ray.cluster_resources()
        room = resources.get("CPU", 1) / (self.torch_threads or 1)
        if share := self._gpu_share(resources):
            room = min(room, resources.get("GPU", 0) / share)
        return max(1, int(room))

    def _gpu_share(self, resources: dict[str, float]) -> float:
        if self.gpus_per_worker is not None:
            return self.gpus_per_worker
        return 1.0 if resources.get("GPU", 0) >= 1 else 0.0

    def _start(self, ray: Any) -> _Worker:
        threads = self.torch_threads or 1
        options = {
            "num_cpus": threads,
            "num_gpus": self._gpu_share(ray.cluster_resources()),
            "max_restarts": 0,
            "runtime_env": {"env_vars": _environment(threads)},
        }
        actor = ray.remote(_RemoteWorker).options(**options).remote(threads, self._room(ray))
        return _Worker(actor, actor.start.remote())

    def _hand_out(self, dispatcher: Dispatcher, workers: list[_Worker]) -> None:
        for worker in workers:
            while worker.is_ready and worker.attempt is None:
                attempt = dispatcher.take()
                if attempt is None:
                    return
                self._send(dispatcher, worker, attempt)

    def _send(self, dispatcher: Dispatcher, worker: _Worker, attempt: Attempt) -> None:
        try:
            known = None if self.shared_results else worker.claim.enter_context(held(attempt.job))
            content = pack(attempt.job)
        except Exception as error:
            known = failure(attempt.job, error)
        if known is not None:
            self._finish(dispatcher, worker, attempt, known)
            return
        worker.attempt = attempt
        method = worker.actor.run if self.shared_results else worker.actor.track
        worker.reference = method.remote(content)

    def _receive(self, ray: Any, dispatcher: Dispatcher, worker: _Worker, workers: list[_Worker]) -> None:
        try:
            result = ray.get(worker.reference)
        except ray.exceptions.RayError as error:
            workers.remove(worker)
            worker.claim.close()
            self._bury(dispatcher, worker, str(error).strip().splitlines()[0])
            return
        worker.reference = None
        if worker.attempt is None:
            worker.is_ready = True
            self._stillborn = 0
            return
        attempt, worker.attempt = worker.attempt, None
        outcome = saved(attempt.job, result)
        self._finish(dispatcher, worker, attempt, outcome)
        if outcome.ends_process:
            workers.remove(worker)
            ray.kill(worker.actor)  # a new process has all the memory, and a GPU that works
        self._watch.see(named(attempt.job, outcome))
        if self._watch.is_bad:
            raise self._watch.error()

    def _finish(self, dispatcher: Dispatcher, worker: _Worker, attempt: Attempt, outcome: Outcome) -> None:
        worker.claim.close()
        dispatcher.finish(attempt, named(attempt.job, outcome))

    def _bury(self, dispatcher: Dispatcher, worker: _Worker, how: str) -> None:
        if worker.attempt is not None:
            dispatcher.lose(worker.attempt, f"was lost ({how})")
        elif not worker.is_ready:
            self._stillborn += 1
            if self._stillborn >= MAX_STILLBORN:
                raise InputError(
                    f"workers end while they start: {how}\n"
                    "  every machine of the cluster needs this project, installed in the Python that runs Ray"
                )


def _environment(threads: int) -> dict[str, str]:
    """What workers on other machines do not inherit."""
    variables = {name: value for name, value in os.environ.items() if name.startswith("PYTRACKING_")}
    paths = [*([str(PROJECT)] if IS_CHECKOUT else []), *filter(None, [os.environ.get("PYTHONPATH")])]
    return variables | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": str(threads)}


class _RemoteWorker:
    """Lives in a process of the cluster, and keeps the networks that it loaded."""

    def __init__(self, torch_threads: int, workers: int) -> None:
        from pytracking.evaluation.engines.local import limit_threads

        limit_threads(torch_threads)
        note_workers(workers)

    def start(self) -> None:
        """Returns when the process is up."""

    def run(self, content: bytes) -> Outcome:
        from pytracking.evaluation.jobs import run_packed

        return run_packed(content)

    def track(self, content: bytes) -> Finished | Outcome:
        from pytracking.evaluation.jobs import track_packed

        return track_packed(content)


def _import_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise InputError(
            "the Ray engine needs the package ray, which is not installed\n"
            "  pip install 'rls-onlinetrack[cluster]', or use --engine local"
        ) from error
    return ray
