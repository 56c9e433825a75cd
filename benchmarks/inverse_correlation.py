"""Time, memory and error of both forms of the inverse correlation matrix P.

    python benchmarks/inverse_correlation.py [--quick] [--device cpu] [--output FILE.json]
    python benchmarks/inverse_correlation.py --growth [--plot docs/images/inverse_correlation.png]

Cost: the forms take the same inputs in turn, update by update, so that the machine's changes of speed meet all of them;
medians are quoted. Inputs have a length near 1, hence |x|²/δ = 10 as in RLS-DiMP: float32 holds P.
Accuracy: P g for random g against float64. Bounded rank: long streams; the smallest eigenvalue of P, the relative error
of P g, and the median ratio of gᵀPg to the exact one, for random g and for earlier inputs.
"""

import argparse
import json
import platform
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from rls import DenseInverseCorrelation, LowRankInverseCorrelation
from rls.base import InverseCorrelation

DELTA = 0.1  # of RLS-DiMP
Row = dict[str, Any]


def drifting(count: int, dim: int, device: torch.device, step: float = 0.05) -> Tensor:
    """(count, dim) stationary random walk of length near 1: slowly changing inputs, as in a video."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(dim, generator=generator)
    rows = []
    for _ in range(count):
        x = (x + step * torch.randn(dim, generator=generator)) / (1 + step**2) ** 0.5
        rows.append(x)
    return torch.stack(rows).to(device) / dim**0.5


def independent(count: int, dim: int, device: torch.device, seed: int = 0) -> Tensor:
    """(count, dim) inputs without any correlation, which no low-rank form can hold."""
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed)).to(device) / dim**0.5


STREAMS: dict[str, Callable[[int, int, torch.device], Tensor]] = {"drifting": drifting, "independent": independent}


def exact_product(inputs: Tensor, probes: Tensor) -> Tensor:
    """probes @ P in float64 with the smaller of the two Gram matrices of the inputs."""
    X, G = inputs.double(), probes.double()
    count, dim = X.shape
    if count < dim:
        eye = torch.eye(count, dtype=X.dtype, device=X.device)
        return (G - torch.linalg.solve(X @ X.mT + DELTA * eye, X @ G.mT).mT @ X) / DELTA
    eye = torch.eye(dim, dtype=X.dtype, device=X.device)
    return torch.linalg.solve(X.mT @ X + DELTA * eye, G.mT).mT


def relative_error(actual: Tensor, expected: Tensor) -> float:
    """Largest relative error of a row."""
    return float(((actual.double() - expected).norm(dim=1) / expected.norm(dim=1)).max())


def clock(device: torch.device) -> float:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
    return perf_counter()


def timed(action: Callable[[], object], device: torch.device) -> float:
    """Seconds until the work is done."""
    start = clock(device)
    action()
    return clock(device) - start


def state_bytes(P: InverseCorrelation) -> int:
    return sum(value.numel() * value.element_size() for value in P.state_dict().values() if isinstance(value, Tensor))


def measure_cost(dim: int, count: int, device: torch.device) -> list[Row]:
    """One row a form: medians over the last quarter of the updates, when the low-rank form is at its largest."""
    inputs, probes = drifting(count, dim, device), independent(8, dim, device, seed=1)
    truth = exact_product(inputs, probes)
    forms: dict[str, InverseCorrelation] = {
        "low-rank float32": LowRankInverseCorrelation(dim, DELTA, device=device),
        "dense float32": DenseInverseCorrelation(dim, DELTA, device=device),
        "dense float16": DenseInverseCorrelation(dim, DELTA, dtype=torch.float16, device=device),
        "dense bfloat16": DenseInverseCorrelation(dim, DELTA, dtype=torch.bfloat16, device=device),
    }
    updates: dict[str, list[float]] = {name: [] for name in forms}
    applies: dict[str, list[float]] = {name: [] for name in forms}
    for x in inputs:
        for name, P in forms.items():
            updates[name].append(timed(partial(P.update, x), device))
            applies[name].append(timed(partial(P.apply, probes[0]), device))
    return [
        {
            "dim": dim,
            "form": name,
            "updates": count,
            "update_ms": 1e3 * median(updates[name][-count // 4 :]),
            "apply_ms": 1e3 * median(applies[name][-count // 4 :]),
            "bytes": state_bytes(P),
            "error": relative_error(P.apply(probes), truth),
        }
        for name, P in forms.items()
    ]


def column_recursion(inputs: Tensor, probes: Tensor) -> Tensor:
    """probes @ P by U_n = [U_{n-1}, u_n] in float32, for comparison."""
    U = inputs.new_empty(len(inputs), inputs.shape[1])
    for n, x in enumerate(inputs):
        v = x / DELTA - (U[:n] @ x) @ U[:n]
        U[n] = v / (1 + x @ v).sqrt()
    return probes / DELTA - (probes @ U.mT) @ U


def measure_accuracy(dim: int, counts: tuple[int, ...], device: torch.device) -> list[Row]:
    rows = []
    for stream, make in STREAMS.items():
        inputs, probes = make(counts[-1], dim, device), independent(8, dim, device, seed=1)
        low_rank = LowRankInverseCorrelation(dim, DELTA, max_rank=None, device=device)
        dense = DenseInverseCorrelation(dim, DELTA, device=device)
        for x_index, x in enumerate(inputs, start=1):
            low_rank.update(x)
            dense.update(x)
            if x_index in counts:
                truth = exact_product(inputs[:x_index], probes)
                rows.append(
                    {
                        "dim": dim,
                        "stream": stream,
                        "updates": x_index,
                        "low_rank_error": relative_error(low_rank.apply(probes), truth),
                        "dense_error": relative_error(dense.apply(probes), truth),
                        "column_recursion_error": relative_error(column_recursion(inputs[:x_index], probes), truth),
                        "smallest_eigenvalue": low_rank.smallest_eigenvalue(),
                    }
                )
    return rows


def measure_bounded(dim: int, max_rank: int, count: int, device: torch.device) -> list[Row]:
    rows = []
    for stream, make in STREAMS.items():
        inputs, probes = make(count, dim, device), independent(8, dim, device, seed=1)
        P = LowRankInverseCorrelation(dim, DELTA, max_rank=max_rank, device=device)
        seconds: list[float] = []
        smallest = P.scale
        for index, x in enumerate(inputs, start=1):
            seconds.append(timed(partial(P.update, x), device))
            if index % 100 == 0:
                smallest = min(smallest, P.smallest_eigenvalue())
            if index % (count // 4) == 0:
                earlier = inputs[: index : index // 8]
                row: Row = {"dim": dim, "max_rank": max_rank, "stream": stream, "updates": index, "rank": P.rank}
                for name, g in (("random", probes), ("earlier", earlier)):
                    truth, product = exact_product(inputs[:index], g), P.apply(g).double()
                    row[f"{name}_error"] = relative_error(product, truth)
                    row[f"{name}_ratio"] = float(((product * g).sum(dim=1) / (truth * g).sum(dim=1)).median())
                row["smallest_eigenvalue"] = smallest
                row["update_ms"] = 1e3 * sum(seconds[-count // 4 :]) / (count // 4)
                rows.append(row)
    return rows


def measure_growth(dim: int, count: int, points: int, device: torch.device) -> list[Row]:
    """Time and memory of every form at update numbers from 1 to `count`, evenly spread over their logarithm.

    Updates of the dense forms cost the same at every number, so theirs are timed at these numbers only.
    """
    generator = torch.Generator().manual_seed(0)
    x, probe = torch.randn(dim, generator=generator).to(device), independent(1, dim, device, seed=1)[0]
    forms: dict[str, InverseCorrelation] = {
        "low-rank, at most 256 columns": LowRankInverseCorrelation(dim, DELTA, device=device),
        "dense float16": DenseInverseCorrelation(dim, DELTA, dtype=torch.float16, device=device),
        "dense float32": DenseInverseCorrelation(dim, DELTA, device=device),
    }
    stops = sorted({round(count ** (index / (points - 1))) for index in range(points)})
    rows: list[Row] = []
    for number in range(1, count + 1):
        x = (x + 0.05 * torch.randn(dim, generator=generator).to(device)) / (1 + 0.05**2) ** 0.5  # as `drifting`
        for name, P in forms.items():
            if number not in stops and name.startswith("dense"):
                continue
            seconds = timed(partial(P.update, x), device)
            if number in stops:
                apply_seconds = timed(partial(P.apply, probe), device)
                row: Row = {"dim": dim, "form": name, "updates": number, "update_ms": 1e3 * seconds}
                rows.append({**row, "apply_ms": 1e3 * apply_seconds, "bytes": state_bytes(P)})
    return rows


def plot_growth(rows: list[Row], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), constrained_layout=True)
    for axis, (key, label) in zip(axes, GROWTH_PANELS.items(), strict=True):
        for name in dict.fromkeys(row["form"] for row in rows):
            own = [row for row in rows if row["form"] == name]
            factor = 2**-20 if key == "bytes" else 1.0
            axis.plot([row["updates"] for row in own], [factor * row[key] for row in own], ".-", label=name)
        axis.set(xscale="log", yscale="log", xlabel="updates", ylabel=label)
        axis.grid(alpha=0.3)
    axes[0].legend(fontsize=8)
    figure.suptitle(f"Inverse correlation matrix P, p = {rows[0]['dim']}")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)


GROWTH_PANELS = {"update_ms": "one update, ms", "apply_ms": "one product g P, ms", "bytes": "memory, MiB"}
COST_COLUMNS = {
    "dim": "p",
    "form": "form",
    "updates": "updates",
    "update_ms": "update, ms",
    "apply_ms": "g P, ms",
    "bytes": "bytes",
    "error": "error of P g",
}
COST_COLUMNS_OF_GROWTH = {key: value for key, value in COST_COLUMNS.items() if key != "error"}
ACCURACY_COLUMNS = {
    "dim": "p",
    "stream": "inputs",
    "updates": "updates",
    "low_rank_error": "low-rank",
    "dense_error": "dense",
    "column_recursion_error": "column recursion",
    "smallest_eigenvalue": "smallest eigenvalue",
}
BOUNDED_COLUMNS = {
    "dim": "p",
    "max_rank": "max_rank",
    "stream": "inputs",
    "updates": "updates",
    "rank": "rank",
    "random_error": "random g: error",
    "random_ratio": "ratio",
    "earlier_error": "earlier x: error",
    "earlier_ratio": "ratio",
    "smallest_eigenvalue": "smallest eigenv.",
    "update_ms": "update, ms",
}


def print_table(console: Console, title: str, columns: dict[str, str], rows: list[Row]) -> None:
    table = Table(title=title)
    for heading in columns.values():
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(*(f"{row[key]:.3g}" if isinstance(row[key], float) else str(row[key]) for key in columns))
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes: seconds instead of minutes")
    parser.add_argument("--device", default="cpu", help="torch device (default: cpu)")
    parser.add_argument("--output", type=Path, help="JSON file for the figures")
    parser.add_argument("--growth", action="store_true", help="only time and memory over 1 to 5,000 updates, p = 8192")
    parser.add_argument("--plot", type=Path, default=Path("docs/images/inverse_correlation.png"), help="of --growth")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    quick = arguments.quick
    if arguments.growth:
        growth = measure_growth(512 if quick else 8192, 300 if quick else 5000, 10 if quick else 40, device)
        plot_growth(growth, arguments.plot)
        print_table(Console(width=110), "Growth with the updates", COST_COLUMNS_OF_GROWTH, growth)
        if arguments.output:
            arguments.output.write_text(json.dumps({"growth": growth}, indent=2) + "\n")
        return
    costs = [row for dim in ((512,) if quick else (1792, 8192)) for row in measure_cost(dim, 125, device)]
    accuracies = measure_accuracy(512 if quick else 1792, (100, 200) if quick else (500, 1000), device)
    cases = [(256, 32, 1000)] if quick else [(512, 64, 4000), (1792, 256, 10000)]
    bounded = [row for case in cases for row in measure_bounded(*case, device)]
    console = Console(width=110)
    print_table(console, "Cost, δ = 0.1, β = 1, drifting inputs, max_rank 256", COST_COLUMNS, costs)
    print_table(console, "Largest relative error of P g in float32, no rank bound", ACCURACY_COLUMNS, accuracies)
    print_table(
        console, "Bounded rank, float32: error of P g, smallest eigenvalue so far, mean time", BOUNDED_COLUMNS, bounded
    )
    if arguments.output:
        figures = {
            "machine": {
                "processor": platform.processor() or platform.machine(),
                "device": str(device),
                "threads": torch.get_num_threads(),
                "torch": torch.__version__,
            },
            "cost": costs,
            "accuracy": accuracies,
            "bounded_rank": bounded,
        }
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(json.dumps(figures, indent=2) + "\n")
        console.print(f"figures written to {arguments.output}")


if __name__ == "__main__":
    main()
