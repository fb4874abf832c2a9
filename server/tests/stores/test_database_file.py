"""The database file: made with care, and left as it is unless it is sound and of this server."""

import os
import sqlite3
import stat
import threading
from contextlib import closing

import pytest

from translation_server.stores import Accepted, StoreError, check_store, open_store
from translation_server.stores.sqlite import database_file, sql


@pytest.fixture
def path(tmp_path):
    return tmp_path / "jobs.db"


def url(path) -> str:
    return f"sqlite:///{path}"


def execute(path, *statements):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        return [connection.execute(statement).fetchall() for statement in statements]


async def used(path, accept) -> bytes:
    """Make a database with jobs in it; return what is in the file."""
    store = await open_store(url(path))
    for _ in range(100):
        await accept(store, metadata='{"a":"' + "x" * 1000 + '"}')
    await store.close()
    return path.read_bytes()


def refusal(path) -> str:
    with pytest.raises(StoreError) as caught:
        check_store(url(path))
    assert "\n" not in str(caught.value)
    return str(caught.value)


async def test_a_new_file_is_its_owners_alone(path, accept):
    """Nobody else may read it, nor what SQLite puts beside it."""
    store = await open_store(url(path))
    await accept(store)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.glob("jobs.db*")}
    await store.close()
    assert modes == {"jobs.db": 0o600, "jobs.db-wal": 0o600, "jobs.db-shm": 0o600}


