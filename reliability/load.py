"""Users of a server that dies: they repeat a start with its key until it is acknowledged, and ask until a job ended."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from typing import TYPE_CHECKING, Any

from wire import Answer, LostError, Wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from figures import Findings
    from ledger import Ledger
    from servers import Server

_PAUSE = 0.01  # seconds before a request is repeated
_UNAVAILABLE = 503


class Load:
    """Users that share one supply of jobs to start.

    Args:
        servers: They share a store, and are asked in turn.
        supply: One permission a job; the users end when it gives None.
    """

    def __init__(
        self, servers: list[Server], ledger: Ledger, findings: Findings, supply: asyncio.Queue[int | None]
    ) -> None:
        self._servers = servers
        self._ledger = ledger
        self._findings = findings
        self._supply = supply
        self.in_flight = 0
        self.on_acknowledged: Callable[[], None] = lambda: None

    async def user(self, seed: str) -> None:
        """Start jobs and see what becomes of them, until the supply is over."""
        choices = random.Random(seed)  # noqa: S311 - repeatable
        wires = deque(server.wire() for server in self._servers)
        wires.rotate(choices.randrange(len(wires)))
        try:
            while (number := await self._supply.get()) is not None:
                job_id = await self._start(wires, f"{seed}-{number}", number)
                await self._follow(wires, job_id, choices.random())
        finally:
            self._findings.count("requests without an answer", _lost(wires))
            for wire in wires:
                wire.close()

    async def _start(self, wires: deque[Wire], key: str, number: int) -> str:
        body = {"video_length": number + 1, "metadata": {"number": number}}
        lost_before = _lost(wires)
        answer = await self._ask(wires, "POST", "/start", body, {"Idempotency-Key": key})
        if answer.status != 202:  # noqa: PLR2004 - the one that acknowledges
            raise RuntimeError(f"a start was answered with {answer.status}: {answer.body!r}")
        self._findings.count("starts acknowledged")
        self._findings.count("starts repeated, for want of an answer", _lost(wires) - lost_before)
        self._findings.count("of those, accepted before the answer was lost", "idempotency-replayed" in answer.headers)
        job: dict[str, Any] = answer.json()
        self._ledger.acknowledged(key, job)
        self.on_acknowledged()
        return str(job["job_id"])

    async def _follow(self, wires: deque[Wire], job_id: str, choice: float) -> None:
        if choice < 0.15:  # noqa: PLR2004 - a share of the users
            answer = await self._ask(wires, "DELETE", f"/jobs/{job_id}")
            self._findings.count("jobs cancelled", answer.status == 200)  # noqa: PLR2004 - 409: it had ended
        while choice < 0.8:  # noqa: PLR2004 - the others leave, and their jobs are looked at in the end
            job = (await self._ask(wires, "GET", f"/status/{job_id}?wait=1")).json()
            if "status" in job and isinstance(job["status"], int):
                self._findings.breach(f"lost: {job_id} was acknowledged, and is answered with {job}")
                return
            self._ledger.hear(job)
            if job["status"] != "pending":
                return

    async def _ask(
        self, wires: deque[Wire], method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Repeat a request until it is answered by anything but a 503; each time the next server is asked."""
        for _ in range(10_000):
            wires.rotate()
            try:
                self.in_flight += 1
                answer = await wires[0].request(method, path, body, headers)
            except LostError:
                await asyncio.sleep(_PAUSE)
            else:
                if answer.status != _UNAVAILABLE:
                    return answer
                self._findings.count("requests told to come again (503)")
                await asyncio.sleep(_PAUSE)
            finally:
                self.in_flight -= 1
        raise RuntimeError(f"{method} {path} is never answered")


def _lost(wires: Iterable[Wire]) -> int:
    """How many requests had no answer."""
    return sum(wire.lost for wire in wires)
