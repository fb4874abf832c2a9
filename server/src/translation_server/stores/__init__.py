"""Where jobs are kept: one narrow protocol, and the databases behind it."""

from __future__ import annotations

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
from translation_server.stores.sqlite import SqliteStore

__all__ = [
    "Accepted",
    "Cancelled",
    "Change",
    "JobStore",
    "KeyTaken",
    "StoreError",
    "StoreUnavailableError",
    "TooMany",
    "open_store",
]

_SQLITE = "sqlite:///"


async def open_store(url: str) -> JobStore:
    """Open the store a ``DATABASE_URL`` names, and make it if it is not there.

    Args:
        url: ``sqlite:///relative.db``, ``sqlite:////absolute.db`` or ``sqlite:///:memory:``.

    Raises:
        StoreError: It cannot be used; the message says why, and nothing was changed.
    """
    if url.startswith(_SQLITE):
        return SqliteStore(url.removeprefix(_SQLITE))
    scheme = url.partition(":")[0]
    raise StoreError(f"DATABASE_URL: {scheme} is not built in yet; use {_SQLITE}file.db")
