"""What other processes write to a PostgreSQL store, heard by ``LISTEN`` and read from the tables.

A notification says only whose jobs to look at; what became of them is read, from the last place in the order of ending
that was told on. So nothing is missed, whatever becomes of notifications: a connection that broke, a pooler that keeps
them for itself. It is looked for once a second anyway, which also shows that the connection is alive.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from translation_server.stores.postgres import sql
from translation_server.stores.postgres.connections import TROUBLE
from translation_server.stores.protocol import Change

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence

    from translation_server.stores.postgres.connections import Connection, Target

_LOGGER = logging.getLogger(__name__)
_LOOK_INTERVAL = 1.0  # seconds between two looks that nobody asked for
_PAUSE = 0.25  # seconds before connecting again
_CHUNK = 1000
_LARGEST_PAYLOAD = 7999  # bytes, set by PostgreSQL
_EVERYTHING = ""

ENDED = "ended"
"""Jobs of the owner have ended."""
HASTENED = "hastened"
"""A job of the owner will end, earlier than any was going to."""


def to_payload(sender: str, event: str, owner: str) -> str:
    """What to notify others of: the ``event`` is ``ENDED`` or ``HASTENED``."""
    payload = f"{sender} {event} {owner}"
    return payload if len(payload.encode()) <= _LARGEST_PAYLOAD else _EVERYTHING


class Changes:
    """What others wrote.

    Args:
        target: Where to listen, on a connection of its own.
        channel: What to listen to.
        told: How many of each owner's jobs had ended when the store was opened.

    Attributes:
        sender: What this process begins its own notifications with.
    """

    def __init__(self, target: Target, channel: str, told: Mapping[str, int]) -> None:
        self._target = target
        self._channel = channel
        self._told = dict(told)
        self.sender = secrets.token_hex(4)
        self._heard = asyncio.Event()
        self._ended = {_EVERYTHING}
        self._hastened: set[str] = set()
        self._gap = False

    def wrote(self, owner: str, before: int, now: int) -> None:
        """This process wrote the ends from one place in the order of ending to another: nobody has to be told."""
        if self._told.get(owner, 0) == before:
            self._told[owner] = now

    async def follow(self) -> AsyncGenerator[Change, None]:
        """See ``JobStore.changes``; connects again for as long as it is followed."""
        while True:
            try:
                async with self._listening() as connection:
                    while True:
                        for change in await self._news(connection):
                            yield change
                        await self._wait()
            except TROUBLE as error:
                if not self._gap:
                    _LOGGER.warning("other processes are not heard: %s: %s", type(error).__name__, error)
                self._gap = True
                self._look_for(_EVERYTHING)
            await asyncio.sleep(_PAUSE)

    @asynccontextmanager
    async def _listening(self) -> AsyncIterator[Connection]:
        connection = await self._target.connect()
        try:
            connection.add_termination_listener(lambda _: self._look_for(_EVERYTHING))
            await connection.add_listener(self._channel, self._hear)
            yield connection
        finally:
            connection.terminate()

    def _hear(self, _connection: object, _process: int, _channel: str, payload: str) -> None:
        sender, _, rest = payload.partition(" ")
        event, _, owner = rest.partition(" ")
        if sender == self.sender:
            return
        if event == HASTENED:
            self._hastened.add(owner)
            self._heard.set()
        else:
            self._look_for(owner)

    def _look_for(self, owner: str) -> None:
        self._ended.add(owner)
        self._heard.set()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(_LOOK_INTERVAL):
                await self._heard.wait()
        except TimeoutError:
            self._look_for(_EVERYTHING)
        self._heard.clear()

    async def _news(self, connection: Connection) -> list[Change]:
        ended, self._ended = self._ended, set()
        hastened, self._hastened = self._hastened, set()
        if self._gap:
            _LOGGER.warning("other processes are heard again")
            hastened, self._gap = {owner for (owner,) in await connection.fetch(sql.OWNERS)}, False
        positions: dict[str, int] = {}
        if _EVERYTHING in ended:
            positions = dict(await connection.fetch(sql.POSITIONS))
            ended = {owner for owner, endings in positions.items() if endings > self._told.get(owner, 0)}
        changes = await self._endings(connection, sorted(ended))
        for owner, endings in positions.items():  # further than what was found, if ended jobs were deleted
            self._told[owner] = max(endings, self._told.get(owner, 0))
        return changes + [Change(owner, None) for owner in hastened]

    async def _endings(self, connection: Connection, owners: Sequence[str]) -> list[Change]:
        """The ends that have not been told."""
        changes: list[Change] = []
        rows: Sequence[Sequence[Any]] = owners and [()] * _CHUNK
        while len(rows) == _CHUNK:
            told = [self._told.get(owner, 0) for owner in owners]
            rows = await connection.fetch(sql.ENDED_SINCE, owners, told, _CHUNK)
            for owner, job_id, ending in rows:
                self._told[owner] = ending
                changes.append(Change(owner, job_id))
        return changes
