"""Run many trackers on many sequences, in several processes or on several machines.

    python pytracking/run_experiment.py table4_lite               a sweep: configs/sweeps/table4_lite.toml
    python pytracking/run_experiment.py my/sweep.toml             a sweep of one's own
    python pytracking/run_experiment.py myexperiments lite_demo   a function in pytracking/experiments/myexperiments.py

The same command again runs what is missing. --dry-run shows what would be done; --list shows sweeps and functions.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import sys
from collections.abc import Sequence as SequenceOf
from typing import TYPE_CHECKING, Any

from ltr.common.errors import InputError, exit_status, told_by_line, unknown_name
from ltr.common.packages import package_folders, parsed
from pytracking.arguments import Parser, parse_count, parse_folder, parse_level, parse_positive, refuse_unused

if TYPE_CHECKING:
    from pytracking.evaluation.engines.base import Engine
    from pytracking.evaluation.planning import Part
    from pytracking.evaluation.running import RunSummary

EXPERIMENTS = "pytracking.experiments"
ENGINES = ("local", "ray")
_OF_RAY = ("ray_address", "gpus_per_worker", "shared_results")  # options


def run_experiment(
    experiment_module: str,
    experiment_name: str,
    debug: int = 0,
    threads: int | None = None,
    **options: Any,  # of `run_parts`, and `engine`
) -> RunSummary:
    """Run a function `experiment_name() -> (trackers, dataset)` of `pytracking/experiments/<experiment_module>.py`.

    Raises InputError, before anything is run, for unknown names and what the function refuses.
    """
    return _run(load_experiment(experiment_module, experiment_name), debug, threads, **options)


def run_sweep(name: str, debug: int = 0, threads: int | None = None, **options: Any) -> RunSummary:
    """Run a sweep, by its name in `configs/sweeps` or its file; `options` as for `run_experiment`."""
    from pytracking.evaluation.sweep import read_sweep

    parts, notes = read_sweep(name).load()
    print("\n".join(notes), file=sys.stderr)
    return _run(parts, debug, threads, **options)


def load_experiment(module: str, name: str, package: str | None = None) -> list[Part]:
    """Trackers and sequences that an experiment function returns.

    Raises InputError for unknown names, and for whatever the module or the function fails with, with its line.
    """
    from pytracking.evaluation.planning import Part

    package = package or EXPERIMENTS
    known = list_experiments(package)
    if module not in known:
        raise unknown_name("module of experiments", module, known)
    with told_by_line(package_folders(package)[0] / f"{module}.py"):
        loaded = importlib.import_module(f"{package}.{module}")
        if name not in known[module]:
            raise unknown_name(f"experiment of {module}", name, known[module])
        trackers, dataset = getattr(loaded, name)()
    return [Part(trackers, dataset)]


def list_experiments(package: str | None = None) -> dict[str, dict[str, str]]:
    """Public functions of the modules of experiments, with the first lines of their docstrings; nothing is imported."""
    found: dict[str, dict[str, str]] = {}
    paths = [path for folder in package_folders(package or EXPERIMENTS) for path in sorted(folder.glob("[!_]*.py"))]
    for path in paths:
        nodes = parsed(path).body
        functions = [n for n in nodes if isinstance(n, ast.FunctionDef) and not n.name.startswith("_")]
        found[path.stem] = {f.name: (ast.get_docstring(f) or "").partition("\n")[0] for f in functions}
    return found


def make_engine(
    name: str = "local",
    workers: int | None = None,  # None: one for each GPU, else one
    gpus: SequenceOf[int] | None = None,
    torch_threads: int | None = None,
    **ray_options: Any,  # of `RayEngine`
) -> Engine:
    """The engine that the options ask for; 0 workers is this process. Raises InputError for what is not here."""
    if name == "ray":
        from pytracking.evaluation.engines.ray import RayEngine

        return RayEngine(workers, torch_threads=torch_threads, **ray_options)
    if name != "local":
        raise unknown_name("engine", name, ENGINES)
    if workers == 0:
        from pytracking.evaluation.engines.serial import SerialEngine

        return SerialEngine()
    import torch

    from pytracking.evaluation.engines.local import LocalEngine

    if workers is None:
        workers = max(1, len(gpus) if gpus is not None else torch.cuda.device_count())
    return LocalEngine(workers, gpus, torch_threads)


def _run(
    parts: list[Part],
    debug: int = 0,
    threads: int | None = None,
    engine: Engine | None = None,
    **options: Any,
) -> RunSummary:
    from pytracking.evaluation.running import debug_parts, run_parts

    if debug:
        return debug_parts(parts, debug)
    return run_parts(parts, engine or make_engine(workers=threads), **options)


def list_everything() -> str:
    """Sweeps and experiment functions, as text."""
    from pytracking.evaluation.sweep import list_sweeps, read_sweep

    sweeps = {name: read_sweep(str(path)).title for name, path in list_sweeps().items()}
    width = max(map(len, sweeps), default=0)
    lines = ["sweeps:", *(f"  {name:{width}}  {title}" for name, title in sweeps.items()), "experiments:"]
    for module, functions in list_experiments().items():
        lines += [f"  {module} {name}  {summary}" for name, summary in functions.items()]
    return "\n".join(lines)


def _gpus(text: str) -> list[int]:
    parts = text.split(",")
    if not all(part.isdecimal() for part in parts):
        raise argparse.ArgumentTypeError(f"expected GPU numbers as in 0,1, found '{text}'")
    return [int(part) for part in parts]


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"expected a share of a GPU from 0 to 1, found '{text}'")
    return share


def _parser() -> Parser:
    parser = Parser(description=__doc__)
    option = parser.option
    parser.add_argument("experiment_module", nargs="?", metavar="SWEEP | MODULE", help="a sweep, or a module")
    parser.add_argument("experiment_name", nargs="?", metavar="FUNCTION", help="a function of the module")
    option("list", action="store_true", help="list sweeps and experiments, and stop")
    option("dry_run", action="store_true", help="show what is done, what would be run and why, and how long; then stop")
    option("workers", "threads", type=parse_count, help="processes; 0: this one (default: one for each GPU, else one)")
    option("gpus", type=_gpus, metavar="0,1", help="GPUs of the workers, in turn (default: all)")
    option("torch_threads", type=parse_positive, help="CPU threads of each worker (default: an equal share)")
    option("engine", choices=ENGINES, default="local", help="this machine, or a Ray cluster (default: local)")
    option("ray_address", help="address of a Ray cluster (default: RAY_ADDRESS, else one on this machine)")
    option("gpus_per_worker", type=_share, help="share of a GPU, for Ray (default: 1 where there are GPUs)")
    option("shared_results", action="store_true", help="Ray workers write to results_path, a folder they all share")
    option("overwrite", action="store_true", help="run again what has results; those of other parameters are set aside")
    option("fail_fast", action="store_true", help="stop at the first failure")
    option("present_only", action="store_true", default=None, help="leave out data that is not here (sweeps)")
    option("device", help="cpu, cuda, cuda:1 ... (sweeps; default: the first GPU where there is one)")
    option("results_path", type=parse_folder, help="folder of the results (sweeps; default: the setting results_path)")
    option("debug", type=parse_level, default=0, help="1 to 3: in this process, with panels; nothing is saved")
    return parser


def _load(args: argparse.Namespace) -> list[Part]:
    from pytracking.evaluation.sweep import read_sweep

    if args.experiment_name is not None and args.experiment_module != "sweep":
        if given := [name for name in ("present_only", "device", "results_path") if getattr(args, name) is not None]:
            raise InputError(f"--{given[0]} is for sweeps; the function {args.experiment_name} chooses its trackers")
        return load_experiment(args.experiment_module, args.experiment_name)
    sweep = read_sweep(args.experiment_name or args.experiment_module)
    print(sweep.title, file=sys.stderr)
    parts, notes = sweep.load(present_only=args.present_only, results_path=args.results_path, device=args.device)
    for note in notes:
        print(note, file=sys.stderr)
    return parts


def _check_options(args: argparse.Namespace) -> None:
    """Raise InputError for options that would be ignored."""
    if args.debug:
        reason = "is of no use with --debug, which runs everything in this process and saves nothing"
        workers = ("workers",) if args.workers else ()
        refuse_unused(args, (*workers, "gpus", "torch_threads", *_OF_RAY), reason)
    elif args.engine == "ray":
        refuse_unused(args, ("gpus",), "is of no use with --engine ray, which chooses them; see --gpus_per_worker")
    else:
        refuse_unused(args, _OF_RAY, "is for --engine ray")
        if args.workers == 0:
            refuse_unused(args, ("gpus", "torch_threads"), "is for workers; with --workers 0 there are none")


def _command(args: argparse.Namespace) -> int:
    _check_options(args)
    parts = _load(args)
    if args.dry_run:
        from pytracking.evaluation.dry_run import show_plan

        return show_plan(parts, args.workers, args.overwrite)
    engine = None
    if not args.debug:
        ray: dict[str, Any] = {}
        if args.engine == "ray":
            ray = {"address": args.ray_address, "gpus_per_worker": args.gpus_per_worker}
            ray["shared_results"] = args.shared_results
        engine = make_engine(args.engine, args.workers, args.gpus, args.torch_threads, **ray)
    options = {name: getattr(args, name) for name in ("overwrite", "fail_fast")}
    return _run(parts, args.debug, engine=engine, **options).exit_status


def main(arguments: SequenceOf[str] | None = None) -> int:
    """Command line; returns the exit status: 0 all have results, 1 some failed, 2 wrong input, 128 + n by a signal."""
    parser = _parser()
    args = parser.parse_args(arguments)
    if args.list:
        print(list_everything())
        return 0
    if args.experiment_module is None:
        parser.error("expected a sweep or an experiment, for example: table4_lite; see --list")
    return exit_status(lambda: _command(args))


if __name__ == "__main__":
    sys.exit(main())
