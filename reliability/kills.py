"""Promise: a 2xx from start survives `kill -9` (and a crash of the database): nothing lost, duplicated or changed.

    python reliability/kills.py                                   5,000 jobs, 150 kills, SQLite
    python reliability/kills.py --store postgres                  the same; every tenth time PostgreSQL crashes as well
    python reliability/kills.py --seeded-bug forget-keys          shows that it can fail

Users start jobs with idempotency keys, repeat what is not answered, wait, cancel; meanwhile the servers are killed and
started again. Everything ever told is kept and compared: with what the last server tells of each job, with its list of
all jobs, and with its stream of all that ended.
"""

from __future__ import annotations

import asyncio
import random
import signal
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from figures import Findings, run
from ledger import Ledger
from load import Load
from review import review
from servers import Server, parser
from stores import STORES, database

if TYPE_CHECKING:
    import argparse

_BUGS = ("acknowledge-before-commit", "forget-keys", "draw-at-every-start")
_DELAYS = {"min_delay": 0.0, "max_delay": 0.8, "max_wait": 1.0}
_LONGEST_LIFE = 0.2  # seconds from readiness to the kill, where the time decides
_USERS = 48


class Killing:
    """One run."""

    def __init__(self, options: argparse.Namespace, servers: list[Server], postgres: Any, findings: Findings) -> None:  # noqa: ANN401 - a process of the tests
        self._options = options
        self._servers = servers
        self._postgres = postgres
        self._findings = findings
        self._choices = random.Random(options.seed)  # noqa: S311 - repeatable
        self._supply: asyncio.Queue[int | None] = asyncio.Queue()
        self.restarts: list[float] = []
        self.ledger = Ledger(findings)
        self._load = Load(servers, self.ledger, findings, self._supply)

    async def run(self) -> None:
        """Start, kill, start again …, then compare."""
        await asyncio.gather(*(server.start() for server in self._servers))
        async with asyncio.TaskGroup() as users:
            for number in range(_USERS):
                users.create_task(self._load.user(f"{self._options.seed}-{number}"))
            jobs, kills = self._options.jobs, self._options.kills
            for kill in range(kills):
                await self._life(range(jobs * kill // kills, jobs * (kill + 1) // kills))
                await self._death(kill)
            for _ in range(_USERS):
                self._supply.put_nowait(None)
        await review(self._servers[0], self.ledger, self._findings)

    async def _life(self, numbers: range) -> None:
        """Let some jobs be started; return at the moment of the kill: after some time, or in the midst of starts."""
        acknowledged = asyncio.Event()
        left = self._choices.randint(1, len(numbers)) if numbers else 1

        def one_more() -> None:
            nonlocal left
            left -= 1
            if left <= 0:
                acknowledged.set()

        self._load.on_acknowledged = one_more
        for number in numbers:
            self._supply.put_nowait(number)
        if self._choices.random() < 0.5:  # noqa: PLR2004 - half of them
            await asyncio.sleep(self._choices.uniform(0, _LONGEST_LIFE))
        else:
            await asyncio.wait([asyncio.create_task(acknowledged.wait())], timeout=5.0)

    async def _death(self, kill: int) -> None:
        victims = self._choices.sample(self._servers, self._choices.randint(1, len(self._servers)))
        self._findings.count("kills with requests in flight", self._load.in_flight > 0)
        self._findings.count("requests in flight when killed", self._load.in_flight)
        for server in victims:
            server.kill()
            self._findings.count("servers killed")
        if self._postgres is not None and kill % 10 == 9:  # noqa: PLR2004 - every tenth time
            await asyncio.to_thread(self._postgres.stop, signal.SIGQUIT)
            await asyncio.to_thread(self._postgres.start)
            self._findings.count("crashes of PostgreSQL")
        self.restarts += await asyncio.gather(*(server.start() for server in victims))


def main() -> int:
    """Carry it out and give the exit status."""
    options = arguments()
    findings = Findings()
    with tempfile.TemporaryDirectory(prefix="kills-") as name, database(options.store, Path(name)) as (url, postgres):
        servers: list[Server] = []
        for _ in range(options.workers):
            settings = {**_DELAYS, "database_url": url}
            servers.append(Server(Path(name), settings, bug=options.seeded_bug, kind=options.server))
        killing = Killing(options, servers, postgres, findings)
        begun = time.monotonic()
        try:
            asyncio.run(killing.run())
        finally:
            for server in servers:
                server.kill()
    check_coverage(options, findings)
    figures = {
        "seed": options.seed,
        "server": f"{options.workers} x {options.server}",
        "store": options.store,
        "lost, duplicated or changed": len(findings.breaches),
        "restart, median": f"{statistics.median(killing.restarts) * 1000:.0f} ms",
        "in all": f"{time.monotonic() - begun:.0f} s",
    }
    return findings.report("kill -9 under load", figures)


def check_coverage(options: argparse.Namespace, findings: Findings) -> None:
    """A zero says something only if this much happened."""
    findings.need("starts acknowledged", options.jobs)
    findings.need("servers killed", options.kills)
    findings.need("kills with requests in flight", options.kills // 4)
    findings.need("terminal statuses read again", options.jobs // 2)
    findings.need("starts repeated, for want of an answer", options.kills // 15)


def arguments() -> argparse.Namespace:
    """What the command line says."""
    made = parser(__doc__, _BUGS)
    made.add_argument("--store", choices=STORES, default="sqlite")
    made.add_argument("--workers", type=int, choices=(1, 2), default=1, help="servers that share the store")
    made.add_argument("--jobs", type=int, default=5000)
    made.add_argument("--kills", type=int, default=150)
    return made.parse_args()


if __name__ == "__main__":
    run(main())
