"""Reads return what the SQLite file holds, although an unchanged record is read only once."""

import asyncio
import sqlite3
from contextlib import closing

import pytest

from translation_server.stores import StoreUnavailableError
from translation_server.stores.sqlite import database_file
from translation_server.stores.sqlite.reads import OwnChanges, Reader

START = 1_800_000_000.0
BY_HAND = "UPDATE jobs SET outcome = 'error', error_code = 'changed'"
MORE = """
INSERT INTO jobs (job_id, metadata, owner, created_at, ends_at, outcome, delay_model)
SELECT ?, ?, owner, created_at, ends_at, outcome, delay_model FROM jobs LIMIT 1
"""


@pytest.fixture
async def others(open_a_store):
    """Return a store as of another process."""
    return await open_a_store()


@pytest.fixture
async def job(others, accept):
    return (await accept(others)).job


@pytest.fixture
def reader(job, tmp_path):  # noqa: ARG001 - which makes the file
    found = Reader(database_file.connect(str(tmp_path / "jobs.db")), OwnChanges())
    yield found
    found.close()


@pytest.fixture
def asked(reader):
    """Return the list to which SQLite's statements are added."""
    return statements_of(reader)


def statements_of(reader):
    statements = []
    reader._connection.set_trace_callback(statements.append)
    return statements


def write(tmp_path, statement, *values):
    with closing(sqlite3.connect(tmp_path / "jobs.db", isolation_level=None)) as connection:
        connection.execute(statement, values)


async def test_a_record_is_read_once_while_none_changes(reader, asked, job, others, accept):
    """In each round of the loop only the count of changes is read; new jobs are no change."""
    for _ in range(5):
        assert [reader.job("admin", job.job_id) for _ in range(10)] == [job] * 10
        await accept(others)
    assert asked.count("SELECT changes FROM store") == 5
    assert len(asked) == 6


async def test_changes_by_others_are_read_in_the_next_round(reader, job, others, accept):
    """Ends, cancellations and deletions are read by any request that comes after they were written."""
    second = (await accept(others)).job
    assert [reader.job("admin", one.job_id) for one in (job, second)] == [job, second]
    cancelled = (await others.cancel("admin", job.job_id, START + 1)).job
    assert reader.job("admin", job.job_id) == cancelled != job
    assert reader.job("admin", second.job_id) == second
    await others.settle("admin", START + 9)
    assert reader.job("admin", second.job_id).final
    await others.forget(START + 99, 10)
    assert reader.job("admin", job.job_id) is reader.job("admin", second.job_id) is None


async def test_only_changed_records_are_read_again(open_a_store, accept):
    """Reading the other records costs nothing more."""
    store = await open_a_store()
    jobs = [(await accept(store, duration)).job for duration in (5, 50, 500, 5000)]
    ids = [job.job_id for job in jobs]
    await store.get_many("admin", ids)
    asked = statements_of(store._reader)

    def read_again():
        number = len([statement for statement in asked if "job_id = " in statement])
        asked.clear()
        return number

    await store.cancel("admin", ids[1], START + 7)  # and the first one has ended
    found = await store.get_many("admin", ids)
    assert [job.final for job in found.values()] == [True, True, False, False]
    assert read_again() == 2
    await store.settle("admin", START + 501)
    assert (await store.get_many("admin", ids))[ids[2]].final
    assert read_again() == 1
    await store.forget(START + 6, 10)
    assert [*await store.get_many("admin", ids)] == ids[1:]
    assert read_again() == 1


async def test_an_awaited_change_is_read_from_then_on(open_a_store, accept):
    """A cancellation that returned is read from then on, by every store of the same file."""
    store, other = await open_a_store(), await open_a_store()
    for _ in range(20):
        job = (await accept(store)).job
        for one in (store, other):
            assert await one.get_many("admin", [job.job_id]) == {job.job_id: job}
        cancelled = (await store.cancel("admin", job.job_id, job.created_at + 1)).job
        for one in (other, store):
            assert await one.get_many("admin", [job.job_id]) == {job.job_id: cancelled}


async def test_alternating_processes_read_each_others_changes(open_a_store, accept):
    """The order of their transactions does not matter."""
    stores = [await open_a_store(), await open_a_store()]
    jobs = [(await accept(stores[0], 5000)).job for _ in range(40)]
    ids = [job.job_id for job in jobs]
    for number, job_id in enumerate(ids):
        for store in stores:
            await store.get_many("admin", ids)
        await asyncio.gather(
            stores[number % 2].cancel("admin", job_id, START + 1),
            stores[number % 3 % 2].cancel("admin", ids[-1 - number], START + 1),
        )
        found = [await store.get_many("admin", ids) for store in stores]
        assert found[0] == found[1]
        assert found[0][job_id].was_cancelled
        assert found[0][ids[-1 - number]].was_cancelled


async def test_the_count_of_a_failed_transaction_is_used_by_another(open_a_store, accept):
    """If a commit fails, the next transaction, of another process, counts from the same number."""
    store, other = await open_a_store(), await open_a_store()
    jobs = [(await accept(store)).job for _ in range(2)]
    ids = [job.job_id for job in jobs]
    await store.get_many("admin", ids)

    def allow(action, name, *_):
        refused = action == sqlite3.SQLITE_TRANSACTION and name == "COMMIT"
        return sqlite3.SQLITE_DENY if refused else sqlite3.SQLITE_OK

    store._writing.set_authorizer(allow)
    with pytest.raises(StoreUnavailableError):
        await store.cancel("admin", ids[0], START + 1)
    await other.cancel("admin", ids[1], START + 1)
    found = await store.get_many("admin", ids)
    assert [job.was_cancelled for job in found.values()] == [False, True]


