"""Many jobs awaited by one client against a real server: requests after the starts, and how late each end is told.

python3 benchmarks/many.py               a thousand jobs that end over ten seconds
python3 benchmarks/many.py --jobs 5000

The server's own log says how many requests there were.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import re
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "client/src"), str(ROOT / "server/src")]

from benchmarks.tables import markdown, say  # noqa: E402 - runs from a checkout
from server_process import ServerProcess  # noqa: E402
from translation_client import Job, TranslationStatusClient  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

STARTERS = 8  # threads that start jobs
PER_START = 0.01  # seconds; time given to start one job before the first ends
LEAD = 2.0
REQUEST = re.compile(r"\b(GET|POST) (/\S*) \d{3} ")
REQUESTS, MEDIAN = 2, 0.005  # what must hold: at most so many requests, told within so many seconds


@dataclass(slots=True)
class Told:
    """Seconds from the end of each job until the client handed it out, and what that took."""

    delays: list[float] = field(default_factory=list)
    cpu: float = 0.0
    requests: list[str] = field(default_factory=list)

    def note(self, job: Job) -> None:
        """Take in a job at the moment it is handed out; the server runs on this machine, by the same clock."""
        if job.ended_at is not None:
            self.delays.append(time.time() - job.ended_at.timestamp())


def main() -> int:
    """Run the command and give its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1000, help="default: %(default)s")
    parser.add_argument("--spread", type=float, default=10.0, help="seconds over which they end (default: %(default)s)")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a figure is not what it must be")
    options = parser.parse_args()
    ways = {"`as_completed`": _await_all}
    if find_spec("aiohttp"):
        ways["`as_completed`, async"] = _await_all_async
    told = {name: _run(way, options.jobs, options.spread) for name, way in ways.items()}
    say(f"{options.jobs} jobs that end over {options.spread:g} s, awaited by one client, on loopback\n")
    header = ["", "requests after the starts", "told late, median", "99 in 100 within", "client CPU"]
    say(markdown(header, [_row(name, one) for name, one in told.items()]))
    say("\nThe requests: " + "; ".join(", ".join(one.requests) for one in told.values()) + ".")
    met = all(len(one.requests) <= REQUESTS and median(one.delays) <= MEDIAN for one in told.values())
    verdict = "holds" if met else "does not hold"
    say(f"At most {REQUESTS} requests, told within {MEDIAN * 1000:g} ms (median): {verdict}.")
    return 0 if met or not options.check else 1


def _row(name: str, told: Told) -> list[str]:
    p99 = sorted(told.delays)[math.ceil(0.99 * len(told.delays)) - 1]
    late = [f"{median(told.delays) * 1000:.2f} ms", f"{p99 * 1000:.2f} ms"]
    return [name, str(len(told.requests)), *late, f"{told.cpu:.2f} s"]


def _run(way: Callable[[ServerProcess, list[str]], Told], jobs: int, spread: float) -> Told:
    with tempfile.TemporaryDirectory() as folder:
        with ServerProcess(Path(folder), python=sys.executable, MAX_PENDING_JOBS=str(max(jobs, 1))) as server:
            told = way(server, _start(server, jobs, spread))
            log = server.log_file
        told.requests = _requests(log.read_text("utf-8"))
    if len(told.delays) != jobs:
        raise SystemExit(f"{len(told.delays)} of {jobs} jobs were told")
    return told


def _start(server: ServerProcess, jobs: int, spread: float) -> list[str]:
    """Start the jobs so that they end one after the other once all of them are started."""
    first = time.monotonic() + LEAD + jobs * PER_START

    with TranslationStatusClient(server.base_url, server.username, server.password) as client:

        def start(number: int) -> str:
            left = first + spread * number / jobs - time.monotonic()
            return client.start_job(simulate={"duration": max(left, 0.0), "outcome": "completed"})

        with ThreadPoolExecutor(STARTERS) as threads:
            return list(threads.map(start, range(jobs)))


def _await_all(server: ServerProcess, job_ids: list[str]) -> Told:
    told, cpu = Told(), time.process_time()
    with TranslationStatusClient(server.base_url, server.username, server.password) as client:
        for job in client.as_completed(job_ids):
            told.note(job)
    told.cpu = time.process_time() - cpu
    return told


def _await_all_async(server: ServerProcess, job_ids: list[str]) -> Told:
    from translation_client import AsyncTranslationStatusClient  # noqa: PLC0415 - needs aiohttp

    async def wait() -> Told:
        told, cpu = Told(), time.process_time()
        async with AsyncTranslationStatusClient(server.base_url, server.username, server.password) as client:
            async for job in client.as_completed(job_ids):
                told.note(job)
        told.cpu = time.process_time() - cpu
        return told

    return asyncio.run(wait())


def _requests(log: str) -> list[str]:
    """Method and path of every request but the starts and the look whether the server is ready."""
    found = [f"{method} {path.partition('?')[0]}" for method, path in REQUEST.findall(log)]
    return [one for one in found if one != "POST /start" and "/health/" not in one]


if __name__ == "__main__":
    sys.exit(main())
