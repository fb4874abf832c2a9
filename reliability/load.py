"""Users of a server that dies: they repeat a start with its key until it is acknowledged, and ask until a job ended."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

from wire import Answer, LostError, Wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from figures import Findings
    from ledger import Ledger
    from servers import Server

_PAUSE = 0.01  # seconds before a request is repeated
_UNAVAILABLE = 503


class Load:
    """Users that share one supply of jobs to start.

    Args:
        servers: Any of them is asked.
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
        wire = choices.choice(self._servers).wire()
        try:
            while (number := await self._supply.get()) is not None:
                job_id = await self._start(wire, f"{seed}-{number}", number)
                await self._follow(wire, job_id, choices.random())
        finally:
            self._findings.count("requests without an answer", wire.lost)
            wire.close()

    async def _start(self, wire: Wire, key: str, number: int) -> str:
        body = {"video_length": number + 1, "metadata": {"number": number}}
        lost_before = wire.lost
        answer = await self._ask(wire, "POST", "/start", body, {"Idempotency-Key": key})
        if answer.status != 202:  # noqa: PLR2004 - the one that acknowledges
            raise RuntimeError(f"a start was answered with {answer.status}: {answer.body!r}")
        self._findings.count("starts acknowledged")
        self._findings.count("starts repeated, for want of an answer", wire.lost - lost_before)
        self._findings.count("of those, accepted before the answer was lost", "idempotency-replayed" in answer.headers)
        job: dict[str, Any] = answer.json()
        self._ledger.acknowledged(key, job)
        self.on_acknowledged()
        return str(job["job_id"])

    async def _follow(self, wire: Wire, job_id: str, choice: float) -> None:
        if choice < 0.15:  # noqa: PLR2004 - a share of the users
            answer = await self._ask(wire, "DELETE", f"/jobs/{job_id}")
            self._findings.count("jobs cancelled", answer.status == 200)  # noqa: PLR2004 - 409: it had ended
        while choice < 0.8:  # noqa: PLR2004 - the others leave, and their jobs are looked at in the end
            job = (await self._ask(wire, "GET", f"/status/{job_id}?wait=1")).json()
            if "status" in job and isinstance(job["status"], int):
                self._findings.breach(f"lost: {job_id} was acknowledged, and is answered with {job}")
                return
            self._ledger.hear(job)
            if job["status"] != "pending":
                return

    async def _ask(
        self, wire: Wire, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """Repeat a request until it is answered by anything but a 503."""
        for _ in range(10_000):
            try:
                self.in_flight += 1
                answer = await wire.request(method, path, body, headers)
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
