"""Connections to PostgreSQL: made, lent, and given up on as soon as anything is wrong with one.

What may be added to the URL, as ``?name=value``, is what asyncpg takes (``sslmode``, ``target_session_attrs`` with
several hosts …), any setting of a PostgreSQL session (``search_path``), and ``statement_cache_size=0`` for a pooler
that deals out connections per transaction. Such a pooler must let the settings below pass (in PgBouncer,
``ignore_startup_parameters``), and it passes no notifications on: then other processes are heard within a second
instead of at once, see ``postgres_changes``.
"""

from __future__ import annotations

import asyncio
import logging
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg  # type: ignore[import-untyped]  # it ships no types; `Connection` says what is used of it

from translation_server.stores.protocol import StoreError, StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

_LOGGER = logging.getLogger(__name__)
_T = TypeVar("_T")

PATIENCE: Final = 3.0
"""Seconds within which an operation has been carried out, or is given up."""

_CONNECT_TIMEOUT = 2.0
_MOST_CONNECTIONS = 8
_FIRST_PAUSE = 0.05  # seconds before trying again; doubles each time
_LONGEST_PAUSE = 0.5
_KEPT_STATEMENTS = 100
_KEPT_IDLE = 60.0  # seconds; firewalls forget connections on which nothing happens
_SESSION = {
    "application_name": "translation-server",
    "statement_timeout": "3s",
    "lock_timeout": "2s",
    # A process that hangs, or a machine that vanishes, in the midst of a transaction holds everybody up no longer.
    "idle_in_transaction_session_timeout": "5s",
    "jit": "off",  # compiling takes longer than any of our statements
}

_HOST = r"(\[[0-9A-Fa-f:.]+\]|[^@:,\[\]]*)(:\d{1,5})?"
_PLACE = re.compile(rf"([^@:]*(:[^@:]*)?@)?{_HOST}(,{_HOST})*")

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
"""The connection is of no more use; another one may do."""

REPEATABLE: Final = (*LOST, asyncpg.TransactionRollbackError, asyncpg.LockNotAvailableError)
"""The same once more may succeed."""

TROUBLE: Final = (*LOST, asyncpg.PostgresError)
"""Whatever PostgreSQL can do to us."""


class Connection(Protocol):
    """What is used of asyncpg's connections."""

    async def execute(self, sql: str, *values: object, timeout: float | None = None) -> str:  # noqa: ASYNC109 - asyncpg's
        """Carry it out; returns what PostgreSQL calls it. Without values, it may be several statements."""

    async def fetch(self, sql: str, *values: object) -> list[Any]:
        """Its rows."""

    async def fetchrow(self, sql: str, *values: object) -> Sequence[Any] | None:
        """Its first row."""

    async def fetchval(self, sql: str, *values: object) -> Any:  # noqa: ANN401 - whatever the column holds
        """The first value of its first row."""

    async def add_listener(self, channel: str, callback: Callable[[object, int, str, str], None]) -> None:
        """Have the callback called with each notification; the last of its arguments is the payload."""

    def add_termination_listener(self, callback: Callable[[object], None]) -> None:
        """Have the callback called when the connection ends."""

    def terminate(self) -> None:
        """End it without waiting for anything."""


@dataclass(frozen=True, slots=True)
class Target:
    """A database, from its URL.

    Attributes:
        url: As asyncpg takes it; it may hold a password.
        options: What else asyncpg is to be told.
    """

    url: str = field(repr=False)
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def parse(cls, url: str) -> Self:
        """What a ``DATABASE_URL`` says.

        Raises:
            StoreError: It says nothing that makes sense. The message holds nothing of it, since it holds a password.
        """
        try:
            parts = urlsplit(url)
            query = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
            kept = int(query.pop("statement_cache_size", _KEPT_STATEMENTS))
        except ValueError:
            raise StoreError(_MALFORMED) from None
        # A password that is not escaped ends at its first @, / or #; the rest of it must not go where it is told.
        if not _PLACE.fullmatch(parts.netloc) or "@" in parts.path or parts.fragment or kept < 0:
            raise StoreError(_MALFORMED)
        session = {name: value for name, value in _SESSION.items() if name not in query}
        options = {"statement_cache_size": kept, "server_settings": session}
        return cls(urlunsplit(parts._replace(query=urlencode(query))), options)

    async def connect(self) -> Connection:
        """A connection of one's own, to be terminated; raises one of ``TROUBLE``."""
        connection: Connection = await asyncpg.connect(self.url, **self._arguments())
        return connection

    def pool(self) -> Any:  # noqa: ANN401 - asyncpg's Pool, which has no types
        """A pool, which connects when it is first used."""

        async def leave_as_it_is(_: object) -> None:
            """Nothing of ours outlives its transaction, so there is nothing to reset, and a round trip is saved."""

        more = {"min_size": 0, "max_size": _MOST_CONNECTIONS, "max_inactive_connection_lifetime": _KEPT_IDLE}
        return asyncpg.create_pool(self.url, reset=leave_as_it_is, **more, **self._arguments())

    def _arguments(self) -> Mapping[str, Any]:
        return {"timeout": _CONNECT_TIMEOUT, "command_timeout": PATIENCE, **self.options}


class Connections:
    """A pool that tries again, for a while, what a broken connection has prevented."""

    def __init__(self, target: Target) -> None:
        self._pool = target.pool()
        self._failing = False

    async def open(self) -> None:
        """To be called once, from the event loop that uses it; does not connect yet."""
        await self._pool

    async def use(self, do: Callable[[Connection], Awaitable[_T]], *, again: bool = True) -> _T:
        """Do this, unless told otherwise ``again`` if a connection fails, for as long as ``PATIENCE``.

        Raises:
            StoreUnavailableError: It could not be done; or what became of it could not be found out.
        """
        loop = asyncio.get_running_loop()
        deadline, pause = loop.time() + PATIENCE, _FIRST_PAUSE
        while True:
            try:
                async with asyncio.timeout_at(deadline), self._lent() as connection:
                    result = await do(connection)
            except TROUBLE as error:
                if isinstance(error, (ValueError, asyncpg.DataError)):
                    raise  # what was asked makes no sense, to asyncpg or to PostgreSQL
                self._note(error)
                if isinstance(error, LOST):
                    await self._pool.expire_connections()  # the others are probably no better
                if not (again and isinstance(error, REPEATABLE)) or loop.time() + pause >= deadline:
                    raise StoreUnavailableError(str(error) or type(error).__name__) from error
            else:
                self._note(None)
                return result
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def close(self) -> None:
        """Let go of all connections."""
        self._pool.terminate()  # not ``close``, which would wait for a database that is away

    @asynccontextmanager
    async def _lent(self) -> AsyncIterator[Connection]:
        """A connection; whatever goes wrong with it, nobody else gets it, and its transaction is rolled back."""
        async with self._pool.acquire(timeout=PATIENCE) as connection:
            try:
                yield connection
            except BaseException:
                connection.terminate()
                raise

    def _note(self, error: BaseException | None) -> None:
        """Log the beginning of trouble and its end, not each request that meets it."""
        if error is not None and not self._failing:
            _LOGGER.warning("the database does not work: %s: %s", type(error).__name__, error)
        elif error is None and self._failing:
            _LOGGER.warning("the database works again")
        self._failing = error is not None


_MALFORMED = (
    "DATABASE_URL: cannot be understood; allowed is postgresql://user:password@host:port/database, and a character "
    "other than a letter, a digit or one of -._~ in user or password must be written as %XX"
)
