"""What other processes write to a PostgreSQL store, announced by ``NOTIFY`` and read from the tables.

A notification says only whose jobs have changed; their ends are read from the tables, beginning after the last place in
the order of ending that was reported. So nothing is missed, whatever happens to notifications: a connection that broke,
a pooler that passes none on. The tables are read once a second anyway, which also shows that the connection works.
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
_POLL_INTERVAL = 1.0  # seconds after which the tables are read without a notification
_PAUSE = 0.25  # seconds before connecting again
_CHUNK = 1000  # ends that are read at a time
_MAX_PAYLOAD = 7999  # bytes, a limit of PostgreSQL
_EVERYBODY = ""  # in the place of an owner

ENDED = "ended"
"""Jobs of the owner have ended."""
HASTENED = "hastened"
"""A new job of the owner will end, earlier than any other."""


class Changes:
    """The changes that other processes make.

    Args:
        target: The database, to listen on a connection outside the pool.
        channel: The channel of notifications.
        positions: The last place in each owner's order of ending when the store was opened.

    Attributes:
        channel: As given.
    """

    def __init__(self, target: Target, channel: str, positions: Mapping[str, int]) -> None:
        self._target = target
        self.channel = channel
        self._positions = dict(positions)  # up to which ends were reported
        self._sender = secrets.token_hex(4)
        self._is_due = asyncio.Event()
        self._ended = {_EVERYBODY}
        self._hastened: set[str] = set()
        self._gap = False

    def to_payload(self, event: str, owner: str) -> str:
        """Return the payload by which to notify others; the ``event`` is ``ENDED`` or ``HASTENED``."""
        payload = f"{self._sender} {event} {owner}"
        return payload if len(payload.encode()) <= _MAX_PAYLOAD else _EVERYBODY

    def skip_own(self, owner: str, before: int, now: int) -> None:
        """Leave out the ends between two places in the order of ending, as this process wrote them itself."""
        if self._positions.get(owner, 0) == before:
            self._positions[owner] = now

    async def follow(self) -> AsyncGenerator[Change, None]:
        """See ``JobStore.changes``; connects again, for as long as it is followed, whenever a connection breaks."""
        while True:
            try:
                async with self._listen() as connection:
                    while True:
                        for change in await self._read(connection):
                            yield change
                        await self._wait()
            except TROUBLE as error:
                if not self._gap:
                    _LOGGER.warning("changes by other processes do not arrive: %s: %s", type(error).__name__, error)
                self._gap = True
                self._schedule(_EVERYBODY)
            await asyncio.sleep(_PAUSE)

    @asynccontextmanager
    async def _listen(self) -> AsyncIterator[Connection]:
        connection = await self._target.connect()
        try:
            connection.add_termination_listener(lambda _: self._schedule(_EVERYBODY))
            await connection.add_listener(self.channel, self._receive)
            yield connection
        finally:
            connection.terminate()

    def _receive(self, _connection: object, _process: int, _channel: str, payload: str) -> None:
        sender, _, rest = payload.partition(" ")
        event, _, owner = rest.partition(" ")
        if sender == self._sender:
            return
        if event == HASTENED:
            self._hastened.add(owner)
            self._is_due.set()
        else:
            self._schedule(owner)

    def _schedule(self, owner: str) -> None:
        self._ended.add(owner)
        self._is_due.set()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(_POLL_INTERVAL):
                await self._is_due.wait()
        except TimeoutError:
            self._schedule(_EVERYBODY)
        self._is_due.clear()

    async def _read(self, connection: Connection) -> list[Change]:
        ended, self._ended = self._ended, set()
        hastened, self._hastened = self._hastened, set()
        if self._gap:
            _LOGGER.warning("changes by other processes arrive again")
            hastened, self._gap = {owner for (owner,) in await connection.fetch(sql.OWNERS)}, False
        if _EVERYBODY in ended:
            positions: dict[str, int] = dict(await connection.fetch(sql.POSITIONS))
            ended = {owner for owner, endings in positions.items() if endings > self._positions.get(owner, 0)}
        changes = await self._read_ends(connection, sorted(ended))
        return changes + [Change(owner, None) for owner in hastened]

    async def _read_ends(self, connection: Connection, owners: Sequence[str]) -> list[Change]:
        """Return the ends that were not reported yet; places that no job has any more are reported without one."""
        changes: list[Change] = []
        unread = {owner: -self._positions.get(owner, 0) for owner in owners}
        endings: dict[str, int] = {}
        rows: Sequence[Sequence[Any]] = owners and [()] * _CHUNK
        while len(rows) == _CHUNK:
            after = [self._positions.get(owner, 0) for owner in owners]
            rows = await connection.fetch(sql.ENDED_SINCE, owners, after, _CHUNK)
            for owner, last, job_id, ending in rows:
                endings[owner] = last
                self._positions[owner] = last if ending is None else ending
                if job_id is not None:
                    unread[owner] -= 1
                    changes.append(Change(owner, job_id))
        for owner, last in endings.items():
            self._positions[owner] = max(last, self._positions[owner])
            if unread[owner] + last > 0:  # places have no gaps, unless jobs were deleted
                changes.append(Change(owner, None, gone=True))
        return changes
