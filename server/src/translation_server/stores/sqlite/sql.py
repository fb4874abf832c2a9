"""The SQL for SQLite. Each statement on jobs is answered from one index, in that index's order."""

# ruff: noqa: S608 - only constants are put together

from __future__ import annotations

from typing import Final

from translation_server.jobs.model import Job

_COLUMNS: Final = ", ".join(Job._fields)
_JOBS: Final = f"SELECT {_COLUMNS} FROM jobs"

# Reads.
IDENTITY: Final = "SELECT identity FROM store"
BY_ID: Final = f"{_JOBS} WHERE job_id = ? AND owner = ?"
PAGE: Final = f"{_JOBS} WHERE owner = :owner AND seq < :before ORDER BY seq DESC LIMIT :limit"
PENDING_PAGE: Final = (
    f"{_JOBS} INDEXED BY jobs_by_ending WHERE owner = :owner AND ending IS NULL AND ends_at > :now AND seq < :before "
    "ORDER BY seq DESC LIMIT :limit"
)
ENDED_PAGE: Final = (
    f"{_JOBS} INDEXED BY jobs_by_outcome WHERE owner = :owner AND outcome = :status AND seq < :before "
    "AND (ending IS NOT NULL OR ends_at <= :now) ORDER BY seq DESC LIMIT :limit"
)
NEXT_END: Final = "SELECT min(ends_at) FROM jobs WHERE owner = ? AND ending IS NULL"
ENDED_AFTER: Final = f"{_JOBS} INDEXED BY jobs_by_ending WHERE owner = ? AND ending > ? ORDER BY ending LIMIT ?"
POSITION: Final = "SELECT endings FROM owners WHERE owner = ?"
POSITION_BEFORE: Final = (
    "SELECT ending FROM jobs INDEXED BY jobs_by_ending WHERE owner = ? AND ending > 0 AND ends_at < ? "
    "ORDER BY ending DESC LIMIT 1"
)
OWNERS_DUE: Final = (
    "SELECT owner FROM owners WHERE unsettled > 0 AND EXISTS (SELECT 1 FROM jobs INDEXED BY jobs_by_ending "
    "WHERE jobs.owner = owners.owner AND ending IS NULL AND ends_at <= ?)"
)
COUNTS: Final = "SELECT coalesce(sum(unsettled), 0), coalesce(sum(completed), 0), coalesce(sum(errors), 0) FROM owners"

# What other processes wrote.
CHANGES: Final = "SELECT changes FROM store"
DATA_VERSION: Final = "PRAGMA data_version"  # another number whenever any other connection has committed something
POSITIONS: Final = "SELECT owner, endings FROM owners"
LAST_SEQ: Final = "SELECT coalesce(max(seq), 0) FROM jobs"
ENDED_IDS: Final = "SELECT job_id FROM jobs WHERE owner = ? AND ending > ? AND ending <= ? ORDER BY ending"
OWNERS_AFTER: Final = "SELECT DISTINCT owner FROM jobs NOT INDEXED WHERE seq > ?"

# Writes.
ACCEPTED: Final = "SELECT accepted FROM store"
SET_ACCEPTED: Final = "UPDATE store SET accepted = ?"
PING: Final = "UPDATE store SET pings = pings + 1"
OWNER: Final = "SELECT endings, unsettled, completed, errors FROM owners WHERE owner = ?"
SET_OWNER: Final = "REPLACE INTO owners (owner, endings, unsettled, completed, errors) VALUES (?, ?, ?, ?, ?)"
BY_KEY: Final = f"SELECT fingerprint, {_COLUMNS} FROM jobs WHERE owner = ? AND idempotency_key = ?"
# Jobs at a time, the largest number first. While SQLite works Python's other threads go on, and then it waits until it
# may go on itself: once for sixty-four jobs instead of sixty-four times.
_ROW: Final = f"({', '.join('?' * 14)})"
INSERTS: Final = tuple(
    (jobs, f"INSERT INTO jobs ({_COLUMNS}, idempotency_key, fingerprint) VALUES {', '.join([_ROW] * jobs)}")
    for jobs in (64, 32, 16, 8, 4, 2, 1)
)
DUE: Final = (
    "SELECT seq, outcome, job_id FROM jobs WHERE owner = ? AND ending IS NULL AND ends_at <= ? ORDER BY ends_at, seq"
)
CANCEL: Final = "UPDATE jobs SET outcome = ?, error_code = ?, error_message = ?, ends_at = ? WHERE seq = ?"
END: Final = "UPDATE jobs SET ending = ? WHERE seq = ?"
_OLDEST: Final = (
    "SELECT seq, outcome, ends_at, job_id FROM jobs INDEXED BY jobs_by_ending "
    "WHERE owner = ? AND ending > 0 ORDER BY ending"
)
OLDEST: Final = f"{_OLDEST} LIMIT ?"
OWNERS_OF_OLD: Final = (
    f"SELECT owner FROM owners WHERE (SELECT ends_at FROM ({_OLDEST.replace('?', 'owners.owner')} LIMIT 1)) < ? LIMIT ?"
)
DELETE: Final = "DELETE FROM jobs WHERE seq = ?"