async def test_what_was_committed_is_on_the_disk(path):
    """The journal is WAL, and each commit waits for the disk."""
    store = await open_store(url(path))
    settings = [store._writing.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    await store.close()
    assert settings == ["wal", 2]


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\x00" + bytes(84), b"x" * 5000])
def test_a_file_of_another_kind_is_refused(path, content):
    """It is named, and left as it is."""
    path.write_bytes(content)
    assert "not a file of this server" in refusal(path)
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_refused(path):
    """A database of another program is left as it is, to the last byte."""
    execute(path, "CREATE TABLE t (x)", "INSERT INTO t VALUES (1)")
    before = path.read_bytes()
    assert "not a file of this server" in refusal(path)
    assert path.read_bytes() == before


async def test_a_newer_database_is_refused(path, accept):
    """An older server does not touch what a newer one wrote, even if that is in the log only."""
    await used(path, accept)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA user_version = {database_file.VERSION + 1}")
        before = [path.read_bytes(), path.with_name("jobs.db-wal").read_bytes()]
        assert "newer version" in refusal(path)
        assert [path.read_bytes(), path.with_name("jobs.db-wal").read_bytes()] == before


async def test_two_versions_share_the_file_during_an_upgrade(path, accept, monkeypatch):
    """A server that runs while a newer one starts goes on, each sees the other's jobs; started again, it is refused."""
    older = await open_store(url(path))
    old = (await accept(older, key="old", fingerprint=b"")).job
    with monkeypatch.context() as upgrade:
        migrations = (*database_file._MIGRATIONS, "ALTER TABLE jobs ADD COLUMN more TEXT DEFAULT 'x';\n")
        upgrade.setattr(database_file, "_MIGRATIONS", migrations)
        upgrade.setattr(database_file, "VERSION", len(migrations))
        newer = await open_store(url(path))
    for store, other in ((older, newer), (newer, older)):
        job = (await accept(store)).job
        assert await other.get_many("admin", [job.job_id, old.job_id]) == {job.job_id: job, old.job_id: old}
        assert (await accept(other, key="old", fingerprint=b"")).replayed
        await store.cancel("admin", job.job_id, job.created_at)
        assert (await other.get_many("admin", [job.job_id]))[job.job_id].was_cancelled
        assert await other.counts() == await store.counts()
    await older.close()
    assert "newer version" in refusal(path)
    await newer.close()


async def test_a_file_of_an_older_version_is_brought_up_to_date(path, accept, monkeypatch):
    """The jobs in it stay, and what the newer version counts is right from the start."""
    with monkeypatch.context() as older:
        older.setattr(database_file, "_MIGRATIONS", database_file._MIGRATIONS[:1])
        check_store(url(path))
    execute(
        path,
        "UPDATE store SET accepted = 2",
        "INSERT INTO owners (owner, endings, unsettled) VALUES ('admin', 1, 1)",
        "INSERT INTO jobs (job_id, owner, created_at, ends_at, outcome, metadata, delay_model, ending) VALUES "
        "('a', 'admin', 1, 2, 'completed', '{}', 'fixed:1', 1), ('b', 'admin', 1, 9e9, 'error', '{}', 'fixed:1', NULL)",
    )
    store = await open_store(url(path))
    assert list((await store.counts()).values()) == [1, 1, 0]
    assert [*await store.get_many("admin", ["a", "b"])] == ["a", "b"]
    assert (await store.cancel("admin", "b", 5.0)).job.ending == 2
    assert isinstance(await accept(store), Accepted)
    await store.close()


@pytest.mark.parametrize("at", [100, 5000, -5000])
async def test_a_damaged_database_is_refused(path, accept, at):
    """Wherever the damage is, the server does not start on it, nor does it make it worse."""
    content = bytearray(await used(path, accept))
    start = at % len(content)
    content[start : start + 4000] = b"\xa5" * len(content[start : start + 4000])
    path.write_bytes(content)
    assert "damaged" in refusal(path)
    assert path.read_bytes() == content


async def test_a_database_cut_short_is_refused(path, accept):
    """Half a file is not mistaken for a whole one."""
    content = await used(path, accept)
    path.write_bytes(content[: len(content) // 2])
    assert "damaged" in refusal(path)


def test_a_file_of_zeros_is_refused(path):
    """It is no database, and stays what it is."""
    path.write_bytes(bytes(5000))
    assert "file is not a database" in refusal(path)
    assert path.read_bytes() == bytes(5000)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    """The message says which file could not be opened, and why."""
    message = refusal(tmp_path / "nowhere" / "jobs.db")
    assert "nowhere/jobs.db cannot be opened: No such file or directory" in message


def test_a_folder_is_no_file(tmp_path):
    """A folder's name is refused."""
    assert "Is a directory" in refusal(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_file_that_may_not_be_written_is_refused(path):
    """A server that can only read is of no use."""
    path.touch(0o400)
    assert "Permission denied" in refusal(path)


def test_several_servers_may_start_at_once(path):
    """All succeed in a race to make the file, and it is made once."""
    failures = []

    def start():
        try:
            check_store(url(path))
        except StoreError as error:
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert execute(path, "SELECT count(*) FROM store", "PRAGMA journal_mode") == [[(1,)], [("wal",)]]


async def test_a_start_that_was_interrupted_is_repeated(path):
    """An empty file, left by a server that was killed at once, is as good as none."""
    path.touch()
    store = await open_store(url(path))
    assert len(store.identity) == 8
    await store.close()


async def test_a_large_database_is_not_searched_for_long(path, accept, monkeypatch):
    """The search for damage ends when its time is over, and the server starts."""
    await used(path, accept)
    monkeypatch.setattr(database_file, "_CHECK_TIME", -1.0)
    monkeypatch.setattr(database_file, "_CHECK_STEPS", 1)
    check_store(url(path))


async def test_the_files_of_a_killed_server_are_recovered(path, accept, tmp_path):
    """A copy of the files, taken while a server writes, has everything up to the last commit."""
    store = await open_store(url(path))
    job = (await accept(store)).job
    copy = tmp_path / "copy.db"
    for suffix in ("", "-wal"):
        copy.with_name(f"copy.db{suffix}").write_bytes(path.with_name(f"jobs.db{suffix}").read_bytes())
    await store.close()
    again = await open_store(url(copy))
    assert await again.latest("admin") == job
    await again.close()


def test_an_unfinished_creation_is_undone(path):
    """A file whose creation was interrupted (its journal is still there) is made again."""
    with closing(sqlite3.connect(path, isolation_level=None)) as maker:
        maker.execute("PRAGMA cache_size = 1")
        maker.execute("PRAGMA cache_spill = 1")
        maker.execute("BEGIN EXCLUSIVE")
        maker.execute(f"PRAGMA application_id = {database_file.APPLICATION_ID}")
        maker.execute("CREATE TABLE t (x)")
        maker.execute(
            "WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n LIMIT 9999) INSERT INTO t SELECT x FROM n"
        )
        files = {file.name: file.read_bytes() for file in path.parent.glob("jobs.db*")}
    assert len(files) == 2
    for name, content in files.items():
        (path.parent / name).write_bytes(content)
    check_store(url(path))
    assert execute(path, "SELECT count(*) FROM store", "SELECT count(*) FROM sqlite_master WHERE name = 't'") == [
        [(1,)],
        [(0,)],
    ]


async def test_a_store_keeps_its_identity(path, tmp_path):
    """A file opened again is the same store; another file is another store."""
    identities = []
    for file in (path, path, tmp_path / "other.db"):
        store = await open_store(url(file))
        identities.append(store.identity)
        await store.close()
    assert identities[0] == identities[1] != identities[2]


STATEMENTS = (
    *("BY_ID", "PAGE", "ENDED_PAGE", "NEXT_END", "ENDED_AFTER", "POSITION", "POSITION_BEFORE", "ENDED_IDS"),
    *("LAST_SEQ", "OWNERS_AFTER", "BY_KEY", "DUE", "CANCEL", "END", "OWNER", "OLDEST"),
)


@pytest.mark.parametrize("name", STATEMENTS)
def test_no_statement_slows_with_the_number_of_jobs(path, name):
    """Each is answered from an index, in the index's order."""
    check_store(url(path))
    statement = getattr(sql, name)
    names = ("owner", "before", "limit", "now", "status")
    values = dict.fromkeys(names, 1) if ":owner" in statement else (1,) * statement.count("?")
    with closing(sqlite3.connect(path)) as connection:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
    assert plan[0].startswith("SEARCH")
    assert not any("SCAN" in step or ("TEMP B-TREE" in step and "DISTINCT" not in step) for step in plan)
