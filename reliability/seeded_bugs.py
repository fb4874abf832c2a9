"""Shows that the tests can fail: puts one bug at a time into a copy, and runs the tests that must notice.

    python reliability/seeded_bugs.py                 all bugs
    python reliability/seeded_bugs.py --table wire    those of one table
    python reliability/seeded_bugs.py --only retry    those whose name contains a word
    python reliability/seeded_bugs.py --sample 24     so many of all, drawn by --seed, which is printed
    python reliability/seeded_bugs.py --check         only whether each still has its place in the code

Prints a line a bug, with the test that noticed it, then the counters. The exit status is 0 only if every bug was
noticed, by tests that pass without it.
"""

from __future__ import annotations

import argparse
import os
import queue
import random
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from access_bugs import ACCESS_BUGS
from bugs import BUGS, Bug
from store_bugs import STORE_BUGS
from wire_bugs import WIRE_BUGS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT = Path(__file__).resolve().parent.parent
TABLES: Mapping[str, Sequence[Bug]] = {"decisions": BUGS, "wire": WIRE_BUGS, "store": STORE_BUGS, "access": ACCESS_BUGS}
IGNORED = shutil.ignore_patterns(".git", ".venv", ".env", "__pycache__", ".*_cache", ".hypothesis", "logs", "*.db*")
ONE_RUN = 120.0  # seconds after which a run of tests is given up, which counts as noticed: a bug may hang it


class Trees:
    """Copies of the repository, each of which is used by one run of tests at a time."""

    def __init__(self, folder: Path, number: int) -> None:
        self._free: queue.Queue[Path] = queue.Queue()
        for name in range(number):
            self._free.put(shutil.copytree(ROOT, folder / str(name), ignore=IGNORED))

    def passes(self, suite: Sequence[str]) -> bool:
        """Whether these tests pass as things are; says so if they do not."""
        tree = self._free.get()
        try:
            failure = first_failure(tree, suite)
        finally:
            self._free.put(tree)
        if failure:
            print(f"FAILS WITHOUT A BUG: {failure}", flush=True)
        return not failure

    def notices(self, bug: Bug) -> bool:
        """Put the bug in, run its tests, and take it out again; says what came of it."""
        tree = self._free.get()
        path = tree / bug.path
        text = path.read_text("utf-8")
        path.write_text(text.replace(bug.right, bug.wrong, 1), "utf-8")
        try:
            failure = first_failure(tree, bug.suite)
        finally:
            path.write_text(text, "utf-8")
            self._free.put(tree)
        print(f"{'noticed' if failure else 'MISSED '} {bug.name} ({bug.file}): {failure}", flush=True)
        return bool(failure)


def main() -> int:
    """Try the bugs and give the exit status."""
    options = arguments()
    tables = [options.table] if options.table else TABLES
    bugs = [bug for table in tables for bug in TABLES[table] if options.only in bug.name]
    if options.sample:
        bugs = random.Random(options.seed).sample(bugs, min(options.sample, len(bugs)))  # noqa: S311 - no secret
        print(f"{len(bugs)} bugs, drawn with --seed {options.seed}", flush=True)
    stale = [bug for bug in bugs if is_stale(bug)]
    for bug in stale:
        print(f"STALE   {bug.name}: {bug.file} no longer has {bug.right!r}", flush=True)
    if options.check:
        print(f"{len(bugs)} bugs looked up, {len(stale)} stale")
        return 1 if stale else 0
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="seeded-bugs-") as folder, ThreadPoolExecutor(options.at_once) as threads:
        trees = Trees(Path(folder), options.at_once)
        sound = all(list(threads.map(trees.passes, sorted({bug.suite for bug in bugs}))))
        noticed = sum(threads.map(trees.notices, [bug for bug in bugs if bug not in stale]))
    print(
        f"\n{len(bugs)} bugs, {noticed} noticed, {len(bugs) - len(stale) - noticed} missed, {len(stale)} stale, "
        f"in {time.monotonic() - began:.0f} s"
    )
    return 0 if bugs and sound and noticed == len(bugs) else 1


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", choices=TABLES, help="only this table")
    parser.add_argument("--only", default="", metavar="WORD", help="only bugs whose name contains it")
    parser.add_argument("--sample", type=int, metavar="N", help="only N of them, drawn at random")
    seed = secrets.randbelow(1_000_000)
    parser.add_argument("--seed", type=int, default=seed, metavar="N", help="of the draw (default: another each time)")
    parser.add_argument("--check", action="store_true", help="run no tests")
    parser.add_argument("--at-once", type=int, default=2, help="runs of tests at a time (default 2)")
    return parser.parse_args()


def is_stale(bug: Bug) -> bool:
    """Whether the code has changed, so that the bug has no place any more, or the tests have moved."""
    missing = not all((ROOT / name).exists() for name in (bug.path, *bug.suite))
    return missing or bug.right not in (ROOT / bug.path).read_text("utf-8")


def first_failure(tree: Path, suite: Sequence[str]) -> str:
    """The test that fails first, or whatever else goes wrong; nothing if all is well."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *suite]
    environment = os.environ | {
        "PYTHONDONTWRITEBYTECODE": "1",
        "HYPOTHESIS_STORAGE_DIRECTORY": str(tree / ".hypothesis"),
    }
    try:
        done = subprocess.run(
            command, cwd=tree, env=environment, capture_output=True, text=True, timeout=ONE_RUN, check=False
        )
    except subprocess.TimeoutExpired:
        return "the tests do not end"
    if done.returncode == 0:
        return ""
    named = re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    return str(named[0]) if named else f"pytest ended with {done.returncode}: {(done.stdout + done.stderr)[-200:]}"


if __name__ == "__main__":
    sys.exit(main())
