"""Promise: a terminal outcome never changes, under any clock; and no job stays pending because of one.

    python reliability/clocks.py                                    24 steps of up to an hour, back and forth
    python reliability/clocks.py --seeded-bug trust-the-wall-clock  shows that it can fail

The server's wall clock is set while it runs, and between its death and its next start, also far back. The other clock
of the machine, which nobody can set, goes on. All that was ever told is compared with what is told after each step.

What a server cannot know when it starts: that the clock is behind where the one before it had it. A job that was
pending then ends later by as much; such jobs are counted apart.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from child import shared_offset
from figures import Findings, run
from ledger import Ledger
from review import query
from servers import Server, parser

if TYPE_CHECKING:
    import argparse

_BUGS = ("trust-the-wall-clock",)
_HOUR = 3600.0
_LONGEST = 0.6  # seconds a job takes
_SETTINGS = {"min_delay": 0.0, "max_delay": _LONGEST, "max_wait": 5.0}
_PATIENCE = 5.0  # seconds, of the clock that nobody sets, after which a job that takes less than one must have ended


class Steps:
    """One run."""

    def __init__(
        self, options: argparse.Namespace, server: Server, offset: memoryview[float], findings: Findings
    ) -> None:
        self._options = options
        self._server = server
        self._offset = offset
        self._findings = findings
        self._choices = random.Random(options.seed)  # noqa: S311 - repeatable
        self._ledger = Ledger(findings)
        self._wire = server.wire()
        self._excused: set[str] = set()
        self._reached = 0.0  # what the server that runs takes for the offset: the largest it has seen
        # By whether the server is restarted: as often back as forth, so that no run leaves anything out.
        self._directions = {restart: self._shuffled(options.steps) for restart in (False, True)}

    def _shuffled(self, steps: int) -> list[int]:
        directions = [-1, 1] * ((steps + 3) // 4)
        self._choices.shuffle(directions)
        return directions

    async def run(self) -> None:
        """Start jobs, let half of them end, set the clock, look again."""
        await self._server.start()
        for step in range(self._options.steps):
            await self._start_some(step)
            await asyncio.sleep(self._choices.uniform(0, _LONGEST))
            await self._look()
            held = asyncio.create_task(self._hold())
            await asyncio.sleep(0.05)
            await self._set(restart=step % 2 == 1)
            await self._look()
            await held
            self._wire.close()
        await self._all_end()
        self._wire.close()

    async def _start_some(self, step: int) -> None:
        for number in range(self._options.jobs // self._options.steps):
            key = f"{self._options.seed}-{step}-{number}"
            answer = await self._wire.request("POST", "/start", {}, {"Idempotency-Key": key})
            self._ledger.acknowledged(key, answer.json())

    async def _look(self) -> None:
        for job in await query(self._wire, list(self._ledger.jobs)):
            self._ledger.hear(job)

    async def _hold(self) -> None:
        """A request that is held while the clock is set must be answered when its job ends, by the steady clock."""
        wire = self._server.wire()
        begun = time.monotonic()
        try:
            started = await wire.request("POST", "/start", {})
            job_id = started.json()["job_id"]
            answer = await wire.request("GET", f"/status/{job_id}?wait=5", patience=_PATIENCE * 2)
        except Exception:  # noqa: BLE001 - the server was killed meanwhile; others look after its job
            self._findings.count("held requests lost with the server")
        else:
            self._ledger.hear(answer.json())
            self._findings.count("held requests answered across a step")
            if time.monotonic() - begun > _PATIENCE:
                self._findings.breach("a held request outlasted its job, after the clock was set")
        finally:
            wire.close()

    async def _set(self, *, restart: bool) -> None:
        seconds = self._directions[restart].pop() * self._choices.choice([0.3, 60.0, _HOUR])
        offset = self._offset[0] + seconds
        if restart:
            self._wire.close()
            self._server.kill()
            if offset < self._reached:
                self._excused.update(self._ledger.pending)
        self._offset[0] = offset
        self._reached = offset if restart else max(self._reached, offset)
        if restart:
            await self._server.start()
        self._findings.count(f"clock set {'back' if seconds < 0 else 'forth'}{', server down' if restart else ''}")

    async def _all_end(self) -> None:
        """Every job has ended within its time, counted from now by the clock that nobody sets."""
        await asyncio.sleep(_LONGEST + 0.1)
        await self._look()
        late = self._excused.intersection(self._ledger.pending)
        stuck = [job_id for job_id in self._ledger.pending if job_id not in late]
        self._findings.count("jobs", len(self._ledger.jobs))
        self._findings.count("jobs that stay pending", len(stuck))
        self._findings.count("jobs late, as pending when a server died that was ahead of the clock", len(late))
        if stuck:
            self._findings.breach(f"{len(stuck)} jobs of at most {_LONGEST} s stay pending since a clock was set")


def main() -> int:
    """Carry it out and give the exit status."""
    made = parser(__doc__, _BUGS)
    made.add_argument("--steps", type=int, default=24)
    made.add_argument("--jobs", type=int, default=480)
    options = made.parse_args()
    findings = Findings()
    with tempfile.TemporaryDirectory(prefix="clocks-") as folder:
        file = Path(folder) / "offset"
        file.write_bytes(bytes(8))
        server = Server(Path(folder), _SETTINGS, bug=options.seeded_bug, kind=options.server, wall_offset=file)
        try:
            asyncio.run(Steps(options, server, shared_offset(file), findings).run())
        finally:
            server.kill()
    for name in ("clock set back", "clock set forth", "clock set back, server down", "clock set forth, server down"):
        findings.need(name)
    findings.need("terminal statuses read again", options.jobs)
    findings.need("held requests answered across a step")
    return findings.report("clock steps", {"seed": options.seed, "server": options.server})


if __name__ == "__main__":
    run(main())
