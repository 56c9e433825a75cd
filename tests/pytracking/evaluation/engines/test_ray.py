import io
import os
import signal
import time
from pathlib import Path

import pytest
from rich.console import Console

from ltr.common.device_errors import DeviceError
from ltr.common.errors import InputError
from pytracking.evaluation.engines.ray import RayEngine
from pytracking.evaluation.engines.serial import SerialEngine
from pytracking.evaluation.planning import Part
from pytracking.evaluation.running import run_parts
from tests.pytracking.dummy import DummyTracker, make_sequence, write_black_frame, write_white_frame
from tests.pytracking.dummy.results import stored


@pytest.fixture(scope="module")
def cluster():
    """Two nodes on this machine; the driver is on the first, which runs no workers."""
    ray = pytest.importorskip("ray", reason="ray is not installed: pip install 'rls-onlinetrack[cluster]'")
    from ray.cluster_utils import Cluster

    settings = {"RAY_enable_metrics_collection": "0", "RAY_USAGE_STATS_ENABLED": "0"}
    before = {name: os.environ.get(name) for name in settings}
    os.environ |= settings
    memory = {"object_store_memory": 80 * 2**20}
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **memory})
    nodes.add_node(num_cpus=1, **memory)
    nodes.wait_for_nodes()
    ray.init(address=nodes.address, log_to_driver=False, logging_level="ERROR")
    yield nodes
    ray.shutdown()
    nodes.shutdown()
    for name in settings:
        del os.environ[name]
    os.environ |= {name: value for name, value in before.items() if value is not None}


def run(parts, engine, **options):
    console = Console(file=io.StringIO(), width=200)
    summary = run_parts(parts, engine, console=console, **options)
    return summary, console.file.getvalue()


def make_parts(folder: Path, results: str, parameter: str = "default", frames: int = 6) -> list[Part]:
    sequences = [make_sequence(folder / "data", name, frames) for name in ("a", "b", "c", "d")]
    write_black_frame(sequences[1].frames[3])
    return [Part([DummyTracker("wander", parameter, 0, results_path=folder / results)], sequences)]


def test_results_are_those_of_this_process(cluster, tmp_path):
    parts, plain = make_parts(tmp_path, "ray"), make_parts(tmp_path, "serial")
    summary, text = run(parts, RayEngine(1))
    run(plain, SerialEngine())
    assert "3 done, 0 skipped, 1 failed, 0 not run" in text
    assert "it is too dark" in summary.with_status("failed")[0].traceback
    assert stored(parts[0].trackers[0].results_dir) == stored(plain[0].trackers[0].results_dir)
    assert "3 of 4 skipped" in run(parts, RayEngine(1))[1]


def test_a_worker_that_lost_its_gpu_is_replaced(cluster, tmp_path):
    for shared in (False, True):
        (part,) = make_parts(tmp_path, f"ray {shared}")
        write_white_frame(part.sequences[2].frames[3])
        overrides = {"white": "gpu once", "memo": str(tmp_path / f"memo {shared}")}
        tracker = DummyTracker("wander", "default", 0, results_path=tmp_path / f"ray {shared}", overrides=overrides)
        summary, text = run([Part([tracker], part.sequences)], RayEngine(1, shared_results=shared))
        assert "its worker lost its GPU (CUDA error: an illegal memory access was encountered); it is run again" in text
        assert [outcome.sequence for outcome in summary.with_status("done")] == ["a", "d", "c"]
        assert [outcome.sequence for outcome in summary.with_status("failed")] == ["b"]  # too dark


def test_gpus_that_fail_with_everything_end_the_run(cluster, tmp_path):
    (part,) = make_parts(tmp_path, "dead")
    for sequence in part.sequences:
        write_white_frame(sequence.frames[2])
    tracker = DummyTracker("wander", "default", 0, results_path=tmp_path / "dead", overrides={"white": "gpu"})
    with pytest.raises(DeviceError, match="an illegal memory access was encountered in one worker after"):
        run([Part([tracker], part.sequences)], RayEngine(1))


def test_one_gpu_by_its_number():
    pytest.importorskip("ray", reason="ray is not installed: pip install 'rls-onlinetrack[cluster]'")
    with pytest.raises(InputError, match=r"device 'cuda:0' is one GPU of one machine(?s:.*)leave --device out"):
        RayEngine(1).check_device("cuda:0")
    for device in (None, "cpu", "cuda"):
        RayEngine(1).check_device(device)


def test_killed_node(cluster, tmp_path):
    """A node dies in mid-sweep; another one takes over its job, and nothing is lost or done twice.

    Here the workers write the results; above, this process does.
    """
    doomed = cluster.list_all_nodes()[-1]
    parts, plain = make_parts(tmp_path, "ray", "slow", 60), make_parts(tmp_path, "serial", "slow", 60)
    summary = []

    class KillsNode(Console):
        """Kills the node when the first sequence is done."""

        def print(self, *texts, **options):
            super().print(*texts, **options)
            if " a: 60 frames" in str(texts) and not summary:
                summary.append("killed")
                cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20)
                time.sleep(0.4)  # into the middle of the next sequence
                for process in _processes(doomed):
                    os.kill(process, signal.SIGKILL)

    console = KillsNode(file=io.StringIO(), width=200)
    ended = run_parts(parts, RayEngine(1, shared_results=True), console=console)
    text = console.file.getvalue()
    assert "its worker was lost" in text
    assert [len(ended.with_status(status)) for status in ("done", "failed")] == [3, 1]
    run(plain, SerialEngine())
    assert stored(parts[0].trackers[0].results_dir) == stored(plain[0].trackers[0].results_dir)


def _processes(node) -> list[int]:
    """The raylet of a node and its workers."""
    raylet = node.all_processes["raylet"][0].process.pid
    children = Path(f"/proc/{raylet}/task/{raylet}/children").read_text().split()
    return [raylet, *map(int, children)]


def test_without_ray(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'rls-onlinetrack\[cluster\]'"):
        RayEngine()
