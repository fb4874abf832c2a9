"""What is read from SQLite is what the file holds, although most of it is read only once."""

import asyncio
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from translation_server.stores import StoreUnavailableError, sqlite_file
from translation_server.stores.sqlite_reading import Reading

OUTCOME = "UPDATE jobs SET outcome = 'error', error_code = 'foreign'"
WRITER = f"""
import sqlite3
connection = sqlite3.connect("jobs.db")
connection.execute({OUTCOME!r})
connection.commit()
"""
MORE = """
INSERT INTO jobs (job_id, metadata, owner, created_at, ends_at, outcome, delay_model)
SELECT ?, ?, owner, created_at, ends_at, outcome, delay_model FROM jobs LIMIT 1
"""


@pytest.fixture
async def job(open_a_store, accept):
    """One that is in the file, without anybody who writes to it."""
    store = await open_a_store()
    job = (await accept(store)).job
    await store.close()
    return job


@pytest.fixture
def reading(job, tmp_path):  # noqa: ARG001 - which makes the file
    found = Reading(sqlite_file.connect(str(tmp_path / "jobs.db")), keeps=True)
    yield found
    found.close()


@pytest.fixture
def asked(reading):
    """What SQLite was asked."""
    statements = []
    reading._connection.set_trace_callback(statements.append)
    return statements


def write(tmp_path, statement, *values):
    with closing(sqlite3.connect(tmp_path / "jobs.db", isolation_level=None)) as connection:
        connection.execute(statement, values)


async def test_a_record_is_read_once_while_nobody_writes(reading, asked, job):
    """In each round of the loop it is asked whether anybody wrote, and nothing else."""
    for _ in range(5):
        assert [reading.job("admin", job.job_id) for _ in range(10)] == [job] * 10
        await asyncio.sleep(0)
    assert asked.count("PRAGMA data_version") == 5
    assert len(asked) == 6


async def test_what_others_write_is_seen_in_the_next_round(reading, job, tmp_path):
    """Whoever asks after it was written is told, as if every record were read each time."""
    for number in range(5):
        assert reading.job("admin", job.job_id) is not None
        write(tmp_path, "UPDATE jobs SET ends_at = ?", number)
        await asyncio.sleep(0)
        assert reading.job("admin", job.job_id).ends_at == number
    write(tmp_path, "DELETE FROM jobs")
    await asyncio.sleep(0)
    assert reading.job("admin", job.job_id) is None


async def test_what_another_process_writes_is_seen_as_well(reading, job, tmp_path):
    """It is the file that tells, not who wrote."""
    assert reading.job("admin", job.job_id) == job
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", WRITER], cwd=tmp_path, check=True)
    assert reading.job("admin", job.job_id).error_code == "foreign"


async def test_what_was_due_before_a_write_may_be_told_what_was_there_before(reading, job, tmp_path):
    """What is called in the rest of the round had been asked for when the number was read; later ones ask anew."""
    told = []

    def look():
        told.append(reading.job("admin", job.job_id).error_code)

    def look_and_write():
        look()
        write(tmp_path, OUTCOME)
        loop.call_soon(look)

    loop = asyncio.get_running_loop()
    loop.call_soon(look_and_write)
    loop.call_soon(look)
    await asyncio.sleep(0)
    assert told[0] == told[1] != "foreign"
    await asyncio.sleep(0)
    assert told[2:] == ["foreign"]


async def test_what_the_store_itself_wrote_is_seen_by_whoever_awaited_it(open_a_store, accept):
    """A cancellation that returned is read from then on, by every store of the same file."""
    store, other = await open_a_store(), await open_a_store()
    for _ in range(20):
        job = (await accept(store)).job
        for one in (store, other):
            assert await one.get_many("admin", [job.job_id]) == {job.job_id: job}
        cancelled = (await store.cancel("admin", job.job_id, job.created_at + 1)).job
        for one in (store, other):
            assert await one.get_many("admin", [job.job_id]) == {job.job_id: cancelled}


async def test_a_job_that_is_not_there_is_looked_for_again(reading, asked, job):
    """Only what was found is kept, and only for its owner."""
    for _ in range(3):
        assert reading.job("admin", "none") is None
        assert reading.job("eve", job.job_id) is None
        assert reading.job("admin", job.job_id) == job
    assert len(asked) == 1 + 3 + 3 + 1


async def test_there_is_a_most_of_what_is_kept(reading, asked, tmp_path, monkeypatch):
    """Neither many jobs nor large ones fill the memory; they are read each time."""
    monkeypatch.setattr("translation_server.stores.sqlite_reading._MOST_KEPT", 2)
    small = ["id-0", "id-1", "id-2"]
    for job_id in small:
        write(tmp_path, MORE, job_id, "{}")
    write(tmp_path, MORE, "large", "x" * 1001)
    for _ in range(3):
        assert reading.job("admin", "large").metadata == "x" * 1001
    assert len(asked) == 1 + 3
    for _ in range(3):
        assert [reading.job("admin", job_id).job_id for job_id in small] == small
    assert len(asked) == 1 + 3 + 2 + 3
    assert len(reading._records) == 2


async def test_a_connection_that_writes_keeps_nothing(job, tmp_path):
    """SQLite does not tell it of its own commits."""
    with closing(sqlite_file.connect(str(tmp_path / "jobs.db"))) as connection:
        reading = Reading(connection, keeps=False)
        assert reading.job("admin", job.job_id) == job
        connection.execute(OUTCOME)
        assert reading.job("admin", job.job_id).error_code == "foreign"


async def test_a_store_that_does_not_answer_is_asked_again(reading, job):
    """What was read before is not told while nobody can say whether it still holds."""
    assert reading.job("admin", job.job_id) == job
    await asyncio.sleep(0)
    reading._connection.set_progress_handler(lambda: 1, 1)  # interrupts every statement
    for _ in range(2):
        with pytest.raises(StoreUnavailableError):
            reading.job("admin", job.job_id)
    reading._connection.set_progress_handler(None, 1)
    assert reading.job("admin", job.job_id) == job
