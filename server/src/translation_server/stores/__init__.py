"""Where jobs are kept: one narrow protocol, and the databases behind it."""

from __future__ import annotations

from translation_server.stores import sqlite_file
from translation_server.stores.contract import (
    Accepted,
    Cancelled,
    Change,
    JobStore,
    KeyTaken,
    StoreError,
    StoreUnavailableError,
    TooMany,
)
from translation_server.stores.sqlite import MEMORY, SqliteStore

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


def check_store(url: str) -> None:
    """See that the store a ``DATABASE_URL`` names can be used, and make it if it is not there.

    Args:
        url: ``sqlite:///relative.db``, ``sqlite:////absolute.db`` or ``sqlite:///:memory:``.

    Raises:
        StoreError: It cannot be used; the message says why, and nothing was changed.
    """
    path = _sqlite_path(url)
    if path != MEMORY:
        sqlite_file.prepare(path)


async def open_store(url: str) -> JobStore:
    """Open the store a ``DATABASE_URL`` names; see ``check_store``."""
    check_store(url)
    return SqliteStore(_sqlite_path(url))


def _sqlite_path(url: str) -> str:
    if not url.startswith(_SQLITE):
        raise StoreError(f"DATABASE_URL: {url.partition(':')[0]} is not built in yet; use {_SQLITE}file.db")
    return url.removeprefix(_SQLITE)
