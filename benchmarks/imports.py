"""How long ``import translation_client`` takes beside ``import requests``, which it needs.

Every import is one of a fresh interpreter; the two take turns, so that whatever else the machine does meets both.
Both are compiled beforehand, as they are once installed. The processor's time is what the difference is judged by: the
clock on the wall also counts what else a busy machine does.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.path[1:1] = [str(ROOT / "client/src"), str(ROOT / "server/src")]

from benchmarks.tables import markdown, say  # noqa: E402 - runs from a checkout

ALLOWED = 20.0  # milliseconds more than requests
MODULES = ("requests", "translation_client")
CLOCKS = "time.perf_counter(), time.process_time()"
TIMED = f"import time; began = {CLOCKS}; import {{}}; print(*began, *({CLOCKS}))"


class Took(NamedTuple):
    """Milliseconds of one import: by the clock on the wall, and of the processor."""

    wall: float
    processor: float


def main() -> int:
    """Run the command and give its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=25, help="of each import (default: %(default)s)")
    parser.add_argument("--check", action="store_true", help="exit with 1 if the difference is not what it must be")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        turns = [[_import(module, cache) for module in MODULES] for _ in range(options.runs + 1)]
    del turns[0]  # in which everything was compiled
    medians = [_median([turn[place] for turn in turns]) for place in range(len(MODULES))]
    rows = [
        [f"`import {module}`", f"{took.wall:.1f} ms", f"{took.processor:.1f} ms"]
        for module, took in zip(MODULES, medians, strict=True)
    ]
    say(markdown(["median", "by the clock", "of the processor"], rows))
    more = _median([Took(ours.wall - theirs.wall, ours.processor - theirs.processor) for theirs, ours in turns])
    met = more.processor <= ALLOWED
    say(f"\nBy the clock {more.wall:.1f} ms more, of the processor {more.processor:.1f} ms more.")
    say(f"At most {ALLOWED:g} ms of the processor more: {'holds' if met else 'does not hold'}.")
    return 0 if met or not options.check else 1


def _import(module: str, cache: str) -> Took:
    command = [sys.executable, "-c", TIMED.format(module)]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "client/src"), "PYTHONPYCACHEPREFIX": cache}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=60)  # noqa: S603 - ours
    wall, processor, wall_after, processor_after = map(float, done.stdout.split())
    return Took((wall_after - wall) * 1000, (processor_after - processor) * 1000)


def _median(taken: list[Took]) -> Took:
    return Took(median(took.wall for took in taken), median(took.processor for took in taken))


if __name__ == "__main__":
    sys.exit(main())
