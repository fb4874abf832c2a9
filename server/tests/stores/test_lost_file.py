"""A database file that is deleted, replaced, or moved with its folder while a server has it open.

What is acknowledged is in the file that the next process will open.
"""

import asyncio
import logging
import os
import shutil
import sqlite3
from collections import Counter
from contextlib import closing

import pytest
from server.tests.conftest import eventually

from translation_server.stores import Accepted, StoreUnavailableError, open_store

LOGGER = "translation_server.stores.sqlite.database_file"


@pytest.fixture
def folder(tmp_path):
    """The folder of the database, which has no other files in it."""
    made = tmp_path / "data"
    made.mkdir()
    return made


@pytest.fixture
async def store(folder, open_a_store):
    return await open_a_store(str(folder / "jobs.db"))


def stored(folder) -> set[str]:
    """Return the ids that a process finds which opens the file now."""
    with closing(sqlite3.connect(folder / "jobs.db")) as connection:
        return {job_id for (job_id,) in connection.execute("SELECT job_id FROM jobs")}


def move_folder(folder):
    folder.rename(folder.with_name("elsewhere"))


def put_another_folder_there(folder):
    move_folder(folder)
    shutil.copytree(folder.with_name("elsewhere"), folder)


def delete(folder, name="jobs.db"):
    """Delete a file, and keep a second name of it outside, by which it can be brought back."""
    os.link(folder / name, folder.with_name(f"kept-{name}"))
    (folder / name).unlink()


def replace(folder, name="jobs.db"):
    delete(folder, name)
    shutil.copy(folder.with_name(f"kept-{name}"), folder / name)


def put_back(folder):
    """Undo any of these."""
    if folder.with_name("elsewhere").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.with_name("elsewhere").rename(folder)
    for kept in folder.parent.glob("kept-*"):
        kept.replace(folder / kept.name.removeprefix("kept-"))


WAYS = {
    "folder moved": (move_folder, "data/jobs.db was deleted or moved: No such file or directory"),
    "folder replaced": (put_another_folder_there, "data/jobs.db was replaced by another"),
    "deleted": (delete, "data/jobs.db was deleted or moved: No such file or directory"),
    "replaced by a copy": (replace, "data/jobs.db was replaced by another"),
    "log deleted": (lambda folder: delete(folder, "jobs.db-wal"), "data/jobs.db-wal was deleted or moved"),
    "log replaced": (lambda folder: replace(folder, "jobs.db-wal"), "data/jobs.db-wal was replaced by another"),
    "index deleted": (lambda folder: delete(folder, "jobs.db-shm"), "data/jobs.db-shm was deleted or moved"),
}


@pytest.fixture(params=WAYS)
def lose(request, folder):
    """Return the function that loses the file, and the message that says so."""
    way, message = WAYS[request.param]
    return lambda: way(folder), message


async def test_nothing_is_acknowledged_while_the_file_is_lost(store, folder, accept, lose, caplog):
    """Each write is refused and written nowhere, reads go on, and the file that comes back is used again."""
    lose_it, message = lose
    job = (await accept(store)).job
    lose_it()
    for write in (accept(store), store.settle("admin", 2e9), store.cancel("admin", job.job_id, 0.0), store.ping()):
        with pytest.raises(StoreUnavailableError, match=message):
            await write
    assert await store.get_many("admin", [job.job_id]) == {job.job_id: job}
    put_back(folder)
    again = (await accept(store)).job
    assert again.seq == 2
    assert stored(folder) == {job.job_id, again.job_id}
    lost, back = [record.getMessage() for record in caplog.records if record.name == LOGGER]
    assert message in lost
    assert lost.endswith("or until the server is restarted to use what is there then")
    assert back == "the database file is back"


async def test_a_file_lost_during_the_commit_is_noticed_before_the_acknowledgement(store, folder, accept):
    """However late it is lost: a start that was committed to a lost file fails."""
    for is_short in (True, False):
        statements = []
        store._writing.set_trace_callback(
            lambda statement, seen=statements: statement == "COMMIT" and (seen.append(statement), move_folder(folder))
        )
        write = accept(store) if is_short else store.settle("admin", 0.0)
        with pytest.raises(StoreUnavailableError, match="was deleted or moved"):
            await write
        assert statements == ["COMMIT"]
        store._writing.set_trace_callback(None)
        put_back(folder)
    assert isinstance(await accept(store), Accepted)


async def test_a_loss_is_logged_without_anybody_writing(store, folder, caplog):
    """Whoever follows what other processes write finds out."""

    async def follow():
        async for _ in store.changes():
            pass

    following = asyncio.create_task(follow())
    await asyncio.sleep(0)
    move_folder(folder)
    await eventually(lambda: "was deleted or moved" in caplog.text)
    following.cancel()
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    put_back(folder)


