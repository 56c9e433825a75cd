"""Start a visdom server on this machine, reachable from this machine alone.

visdom's own command, `python -m visdom.server`, listens to the whole network, ends where it cannot download its page's
scripts, and its page is refused ("403") by Tornado 6.6. Here the scripts come from npm packages, once; without npm the
server starts all the same, and only its page stays empty.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence as SequenceOf
from pathlib import Path
from typing import Any

from ltr.common.errors import InputError, exit_status
from pytracking.arguments import parse_folder, parse_port

SCRIPTS = {  # what visdom 0.2's page loads: (package, file in it) of each file
    "js/jquery.min.js": ("jquery@3.1.1", "dist/jquery.min.js"),
    "js/bootstrap.min.js": ("bootstrap@3.3.7", "dist/js/bootstrap.min.js"),
    "css/bootstrap.min.css": ("bootstrap@3.3.7", "dist/css/bootstrap.min.css"),
    "fonts/glyphicons-halflings-regular.woff2": ("bootstrap@3.3.7", "dist/fonts/glyphicons-halflings-regular.woff2"),
    "fonts/glyphicons-halflings-regular.woff": ("bootstrap@3.3.7", "dist/fonts/glyphicons-halflings-regular.woff"),
    "js/react-react.min.js": ("react@16.2.0", "umd/react.production.min.js"),
    "js/react-dom.min.js": ("react-dom@16.2.0", "umd/react-dom.production.min.js"),
    "js/react-modal.min.js": ("react-modal@3.1.10", "dist/react-modal.min.js"),
    "js/plotly-plotly.min.js": ("plotly.js-dist-min@2.11.1", "plotly.min.js"),
    "js/sjcl.js": ("sjcl@1.0.7", "sjcl.js"),
    "js/layout_bin_packer.js": ("layout-bin-packer@1.4.0", "dist/layout-bin-packer.js"),
    "js/d3.v3.min.js": ("d3@3.5.17", "d3.min.js"),
    "js/d3-selection-multi.v1.js": ("d3-selection-multi@1.0.1", "build/d3-selection-multi.js"),
    "js/saveSvgAsPng.js": ("save-svg-as-png@1.4.17", "lib/saveSvgAsPng.js"),
    "css/react-resizable-styles.css": ("react-resizable@1.4.6", "css/styles.css"),
    "css/react-grid-layout-styles.css": ("react-grid-layout@0.16.3", "css/styles.css"),
}
USER_STYLE = '{{ static_url("../user/style.css") }}'  # outside of the static folder, which Tornado 6.6 refuses
NPM_SECONDS = 300
COMPLETE = "complete"  # a file that is made last


def static_folder() -> Path:
    """Folder of the page with its scripts, in the user's cache; made where it is not there.

    Raises InputError where the scripts cannot be had.
    """
    package = importlib.util.find_spec("visdom")
    if package is None or package.origin is None:
        raise InputError("visdom is not installed: pip install 'rls-onlinetrack[debug]'")
    own = Path(package.origin).parent / "static"
    version = importlib.metadata.version("visdom")
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    folder = cache / "rls-onlinetrack" / f"visdom-{version}"
    if not (folder / COMPLETE).exists():
        make_page(own, folder)
    return folder


def make_page(page: Path, folder: Path) -> None:
    """Copy visdom's page, and add its scripts where it has none. Raises InputError without npm or its registry."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        made = Path(temporary) / "static"
        shutil.copytree(page, made)
        index = made / "index.html"
        index.write_text(mended(index.read_text(encoding="utf-8")), encoding="utf-8")
        if not all((made / name).exists() for name in SCRIPTS):
            print("fetching the scripts of visdom's page from npm ...", file=sys.stderr)
            _unpack(sorted({package for package, _ in SCRIPTS.values()}), Path(temporary), made)
        (made / COMPLETE).touch()
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)


def mended(page: str) -> str:
    """The page without MathJax, which nothing in it uses, and with a style sheet that Tornado does not refuse."""
    lines = page.replace(USER_STYLE, '"/user/style.css"').splitlines(keepends=True)
    return "".join(line for line in lines if "mathjax" not in line.lower())


def _unpack(packages: list[str], temporary: Path, made: Path) -> None:
    if shutil.which("npm") is None:
        raise InputError("the scripts of visdom's page come by way of npm, which is not here; install Node.js")
    command = ["npm", "pack", "--silent", *packages]
    try:
        done = subprocess.run(command, cwd=temporary, capture_output=True, text=True, timeout=NPM_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise InputError(f"npm did not answer within {NPM_SECONDS} s: {' '.join(command)}") from None
    if done.returncode != 0:
        raise InputError(f"npm could not fetch the scripts of visdom's page:\n{done.stderr.strip()[-2000:]}")
    for target, (package, name) in SCRIPTS.items():
        archive = temporary / f"{package.replace('@', '-')}.tgz"
        with tarfile.open(archive) as files:
            content = files.extractfile(f"package/{name}")
            assert content is not None
            path = made / target
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.read())


def serve(port: int, static: Path | None, environments: Path) -> None:
    """Run the server until it is interrupted; it keeps saved environments in a folder."""
    sys.modules.setdefault("torch", None)  # type: ignore[arg-type]  # visdom would load it, and serves without
    from visdom.server import app, run_server

    settings: dict[str, Any] = app.tornado_settings
    settings["autoreload"] = False  # else a change of any file of the project restarts the server, without its windows
    if static is not None:
        settings["static_path"] = settings["template_path"] = str(static)
    run_server.start_server(port=port, base_url="", env_path=f"{environments}{os.sep}", bind_local=True)


def main(arguments: SequenceOf[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=parse_port, default=8097, help="default: 8097")
    parser.add_argument("--environments", type=parse_folder, default=Path.home() / ".visdom", help="default: ~/.visdom")
    args = parser.parse_args(arguments)

    def run() -> int:
        try:
            static = static_folder()
        except InputError as error:
            print(f"the page will stay empty: {error}", file=sys.stderr)
            static = None
        try:
            serve(args.port, static, args.environments)
        except OSError as error:
            raise InputError(f"cannot listen on port {args.port}: {error.strerror}; give another --port") from error
        return 0

    return exit_status(run)


if __name__ == "__main__":
    sys.exit(main())
