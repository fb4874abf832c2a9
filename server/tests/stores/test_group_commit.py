"""Writes that arrive together are committed together or not at all, and acknowledged only after that."""

import asyncio
import contextlib
import os
import sqlite3
import sys
import threading
from contextlib import closing
from pathlib import Path
from threading import get_ident

import pytest

from translation_server.stores import StoreUnavailableError
from translation_server.stores.sqlite import database_file
from translation_server.stores.sqlite.group_commit import DirectCommit, GroupCommit
from translation_server.stores.sqlite.reads import OwnChanges
from translation_server.stores.sqlite.writes import Transaction, Writer

START = 1_800_000_000.0


def full(store) -> None:
    """Let the database not grow any more."""
    pages = store._writing.execute("PRAGMA page_count").fetchone()[0]
    store._writing.execute(f"PRAGMA max_page_count = {pages}")


def roomy(store) -> None:
    store._writing.execute("PRAGMA max_page_count = 1000000")


async def fill(store, accept):
    """Start large jobs until the disk is full."""
    with contextlib.suppress(StoreUnavailableError):
        for _ in range(1000):
            await accept(store, metadata='{"a":"' + "x" * 3000 + '"}')
        pytest.fail("the disk was not full")


async def test_racing_writes_share_transactions(open_a_store, accept):
    """A thousand starts at once take a few commits."""
    store = await open_a_store()
    commits = []
    store._writing.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
    await asyncio.gather(*(accept(store) for _ in range(1000)))
    assert len(commits) < 100


@pytest.mark.parametrize("starts", [1, 7, 8, 33, 49])
async def test_writes_of_one_transaction_see_each_other(open_a_store, accept, starts):
    """Writes of the same moment are written together, in their order: starts, their ends, a key used twice."""
    store = await open_a_store()
    commits = []
    store._writing.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
    brief = [accept(store, duration=0.0, key=f"key-{n}") for n in range(starts)]
    later = [accept(store, key=key) for key in ("key-0", "last", "last")]
    *accepted, ended, again, last, twice = await asyncio.gather(*brief, store.settle("admin", START + 1), *later)
    assert len(commits) == 1
    jobs = [one.job for one in accepted]
    assert [job.seq for job in jobs] == [*range(1, starts + 1)]
    assert ended == [job.job_id for job in jobs]
    assert (again.replayed, again.job) == (True, jobs[0]._replace(ending=1))
    assert (last.replayed, twice.replayed, twice.job) == (False, True, last.job)
    stored = await store.get_many("admin", [*ended, last.job.job_id])
    assert [job._replace(ending=None) for job in stored.values()] == [*jobs, last.job]


async def test_nothing_is_acknowledged_on_a_full_disk(open_a_store, accept):
    """A start is refused, nothing of it is stored, reads go on, and once there is room starts are accepted again."""
    store = await open_a_store()
    full(store)
    await fill(store, accept)
    before = await store.latest("admin")
    with pytest.raises(StoreUnavailableError):
        await accept(store, metadata='{"a":"' + "x" * 3000 + '"}')
    assert await store.latest("admin") == before
    roomy(store)
    assert (await accept(store)).job.seq == before.seq + 1
    await store.ping()