async def test_a_link_that_leads_to_another_file_is_noticed(folder, tmp_path, open_a_store, accept):
    """A symbolic link is watched as what it leads to."""
    link = tmp_path / "link.db"
    link.symlink_to(folder / "jobs.db")
    store = await open_a_store(str(link))
    await accept(store)
    link.unlink()
    link.symlink_to(folder / "other.db")
    (folder / "other.db").touch()
    with pytest.raises(StoreUnavailableError, match=r"link.db was replaced by another"):
        await accept(store)
    link.unlink()
    link.symlink_to(folder / "jobs.db")
    assert (await accept(store)).job.seq == 2


@pytest.mark.parametrize("name", ["jobs.db-wal", "jobs.db-shm"])
async def test_an_orderly_stop_saves_the_jobs_of_a_deleted_log(store, folder, accept, name):
    """What was acknowledged before is still in the open log, and is moved into the database when that is closed."""
    jobs = {(await accept(store)).job.job_id for _ in range(20)}
    (folder / name).unlink()
    with pytest.raises(StoreUnavailableError, match=f"{name} was deleted or moved"):
        await accept(store)
    await store.close()
    assert stored(folder) == jobs


async def test_a_backup_is_used_after_a_restart_and_not_before(store, folder, accept):
    """The server that has the old file open refuses, does no harm to the new one, and leaves it to the next server."""
    kept = (await accept(store)).job
    with closing(sqlite3.connect(folder / "jobs.db")) as source, closing(sqlite3.connect(folder / "b.db")) as target:
        source.backup(target)
    await accept(store)
    move_folder(folder)
    folder.mkdir()
    shutil.copy(folder.with_name("elsewhere") / "b.db", folder / "jobs.db")
    with pytest.raises(StoreUnavailableError, match="was replaced by another"):
        await accept(store)
    successor = await open_store(f"sqlite:///{folder / 'jobs.db'}")
    new = (await accept(successor)).job
    await store.close()
    assert stored(folder) == {kept.job_id, new.job_id}
    newer = (await accept(successor)).job
    await successor.close()
    assert stored(folder) == {kept.job_id, new.job_id, newer.job_id}


@pytest.mark.parametrize("way", ["folder moved", "folder replaced", "deleted", "replaced by a copy"])
async def test_a_file_lost_under_load_loses_no_acknowledged_job(folder, open_a_store, accept, way):
    """Lost and found again a few times while twenty clients start jobs: what was acknowledged is there.

    No start that begins and ends while the file is lost is acknowledged; repeated with its key when the file is back,
    each start that was refused has one job.
    """
    stores = [await open_a_store(str(folder / "jobs.db")) for _ in range(2)]  # as of two worker processes
    counts, acknowledged, refused = Counter(), {}, set()
    loss, finished = 0, asyncio.Event()  # which loss it is; 0: the file is there

    async def start_jobs(client):
        for number in range(10_000):
            if finished.is_set():
                return
            key, loss_before = f"{client}-{number}", loss
            try:
                acknowledged[key] = (await accept(stores[client % 2], key=key, fingerprint=b"")).job.job_id
                counts["acknowledged"] += 1
                counts["acknowledged although the file was lost"] += loss_before == loss > 0
            except StoreUnavailableError:
                refused.add(key)
                counts["refused"] += 1
                await asyncio.sleep(0.001)

    async def more(name):
        target = counts[name] + 100
        await eventually(lambda: counts[name] >= target)

    clients = [asyncio.create_task(start_jobs(client)) for client in range(20)]
    for number in (1, 2, 3):
        await more("acknowledged")
        await asyncio.to_thread(WAYS[way][0], folder)
        loss = number
        await more("refused")
        loss = 0
        await asyncio.to_thread(put_back, folder)
    await more("acknowledged")
    finished.set()
    await asyncio.gather(*clients)
    there = stored(folder)
    counts["refused, and there"] = len(there) - len(acknowledged)
    assert set(acknowledged.values()) <= there
    for key in refused:
        acknowledged[key] = (await accept(stores[0], key=key, fingerprint=b"")).job.job_id
    print(f"{way}: {dict(counts)}")  # noqa: T201 - a zero says nothing without the other counters
    assert len(set(acknowledged.values())) == len(acknowledged) == len(stored(folder))
    assert counts["acknowledged although the file was lost"] == 0
    assert (counts["acknowledged"] >= 400, counts["refused"] >= 300) == (True, True)


async def test_users_get_503_and_retry_after(open_api, folder, monkeypatch):
    """While the file is lost: 503 with Retry-After, and not ready; when it is back, all is as before."""
    monkeypatch.setattr("translation_server.service.health.KEPT", 0.0)
    api = await open_api(database_url=f"sqlite:///{folder / 'jobs.db'}")
    job_id = (await api.admin.post("/start")).json()["job_id"]
    move_folder(folder)
    answer = await api.admin.post("/start")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert str(folder) not in answer.text
    assert (await api.admin.get("/health/ready")).status_code == 503
    assert (await api.admin.get(f"/status/{job_id}")).json()["status"] == "pending"
    put_back(folder)
    assert (await api.admin.get("/health/ready")).status_code == 200
    assert (await api.admin.post("/start")).status_code == 202
