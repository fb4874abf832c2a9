"""The two stores on which a command can be run: an SQLite file, or a PostgreSQL server that is started for it."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from typing import TYPE_CHECKING, Any

from servers import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STORES = ("sqlite", "postgres")


@contextlib.contextmanager
def database(store: str, folder: Path) -> Iterator[tuple[str, Any]]:
    """Yield the `DATABASE_URL` of an empty store and, for PostgreSQL, the server's process, which can be crashed."""
    if store == "sqlite":
        yield f"sqlite:///{folder / 'jobs.db'}", None
        return
    with _module().running_postgres() as process:
        yield process.url, process


def _module() -> Any:  # noqa: ANN401 - it is part of the server's tests, where it is checked
    path = ROOT / "server/tests/postgres.py"
    sys.path.append(str(path.parent))
    spec = importlib.util.spec_from_file_location("postgres_of_the_tests", path)
    assert spec is not None  # noqa: S101 - the file is in this repository
    assert spec.loader is not None  # noqa: S101 - as above
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
