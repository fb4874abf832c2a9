"""The tables in PostgreSQL are made once, and no others are touched; configurations that cannot work are refused."""

import threading
import traceback
from urllib.parse import quote

import pytest
from server.tests.postgres import PASSWORD, execute, on_connection, value

from translation_server import stores
from translation_server.stores import StoreError, check_store, open_store
from translation_server.stores.postgres import schema, store

TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()"


def refusal(url):
    """Return the message with which a store is refused."""
    with pytest.raises(StoreError) as caught:
        check_store(url)
    text = "".join(traceback.format_exception(caught.value))
    assert quote(PASSWORD, safe="") not in text
    assert "canary" not in text
    return str(caught.value)


async def test_a_store_keeps_its_identity(postgres_url, open_a_store, accept):
    """Whoever opens it finds the same store, and the jobs in it."""
    first = await open_a_store(postgres_url)
    accepted = await accept(first)
    await first.close()
    again = await open_a_store(postgres_url)
    assert again.identity == first.identity
    assert await again.latest("admin") == accepted.job


def test_several_servers_may_start_at_once(postgres_url):
    """All succeed in a race to make the tables, and they are made once."""
    failures = []

    def start():
        try:
            check_store(postgres_url)
        except StoreError as error:
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert value(postgres_url, "SELECT count(*) FROM translation_store") == 1


@pytest.mark.parametrize(
    "foreign",
    [
        "CREATE TABLE translation_jobs (title text)",
        "CREATE TABLE translation_store (application text)",
        "CREATE TABLE translation_store (application text, version integer, identity text)",
        "CREATE TABLE translation_store AS SELECT 'another' AS application, 1 AS version, 'x' AS identity",
    ],
)
def test_tables_of_another_program_are_refused(postgres_url, foreign):
    """Tables with the same names that are not of this server are left as they are."""
    execute(postgres_url, foreign)
    assert "are not of this server; they were left as they are" in refusal(postgres_url)
    assert value(postgres_url, TABLES) == 1


def test_tables_of_a_newer_version_are_refused(postgres_url):
    """A server does not write what it does not understand."""
    check_store(postgres_url)
    execute(postgres_url, "UPDATE translation_store SET version = version + 1")
    assert "newer version" in refusal(postgres_url)


def test_tables_are_brought_up_to_date_without_losing_a_job(postgres_url, monkeypatch):
    """A newer server finds the jobs of an older one, and adds what it needs; the older one is refused then."""
    check_store(postgres_url)
    identity = value(postgres_url, "SELECT identity FROM translation_store")
    with monkeypatch.context() as newer:
        newer.setattr(
            schema,
            "_MIGRATIONS",
            (*schema._MIGRATIONS, "ALTER TABLE translation_jobs ADD COLUMN more text"),
        )
        newer.setattr(schema, "VERSION", schema.VERSION + 1)
        check_store(postgres_url)
        check_store(postgres_url)
    assert value(postgres_url, "SELECT identity FROM translation_store") == identity
    assert value(postgres_url, "SELECT count(more) FROM translation_jobs") == 0
    assert "newer version" in refusal(postgres_url)


async def test_two_versions_share_the_tables_during_an_upgrade(postgres_url, open_a_store, accept, monkeypatch):
    """A server that runs while a newer one starts goes on, each sees the other's jobs; started again, it is refused."""
    older = await open_a_store(postgres_url)
    old = (await accept(older, key="old", fingerprint=b"")).job
    with monkeypatch.context() as upgrade:
        migrations = (*schema._MIGRATIONS, "ALTER TABLE translation_jobs ADD COLUMN more text DEFAULT 'x'")
        upgrade.setattr(schema, "_MIGRATIONS", migrations)
        upgrade.setattr(schema, "VERSION", len(migrations))
        newer = await open_a_store(postgres_url)
    for one, other in ((older, newer), (newer, older)):
        job = (await accept(one)).job
        assert await other.get_many("admin", [job.job_id, old.job_id]) == {job.job_id: job, old.job_id: old}
        assert (await accept(other, key="old", fingerprint=b"")).replayed
        await one.cancel("admin", job.job_id, job.created_at)
        assert (await other.get_many("admin", [job.job_id]))[job.job_id].was_cancelled
        assert await other.counts() == await one.counts()
        assert [found.seq for found in await other.page("admin", None, job.created_at, None, 9)][-1] == old.seq
    assert "newer version" in refusal(postgres_url)


