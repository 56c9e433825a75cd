"""Does it remember? Online learners on streams of tasks, one pass of the stream, no task told twice.

    python benchmarks/continual                    tune, then ten seeds: tables, JSON and plot
    python benchmarks/continual --seeds 2 --streams permuted --output /tmp/continual

Every method gets the same budget: 12 settings, each tried with seeds 100 and 101, the best average accuracy wins; the
tables are of other seeds. Network: 64 – 64 – 10 with ReLU and cross-entropy, or linear with squared error, for which
exact blocks are ridge regression. Five tasks in mini-batches of ten: five epochs of 180 images, or two of 900.

Average accuracy: mean over the tasks after the last. Forgetting: mean over all tasks but the last of the best accuracy
a task ever had minus the one at the end. Memory: bytes beside the weights. Time: of a step, median, on one thread.
"""

import argparse
import itertools
import json
import statistics
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from methods import METHODS, SGD, cross_entropy, squared_error
from rich.console import Console
from rich.table import Table
from tasks import STREAMS
from torch import nn

from rls.base import PositiveDefinitenessWarning

EPOCHS = {"class-incremental": 5, "permuted": 2, "rotated": 2}
TUNING_SEEDS = (100, 101)
MODELS = ("mlp", "linear")


@dataclass(frozen=True)
class Outcome:
    """One method on one stream with one seed."""

    accuracy: list[list[float]]  # after each task, of each task
    memory: int  # bytes
    step_ms: float

    @property
    def average(self) -> float:
        return float(np.mean(self.accuracy[-1]))

    @property
    def forgetting(self) -> float:
        table = np.array(self.accuracy)
        return float((table.max(axis=0) - table[-1])[:-1].mean())


def make_learner(method: str, model: str, settings: dict[str, Any], seed: int) -> SGD:
    torch.manual_seed(seed)
    if model == "linear":
        net: nn.Module = nn.Linear(64, 10)
        nn.init.zeros_(net.weight)  # type: ignore[arg-type]
        nn.init.zeros_(net.bias)  # type: ignore[arg-type]
        return METHODS[method](net, squared_error, **settings)
    return METHODS[method](nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)), cross_entropy, **settings)


def run(method: str, model: str, stream: str, settings: dict[str, Any], seed: int) -> Outcome:
    tasks = STREAMS[stream](seed)
    learner = make_learner(method, model, settings, seed)
    generator = torch.Generator().manual_seed(seed)
    accuracy, seconds = [], []
    for task in tasks:
        for batch in task.batches(EPOCHS[stream], generator):
            start = time.perf_counter()
            learner.step(batch)
            seconds.append(time.perf_counter() - start)
        learner.end_task(task)
        accuracy.append([float((learner.predict(t.test_x) == t.test_y).float().mean()) for t in tasks])
    return Outcome(accuracy, learner.memory(), 1000 * statistics.median(seconds))


def tune(method: str, model: str, stream: str) -> dict[str, Any]:
    """The best of the method's grid by average accuracy on the tuning seeds."""
    grid = METHODS[method].grid
    candidates = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    assert len(candidates) == 12
    return max(candidates, key=lambda settings: tuning_score(method, model, stream, settings))


def tuning_score(method: str, model: str, stream: str, settings: dict[str, Any]) -> float:
    """Mean average accuracy over the tuning seeds; 0 where learning diverges."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", PositiveDefinitenessWarning)
            return float(np.mean([run(method, model, stream, settings, seed).average for seed in TUNING_SEEDS]))
    except (ArithmeticError, ValueError, PositiveDefinitenessWarning):  # of P, which refuses infinite inputs
        return 0.0


def summarize(outcomes: list[Outcome]) -> dict[str, float]:
    def spread(name: str, values: list[float]) -> dict[str, float]:
        return {name: float(np.mean(values)), f"{name}_std": float(np.std(values, ddof=1)) if len(values) > 1 else 0.0}

    return {
        **spread("average", [outcome.average for outcome in outcomes]),
        **spread("forgetting", [outcome.forgetting for outcome in outcomes]),
        "memory": outcomes[0].memory,
        "step_ms": statistics.median(outcome.step_ms for outcome in outcomes),
    }


def show(rows: list[dict[str, Any]], console: Console) -> None:
    for (model, stream), group in itertools.groupby(rows, key=lambda row: (row["model"], row["stream"])):
        table = Table("method", "average [%]", "forgetting [%]", "KiB", "ms", "settings", title=f"{stream}, {model}")
        for row in group:
            scores = (f"{100 * row[k]:.1f} ± {100 * row[f'{k}_std']:.1f}" for k in ("average", "forgetting"))
            settings = ", ".join(f"{name} {value:g}" for name, value in row["settings"].items())
            table.add_row(row["method"], *scores, f"{row['memory'] / 1024:.1f}", f"{row['step_ms']:.2f}", settings)
        console.print(table)


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Average accuracy of all tasks met so far, after each task."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    keys = list(dict.fromkeys((row["model"], row["stream"]) for row in rows))
    columns = min(3, len(keys))
    lines = -(-len(keys) // columns)
    figure, axes = plt.subplots(lines, columns, squeeze=False, sharey=True, figsize=(4 * columns, 3.2 * lines))
    for axis, (model, stream) in zip(axes.flat, keys, strict=False):
        for row in (row for row in rows if (row["model"], row["stream"]) == (model, stream)):
            tables = np.array(row["accuracy"])  # (seeds, tasks, tasks)
            met = [100 * tables[:, after, : after + 1].mean() for after in range(tables.shape[1])]
            axis.plot(range(1, len(met) + 1), met, label=row["method"], marker="o", markersize=3)
        axis.set(title=f"{stream}, {model}", xlabel="tasks met", xticks=range(1, len(met) + 1))
        axis.grid(alpha=0.3)
    axes[0, 0].set_ylabel("average accuracy of the tasks met [%]")
    axes[0, 0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--streams", nargs="+", choices=list(STREAMS), default=list(STREAMS))
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--output", type=Path, default=Path("results/benchmarks/continual"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows: list[dict[str, Any]] = []
    for model, stream, method in itertools.product(args.models, args.streams, args.methods):
        settings = tune(method, model, stream)
        outcomes = [run(method, model, stream, settings, seed) for seed in range(args.seeds)]
        key = {"model": model, "stream": stream, "method": method, "settings": settings}
        rows.append(key | summarize(outcomes) | {"accuracy": [asdict(outcome)["accuracy"] for outcome in outcomes]})
        print(f"{model}, {stream}, {method}: {100 * rows[-1]['average']:.1f} %", flush=True)
    args.output.mkdir(parents=True, exist_ok=True)
    (args.output / "continual.json").write_text(json.dumps(rows, indent=1))
    plot(rows, args.output / "continual.png")
    show(rows, Console())
    print(f"tables and plot: {args.output}")


if __name__ == "__main__":
    main()
