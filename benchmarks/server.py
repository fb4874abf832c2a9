"""How fast the server is: against the least its stack can do, the usual way, and the servers people use instead.

    python benchmarks/server.py                   all tables, in Markdown (about four minutes)
    python benchmarks/server.py --without-npm     without json-server, Mockoon and WireMock

Everything runs in one go on one machine, in rounds that take turns, and the medians are compared: look at the ratios.
One worker each. CPU is that of the server's processes per request.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import itertools
import json
import math
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "server/src")]

import uvloop  # noqa: E402 - runs from a checkout

from benchmarks.server_load import Sample, load, request  # noqa: E402
from benchmarks.server_peers import (  # noqa: E402
    JOB_ID,
    PASSWORD,
    USERNAME,
    Peer,
    bare,
    holding,
    npm_peers,
    ours,
    running,
    usual,
)
from benchmarks.server_stored import fill, some_ids  # noqa: E402
from benchmarks.server_waiters import Asked, Held, allow_files, hold  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Sequence

_AUTHORIZATION = "Basic " + base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
_JOB = {
    "job_id": JOB_ID, "status": "completed", "created_at": "2026-01-31T12:00:00.123Z",
    "ended_at": "2026-01-31T12:00:05.123Z", "elapsed_time": 5.0, "progress": 1.0, "poll_after": None,
    "video_length": None, "metadata": {}, "error": None,
}  # fmt: skip
_READERS = 16  # connections
_JOBS_IN_TURN = 10_000, 100_000  # as many as a user may have pending; far more than the server keeps records of
_STARTERS = 64, 256  # the more there are at the same time, the more share a transaction


@dataclass(frozen=True, slots=True)
class Entrant:
    """A running server, and what it is asked for."""

    name: str
    port: int
    pid: int
    requests: Sequence[bytes]
    connections: int


def main() -> int:
    """Run the command and give its exit status."""
    options = _options()
    begun = time.monotonic()
    uvloop.install()
    with tempfile.TemporaryDirectory(prefix="benchmark-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        _status_reads(options, folder)
        _stored(options, folder)
        for number in _STARTERS:
            _starts(options, folder, number)
        _waiters(options, folder)
    say(f"\n{options.rounds} rounds of {options.seconds:g} s each, in all {time.monotonic() - begun:.0f} s.")
    return 0


def _status_reads(options: argparse.Namespace, folder: Path) -> None:
    say("## One status read, authenticated, from the store\n")
    with ExitStack() as stack:
        found = _enter(stack, ours(folder), folder, "GET", "/start")
        job_id, answer = _one_job(found.port, "/start")
        pending_id, _ = _one_job(found.port, "/start", pending=True)
        entrants = [
            _asking(found, job_id),
            replace(_asking(found, pending_id), name=f"{found.name}, job pending"),
            *(_asking_in_turn(stack, folder, number) for number in _JOBS_IN_TURN),
            *(_asking_pending(stack, folder, parser) for parser in ("h11", "httptools")),
        ]
        peers = [*bare(answer), usual(folder)]
        entrants += [_enter(stack, peer, folder, "GET", f"/status/{JOB_ID}") for peer in peers]
        usual_id, _ = _one_job(entrants[-1].port, "/start")
        entrants[-1] = _asking(entrants[-1], usual_id)
        others, missing = ([], ["json-server, Mockoon and WireMock were left out on request."])
        if not options.without_npm:
            others, missing = npm_peers(_JOB)
        entrants += [_enter(stack, peer, folder, "GET", f"/status/{JOB_ID}") for peer in others]
        _tell(_measure(options, entrants), base="bare ASGI")
    for reason in missing:
        say(f"\n{reason}")


def _stored(options: argparse.Namespace, folder: Path) -> None:
    say(f"\n## One status read of a pending job, by the number of jobs stored ({options.stored:,} against 1,000)\n")
    with ExitStack() as stack:
        entrants = []
        for number in (1000, options.stored):
            path = folder / f"{number}.db"
            fill(path, USERNAME, number)
            peer = ours(folder, DATABASE_URL=f"sqlite:///{path}")
            peer.name = f"{number:,} jobs"
            found = _enter(stack, peer, folder, "GET", "/")
            paths = [f"/status/{job_id}" for job_id in some_ids(path, 5000)]
            requests = [request("GET", each, _AUTHORIZATION) for each in paths]
            entrants.append(Entrant(found.name, found.port, found.pid, requests, _READERS))
        _tell(_measure(options, entrants), base="1,000 jobs")


def _starts(options: argparse.Namespace, folder: Path, number: int) -> None:
    say(f"\n## Durable starts (an fsync before the answer), {number} at the same time\n")
    new = folder / f"starts-{number}"
    new.mkdir()
    with ExitStack() as stack:
        entrants = []
        for peer in (ours(new), usual(new)):
            found = _enter(stack, peer, new, "POST", "/start")
            _one_job(found.port, "/start", pending=True)  # plain FastAPI fails where several make the file at once
            requests = [request("POST", "/start", _AUTHORIZATION, b'{"video_length": 10}')]
            entrants.append(Entrant(found.name, found.port, found.pid, requests, number))
        _tell(_measure(options, entrants), base="plain FastAPI")


def _waiters(options: argparse.Namespace, folder: Path) -> None:
    number = allow_files(options.waiters)
    say(f"\n## {number:,} requests held, all told at once of a job that is cancelled\n")
    found: dict[str, list[Held]] = {}
    for _ in range(options.waiting_rounds):
        for peer in (ours(folder), holding(), usual(folder)):
            with running(peer, folder) as (port, pid):
                job_id = JOB_ID if peer.name == "bare ASGI" else _one_job(port, "/start", pending=True)[0]
                path = f"/wait/{job_id}" if peer.name == "plain FastAPI" else f"/status/{job_id}?wait=600"
                paths = ("GET", path), ("GET", f"/status/{job_id}"), ("DELETE", f"/jobs/{job_id}")
                asked = Asked(*(request(*one, _AUTHORIZATION) for one in paths))
                found.setdefault(peer.name, []).append(asyncio.run(hold(port, pid, number, asked)))
    say("| server | memory of the server for each | p99 of others meanwhile | half told after | last told after |")
    say("|---|---:|---:|---:|---:|")
    for name, held in found.items():
        memory, others, half, last = (statistics.median(values) for values in zip(*map(astuple, held), strict=True))
        say(f"| {name} | {memory / 1024:.1f} KiB | {others * 1000:.0f} ms | {half:.2f} s | {last:.2f} s |")


def _enter(stack: ExitStack, peer: Peer, folder: Path, method: str, path: str) -> Entrant:
    port, pid = stack.enter_context(running(peer, folder))
    return Entrant(peer.name, port, pid, [request(method, path, _AUTHORIZATION)], _READERS)


def _asking(entrant: Entrant, *job_ids: str) -> Entrant:
    wanted = [request("GET", f"/status/{job_id}", _AUTHORIZATION) for job_id in job_ids]
    return Entrant(entrant.name, entrant.port, entrant.pid, wanted, entrant.connections)


def _asking_in_turn(stack: ExitStack, folder: Path, number: int) -> Entrant:
    """A server of its own, as it would keep the records of others' jobs instead."""
    path = folder / f"{number}-in-turn.db"
    fill(path, USERNAME, number)
    found = _enter(stack, ours(folder, DATABASE_URL=f"sqlite:///{path}"), folder, "GET", "/start")
    return replace(_asking(found, *some_ids(path, number)), name=f"{found.name}, {number:,} jobs in turn")


