"""A tracker of this project as a TraX server, which the VOT toolkit starts and asks.

TraX speaks over standard input and output, or over a socket. Whatever else is printed goes to standard error, which
the toolkit keeps as the tracker's log.
"""

from __future__ import annotations

import contextlib
import os
import select
import stat
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ltr.common.errors import InputError
from ltr.common.image import read_image
from pytracking.evaluation.tracker import Tracker
from pytracking.utils.seeding import seed_everything
from pytracking.VOT.regions import initial_box

if TYPE_CHECKING:
    from pytracking.tracker.base import BaseTracker

WAIT = 10.0  # seconds that a client has for its first word, where the environment names none
INSTALL = 'pip install "rls-onlinetrack[vot]", or pip install vot-trax'


def serve(
    tracker: Tracker,
    seed: int | None = None,  # None: a new one, so that the toolkit's repetitions differ
    wait: float = WAIT,
) -> int:
    """Answer a TraX client until it quits; returns the number of frames.

    Raises InputError where nobody speaks TraX, where vot-trax is missing, and for an unknown tracker.
    """
    _require_client()
    trax = load_trax()
    tracker.get_parameters()
    with _protected_output() as output:
        seed = int.from_bytes(os.urandom(4), "big") if seed is None else seed
        _log(f"{tracker.display_name}, seed {seed}")
        seed_everything(seed)
        running = tracker.create_tracker(tracker.get_parameters())
        running.seed(seed)
        running.initialize_features()
        with _server(trax, tracker, output) as server:
            if not _is_announced():
                _wait_for_client(wait)
            try:
                frames = _answer_requests(trax, server, running)
            except trax.TraxException as error:
                raise InputError(f"the TraX client ended without a word: {error}") from error
        if frames == 0 and not _is_announced():
            raise InputError(_nobody("standard input ended"))
        return frames


def load_trax() -> Any:
    """The package `trax` of vot-trax. Raises InputError where it is missing, or another package of that name."""
    try:
        trax = import_module("trax")
        import_module("trax.server")
    except (ImportError, OSError) as error:
        raise InputError(
            f"the VOT toolkit is spoken to with vot-trax, which cannot be used here: {error}\n  {INSTALL}"
        ) from error
    if not hasattr(trax, "TraxStatus") or not hasattr(trax, "Server"):
        found = getattr(trax, "__file__", "unknown")
        raise InputError(
            f"'trax' is another package here ({found}), not that of vot-trax\n  pip uninstall trax; {INSTALL}"
        )
    return trax


def _answer_requests(trax: Any, server: Any, running: BaseTracker) -> int:
    previous: dict[str, Any] = {}
    frames = 0
    while True:
        request = server.wait()
        if request.type == trax.TraxStatus.INITIALIZE:
            if len(request.objects) != 1:
                raise InputError(f"expected one object to track, found {len(request.objects)}")
            box = initial_box(region_numbers(request.objects[0][0]))
            result = running.initialize(_image(request), {"init_bbox": box}) or {}
            previous = {"target_bbox": box, "object_presence_score": 1.0, **result}
        elif request.type == trax.TraxStatus.FRAME:
            previous = running.track(_image(request), {"previous_output": previous})
        else:
            return frames
        frames += 1
        score = previous.get("object_presence_score")
        region = trax.Rectangle.create(*(float(value) for value in previous["target_bbox"]))
        server.status([(region, {} if score is None else {"confidence": float(score)})])


def region_numbers(region: Any) -> list[float]:
    """Numbers of a TraX region: 4 of a rectangle, 8 of a polygon; of one with more corners, those of the box around.

    Raises InputError for other regions.
    """
    if region.type == "rectangle":
        return [float(value) for value in region.bounds()]
    if region.type != "polygon":
        raise InputError(f"expected a rectangle or a polygon to track, found a {region.type}")
    corners = [(float(x), float(y)) for x, y in region]
    if len(corners) == 4:
        return [value for corner in corners for value in corner]
    x, y = ([corner[axis] for corner in corners] for axis in (0, 1))
    return [min(x), min(y), max(x) - min(x), max(y) - min(y)]


def _image(request: Any) -> Any:
    return read_image(request.image["color"].path())


def _server(trax: Any, tracker: Tracker, output: int) -> Any:
    """A TraX server that writes to the file descriptor `output`, where no socket is asked for."""
    module: Any = import_module("trax.server")
    native: Any = import_module("trax._ctypes")
    options = {
        "region_formats": [trax.Region.RECTANGLE, trax.Region.POLYGON],
        "image_formats": [trax.Image.PATH],
        "image_channels": ["color"],
        "tracker_name": tracker.display_name,
        "tracker_description": f"{tracker.name} {tracker.parameter_name}",
        "tracker_family": tracker.name,
    }
    if "TRAX_SOCKET" in os.environ:
        return module.Server(**options)
    setup = module.trax_server_setup_v
    # vot-trax's Server always takes descriptor 1, which belongs to everybody who prints; its library takes any.
    module.trax_server_setup_v = lambda metadata, log, flags: native.trax_server_setup_file_v(
        metadata, sys.__stdin__.fileno() if sys.__stdin__ else 0, output, log, flags
    )
    try:
        return module.Server(**options)
    finally:
        module.trax_server_setup_v = setup


@contextlib.contextmanager
def _protected_output() -> Iterator[int]:
    """Keep standard output for TraX, under another descriptor: what anybody prints goes to standard error."""
    sys.stdout.flush()
    output = os.dup(1)
    os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield output
    finally:
        sys.stdout.flush()
        os.dup2(output, 1)
        os.close(output)


def _is_announced() -> bool:
    """Whether the environment says that a TraX client started this process."""
    return "TRAX" in os.environ or "TRAX_SOCKET" in os.environ


def _require_client() -> None:
    """Raise InputError where nobody can speak TraX to this process; a pipe may have somebody at its other end."""
    if _is_announced():
        return
    try:
        mode = os.fstat(0).st_mode
    except OSError:
        raise InputError(_nobody("there is no standard input")) from None
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        raise InputError(_nobody("standard input is a terminal" if os.isatty(0) else "standard input is no pipe"))
    poll = select.poll()
    poll.register(0, select.POLLIN)
    if any(event & select.POLLHUP and not event & select.POLLIN for _, event in poll.poll(0)):
        raise InputError(_nobody("standard input is closed"))


def _wait_for_client(seconds: float) -> None:
    """Raise InputError where no request comes: a pipe, but nobody who speaks TraX."""
    ready, _, _ = select.select([0], [], [], seconds)
    if not ready:
        raise InputError(_nobody(f"no request came in {seconds:.0f} seconds"))


def _nobody(found: str) -> str:
    return (
        f"expected to be started by the VOT toolkit or another TraX client: {found}\n"
        "  under the toolkit: python -m pytracking.run_vot trackers_ini writes its trackers.ini\n"
        "  without it: python -m pytracking.run_vot experiment --help\n"
        "  in one pass, without restarts: python -m pytracking.run_tracker ... --dataset_name vot"
    )


def _log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
