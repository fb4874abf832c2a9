"""A PostgreSQL server that crashes, hangs, drops connections at the worst moment, or has no room left."""

import asyncio
import contextlib
import itertools
import logging
import signal

import pytest
from server.tests.conftest import START, eventually
from server.tests.postgres import PASSWORD, execute, on_connection, running_postgres, running_standby, schema, value

from translation_server.stores import Accepted, Change, StoreUnavailableError
from translation_server.stores.postgres import connections, sql

PATIENCE = 10.0
COUNT = "SELECT count(*) FROM translation_jobs"


@pytest.fixture(scope="module")
def server():
    with running_postgres() as running:
        yield running


@pytest.fixture
def url(server):
    with schema(server.url) as one:
        yield one


@pytest.fixture
async def store(url, open_a_store):
    return await open_a_store(url)


@pytest.fixture
def impatient(monkeypatch):
    """Give up soon, so that tests do not have to wait."""
    monkeypatch.setattr(connections, "TIMEOUT", 0.4)


@pytest.fixture(autouse=True)
def nothing_secret_is_logged(caplog):
    """Whatever goes wrong, the password is in no log line."""
    caplog.set_level(logging.DEBUG)
    yield
    assert "canary" not in caplog.text
    assert PASSWORD not in caplog.text


async def recovered(store):
    """Return once the store answers again, which it does by itself."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with contextlib.suppress(StoreUnavailableError):
                return await store.ping()
            await asyncio.sleep(0.02)


class Proxy:
    """Stands between the store and PostgreSQL, and breaks the connection before or after the server commits.

    Args:
        port: PostgreSQL's.
        after: Whether the server commits.
    """

    def __init__(self, port, *, after):
        self.upstream = port
        self.after = after
        self.to_strike = 0
        self.struck = 0

    @contextlib.asynccontextmanager
    async def running(self, url):
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        async with server:
            yield url.replace(f":{self.upstream}/", f":{server.sockets[0].getsockname()[1]}/")

    async def _connected(self, reader, writer):
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self.upstream)
        answers = asyncio.create_task(self._forward(from_server, writer))
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                if b"COMMIT\0" in data and self.struck < self.to_strike:
                    self.struck += 1
                    await cancelled(answers)
                    if self.after:
                        to_server.write(data)
                        await from_server.read(65536)  # the answer: it has committed
                    break
                to_server.write(data)
                await to_server.drain()
        await cancelled(answers)
        for one in (writer, to_server):
            one.transport.abort()

    @staticmethod
    async def _forward(reader, writer):
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()


async def cancelled(task):
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@pytest.fixture(params=["before", "after"])
async def proxy(request, server):
    return Proxy(server.port, after=request.param == "after")


@pytest.fixture
async def proxied(proxy, url, open_a_store):
    """Return a store that connects through the proxy."""
    async with proxy.running(url) as through:
        store = await open_a_store(through)
        yield store
        await store.close()


@pytest.mark.parametrize("key", [None, "k"])
async def test_a_connection_lost_at_commit_makes_one_job(proxy, proxied, url, accept, key):
    """Whether or not it was committed when the answer was lost, the job is there once, and it is the one returned."""
    proxy.to_strike = 2
    answer = await accept(proxied, key=key, fingerprint=b"x")
    assert proxy.struck == 2
    assert answer == Accepted(answer.job, replayed=False)
    assert await proxied.get_many("admin", [answer.job.job_id]) == {answer.job.job_id: answer.job}
    assert value(url, COUNT) == 1
    assert value(url, "SELECT unsettled FROM translation_owners") == 1


async def test_a_connection_lost_at_commit_cancels_once(proxy, proxied, accept):
    """A cancellation is carried out once, and waiters are woken, though the answer was lost."""
    job_id = (await accept(proxied)).job.job_id
    async with contextlib.aclosing(proxied.changes()) as changes, asyncio.timeout(PATIENCE):
        proxy.to_strike = 1
        cancellation = await proxied.cancel("admin", job_id, START + 1)
        assert (cancellation.job.was_cancelled, cancellation.job.ending, proxy.struck) == (True, 1, 1)
        assert job_id in cancellation.ended or await anext(changes) == Change("admin", job_id)


async def test_a_connection_lost_at_commit_deletes_once(proxy, proxied, url, accept):
    """Committed or not when the answer was lost, the job is gone, counts no more, and its deletion succeeded."""
    job = (await accept(proxied, 1)).job
    await proxied.settle("admin", START + 1)
    proxy.to_strike = 1
    assert await proxied.delete("admin", job.job_id) is True
    assert proxy.struck == 1
    assert await proxied.delete("admin", job.job_id) is False
    assert value(url, COUNT) == value(url, "SELECT completed + errors FROM translation_owners") == 0


@pytest.mark.usefixtures("impatient")
async def test_an_unknown_outcome_is_not_acknowledged(proxy, proxied, url, accept):
    """A start whose outcome cannot be found out fails; repeated later with the same key, it is one job."""
    proxy.to_strike = 10_000
    with pytest.raises(StoreUnavailableError):
        await accept(proxied, key="k", fingerprint=b"x")
    assert proxy.struck > 1
    proxy.to_strike = 0
    answer = await accept(proxied, key="k", fingerprint=b"x")
    assert answer.replayed == proxy.after
    assert value(url, COUNT) == 1


async def test_dead_connections_are_replaced_unnoticed(store, accept, url):
    """After all connections were dropped, the next requests are answered without an error."""
    job = (await accept(store)).job
    for _ in range(3):
        execute(url, KILL_THE_OTHERS)
        found, latest, accepted = await asyncio.gather(
            store.get_many("admin", [job.job_id]), store.position("admin"), accept(store, owner="eve")
        )
        assert (found, latest) == ({job.job_id: job}, 0)
        assert isinstance(accepted, Accepted)


KILL_THE_OTHERS = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE application_name = 'translation-server' AND pid <> pg_backend_pid()
"""


