"""Two servers that share one PostgreSQL database behind a load balancer: any request may go to any of them.

compose.yaml has the same shape in containers; here it is made of processes.
"""

import asyncio
import contextlib
import itertools
import os
import re
import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
import yaml
from server.tests.postgres import running_postgres, schema

from server_process import ROOT, ServerProcess, documented_variables
from translation_client import JobStatus, TranslationStatusClient

PATIENCE = 20.0
SOON = 5.0  # seconds; a job that is cancelled would have taken a minute
USER = {"API_USERNAME": "many", "API_PASSWORD": secrets.token_urlsafe(12)}
OUTCOMES = itertools.cycle(["completed", "error"])


class Balancer:
    """Gives each connection to the next server, and to the one after that if it is not there."""

    def __init__(self, ports):
        self._ports = ports
        self._turns = itertools.cycle(range(len(ports)))
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._run()], name="balancer")
        self.base_url = ""

    def __enter__(self):
        self._thread.start()
        assert self._started.wait(PATIENCE)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()

    async def _run(self):
        self._stop = asyncio.Event()
        listener = await asyncio.start_server(self._connected, "127.0.0.1", 0, backlog=1000)
        self.base_url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        self._started.set()
        await self._stop.wait()
        listener.close()
        connections = asyncio.all_tasks() - {asyncio.current_task()}
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await asyncio.sleep(0)  # aborted transports let go of their sockets in the next round

    async def _connected(self, reader, writer):
        writers = [writer]
        try:
            upstream = await self._next_server()
            if upstream is not None:
                writers.append(upstream[1])
                await _either(_forward(reader, upstream[1]), _forward(upstream[0], writer))
        finally:
            for one in writers:
                one.transport.abort()

    async def _next_server(self):
        first = next(self._turns)
        for number in range(len(self._ports)):
            with contextlib.suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", self._ports[(first + number) % len(self._ports)])
        return None


async def _forward(reader, writer):
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


async def _either(*directions):
    """When one direction has ended, the connection is over."""
    tasks = [asyncio.ensure_future(direction) for direction in directions]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


@pytest.fixture(scope="module")
def database():
    with contextlib.ExitStack() as stack:
        url = os.environ.get("TEST_DATABASE_URL") or stack.enter_context(running_postgres()).url
        yield stack.enter_context(schema(url))


@pytest.fixture(scope="module")
def machines(database, tmp_path_factory):
    """Two servers; started side by side, on a database without tables."""
    folders = [tmp_path_factory.mktemp(name) for name in ("here", "there")]
    settings = {**USER, "DATABASE_URL": database, "MIN_DELAY": "0.2", "MAX_DELAY": "0.5"}
    servers = [ServerProcess(folder, **settings) for folder in folders]
    with ThreadPoolExecutor() as threads, contextlib.ExitStack() as stack:
        for server in servers:
            stack.callback(server.stop)
        list(threads.map(ServerProcess.start, servers))
        yield servers


@pytest.fixture
def client_of():
    """Make a client of our own library for a base URL."""
    with contextlib.ExitStack() as stack:

        def client(base_url):
            ours = TranslationStatusClient(base_url, USER["API_USERNAME"], USER["API_PASSWORD"], timeout=60)
            return stack.enter_context(ours)

        yield client


@pytest.fixture
def here(machines, client_of):
    return client_of(machines[0].base_url)


@pytest.fixture
def there(machines, client_of):
    return client_of(machines[1].base_url)


@pytest.fixture
def balanced(machines, client_of):
    """A client that reaches both through the balancer."""
    with Balancer([int(server.base_url.rpartition(":")[2]) for server in machines]) as balancer:
        yield client_of(balancer.base_url)


def test_a_job_started_here_is_awaited_there(here, there):
    """Status, end and outcome are the same everywhere, and the wait is one request."""
    job_id = here.start_job(simulate={"duration": 1, "outcome": "error"})
    job = there.wait(job_id)
    assert (job.status, job.wait_stats.polls, job.wait_stats.learnt_by) == (JobStatus.ERROR, 1, "long poll")
    assert here.get_job(job_id).ended_at == job.ended_at
    assert here.get_job(job_id).error == job.error


def test_many_jobs_started_here_are_awaited_there(here, there):
    """One stream there tells of a hundred jobs that were started here, in order of ending."""
    job_ids = [here.start_job(simulate={"duration": 1 + n * 37 % 100 / 100}) for n in range(100)]
    jobs = list(there.as_completed(job_ids))
    assert sorted(job.job_id for job in jobs) == sorted(job_ids)
    assert [job.ended_at for job in jobs] == sorted(job.ended_at for job in jobs)


def test_a_cancellation_here_wakes_a_held_request_there(here, there):
    """Whoever waits there is told at once, long before the job would have ended."""
    job_id = here.start_job(simulate={"duration": 60})
    timer = threading.Timer(0.5, here.cancel_job, [job_id])
    timer.start()
    job = there.wait(job_id)
    told_at = time.time()
    timer.join()
    assert (job.error.code, job.wait_stats.polls) == ("cancelled", 1)
    assert told_at - job.ended_at.timestamp() < SOON


def test_a_cancellation_here_wakes_a_stream_there(here, there):
    """The same for one who waits for many jobs, on a stream."""
    job_ids = [here.start_job(simulate={"duration": 60}) for _ in range(3)]
    timer = threading.Timer(0.5, here.cancel_job, [job_ids[1]])
    timer.start()
    job = next(there.as_completed(job_ids))
    told_at = time.time()
    timer.join()
    for job_id in job_ids:
        here.cancel_job(job_id)
    assert (job.job_id, job.error.code) == (job_ids[1], "cancelled")
    assert told_at - job.ended_at.timestamp() < SOON


