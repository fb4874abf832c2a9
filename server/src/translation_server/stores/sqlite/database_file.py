"""The file of an SQLite store: opened if it is ours and sound, refused untouched otherwise, watched while open."""

from __future__ import annotations

import logging
import os
import secrets
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Final

from translation_server.stores.protocol import StoreError, StoreUnavailableError

_LOGGER: Final = logging.getLogger(__name__)

APPLICATION_ID = 0x54724A62  # "TrJb", in the file's header
BUSY_TIMEOUT = 5.0
"""Seconds a connection waits for another process that is writing."""

_CHECK_TIME = 0.5  # seconds that the search for damage may take at the start, however large the file is
_CHECK_STEPS = 10_000  # of SQLite's machine, after which the time is checked
_HEADER_LENGTH = 100
_MAGIC = b"SQLite format 3\x00"
_TABLES = f"""
CREATE TABLE store (
    identity TEXT NOT NULL,
    accepted INTEGER NOT NULL DEFAULT 0,  -- the last seq given to a job; none is given twice, whatever is deleted
    pings    INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE owners (
    owner     TEXT PRIMARY KEY,
    endings   INTEGER NOT NULL,  -- the last place given in the order of ending
    unsettled INTEGER NOT NULL   -- jobs without such a place: the pending ones, and those that have ended unnoticed
) WITHOUT ROWID;
CREATE TABLE jobs (
    seq             INTEGER PRIMARY KEY,
    job_id          TEXT NOT NULL UNIQUE,
    owner           TEXT NOT NULL,
    created_at      REAL NOT NULL,
    ends_at         REAL NOT NULL,
    outcome         TEXT NOT NULL CHECK (outcome IN ('completed', 'error')),
    error_code      TEXT,
    error_message   TEXT,
    video_length    REAL,
    metadata        TEXT NOT NULL,
    delay_model     TEXT NOT NULL,
    ending          INTEGER,
    idempotency_key TEXT,
    fingerprint     BLOB
);
-- Every index ends, as SQLite's do, in the row's own key: seq, the order of acceptance.
CREATE INDEX jobs_by_owner ON jobs (owner);
CREATE INDEX jobs_by_outcome ON jobs (owner, outcome);
CREATE INDEX jobs_by_ending ON jobs (owner, ending, ends_at);
CREATE UNIQUE INDEX jobs_by_key ON jobs (owner, idempotency_key) WHERE idempotency_key IS NOT NULL;
PRAGMA application_id = {APPLICATION_ID};
"""
_COUNTS = """
-- Of the jobs that have a place in the order of ending, as many as are kept.
ALTER TABLE owners ADD COLUMN completed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE owners ADD COLUMN errors INTEGER NOT NULL DEFAULT 0;
UPDATE owners SET (completed, errors) = (
    SELECT count(*) FILTER (WHERE outcome = 'completed'), count(*) FILTER (WHERE outcome = 'error')
    FROM jobs WHERE jobs.owner = owners.owner AND ending IS NOT NULL
);
"""
_CHANGES = """
-- How often a job's record was changed or deleted, whoever did it: servers of earlier versions as well, and people.
ALTER TABLE store ADD COLUMN changes INTEGER NOT NULL DEFAULT 0;
CREATE TRIGGER jobs_changed AFTER UPDATE ON jobs BEGIN UPDATE store SET changes = changes + 1; END;
CREATE TRIGGER jobs_deleted AFTER DELETE ON jobs BEGIN UPDATE store SET changes = changes + 1; END;
"""
# Each brings the tables one version further; what has been released is never edited.
_MIGRATIONS = (_TABLES, _COUNTS, _CHANGES)
VERSION = len(_MIGRATIONS)


def connect(path: str) -> sqlite3.Connection:
    """Return a connection whose transactions are begun by hand, and are on the disk once committed; for any thread."""
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA synchronous = FULL")
        # The journal of single statements, for which each transaction would otherwise make a file, and delete it.
        connection.execute("PRAGMA temp_store = MEMORY")
    except BaseException:
        connection.close()
        raise
    return connection