async def test_a_lock_is_waited_for(open_a_store, accept, tmp_path):
    """While another process writes, a write waits, and then succeeds."""
    store = await open_a_store()
    with closing(sqlite3.connect(tmp_path / "jobs.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        writing = asyncio.ensure_future(accept(store))
        await asyncio.sleep(0.05)
        assert not writing.done()
        assert await store.latest("admin") is None
        other.execute("COMMIT")
    assert (await writing).job.seq == 1


async def test_a_lock_is_not_waited_for_endlessly(open_a_store, accept, tmp_path, monkeypatch):
    """A store that is locked for too long refuses, and accepts again afterwards."""
    monkeypatch.setattr(database_file, "BUSY_TIMEOUT", 0.05)
    store = await open_a_store()
    with closing(sqlite3.connect(tmp_path / "jobs.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for write in (accept(store), store.settle("admin", START), store.cancel("admin", "x", START), store.ping()):
            with pytest.raises(StoreUnavailableError, match="locked"):
                await write
        other.execute("ROLLBACK")
    assert (await accept(store)).job.seq == 1


@pytest.mark.parametrize("kind", [GroupCommit, DirectCommit])
async def test_a_failed_write_fails_its_whole_transaction(kind):
    """An unexpected error is raised to the caller, nothing is left half done, and the next write works."""
    with closing(database_file.connect(":memory:")) as connection:
        database_file.create_schema(connection)
        commits = kind(Writer(connection, OwnChanges()))

        def fail(transaction):
            transaction.ping()
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await commits.write(fail)
        await commits.write(lambda transaction: transaction.ping())
        assert await commits.inspect(lambda c: c.execute("SELECT pings FROM store").fetchall()) == [(1,)]
        commits.close()


@pytest.mark.parametrize(("short", "here"), [([True, True], True), ([True, False, True], False), ([False], False)])
async def test_short_writes_are_executed_in_the_event_loop(open_a_store, short, here):
    """Only their commit is left to the thread; a batch with a long write is executed there, and delays nobody."""
    store = await open_a_store()
    made, committed = [], []
    store._writing.set_trace_callback(lambda sql: committed.append(get_ident()) if sql == "COMMIT" else None)
    await asyncio.gather(*(store._commits.write(lambda _: made.append(get_ident()), is_short=one) for one in short))
    assert [thread == get_ident() for thread in made] == [here] * len(short)
    assert [thread == get_ident() for thread in committed] == [False]


async def test_the_event_loop_never_waits_for_a_lock(open_a_store, accept, tmp_path):
    """While another process writes, starts wait in the thread, and everything else goes on."""
    store = await open_a_store()
    with closing(sqlite3.connect(tmp_path / "jobs.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        begun = asyncio.get_running_loop().time()
        starts = [asyncio.ensure_future(accept(store)) for _ in range(3)]
        await asyncio.sleep(0.01)
        assert await store.latest("admin") is None
        assert asyncio.get_running_loop().time() - begun < database_file.BUSY_TIMEOUT / 2
        other.execute("ROLLBACK")
    assert [(await start).job.seq for start in starts] == [1, 2, 3]


async def test_a_failed_batch_delays_no_other(open_a_store, accept):
    """Neither the batch that gathered meanwhile nor the next one."""
    store = await open_a_store()

    def fail(transaction):
        transaction.ping()
        raise ZeroDivisionError

    for is_short in (True, False):
        failing = [store._commits.write(fail, is_short=is_short) for _ in range(3)]
        starting = asyncio.ensure_future(accept(store))
        outcomes = await asyncio.gather(*failing, return_exceptions=True)
        assert all(isinstance(outcome, ZeroDivisionError) for outcome in outcomes)
        assert (await starting).job.seq == 1 + (not is_short)


async def test_a_failed_commit_refuses_the_start(open_a_store, accept):
    """Wherever the writes were executed, nothing is acknowledged, nothing is stored, and the next batch works."""
    store = await open_a_store()

    def refuse(action, name, *_):
        is_commit = (action, name) == (sqlite3.SQLITE_TRANSACTION, "COMMIT")
        return sqlite3.SQLITE_DENY if is_commit else sqlite3.SQLITE_OK

    for write in (accept, lambda store: store.settle("admin", START)):
        store._writing.set_authorizer(refuse)
        with pytest.raises(StoreUnavailableError, match="not authorized"):
            await write(store)
        assert not store._writing.in_transaction
        store._writing.set_authorizer(None)
    assert (await accept(store)).job.seq == 1


def descriptors_of(path) -> list[int]:
    """Return the descriptors by which this process has the file open."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the descriptor by which the folder itself is read
            if entry.readlink() == path:
                found.append(int(entry.name))
    return found


@contextlib.contextmanager
def failing_disk(path, device):
    """Redirect the open descriptors of a file to a device, and restore them afterwards."""
    descriptors = descriptors_of(path)
    assert descriptors
    kept = [os.dup(descriptor) for descriptor in descriptors]
    opened = os.open(device, os.O_RDWR)
    for descriptor in descriptors:
        os.dup2(opened, descriptor)
    try:
        yield
    finally:
        os.close(opened)
        for descriptor, copy in zip(descriptors, kept, strict=True):
            os.dup2(copy, descriptor)
            os.close(copy)


DISK_ERRORS = {"/dev/full": "database or disk is full", "/dev/null": "disk I/O error"}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc, and devices that fail")
@pytest.mark.parametrize("device", DISK_ERRORS)
async def test_a_disk_error_refuses_the_start(open_a_store, accept, tmp_path, caplog, device):
    """Whether a write fails for want of room, or the wait for the disk does: refused, and accepted again afterwards.

    ``/dev/null`` takes every write and refuses ``fsync``.
    """
    message = DISK_ERRORS[device]
    store = await open_a_store()
    commits = []
    store._writing.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
    for number, write in enumerate((accept, lambda store: store._commits.write(Transaction.ping))):
        assert (await accept(store)).job.seq == number + 1
        commits.clear()
        with failing_disk(tmp_path / "jobs.db-wal", device), pytest.raises(StoreUnavailableError, match=message):
            await write(store)
        assert commits == ["COMMIT"]
    assert (await accept(store)).job.seq == 3
    assert len(await (await open_a_store()).page("admin", None, START, None, 10)) == 3
    assert [record.getMessage() for record in caplog.records] == 2 * [
        f"the database does not work: OperationalError: {message}",
        "the database works again",
    ]


async def test_a_requester_that_has_gone_disturbs_nobody(open_a_store, accept):
    """Its write is carried out, and its cancelled future is left alone."""
    store = await open_a_store()
    tasks = [asyncio.create_task(accept(store)) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (await accept(store)).job.seq == 4


async def test_close_finishes_pending_writes(open_a_store, accept):
    """A write that was requested before the store was closed is committed."""
    store = await open_a_store()
    writing = asyncio.ensure_future(accept(store))
    await asyncio.sleep(0)
    await store.close()
    await writing
    assert (await (await open_a_store()).latest("admin")).seq == 1


async def test_changes_by_other_processes_are_yielded(open_a_store, accept):
    """New jobs and ends of another process are yielded, each once; this process's own are not."""
    here, there = await open_a_store(), await open_a_store()
    changes = here.changes()
    first = asyncio.ensure_future(anext(changes))
    await asyncio.sleep(0.05)
    await accept(here)
    job = (await accept(there, owner="eve")).job
    await there.cancel("eve", job.job_id, START + 1)
    yielded = {await asyncio.wait_for(first, 5), await asyncio.wait_for(anext(changes), 5)}
    assert {(change.owner, change.job_id) for change in yielded} >= {("eve", job.job_id)}
    await changes.aclose()


async def test_a_store_in_memory_has_no_changes_by_others(open_a_store):
    """No other process can write to it."""
    store = await open_a_store(":memory:")
    assert [change async for change in store.changes()] == []


async def test_a_batch_begins_when_the_one_before_it_is_committed(open_a_store, accept):
    """Until then it gathers, and the event loop does not wait for the connection, which the thread uses."""
    store = await open_a_store()
    committing, go_on, late = threading.Event(), threading.Event(), []

    def wait(statement):
        if statement == "COMMIT":
            committing.set()
            go_on.wait()

    def release():
        late.append(True)
        go_on.set()

    store._writing.set_trace_callback(wait)
    released = threading.Timer(5, release)
    released.start()
    first = asyncio.ensure_future(accept(store))
    await asyncio.to_thread(committing.wait)
    second = asyncio.ensure_future(accept(store))
    for _ in range(5):
        await asyncio.sleep(0)
    assert not late
    assert not first.done()
    go_on.set()
    assert [(await one).job.seq for one in (first, second)] == [1, 2]
    released.cancel()
