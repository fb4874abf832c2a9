"""Connections to PostgreSQL: made, lent, and given up as soon as anything is wrong with one.

A URL may add, as ``?name=value``, what asyncpg takes (``sslmode``, ``target_session_attrs`` with several hosts …), any
setting of a PostgreSQL session (``search_path``), and ``statement_cache_size=0`` for a pooler that assigns connections
per transaction. Such a pooler must let the settings below pass (in PgBouncer, ``ignore_startup_parameters``), and it
passes no notifications on: then other processes are heard within a second instead of at once, see ``changes``.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg  # type: ignore[import-untyped]  # it ships no types; `Connection` says what is used of it

from translation_server.stores.outage import Outage
from translation_server.stores.protocol import StoreError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

_T = TypeVar("_T")

TIMEOUT: Final = 3.0
"""Seconds after which an operation that was not carried out is given up."""

_CONNECT_TIMEOUT = 2.0
_MAX_CONNECTIONS = 8
_FIRST_PAUSE = 0.05  # seconds before trying again; doubles each time
_LONGEST_PAUSE = 0.5
_STATEMENT_CACHE = 100  # prepared statements that a connection keeps
_MAX_IDLE = 60.0  # seconds; firewalls forget connections on which nothing happens
_SESSION = {
    "application_name": "translation-server",
    "statement_timeout": "3s",
    "lock_timeout": "2s",
    # A process that hangs in the middle of a transaction, or whose machine vanishes, delays the others no longer.
    "idle_in_transaction_session_timeout": "5s",
    "jit": "off",  # compiling takes longer than any of our statements
}

_HOST = r"(\[[0-9A-Fa-f:.]+\]|[^@:,\[\]]*)(:\d{1,5})?"
_NETLOC = re.compile(rf"([^@:]*(:[^@:]*)?@)?{_HOST}(,{_HOST})*")

LOST: Final = (
    OSError,  # includes TimeoutError
    asyncpg.InternalClientError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,  # what was the primary is a standby now
    asyncpg.TooManyConnectionsError,
)
"""Errors after which the connection is useless, and another one may do."""

REPEATABLE: Final = (*LOST, asyncpg.TransactionRollbackError, asyncpg.LockNotAvailableError)
"""Errors after which the same operation may succeed."""

TROUBLE: Final = (*LOST, asyncpg.PostgresError)
"""All errors of PostgreSQL and of the way to it."""


class Connection(Protocol):
    """The part of asyncpg's connections that is used here."""

    async def execute(self, sql: str, *values: object, timeout: float | None = None) -> str:  # noqa: ASYNC109 - asyncpg's
        """Execute a statement, and return its command tag. Without values, it may be several statements."""

    async def fetch(self, sql: str, *values: object) -> list[Any]:
        """Return the rows."""

    async def fetchrow(self, sql: str, *values: object) -> Sequence[Any] | None:
        """Return the first row, None if there is none."""

    async def fetchval(self, sql: str, *values: object) -> Any:  # noqa: ANN401 - whatever the column holds
        """Return the first value of the first row, None if there is none."""

    async def add_listener(self, channel: str, callback: Callable[[object, int, str, str], None]) -> None:
        """Call the callback with each notification; its last argument is the payload."""

    def add_termination_listener(self, callback: Callable[[object], None]) -> None:
        """Call the callback when the connection ends."""

    def terminate(self) -> None:
        """End the connection without waiting for anything."""


@dataclass(frozen=True, slots=True)
class Target:
    """A database, from its URL.

    Attributes:
        url: The URL for asyncpg; it may hold a password.
        options: Further arguments for asyncpg.
    """

    url: str = field(repr=False)
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def parse(cls, url: str) -> Self:
        """Parse a ``DATABASE_URL``.

        Raises:
            StoreError: It is malformed. The message quotes nothing of it, since it may hold a password.
        """
        try:
            parts = urlsplit(url)
            query = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
            cache = int(query.pop("statement_cache_size", _STATEMENT_CACHE))
        except ValueError:
            raise StoreError(_MALFORMED) from None
        # A password that is not escaped ends at its first @, / or #; the rest must not become a host that is logged.
        if not _NETLOC.fullmatch(parts.netloc) or "@" in parts.path or parts.fragment or cache < 0:
            raise StoreError(_MALFORMED)
        session = {name: value for name, value in _SESSION.items() if name not in query}
        options = {"statement_cache_size": cache, "server_settings": session}
        return cls(urlunsplit(parts._replace(query=urlencode(query))), options)

    async def connect(self) -> Connection:
        """Return a connection outside the pool, to be terminated by the caller; raises one of ``TROUBLE``."""
        connection: Connection = await asyncpg.connect(self.url, **self._arguments())
        return connection

    def pool(self) -> Any:  # noqa: ANN401 - asyncpg's Pool, which has no types
        """Return a pool, which connects when it is first used."""

        async def leave_as_it_is(_: object) -> None:
            """Reset nothing, which saves a round trip: nothing that is done here outlives its transaction."""

        more = {"min_size": 0, "max_size": _MAX_CONNECTIONS, "max_inactive_connection_lifetime": _MAX_IDLE}
        return asyncpg.create_pool(self.url, reset=leave_as_it_is, **more, **self._arguments())

    def _arguments(self) -> Mapping[str, Any]:
        return {"timeout": _CONNECT_TIMEOUT, "command_timeout": TIMEOUT, **self.options}


class Connections:
    """A pool that tries again, for a while, what a broken connection prevented."""

    def __init__(self, target: Target) -> None:
        self._pool = target.pool()
        self._outage = Outage()

    async def open(self) -> None:
        """Prepare the pool in the event loop that uses it, without connecting; to be called once."""
        await self._pool

    async def use(self, do: Callable[[Connection], Awaitable[_T]], *, retry: bool = True) -> _T:
        """Return what ``do`` returns with a connection; with ``retry``, repeat it for up to ``TIMEOUT`` if that fails.

        Raises:
            StoreUnavailableError: It was not done, or it is not known whether it was.
        """
        loop = asyncio.get_running_loop()
        deadline, pause = loop.time() + TIMEOUT, _FIRST_PAUSE
        while True:
            try:
                async with asyncio.timeout_at(deadline), self._lent() as connection:
                    result = await do(connection)
            except TROUBLE as error:
                if isinstance(error, (ValueError, asyncpg.DataError)):
                    raise  # what was asked makes no sense, to asyncpg or to PostgreSQL
                self._outage.begin(error)
                if isinstance(error, LOST):
                    await self._pool.expire_connections()  # the others are probably no better
                if not (retry and isinstance(error, REPEATABLE)) or loop.time() + pause >= deadline:
                    raise StoreUnavailableError(str(error) or type(error).__name__) from error
            else:
                self._outage.end()
                return result
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def close(self) -> None:
        """Close all connections."""
        self._pool.terminate()  # not ``close``, which waits for a database that is away

    @asynccontextmanager
    async def _lent(self) -> AsyncIterator[Connection]:
        """Lend a connection; whatever goes wrong, it is ended, which rolls back its transaction, and not lent again."""
        async with self._pool.acquire(timeout=TIMEOUT) as connection:
            try:
                yield connection
            except BaseException:
                connection.terminate()
                raise


_MALFORMED = (
    "DATABASE_URL: cannot be understood; allowed is postgresql://user:password@host:port/database, and a character "
    "other than a letter, a digit or one of -._~ in user or password must be written as %XX"
)