def prepare(path: str) -> None:
    """Make the file if there is none (readable by its owner only), and check that it is a sound one of this server.

    Raises:
        StoreError: It is not, or it cannot be opened; nothing was changed.
    """
    header = _header(Path(path))
    if header.strip(b"\x00"):  # otherwise new, or cut off while it was made, which SQLite undoes
        if not header.startswith(_MAGIC) or int.from_bytes(header[68:72], "big") != APPLICATION_ID:
            raise StoreError(f"DATABASE_URL: {path} is not a file of this server; it was left as it is")
        _refuse_newer_or_damaged(path)
    try:
        with closing(connect(path)) as connection:
            # Until the file is in WAL mode a journal is deleted at each commit, and if a power cut brought it back it
            # would undo the tables, with all that had been put into them meanwhile: wait for its deletion as well.
            connection.execute("PRAGMA synchronous = EXTRA")
            create_schema(connection)
            _switch_to_wal(connection)
    except sqlite3.Error as error:
        raise StoreError(f"DATABASE_URL: {path} cannot be used: {error}") from error


def create_schema(connection: sqlite3.Connection) -> None:
    """Make the tables or bring them up to date, even while other processes do the same."""
    # Not in WAL mode yet: so the main file's header tells whose file it is, even after a crash.
    connection.execute("BEGIN EXCLUSIVE")
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        for number, migration in enumerate(_MIGRATIONS[version:], start=version + 1):
            for statement in migration.split(";\n")[:-1]:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")  # part of the transaction, as all of it
        if not version:
            connection.execute("INSERT INTO store (identity) VALUES (?)", (secrets.token_hex(4),))
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _header(path: Path) -> bytes:
    try:
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "rb") as file:
            return file.read(_HEADER_LENGTH)
    except OSError as error:
        raise StoreError(f"DATABASE_URL: {path} cannot be opened: {error.strerror}") from error


def _refuse_newer_or_damaged(path: str) -> None:
    # Reading only: closing a connection that may write would move the log into the file.
    connection = sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT)
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        damage = _damage(connection)
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_BUSY}:
            return  # another process is at work in it, or died in the midst: for the next step to wait for, or mend
        version, damage = VERSION, str(error)
    finally:
        connection.close()
    if damage is not None:
        raise StoreError(f"DATABASE_URL: {path} is damaged ({damage}); it was left as it is")
    if version > VERSION:
        raise StoreError(f"DATABASE_URL: {path} was written by a newer version of this server; it was left as it is")


def _damage(connection: sqlite3.Connection) -> str | None:
    """Return what is wrong with the file, as far as half a second shows."""
    give_up = time.monotonic() + _CHECK_TIME
    connection.set_progress_handler(lambda: time.monotonic() > give_up, _CHECK_STEPS)
    try:
        finding = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            return None
        raise
    finally:
        connection.set_progress_handler(None, 0)
    return None if finding == "ok" else finding.partition("\n")[0]


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Change the journal mode, waiting for other processes, which SQLite does not do here."""
    give_up = time.monotonic() + BUSY_TIMEOUT
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.01)
        else:
            return


class FileWatch:
    """Whether a process that starts now would open the files that this one has open: the database, its log, its index.

    Files that were deleted, replaced, or moved with their folder can still be written, and nobody would ever find in
    them what was written. Comparing device and inode takes some microseconds. As soon as the same files are back, all
    is well; if others take their place, which holds the jobs is for the operator to decide, by a restart.

    Args:
        path: The database. It may be a symbolic link.
    """

    def __init__(self, path: str) -> None:
        path = os.path.abspath(path)  # noqa: PTH100 - a string, as `os.stat` is fastest with it
        self._files = {path: _identify(path)}
        self._companions = [f"{os.path.realpath(path)}{suffix}" for suffix in ("-wal", "-shm")]
        self._finding = ""

    def add_companions(self) -> None:
        """Watch the log and its index as well; to be called once a connection has read, which opens them."""
        self._files |= {path: _identify(path) for path in self._companions}

    def check(self) -> None:
        """Return if the paths lead to the files that are open, and log when that changes.

        Raises:
            StoreUnavailableError: They do not; the message names the path and the reason.
        """
        finding = ""
        try:
            for path, identity in self._files.items():
                if _identify(path) != identity:
                    finding = f"the database file {path} was replaced by another"
                    break
        except OSError as error:
            finding = f"the database file {error.filename} was deleted or moved: {error.strerror}"
        if finding != self._finding:
            self._finding = finding
            _LOGGER.error("%s; %s", finding, _ADVICE) if finding else _LOGGER.warning("the database file is back")
        if finding:
            raise StoreUnavailableError(finding)


_ADVICE: Final = "no job is accepted until it is back, or until the server is restarted to use what is there then"


def _identify(path: str) -> tuple[int, int]:
    status = os.stat(path)  # noqa: PTH116 - three times as fast as pathlib's
    return status.st_dev, status.st_ino
