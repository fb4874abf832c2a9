"""How often libraries ask, and how late they know: their own waiting loops and ours, side by side, on the same jobs.

python3 benchmarks/waiting.py                  all tables, and a short run in real time to check them (about a minute)
python3 benchmarks/waiting.py --virtual-only   without the run in real time

Time is virtual: a job of a minute takes milliseconds, and a seed determines every figure.
The libraries are those of benchmarks/requirements.txt; a row whose library is not installed says so.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "client/src"), str(ROOT / "server/src")]

from benchmarks.best import PRICE  # noqa: E402 - runs from a checkout
from benchmarks.durations import DISTRIBUTIONS  # noqa: E402
from benchmarks.plots import draw  # noqa: E402
from benchmarks.strategies import BEST, HINTED, OURS, PEERS, Task, run  # noqa: E402
from benchmarks.tables import Results, claims, say, table, write_csv  # noqa: E402
from benchmarks.virtual import Help  # noqa: E402

OWN_SERVER = [*((peer.name, Help.HOLDS) for peer in PEERS), (HINTED, Help.HINTS), (OURS, Help.HOLDS)]
PLAIN_SERVER = [*((peer.name, Help.NONE) for peer in PEERS), (OURS, Help.NONE), (BEST, Help.NONE)]


def main() -> int:
    """Run the command and give its exit status."""
    options = _options()
    say(f"seed {options.seed}, {options.jobs} jobs per cell, a round trip of {options.round_trip * 1000:g} ms\n")
    began = time.monotonic()
    results = _run_all(options)
    _print_tables(results)
    met = _print_claims(results)
    if options.csv:
        write_csv(options.csv, results.values())
    if options.plot:
        draw(results, options.plot)
    say(f"\n{len(results)} cells in {time.monotonic() - began:.0f} s")
    if not options.virtual_only:
        from benchmarks.sockets import check  # noqa: PLC0415 - needs a server that starts; the tables do not

        check(options.seed)
    return 0 if met or not options.check else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=_whole, default=2000, help="jobs per cell (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="determines durations and jitter (default: %(default)s)")
    parser.add_argument("--round-trip", type=float, default=0.05, metavar="SECONDS", help="default: %(default)s")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write all figures there as well")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw them there, as SVG")
    parser.add_argument("--virtual-only", action="store_true", help="no run in real time")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a blind figure is not what it must be")
    return parser.parse_args()


def _whole(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _run_all(options: argparse.Namespace) -> Results:
    rows = dict.fromkeys([*OWN_SERVER, *PLAIN_SERVER])
    tasks = [
        Task(name, server, place, options.jobs, options.seed, options.round_trip)
        for place in reversed(range(len(DISTRIBUTIONS)))
        for name, server in rows
    ]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=spawn) as processes:
        return {(f.task.strategy, f.task.help, f.task.distribution): f for f in processes.map(run, tasks)}


def _print_tables(results: Results) -> None:
    say("Each cell: status requests per job / mean detection delay / delay that one job in twenty exceeds (seconds),")
    say(f"and the cost, a request priced at {PRICE:g} s of delay, as a multiple of the best possible without help.\n")
    say("### Against our server, which holds requests and says when to come again\n")
    say(table(results, OWN_SERVER))
    say("\n### Against a plain server, which tells the status and nothing else\n")
    say(table(results, PLAIN_SERVER))
    versions = [f"{peer.package} {peer.version or '(not installed)'}" for peer in PEERS if peer.package]
    say(f"\nVersions: {', '.join(dict.fromkeys(versions))}.")


def _print_claims(results: Results) -> bool:
    say("\n### What must hold against the plain server\n")
    found = claims(results)
    for holds, text in found:
        if not holds or "best possible" in text:
            say(f"* {'holds' if holds else '**does not hold**'}: {text}")
    say(f"* {sum(holds for holds, _ in found)} of {len(found)} comparisons hold")
    return all(holds for holds, _ in found)


if __name__ == "__main__":
    sys.exit(main())