def _asking_pending(stack: ExitStack, folder: Path, parser: str) -> Entrant:
    """The same application on uvicorn, as `uvicorn main:app` runs it, or with a faster parser."""
    found = _enter(stack, ours(folder, served=parser), folder, "GET", "/start")
    pending_id, _ = _one_job(found.port, "/start", pending=True)
    return replace(_asking(found, pending_id), name=f"{found.name}, job pending")


def _one_job(port: int, path: str, *, pending: bool = False) -> tuple[str, bytes]:
    """Start a job and (unless it may be pending) wait until it has ended; its id, and what is then told of it."""

    async def exchange(method: str, where: str, body: bytes = b"") -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request(method, where, _AUTHORIZATION, body))
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        answer = await reader.readexactly(int(head.partition(b"content-length:")[2].split()[0]))
        writer.close()
        return answer

    async def run() -> tuple[str, bytes]:
        answer = await exchange("POST", path, b'{"metadata": {}, "simulate": {"duration": 3600}}' if pending else b"{}")
        job_id = str(json.loads(answer)["job_id"])
        for _ in range(0 if pending else 100):
            answer = await exchange("GET", f"/status/{job_id}")
            if json.loads(answer)["status"] != "pending":
                break
            await asyncio.sleep(0.1)
        return job_id, answer

    return asyncio.run(run())


def _measure(options: argparse.Namespace, entrants: Sequence[Entrant]) -> dict[str, Sample]:
    """Medians of rounds that take turns, after one that warms up."""
    samples: dict[str, list[Sample]] = {entrant.name: [] for entrant in entrants}
    supplies = {entrant.name: itertools.cycle(entrant.requests) for entrant in entrants}  # each round goes on with it
    for number in range(options.rounds + 1):
        for entrant in entrants:
            seconds = options.seconds if number else min(3.0, options.seconds * 1.5)
            loading = load(
                entrant.port, supplies[entrant.name], seconds=seconds, connections=entrant.connections, pid=entrant.pid
            )
            sample = asyncio.run(loading)
            if number:
                samples[entrant.name].append(sample)
    return {
        name: Sample(statistics.median(s.per_second for s in some), statistics.median(s.cpu for s in some))
        for name, some in samples.items()
    }


def _tell(medians: dict[str, Sample], *, base: str) -> None:
    say(f"| server | requests/s | against {base} | CPU per request | {base}'s CPU against it |")
    say("|---|---:|---:|---:|---:|")
    against = medians[base]
    for name, one in sorted(medians.items(), key=lambda item: -item[1].per_second):
        ratios = _ratio(one.per_second, against.per_second), _ratio(against.cpu, one.cpu)
        say(f"| {name} | {one.per_second:,.0f} | {ratios[0]:.2f} | {one.cpu * 1e6:,.0f} µs | {ratios[1]:.2f} |")


def _ratio(one: float, other: float) -> float:
    return one / other if other else math.nan  # in a very short run nothing may be answered, or no CPU time be counted


def say(text: str) -> None:
    """Print a line, now."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5, help="of each server in each round")
    parser.add_argument("--stored", type=int, default=1_000_000, help="jobs in the large store")
    parser.add_argument("--waiters", type=int, default=10_000, help="requests held at the same time")
    parser.add_argument("--waiting-rounds", type=int, default=3)
    parser.add_argument("--without-npm", action="store_true", help="leave out json-server, Mockoon and WireMock")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