async def test_the_rest_of_a_round_may_get_the_record_before_a_write(reader, job, tmp_path):
    """Callbacks in the rest of the round were due when the count was read; later ones read the count again."""
    codes = []

    def read():
        codes.append(reader.job("admin", job.job_id).error_code)

    def read_and_write():
        read()
        write(tmp_path, BY_HAND)
        loop.call_soon(read)

    loop = asyncio.get_running_loop()
    loop.call_soon(read_and_write)
    loop.call_soon(read)
    await asyncio.sleep(0)
    assert codes[0] == codes[1] != "changed"
    await asyncio.sleep(0)
    assert codes[2:] == ["changed"]


async def test_changes_by_any_program_are_read_in_the_next_round(reader, job, tmp_path):
    """Even people with SQL of their own, and servers that are too old to know the count: triggers in the file count."""
    for statement in ("UPDATE jobs SET ends_at = 7", "UPDATE jobs SET ends_at = 8", BY_HAND):
        before = reader.job("admin", job.job_id)
        write(tmp_path, statement)
        await asyncio.sleep(0)
        assert reader.job("admin", job.job_id) != before
    write(tmp_path, "DELETE FROM jobs")
    await asyncio.sleep(0)
    assert reader.job("admin", job.job_id) is None


async def test_an_unknown_job_is_looked_up_each_time(reader, asked, job):
    """Only a record that was found is kept, and only for its owner."""
    for _ in range(3):
        assert reader.job("admin", "none") is None
        assert reader.job("eve", job.job_id) is None
        assert reader.job("admin", job.job_id) == job
    assert len(asked) == 1 + 3 + 3 + 1


async def test_the_number_and_size_of_kept_records_are_limited(reader, asked, tmp_path, monkeypatch):
    """Neither many jobs nor large ones fill the memory; they are read again."""
    monkeypatch.setattr("translation_server.stores.sqlite.reads._MOST_RECORDS", 2)
    for job_id in ("id-0", "id-1", "id-2"):
        write(tmp_path, MORE, job_id, "{}")
    write(tmp_path, MORE, "large", "x" * 1001)
    for _ in range(3):
        assert reader.job("admin", "large").metadata == "x" * 1001
    assert len(asked) == 1 + 3
    for job_id in ("id-0", "id-1", "id-0", "id-1", "id-2", "id-1", "id-2", "id-0"):
        assert reader.job("admin", job_id).job_id == job_id
    assert len(asked) == 1 + 3 + 2 + 1 + 1
    assert len(reader._records) == 2


async def test_a_connection_that_writes_reads_each_time(job, tmp_path):
    """It may write in the middle of a round."""
    with closing(database_file.connect(str(tmp_path / "jobs.db"))) as connection:
        reader = Reader(connection, None)
        assert reader.job("admin", job.job_id) == job
        connection.execute(BY_HAND)
        assert reader.job("admin", job.job_id).error_code == "changed"
        assert not reader._records


async def test_nothing_is_returned_from_memory_while_the_file_cannot_be_read(reader, job):
    """A record that was read before may have changed."""
    assert reader.job("admin", job.job_id) == job
    await asyncio.sleep(0)
    reader._connection.set_progress_handler(lambda: 1, 1)  # interrupts every statement
    for _ in range(2):
        with pytest.raises(StoreUnavailableError):
            reader.job("admin", job.job_id)
    reader._connection.set_progress_handler(None, 1)
    assert reader.job("admin", job.job_id) == job


# Which records this process changed itself.


@pytest.fixture
def own_changes():
    """Transactions that counted from 3 to 4, to 6, and from 7 to 9; from 6 to 7 another process counted."""
    found = OwnChanges()
    for before, after, job_ids in ((3, 4, ["a"]), (4, 6, ["b", "c"]), (7, 9, ["a", "d"])):
        found.add(before, after, job_ids)
    return found


@pytest.mark.parametrize(
    ("seen", "now", "expected"),
    [
        (3, 4, ["a"]),
        (3, 6, ["a", "b", "c"]),
        (4, 6, ["b", "c"]),
        (7, 9, ["a", "d"]),
        (5, 5, []),
        (2, 4, None),
        (3, 5, None),
        (3, 9, None),
        (9, 10, None),
        (9, 4, None),
        (-1, 10**9, None),
    ],
)
def test_what_was_changed_between_two_reads_of_the_count(own_changes, seen, now, expected):
    """It is known if all transactions between them are this process's own."""
    assert own_changes.pop(seen, now) == expected


def test_a_transaction_is_returned_once(own_changes):
    """Nobody asks for the same transactions twice."""
    assert own_changes.pop(3, 6) is not None
    assert own_changes.pop(3, 6) is None
    assert own_changes.pop(7, 9) is not None


def test_a_transaction_that_was_not_committed_leaves_nothing(own_changes):
    """Another process may use the numbers it did not."""
    own_changes.clear()
    assert own_changes.pop(7, 9) is None


def test_a_transaction_that_counts_nothing_is_not_kept(own_changes):
    """Otherwise following the numbers would not come to an end."""
    own_changes.add(9, 9, ["a"])
    assert own_changes.pop(9, 10) is None
    assert own_changes.pop(7, 9) == ["a", "d"]


def test_the_number_of_kept_transactions_is_limited(monkeypatch):
    """While nobody reads, not every transaction is kept; whoever reads then reads everything again."""
    monkeypatch.setattr("translation_server.stores.sqlite.reads._MOST_TRANSACTIONS", 3)
    own_changes = OwnChanges()
    for number in range(7):
        own_changes.add(number, number + 1, ["a"])
        assert len(own_changes._transactions) <= 3
    assert own_changes.pop(0, 7) is None
    own_changes.add(7, 8, ["b"])
    assert own_changes.pop(7, 8) == ["b"]
