"""What the virtual input costs against exact blocks, and what a forgetting factor does to P.

    python benchmarks/virtual_input.py

First table: a linear regression of 4,096 samples, p = 32, noise 0.3, in blocks of b. Excess is the mean squared error
on new samples above that of the exact solution (all samples), relative to the noise; medians of 20 seeds. Inputs are
independent with mean zero, independent with a mean of length 3, or in blocks of one scene each (a mean of the block's
own, of length 3, and a scatter of 0.3).

Second table: the time of an update of P (low-rank, p = 1792, 125 columns) by a virtual input and by blocks of b.

Third table: β < 1 with inputs that span 4 of 32 directions: the largest eigenvalue of P after 10,000 updates, as the
plain recursion has it (float32), and here.
"""

import argparse
import statistics
import time

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from rls import LowRankInverseCorrelation, oracle

DIM, OUTPUTS, SAMPLES, NOISE, DELTA = 32, 4, 4096, 0.3, 0.1
STREAMS = ("mean 0", "mean 3", "scenes")
BLOCKS = (1, 4, 16, 64, 128)


def draw_inputs(stream: str, count: int, block: int, generator: torch.Generator) -> Tensor:
    """(count, DIM)."""

    def direction(number: int) -> Tensor:
        vectors = torch.randn(number, DIM, generator=generator, dtype=torch.float64)
        return 3 * vectors / vectors.norm(dim=1, keepdim=True)

    scatter = torch.randn(count, DIM, generator=generator, dtype=torch.float64)
    if stream == "scenes":
        return direction(-(-count // block)).repeat_interleave(block, 0)[:count] + 0.3 * scatter
    return scatter + (direction(1) if stream == "mean 3" else 0)


def excess(stream: str, block: int, seed: int) -> float:
    """Excess error of the virtual samples' solution, relative to the noise."""
    generator = torch.Generator().manual_seed(seed)
    truth = torch.randn(OUTPUTS, DIM, generator=generator, dtype=torch.float64)
    X = draw_inputs(stream, 2 * SAMPLES, max(block, 16), generator)
    clean = X @ truth.mT
    Y = clean + NOISE * torch.randn(clean.shape, generator=generator, dtype=torch.float64)
    blocks = [part[:SAMPLES].reshape(-1, block, part.shape[1]) for part in (X, Y)]
    virtual = oracle.normal_equations(blocks[0].mean(1), blocks[1].mean(1), DELTA)
    exact = oracle.normal_equations(X[:SAMPLES] / block**0.5, Y[:SAMPLES] / block**0.5, DELTA)
    errors = [(X[SAMPLES:] @ W.mT - clean[SAMPLES:]).square().mean() for W in (virtual, exact)]
    return float((errors[0] - errors[1]) / NOISE**2)


def update_ms(block: int) -> float:
    generator = torch.Generator().manual_seed(0)
    P = LowRankInverseCorrelation(1792, 0.1)
    P.update(torch.randn(125, 1792, generator=generator))
    times = []
    for _ in range(30):
        rows = torch.randn(block, 1792, generator=generator)
        twin = LowRankInverseCorrelation(1792, 0.1)
        twin.load_state_dict(P.state_dict())
        start = time.perf_counter()
        twin.update(rows)
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def largest_eigenvalues(beta: float, updates: int = 10_000) -> tuple[float, float]:
    """Of the plain recursion in float32, and of ours."""
    generator = torch.Generator().manual_seed(0)
    basis = torch.randn(4, DIM, generator=generator)
    plain, P = torch.eye(DIM) / DELTA, LowRankInverseCorrelation(DIM, DELTA, beta)
    for _ in range(updates):
        x = torch.randn(4, generator=generator) @ basis
        gain = (x @ plain / beta) / (1 + x @ plain @ x / beta)
        plain = plain / beta - torch.outer(plain @ x, gain) / beta
        P.update(x)
    pair = (plain, P.to_dense())
    first, second = (float(torch.linalg.eigvalsh(m)[-1]) if m.isfinite().all() else float("nan") for m in pair)
    return first, second


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    torch.set_num_threads(1)
    console = Console()
    table = Table("inputs", *(f"b = {block}" for block in BLOCKS), title="excess error of the virtual input, / noise²")
    for stream in STREAMS:
        medians = (statistics.median(excess(stream, block, seed) for seed in range(20)) for block in BLOCKS)
        table.add_row(stream, *(f"{value:.3g}" for value in medians))
    console.print(table)
    table = Table(*(f"b = {block}" for block in BLOCKS), title="update of P [ms]")
    table.add_row(*(f"{update_ms(block):.2f}" for block in BLOCKS))
    console.print(table)
    table = Table("β", "plain recursion", "here", title="largest eigenvalue of P after 10,000 updates (first 10)")
    for beta in (1.0, 0.999, 0.99, 0.95):
        table.add_row(str(beta), *(f"{value:.3g}" for value in largest_eigenvalues(beta)))
    console.print(table)


if __name__ == "__main__":
    main()