def test_a_job_that_ends_before_all_others_is_told_in_time(machines, here):
    """A stream there that waits for a late end learns of an earlier one, of a job started here meanwhile."""
    late = here.start_job(simulate={"duration": 60})
    early = []
    timer = threading.Timer(0.5, lambda: early.append(here.start_job(simulate={"duration": 1})))
    timer.start()
    headers = {"Accept": "text/event-stream"}
    with requests.get(
        f"{machines[1].base_url}/events", headers=headers, auth=auth(), stream=True, timeout=PATIENCE
    ) as stream:
        told = next(line for line in stream.iter_lines() if line.startswith(b"data:"))
    timer.join()
    here.cancel_job(late)
    assert early[0].encode() in told


def auth():
    return USER["API_USERNAME"].encode(), USER["API_PASSWORD"].encode()


def test_one_key_is_one_job_on_both_machines(machines):
    """Requests with the same idempotency key, at both servers at the same moment, get one job."""

    def start(number):
        url = f"{machines[number % 2].base_url}/start"
        return requests.post(url, headers={"Idempotency-Key": f"k-{number // 16}"}, auth=auth(), timeout=PATIENCE)

    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(start, range(160)))
    assert {answer.status_code for answer in answers} == {202}
    jobs = [answer.json()["job_id"] for answer in answers]
    assert [len(set(jobs[n : n + 16])) for n in range(0, 160, 16)] == [1] * 10
    assert len(set(jobs)) == 10


def test_one_machine_killed_meanwhile_changes_nothing(machines, balanced):
    """Jobs are started, and all of them awaited, through the balancer, while either server is killed in turn."""
    outcomes = {
        balanced.start_job(simulate={"duration": 0.5 + n / 15, "outcome": next(OUTCOMES)}): n % 2 for n in range(60)
    }
    told = []
    for job in balanced.as_completed(list(outcomes)):
        told.append(job)
        if len(told) in {5, 30}:
            victim = machines[len(told) // 30]
            victim.kill()
            started_meanwhile = balanced.start_job(simulate={"duration": 0.1, "outcome": "completed"})
            assert balanced.wait(started_meanwhile).status is JobStatus.COMPLETED
            victim.start()
    assert sorted(job.job_id for job in told) == sorted(outcomes)
    assert [job.job_id for job in told if (job.status is JobStatus.ERROR) != outcomes[job.job_id]] == []


def test_a_wait_survives_the_machine_that_held_it(machines, here, balanced):
    """A held request that dies with its server is asked again of the other one; the wait knows nothing of it."""
    job_id = here.start_job(simulate={"duration": 4, "outcome": "completed"})
    timers = [threading.Timer(1 + number, server.kill) for number, server in enumerate(machines)]
    again = threading.Timer(1.5, machines[0].start)
    for timer in (*timers, again):
        timer.start()
    job = balanced.wait(job_id)
    for timer in (*timers, again):
        timer.join()
    machines[1].start()
    assert job.status is JobStatus.COMPLETED
    assert balanced.get_job(job_id).ended_at == job.ended_at


def test_no_password_is_logged(machines, database):
    """Neither the users' nor the database's."""
    for server in machines:
        text = server.log_file.read_text("utf-8") + server.output_file.read_text("utf-8")
        assert "DATABASE_URL" in text
        assert "canary" not in text
        assert USER["API_PASSWORD"] not in text
    assert "canary" in database or "TEST_DATABASE_URL" in os.environ


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))


def test_the_containers_are_configured_with_variables_that_exist(compose):
    """Every variable of a server in compose.yaml is one of the server's own, or of what it is built on."""
    of_others = {"PGPASSWORD"}
    servers = [service for service in compose["services"].values() if "build" in service]
    assert len(servers) == 2
    for server in servers:
        assert set(server["environment"]) - of_others <= documented_variables()
        assert server["environment"]["DATABASE_URL"].startswith("postgresql://")


def test_the_containers_keep_secrets_out_of_the_file(compose):
    """Every secret comes from the environment, and a missing one stops the start."""
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if "PASSWORD" in name:
                assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", value), name


def test_the_containers_fit_together(compose):
    """The balancer knows the servers, waits longer than they hold requests, and only loopback reaches it."""
    services = compose["services"]
    balancer = (ROOT / "deploy/nginx.conf").read_text("utf-8")
    servers = [name for name, service in services.items() if "build" in service]
    assert re.findall(r"server (\S+):8000 ", balancer) == servers
    longest = float(services["server-1"]["environment"]["MAX_WAIT"])
    assert float(re.search(r"proxy_read_timeout (\d+)s", balancer)[1]) > longest
    assert "proxy_buffering off" in balancer
    assert [port for service in services.values() for port in service.get("ports", [])] == ["127.0.0.1:8000:8000"]
    assert all("healthcheck" in service for service in services.values())
    for path in re.findall(r"(\./\S+?):", " ".join(services["balancer"]["volumes"])):
        assert (ROOT / path).is_file()


def test_the_image_holds_what_it_needs_and_runs_as_nobody():
    """What the Dockerfile copies exists and is not ignored; the server does not run as root."""
    lines = (ROOT / "Dockerfile").read_text("utf-8").splitlines()
    copied = [path for line in lines if line.startswith("COPY") for path in line.split()[1:-1]]
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    assert set(copied) == kept
    assert all((ROOT / path).exists() for path in copied)
    assert "USER server" in lines
    assert 'CMD ["serve", "--host", "0.0.0.0"]' in lines
