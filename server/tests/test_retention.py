"""Jobs are kept for as long as the operator says, and no longer."""

import sqlite3
from contextlib import closing


from translation_server.jobs import Status
from translation_server.stores import open_store

START = 1_800_000_000.0


async def fill(store, accept) -> None:
    for duration, outcome in ((1, Status.COMPLETED), (2, Status.ERROR), (3, Status.COMPLETED), (50, Status.ERROR)):
        await accept(store, duration, outcome=outcome)
    await store.settle("admin", START + 9)
    await store.close()


async def test_a_file_of_the_version_before_is_brought_up_to_date(tmp_path, accept):
    """A file without counts gets them from the jobs in it."""
    path = tmp_path / "jobs.db"
    await fill(await open_store(f"sqlite:///{path}"), accept)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "ALTER TABLE owners DROP COLUMN completed; ALTER TABLE owners DROP COLUMN errors; PRAGMA user_version = 1"
        )
    store = await open_store(f"sqlite:///{path}")
    assert list((await store.counts()).values()) == [1, 2, 1]
    await store.close()


async def test_tables_of_the_version_before_are_brought_up_to_date(postgres_url, accept):
    """Tables without counts get them from the jobs in them."""
    await fill(await open_store(postgres_url), accept)
    store = await open_store(postgres_url)
    await store._connections.use(
        lambda connection: connection.execute(
            "ALTER TABLE translation_owners DROP COLUMN completed, DROP COLUMN errors; "
            "UPDATE translation_store SET version = 1"
        )
    )
    await store.close()
    store = await open_store(postgres_url)
    assert list((await store.counts()).values()) == [1, 2, 1]
    await store.close()
