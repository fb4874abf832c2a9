"""Promise: one idempotency key is one job, and the losers of a race get the winner's answer.

    python reliability/keys.py                              500 keys, 4 servers, SQLite
    python reliability/keys.py --store postgres
    python reliability/keys.py --seeded-bug keys-in-memory  shows that it can fail

Each key is used for several starts at the same moment, spread over processes that share one store; afterwards with
another body, which must be refused, and once more as it was.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from figures import Findings, run
from ledger import Ledger
from review import listed
from servers import Server, parser
from stores import STORES, database

if TYPE_CHECKING:
    import argparse

    from wire import Wire

_BUGS = ("keys-in-memory", "forget-keys")
_PROCESSES = 4
_RACERS = 8  # starts with one key at a time: two in each process
_AT_A_TIME = 8  # keys
_ACCEPTED, _REFUSED = 202, 422
_SETTINGS = {"min_delay": 3600.0, "max_delay": 3600.0}


class Races:
    """All races for one run's keys."""

    def __init__(self, options: argparse.Namespace, servers: list[Server], findings: Findings) -> None:
        self._options = options
        self._servers = servers
        self._findings = findings
        self._ledger = Ledger(findings)

    async def run(self) -> None:
        """Race for every key, then count the jobs."""
        await asyncio.gather(*(server.start() for server in self._servers))
        lanes = range(_AT_A_TIME)
        await asyncio.gather(*(self._lane(range(lane, self._options.keys, _AT_A_TIME)) for lane in lanes))
        wire = self._servers[0].wire()
        jobs = await listed(wire)
        wire.close()
        self._findings.count("jobs in the store", len(jobs))
        if len(jobs) != self._options.keys:
            self._findings.breach(f"{self._options.keys} keys made {len(jobs)} jobs")

    async def _lane(self, numbers: range) -> None:
        wires = [self._servers[racer % _PROCESSES].wire() for racer in range(_RACERS)]
        for number in numbers:
            await self._race(wires, f"{self._options.seed}-{number}")
        for wire in wires:
            wire.close()

    async def _race(self, wires: list[Wire], key: str) -> None:
        answers = await asyncio.gather(*(self._start(wire, key) for wire in wires))
        if any(answer.status != _ACCEPTED for answer in answers):
            self._findings.breach(f"key {key}: answered with {sorted(answer.status for answer in answers)}")
            return
        winners = sum("idempotency-replayed" not in answer.headers for answer in answers)
        if winners != 1:
            self._findings.breach(f"key {key}: {winners} starts won")
        self._findings.count("races")
        self._findings.count("losers given the winner's job", len(answers) - winners)
        for answer in answers:
            self._ledger.acknowledged(key, answer.json())
        await self._afterwards(wires, key)

    async def _afterwards(self, wires: list[Wire], key: str) -> None:
        other = await self._start(wires[0], key, video_length=2)
        if other.status != _REFUSED:
            self._findings.breach(f"key {key} with another body: {other.status}")
        self._findings.count("other bodies refused", other.status == _REFUSED)
        again = await self._start(wires[-1], key)
        self._ledger.acknowledged(key, again.json())

    @staticmethod
    async def _start(wire: Wire, key: str, video_length: float = 1) -> Any:  # noqa: ANN401 - an answer
        return await wire.request("POST", "/start", {"video_length": video_length}, {"Idempotency-Key": key})


def main() -> int:
    """Carry it out and give the exit status."""
    made = parser(__doc__, _BUGS)
    made.add_argument("--store", choices=STORES, default="sqlite")
    made.add_argument("--keys", type=int, default=500)
    options = made.parse_args()
    findings = Findings()
    with tempfile.TemporaryDirectory(prefix="keys-") as name, database(options.store, Path(name)) as (url, _):
        settings = {**_SETTINGS, "database_url": url}
        servers = [Server(Path(name), settings, bug=options.seeded_bug, kind=options.server) for _ in range(_PROCESSES)]
        try:
            asyncio.run(Races(options, servers, findings).run())
        finally:
            for server in servers:
                server.kill()
    findings.need("losers given the winner's job", options.keys * (_RACERS - 1))
    return findings.report(
        "racing idempotency keys", {"seed": options.seed, "server": options.server, "store": options.store}
    )


if __name__ == "__main__":
    run(main())
