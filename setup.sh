#!/usr/bin/env bash
# ./setup.sh        make .venv and install
# ./setup.sh demo   ... then track the demo data set with RLS-DiMP
# ./setup.sh test   ... then run lint, types and tests
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

task=${1:-install}
case $task in
    install | demo | test) ;;
    *) echo "setup.sh: expected no argument, 'demo' or 'test', found '$task'" >&2; exit 2 ;;
esac

supported='import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'
find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
        if "$candidate" -c "$supported" 2>/dev/null; then echo "$candidate"; return; fi
    done
    echo "setup.sh: expected Python 3.11-3.13 with its venv module, found none; install it, or name it: PYTHON=/path/to/python3.12 ./setup.sh" >&2
    exit 1
}

files_set_for() {
    # Files that the user or the owner of the machine set for this option of pip, in its order of precedence.
    .venv/bin/python -m pip config list | .venv/bin/python -c '
import ast, sys
found = dict(line.rstrip().split("=", 1) for line in sys.stdin)
for section in (":env:", "install", "global"):
    if files := ast.literal_eval(found.get(f"{section}.{sys.argv[1]}", "\"\"")).split():
        print(*files)
        break' "$1"
}

install() {
    # The stamp is written last, so a half-made .venv is finished by the next call.
    local stamp=.venv/installed-from wanted
    wanted=$(cksum pyproject.toml setup.sh)
    if [ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then return; fi
    local python
    python=$(find_python)
    [ -x .venv/bin/python ] && .venv/bin/python -c "$supported" 2>/dev/null || "$python" -m venv --clear .venv
    echo "Installing into .venv (PyTorch alone is about 5 GB; a few minutes) ..."
    # visdom 0.2.4, the newest for Python 3.11, is built from source with pkg_resources, which setuptools 81 dropped.
    # Old pips read the constraint of the build from PIP_CONSTRAINT, new ones from PIP_BUILD_CONSTRAINT. The variables
    # displace what was set before, in the environment or in pip.conf, so they name that too.
    echo 'setuptools<81' > .venv/build-constraint.txt
    local constraints build_constraints
    constraints=$(files_set_for constraint)
    build_constraints=$(files_set_for build-constraint)
    PIP_CONSTRAINT="$constraints .venv/build-constraint.txt" \
        PIP_BUILD_CONSTRAINT="$build_constraints .venv/build-constraint.txt" \
        .venv/bin/python -m pip install --quiet --disable-pip-version-check -e '.[all]'
    echo "$wanted" > "$stamp"
}

browser_for_tests() {
    # The tests of pages drive a headless Chromium, and are skipped where there is none.
    local name
    for name in chromium chromium-browser google-chrome google-chrome-stable; do
        if command -v "$name" >/dev/null; then return; fi
    done
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "Installing Chromium for the tests of pages ..."
        { timeout 120 apt-get -qq update && DEBIAN_FRONTEND=noninteractive timeout 300 apt-get -qq install -y --no-install-recommends chromium; } \
            >/dev/null 2>&1 && return
    fi
    echo "No Chromium here: the tests of pages are skipped. On Debian: apt-get install chromium" >&2
}

install
case $task in
    install) echo "Installed. Next: ./setup.sh demo, or: source .venv/bin/activate" ;;
    demo) exec .venv/bin/python -m pytracking.util_scripts.demo ;;
    test)
        browser_for_tests
        .venv/bin/ruff check .
        .venv/bin/mypy
        # One torch thread per test process: the processes already fill the cores.
        OMP_NUM_THREADS=1 exec .venv/bin/python -m pytest -n auto -rfEs  # failures, errors, and why tests were skipped
        ;;
esac
