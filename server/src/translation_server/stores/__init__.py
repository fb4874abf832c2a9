"""Where jobs are kept: one narrow interface, and the databases behind it. Opened by URL, from here.

The modules for PostgreSQL are imported when a URL asks for them: their driver is an extra, and its import takes as long
as that of the rest of the server.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from translation_server.stores.protocol import (
    Accepted,
    Cancelled,
    Change,
    JobStore,
    KeyTaken,
    OnCommit,
    StoreError,
    StoreUnavailableError,
    TooMany,
)
from translation_server.stores.sqlite import database_file
from translation_server.stores.sqlite.store import MEMORY, SqliteStore

if TYPE_CHECKING:
    from types import ModuleType

__all__ = [
    "Accepted",
    "Cancelled",
    "Change",
    "JobStore",
    "KeyTaken",
    "StoreError",
    "StoreUnavailableError",
    "TooMany",
    "check_store",
    "open_store",
]

_SQLITE = "sqlite:///"
_POSTGRES = "postgresql://"


def check_store(url: str) -> None:
    """Check that the store named by a ``DATABASE_URL`` can be used, and make it if it does not exist.

    Args:
        url: ``sqlite:///relative.db``, ``sqlite:////absolute.db``, ``sqlite:///:memory:`` or
            ``postgresql://user:password@host:port/database``, see ``postgres.connections``.

    Raises:
        StoreError: It cannot be used; the message says why, and nothing was changed.
    """
    if url.startswith(_POSTGRES):
        _postgres().check_postgres(url)
    elif (path := _sqlite_path(url)) != MEMORY:
        database_file.prepare(path)


async def open_store(url: str, on_commit: OnCommit = lambda *_: None) -> JobStore:
    """Open the store named by a ``DATABASE_URL``; see ``check_store``."""
    if url.startswith(_POSTGRES):
        store: JobStore = await _postgres().open_postgres(url, on_commit)
        return store
    check_store(url)
    return SqliteStore(_sqlite_path(url), on_commit)


def _postgres() -> ModuleType:
    try:
        return import_module("translation_server.stores.postgres.store")
    except ModuleNotFoundError as error:
        raise StoreError(
            "DATABASE_URL: postgresql:// needs asyncpg; install it with: pip install 'translation-server[postgres]'"
        ) from error


def _sqlite_path(url: str) -> str:
    if not url.startswith(_SQLITE):
        raise StoreError(f"DATABASE_URL: allowed is {_SQLITE}file.db or {_POSTGRES}…, not {url.partition(':')[0]}")
    return url.removeprefix(_SQLITE)
