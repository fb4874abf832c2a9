"""Bugs for the server, planted in its process, with which the commands of this folder are shown to fail.

Each is a mistake that has been made: in services like this one, or in drafts of it.
"""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from translation_server import app
from translation_server.http import bodies, representation
from translation_server.jobs.model import Draft, Job, Status
from translation_server.service import clock
from translation_server.service.service import Service, Snapshot
from translation_server.service.waiters import Waiter, Waiters

if TYPE_CHECKING:
    from collections.abc import Callable


def plant(name: str) -> None:
    """Put it into this process, for good."""
    BUGS[name]()


def acknowledge_before_commit() -> None:
    """The start is answered while the job is still on its way to the disk; nobody sees it unless the server dies."""
    right = Service.find
    on_their_way: set[asyncio.Task[None]] = set()

    async def start(self: Service, draft: Draft) -> tuple[Snapshot, bool]:
        job = self._simulation.accept(draft, 0)

        async def write() -> None:
            await asyncio.sleep(0.05)
            await self.store.insert(draft, lambda _, ordinal: job._replace(seq=ordinal), 10**9)

        task = asyncio.create_task(write())
        on_their_way.add(task)
        task.add_done_callback(on_their_way.discard)
        return Snapshot([job], self.clock.now()), False

    async def find(self: Service, owner: str, job_id: str) -> Snapshot:
        await asyncio.gather(*on_their_way)
        return await right(self, owner, job_id)

    Service.start = start  # type: ignore[method-assign]
    Service.find = find  # type: ignore[method-assign]


def forget_keys() -> None:
    """The idempotency key is not stored with the job."""
    right = Service.start

    async def start(self: Service, draft: Draft) -> tuple[Snapshot, bool]:
        return await right(self, draft._replace(key=None))

    Service.start = start  # type: ignore[method-assign]


def keys_in_memory() -> None:
    """Keys are remembered by the process that got them, and by no other."""
    right = Service.start
    known: dict[tuple[str, str], Snapshot] = {}

    async def start(self: Service, draft: Draft) -> tuple[Snapshot, bool]:
        if draft.key is None:
            return await right(self, draft)
        place = draft.owner, draft.key
        if place in known:
            return known[place], True
        snapshot, _ = await right(self, draft._replace(key=None))
        known[place] = snapshot
        return snapshot, False

    Service.start = start  # type: ignore[method-assign]


def draw_at_every_start() -> None:
    """The outcome is drawn when the server starts, instead of stored with the job."""
    right = representation.represent

    def represent(job: Job, *more: Any, **named: Any) -> representation.Representation:  # noqa: ANN401 - whatever the right one takes
        heads = (hash(job.job_id) ^ os.getpid()) % 2
        return right(job._replace(outcome=Status.COMPLETED if heads else Status.ERROR), *more, **named)

    representation.represent = represent


def trust_the_wall_clock() -> None:
    """The status is computed from the wall clock, and no end is ever written down."""
    clock.SystemClock.now = lambda self: self._wall()  # type: ignore[method-assign]

    async def settled(self: Service, _: str, read: Callable[[float], Any]) -> Snapshot:
        now = self.clock.now()
        return Snapshot(await read(now), now)

    async def find(self: Service, owner: str, job_id: str) -> Snapshot:
        now = self.clock.now()
        return Snapshot([*(await self.store.get_many(owner, [job_id])).values()], now)

    Service.find = find  # type: ignore[method-assign]
    Service._settled = settled  # type: ignore[method-assign, assignment]  # noqa: SLF001 - the bug is in there


def lenient_json() -> None:
    """Request bodies are read with the standard library's defaults: NaN, half surrogates, any depth."""
    bodies.parse_object = json.loads  # type: ignore[assignment]


def sleepy_waiters() -> None:
    """Those who wait are not woken by what happens, and look again every few seconds."""
    right = Waiter.wait_until

    async def wait_until(self: Waiter, moment: float, seconds: float | None = None) -> None:
        await right(self, moment, 10.0 if seconds is None else min(seconds, 10.0))

    Waiter.wait_until = wait_until  # type: ignore[method-assign]
    Waiters.end_jobs = lambda *_: None  # type: ignore[method-assign]


def deaf_to_sigterm() -> None:
    """The web server alone knows that it is to stop; who is held is not told."""
    vars(app)["on_stop_signal"] = lambda _: nullcontext()


BUGS: dict[str, Callable[[], None]] = {
    "deaf-to-sigterm": deaf_to_sigterm,
    "sleepy-waiters": sleepy_waiters,
    "acknowledge-before-commit": acknowledge_before_commit,
    "forget-keys": forget_keys,
    "keys-in-memory": keys_in_memory,
    "draw-at-every-start": draw_at_every_start,
    "trust-the-wall-clock": trust_the_wall_clock,
    "lenient-json": lenient_json,
}