@pytest.mark.usefixtures("impatient")
async def test_a_crash_loses_nothing_that_was_acknowledged(server, store, accept):
    """Under load, PostgreSQL is killed three times; every acknowledged job is there, and no request hangs."""
    acknowledged, refused, finished = [], [], asyncio.Event()

    async def start_jobs(number):
        while not finished.is_set():
            try:
                acknowledged.append((await accept(store, 5 + number)).job)
            except StoreUnavailableError as error:
                refused.append(error)
                await asyncio.sleep(0.01)

    working = [asyncio.create_task(start_jobs(number)) for number in range(20)]
    for _ in range(3):
        await more(acknowledged, 50)
        await asyncio.to_thread(server.stop, signal.SIGQUIT)
        await more(refused, 20)
        await asyncio.to_thread(server.start)
    await more(acknowledged, 50)
    finished.set()
    await asyncio.gather(*working)
    found = await store.get_many("admin", [job.job_id for job in acknowledged])
    assert found == {job.job_id: job for job in acknowledged}
    seqs = [job.seq for job in await store.page("admin", None, START, None, 100_000)]
    assert seqs == list(range(len(seqs), 0, -1))


async def more(items, count):
    """Wait until there are so many more items."""
    target = len(items) + count
    await eventually(lambda: len(items) >= target)


async def test_a_failover_loses_nothing_that_was_acknowledged(open_a_store, accept):
    """The primary dies under load, its standby takes over, and the store finds it by itself, with every job."""
    with running_postgres() as primary, running_standby(primary) as standby:
        places = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}/"
        url = primary.url.replace(f"127.0.0.1:{primary.port}/", places) + "?target_session_attrs=read-write"
        store = await open_a_store(url)
        acknowledged, refused, finished = {}, set(), asyncio.Event()

        async def start_jobs(client):
            for number in itertools.takewhile(lambda _: not finished.is_set(), itertools.count()):
                try:
                    answer = await accept(store, key=f"{client}-{number}", fingerprint=b"")
                    acknowledged[f"{client}-{number}"] = answer.job
                except StoreUnavailableError:
                    refused.add(f"{client}-{number}")
                    await asyncio.sleep(0.01)

        working = [asyncio.create_task(start_jobs(client)) for client in range(20)]
        await eventually(lambda: len(acknowledged) >= 100)
        await asyncio.to_thread(primary.stop, signal.SIGQUIT)
        before = len(acknowledged)
        await asyncio.to_thread(standby.promote)
        await eventually(lambda: len(acknowledged) >= before + 100)
        finished.set()
        await asyncio.gather(*working)
        found = await store.get_many("admin", [job.job_id for job in acknowledged.values()])
        assert found == {job.job_id: job for job in acknowledged.values()}
        for key in refused:
            acknowledged[key] = (await accept(store, key=key, fingerprint=b"")).job
        assert value(standby.url, COUNT) == len({job.job_id for job in acknowledged.values()}) == len(acknowledged)
        await store.close()


async def test_a_database_that_becomes_a_standby_is_waited_for(store, accept, url):
    """A primary that takes no writes any more is left for another connection, which may lead to the new primary."""
    database = "ALTER DATABASE postgres {} default_transaction_read_only"
    await accept(store)
    execute(url, f"{database.format('SET')} = on; {KILL_THE_OTHERS}")
    try:
        accepting = asyncio.ensure_future(accept(store))
        await asyncio.sleep(0.2)
        assert not accepting.done()
    finally:
        execute(f"{url}&default_transaction_read_only=off", database.format("RESET"))
    assert (await accepting).job.seq == 2


