"""Shows that the client's tests can fail: puts one bug at a time into a copy, and runs the tests that must notice.

    python reliability/seeded_bugs.py                 all bugs
    python reliability/seeded_bugs.py --only retry    those whose name contains a word

Prints a line a bug, then the counters. The exit status is 0 only if every bug was noticed, by tests that pass
without it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bugs import BUGS, Bug

ROOT = Path(__file__).resolve().parent.parent
SOURCES = Path("client/src/translation_client")
ONE_RUN = 300.0  # seconds after which a run of tests is given up, which counts as noticed: a bug may hang it


def main() -> int:
    """Try the bugs and give the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="WORD", help="only bugs whose name contains it")
    bugs = [bug for bug in BUGS if parser.parse_args().only in bug.name]
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="seeded-bugs-") as folder:
        tree = copy(Path(folder))
        suites = sorted({bug.tests for bug in bugs})
        broken = [suite for suite in suites if not passes(tree, suite)]
        for suite in broken:
            print(f"FAILS WITHOUT A BUG: {', '.join(suite)}", flush=True)
        missed = [bug for bug in bugs if not noticed(tree, bug)]
    print(
        f"\n{len(bugs)} bugs tried, {len(bugs) - len(missed)} noticed, {len(missed)} missed, "
        f"in {time.monotonic() - began:.0f} s"
    )
    return 1 if missed or broken or not bugs else 0


def copy(folder: Path) -> Path:
    """A tree with what the client's tests need."""
    for name in ("client", "conftest.py", "pyproject.toml", "server_process.py", ".env.example", "server"):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(
                source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "logs", "*.db*", ".env")
            )
        else:
            shutil.copy(source, folder / name)
    return folder


def noticed(tree: Path, bug: Bug) -> bool:
    """Put the bug in, run its tests, and take it out again."""
    path = tree / SOURCES / bug.file
    text = path.read_text("utf-8")
    if text.count(bug.right) < 1:
        print(f"STALE   {bug.name}: {bug.file} no longer has {bug.right!r}", flush=True)
        return False
    path.write_text(text.replace(bug.right, bug.wrong, 1), "utf-8")
    try:
        found = not passes(tree, bug.tests)
    finally:
        path.write_text(text, "utf-8")
    print(f"{'noticed' if found else 'MISSED '} {bug.name} ({bug.file}; {', '.join(bug.tests)})", flush=True)
    return found


def passes(tree: Path, tests: tuple[str, ...]) -> bool:
    """Whether these tests of the tree pass."""
    files = [f"client/tests/{name}" for name in tests]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-W", "ignore", *files]
    environment = os.environ | {
        "PYTHONDONTWRITEBYTECODE": "1",
        "HYPOTHESIS_STORAGE_DIRECTORY": str(tree / ".hypothesis"),
    }
    try:
        done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, timeout=ONE_RUN, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
