"""Fills a store with pending jobs, without going through the server: a million of them would take it minutes.

Pending, because the server remembers for a second what it said of a job that has ended, and would not ask its store.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

from translation_server.stores.sqlite import database_file

if TYPE_CHECKING:
    from pathlib import Path

_AGE = 3600  # seconds since the first was accepted
_DURATION = 86_400  # seconds
_FILL = """
INSERT INTO jobs (seq, job_id, owner, created_at, ends_at, outcome, metadata, delay_model, ending)
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)
SELECT n, printf('%08x-%04x-7%03x-8000-%012x', n >> 10, n & 1023, n % 4096, n * 2654435761 % 281474976710656),
       ?, ? + n * 0.001, ? + n * 0.001, 'completed', '{}', 'uniform:3.0:7.0', NULL
FROM numbers
"""


def fill(path: Path, owner: str, number: int) -> None:
    """Make the file, with so many jobs of one owner."""
    database_file.prepare(str(path))
    begun = time.time() - _AGE
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        connection.execute(_FILL, (number, owner, begun, begun + _DURATION))
        connection.execute("UPDATE store SET accepted = ?", (number,))
        connection.execute("INSERT INTO owners (owner, endings, unsettled) VALUES (?, 0, ?)", (owner, number))
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def some_ids(path: Path, number: int) -> list[str]:
    """Ids from all over the file."""
    with closing(sqlite3.connect(path)) as connection:
        most = connection.execute("SELECT max(seq) FROM jobs").fetchone()[0]
        places = {1 + place * 7919 % most for place in range(number)}
        return [connection.execute("SELECT job_id FROM jobs WHERE seq = ?", (one,)).fetchone()[0] for one in places]