async def test_a_short_restart_is_ridden_out(server, store, accept):
    """Requests that arrive while PostgreSQL restarts are answered as soon as it is back, without an error."""
    job = (await accept(store)).job
    await asyncio.to_thread(server.stop)
    asked = asyncio.gather(store.get_many("admin", [job.job_id]), accept(store), store.settle("admin", START))
    await asyncio.to_thread(server.start)
    found, accepted, ended = await asked
    assert found == {job.job_id: job}
    assert (accepted.job.seq, list(ended)) == (2, [])


@pytest.mark.usefixtures("impatient")
async def test_a_database_that_hangs_delays_nobody_for_long(server, store, accept):
    """Every kind of request ends with an error; afterwards all is as before."""
    job = (await accept(store)).job
    with server.hung():
        asked = [
            *(store.get_many("admin", ["x"]), store.latest("admin"), store.next_end("admin"), store.position("admin")),
            *(store.page("admin", None, START, None, 10), store.ended_after("admin", 0, 10), store.ping()),
            *(accept(store), store.settle("admin", START), store.cancel("admin", job.job_id, START)),
        ]
        async with asyncio.timeout(PATIENCE):
            answers = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(answer) for answer in answers} == {StoreUnavailableError}
    await recovered(store)
    assert job.job_id in await store.get_many("admin", [job.job_id])


@pytest.mark.usefixtures("impatient")
async def test_a_lock_is_not_waited_for_endlessly(store, accept, url):
    """A server that hangs in the middle of a transaction delays others; they are refused, and go on when it is over."""
    await accept(store)

    async def hold(connection):
        await connection.execute(sql.BEGIN)
        await connection.fetch(sql.LOCK_OWNERS, ["admin"])
        with pytest.raises(StoreUnavailableError):
            await accept(store)
        assert isinstance(await accept(store, owner="eve"), Accepted)

    await on_connection(url, hold)
    assert (await accept(store)).job.owner == "admin"


async def test_nothing_is_acknowledged_without_room(store, accept, url):
    """A start is refused while there is no room, and accepted once there is some again."""
    execute(url, FULL)
    for _ in range(2):
        with pytest.raises(StoreUnavailableError, match="no room"):
            await accept(store)
    execute(url, "DROP FUNCTION no_room() CASCADE")
    assert (await accept(store)).job.seq == 1


FULL = """
    CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = 'disk_full'; END $$;
    CREATE TRIGGER no_room BEFORE INSERT ON translation_jobs EXECUTE FUNCTION no_room()
"""


@pytest.mark.usefixtures("impatient")
async def test_trouble_is_logged_when_it_begins_and_when_it_ends(server, store, caplog):
    """Not by every request that meets it."""
    await asyncio.to_thread(server.stop)
    for _ in range(3):
        with pytest.raises(StoreUnavailableError):
            await store.latest("admin")
    await asyncio.to_thread(server.start)
    await recovered(store)
    lines = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(lines) == 2
    assert lines[0].startswith("the database does not work: ")
    assert lines[1] == "the database works again"


async def test_a_warning_says_that_fsync_is_off(server, open_a_store, url, caplog):
    """A PostgreSQL server that does not wait for its disk cannot keep the promise, and the log says so."""
    await asyncio.to_thread(server.stop)
    await asyncio.to_thread(server.start, fsync="off")
    await open_a_store(url)
    assert "fsync = off" in caplog.text
    await asyncio.to_thread(server.stop)
    await asyncio.to_thread(server.start)


@pytest.mark.usefixtures("impatient")
async def test_users_get_503_and_retry_after(server, url, open_api):
    """While PostgreSQL is away: 503 with Retry-After, and not ready; afterwards, all is as before."""
    api = await open_api(database_url=url)
    started = await api.admin.post("/start")
    status = f"/status/{started.json()['job_id']}"
    await asyncio.to_thread(server.stop, signal.SIGQUIT)
    for answer in await asyncio.gather(api.admin.post("/start"), api.admin.get(status), api.admin.get("/health/ready")):
        assert answer.status_code == 503
        assert "canary" not in answer.text
    assert (await api.admin.get(status)).headers["Retry-After"] == "1"
    await asyncio.to_thread(server.start)
    await recovered(api.service.store)
    assert (await api.admin.get(status)).json()["status"] == "pending"
    assert (await api.admin.post("/start")).status_code == 202
