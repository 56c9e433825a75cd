"""Train a network: settings, then options of theirs as name=value.

python ltr/run_training.py dimp dimp50 epochs=20 batch_size=8
torchrun --nproc-per-node 4 ltr/run_training.py dimp dimp50
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ltr.common.errors import exit_status
from ltr.common.interruption import SIGNAL_BASE

if TYPE_CHECKING:
    from ltr.trainers.folder import TrainingFolder
    from ltr.trainers.options import TrainingOptions
    from ltr.trainers.processes import Processes
    from ltr.trainers.settings_files import SettingsModule


def run_training(
    train_module: str, train_name: str, overrides: Sequence[str] = (), *, restart: bool = False, quiet: bool = False
) -> int:
    """Train, or continue where an earlier process stopped; checkpoints are in the workspace.

    `overrides` are `name=value` texts. With `restart`, an earlier training is set aside. Returns the exit status: 0,
    1 when the training cannot go on (see the message), 129, 130 or 143 when a signal stopped it after saving.
    Raises InputError for unknown settings and options, and where an earlier training had other options.
    """
    from ltr.trainers.options import parse_overrides
    from ltr.trainers.settings_files import find_settings, load_settings

    settings = load_settings(find_settings(f"{train_module}.{train_name}"))
    options = parse_overrides(settings.options, overrides)

    from ltr.trainers.processes import start_processes

    with start_processes(options.device) as processes:
        return _train(settings, options, processes, restart=restart, quiet=quiet)


def _train(
    settings: SettingsModule, options: TrainingOptions, processes: Processes, *, restart: bool, quiet: bool
) -> int:
    import contextlib

    from ltr.trainers.folder import UnwritableError
    from ltr.trainers.trainer import TrainingError

    folder = _folder(settings, options)
    with contextlib.ExitStack() as stack:
        try:
            processes.by_first(lambda: stack.enter_context(folder.claim()))
            record = processes.by_first(lambda: _open(folder, settings, options, processes, restart))
            return _train_in(folder, settings, options, processes, record, quiet or not processes.is_first)
        except (TrainingError, UnwritableError) as error:
            print(f"error: {error}", file=sys.stderr)
            return 1


def _open(
    folder: TrainingFolder, settings: SettingsModule, options: TrainingOptions, processes: Processes, restart: bool
) -> dict[str, Any]:
    """The record of this training, an older one continued."""
    from ltr.trainers.options import all_options, result_options
    from ltr.trainers.trainer import check_precision

    check_precision(options, processes.device)
    key = {
        "settings": str(settings.name),
        "options": result_options(options),
        "processes": processes.count,
        "device": processes.device.type,
    }
    stored = folder.open(key, restart, result_options(settings.options()))
    record = {**key, "epochs_done": stored.get("epochs_done", 0), "sessions": stored.get("sessions", [])}
    if record["epochs_done"] < options.epochs:
        from ltr.trainers.folder import session_record

        record["sessions"] = [*record["sessions"], session_record(str(processes.device), all_options(options))]
        folder.write_record(record)
    return record


def _train_in(
    folder: TrainingFolder,
    settings: SettingsModule,
    options: TrainingOptions,
    processes: Processes,
    record: dict[str, Any],
    quiet: bool,
) -> int:
    from ltr.trainers.randomness import Stream, derive_seed, seed_everything
    from ltr.trainers.reporting import Progress
    from ltr.trainers.trainer import Trainer

    with Progress(quiet) as progress:
        if record["epochs_done"] >= options.epochs:
            progress.say(f"{settings.name} is trained: {options.epochs} epochs in {folder.path}; --restart begins anew")
            return 0
        seed_everything(derive_seed(options.seed, Stream.BUILD))
        progress.say(f"training {settings.name} on {processes.device}, checkpoints in {folder.path}")
        stopped = Trainer(settings.build(options), options, folder, processes, record).run(progress)
        if stopped is not None:
            progress.say(f"stopped by {stopped.name}; the state is saved, and the same command continues from it")
            return SIGNAL_BASE + stopped
        progress.say(f"trained {options.epochs} epochs; networks in {folder.path}")
        return 0


def _folder(settings: SettingsModule, options: TrainingOptions) -> TrainingFolder:
    from ltr.common.environment import env_settings
    from ltr.trainers.folder import TrainingFolder

    workspace = options.workspace if options.workspace is not None else env_settings().workspace_path
    return TrainingFolder(Path(workspace), settings.name.module, settings.name.settings, options.name)


def describe_options(settings: SettingsModule) -> str:
    """Options of settings with their defaults and what may be given, as text."""
    from ltr.trainers.options import describe_type

    hints = typing.get_type_hints(settings.options)
    defaults = settings.options()
    fields = [field.name for field in dataclasses.fields(settings.options)]
    texts = {name: f"{name}={_option_text(getattr(defaults, name))}" for name in fields}
    width = max(map(len, texts.values()))
    return "\n".join(f"  {text:{width}}  {describe_type(hints[name])}" for name, text in texts.items())


def _option_text(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return ",".join(map(_option_text, value))
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _list_settings() -> str:
    from ltr.trainers.settings_files import list_settings

    found = list_settings()
    width = max(map(len, found), default=0)
    return "\n".join(f"{name:{width}}  {text}" for name, text in found.items())


def _parser() -> argparse.ArgumentParser:
    usage = "%(prog)s <module> <settings> [name=value ...] [--restart] | --list | <module> <settings> --options"
    parser = argparse.ArgumentParser(usage=usage, description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "words", nargs="*", metavar="<module> <settings> name=value", help="for example: dimp dimp50 epochs=20"
    )
    parser.add_argument("--list", action="store_true", help="list the settings, and stop")
    parser.add_argument("--options", action="store_true", help="list the options of the settings, and stop")
    parser.add_argument("--restart", action="store_true", help="set an earlier training aside and begin anew")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status of `run_training`, 2 after wrong input."""
    parser = _parser()
    args = parser.parse_intermixed_args(arguments)
    if args.list:
        print(_list_settings())
        return 0
    name = ".".join(word for word in args.words if "=" not in word)
    if not name:
        parser.error("expected settings, for example: dimp dimp50; see --list")
    if args.options:
        return exit_status(lambda: _print_options(name))
    overrides = [word for word in args.words if "=" in word]
    module, _, settings = name.rpartition(".")
    return exit_status(lambda: run_training(module, settings, overrides, restart=args.restart))


def _print_options(name: str) -> int:
    from ltr.trainers.settings_files import find_settings, load_settings

    print(describe_options(load_settings(find_settings(name))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