def test_a_migration_that_fails_changes_nothing(postgres_url, monkeypatch):
    """The tables are made in one transaction."""
    with monkeypatch.context() as broken:
        broken.setattr(schema, "_MIGRATIONS", ("CREATE TABLE translation_owners (); SELECT 1 / 0",))
        assert "division by zero" in refusal(postgres_url)
    assert value(postgres_url, TABLES) == 0


@pytest.mark.parametrize(
    ("addition", "message"),
    [
        ("&default_transaction_read_only=on", "for reading only"),
        ("&search_path=nowhere", "cannot be made"),
        ("&search_pass=x", "unrecognized configuration parameter"),
        ("&statement_cache_size=many", "cannot be understood"),
        ("&statement_cache_size=-1", "cannot be understood"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused(postgres_url, addition, message):
    """A wrong configuration is reported in one plain line."""
    assert message in refusal(postgres_url + addition)


def test_a_wrong_password_is_refused_at_once(postgres_server):
    """It is not tried again and again, and the message does not repeat it."""
    name, _, rest = postgres_server.partition("://")
    user, _, place = rest.rpartition("@")
    if ":" not in user:
        pytest.fail("TEST_DATABASE_URL needs a user with a password")
    assert "password authentication failed" in refusal(f"{name}://{user.partition(':')[0]}:canary@{place}")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://admin:can@ary@db/jobs",
        "postgresql://admin:canary/x@db/jobs",
        "postgresql://admin:canary#x@db/jobs",
        "postgresql://admin:canary?x@db/jobs",
        "postgresql://admin:[canary@db/jobs",
        "postgresql://admin:9/canary@db/jobs",
        "postgresql://admin:9#canary@db/jobs",
        "postgresql://admin:x@db:canary/jobs",
    ],
)
def test_a_malformed_url_is_refused_without_repeating_it(url):
    """A password that is not escaped does not become the name of a host in a message."""
    assert "cannot be understood" in refusal(url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://one:5432,two:5433/jobs?target_session_attrs=read-write",
        "postgresql://user@[::1]:5432/jobs",
        "postgresql:///jobs?host=/run/postgresql",
        "postgresql://a%40b:c%2Fd@db/jobs?statement_cache_size=0",
    ],
)
def test_a_url_may_have_any_usual_form(url):
    """Several hosts, addresses, sockets, escaped passwords and options are understood; nothing of it is shown."""
    target = store.Target.parse(url)
    assert target.options["statement_cache_size"] == (0 if "cache" in url else 100)
    assert repr(target) == "Target()"


def test_a_server_that_is_not_there_is_refused_after_a_while(unused_tcp_port, monkeypatch):
    """A database that is just starting is waited for, and one that is not there is not waited for endlessly."""
    monkeypatch.setattr(store, "_START_TIMEOUT", 0.1)
    assert "the database cannot be used" in refusal(f"postgresql://a:canary@127.0.0.1:{unused_tcp_port}/b")


def test_a_database_that_cannot_hold_every_name_is_refused(postgres_server):
    """Names and metadata are Unicode."""
    execute(postgres_server, "CREATE DATABASE narrow ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    try:
        head, _, tail = postgres_server.rpartition("/")
        assert "encoding is SQL_ASCII" in refusal("?".join([f"{head}/narrow", *tail.split("?")[1:]]))
    finally:
        execute(postgres_server, "DROP DATABASE narrow")


def test_without_asyncpg_the_message_says_what_to_install(monkeypatch):
    """The driver is an extra: whoever uses SQLite need not have it."""

    def missing(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(stores, "import_module", missing)
    assert "translation-server[postgres]" in refusal("postgresql://admin:canary@db/jobs")


async def test_a_commit_waits_for_the_disk_whatever_the_session_says(postgres_url):
    """Nothing is acknowledged that a crash of the database could take back."""

    async def show(connection):
        await connection.execute(store.sql.BEGIN)
        return await connection.fetchval("SHOW synchronous_commit")

    for setting, expected in [("off", "on"), ("remote_apply", "remote_apply")]:
        assert await on_connection(f"{postgres_url}&synchronous_commit={setting}", show) == expected


async def test_a_pooler_that_cannot_keep_statements_is_served(postgres_url, accept):
    """With ``statement_cache_size=0``, no statement outlives its use."""
    store = await open_store(f"{postgres_url}&statement_cache_size=0")
    try:
        job = (await accept(store)).job
        assert await store.get_many("admin", [job.job_id]) == {job.job_id: job}
        count = "SELECT count(*) FROM pg_prepared_statements WHERE name NOT LIKE '\\_%'"
        assert await store._connections.use(lambda connection: connection.fetchval(count)) == 0
    finally:
        await store.close()
