"""Real server processes: killed, restarted, several at once, stopped by SIGTERM."""

import asyncio
import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import httpx
import orjson
import psutil
import pytest

SERVER = Path(__file__).resolve().parents[2]
PATIENCE = 20.0
STARTS = 160  # at once; more of them take long in the queue of the client library


class Process:
    """One server in a process of its own; it can be killed and started again."""

    def __init__(self, folder: Path, *, workers: int = 1, **settings: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._command = [sys.executable, "-m", "uvicorn", "main:app", "--port", str(self.port)]
        self._command += ["--workers", str(workers), "--log-level", "warning"]
        self._environment = {
            **os.environ,
            "API_USERNAME": "admin",
            "API_PASSWORD": "secret",
            "DATABASE_URL": f"sqlite:///{folder / 'jobs.db'}",
            "LOG_FILE": str(folder / "server.log"),
            **settings,
        }
        self.workers = workers

    def client(self) -> httpx.AsyncClient:
        """A client that opens a connection for each request, so that it meets every worker."""
        limits = httpx.Limits(max_connections=20, max_keepalive_connections=0)
        url = f"http://127.0.0.1:{self.port}"
        return httpx.AsyncClient(base_url=url, auth=("admin", "secret"), timeout=PATIENCE, limits=limits)

    async def start(self) -> None:
        self.process = subprocess.Popen(self._command, cwd=SERVER, env=self._environment)  # noqa: ASYNC220, S603 - no shell, returns at once
        async with asyncio.timeout(PATIENCE), self.client() as client:
            while not await self._ready(client):
                assert self.process.poll() is None, "the server did not start"
                await asyncio.sleep(0.02)

    async def _ready(self, client) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return (await client.get("/health/ready")).is_success
        return False

    def kill(self) -> None:
        """End it and its workers as a power cut would."""
        for one in [*psutil.Process(self.process.pid).children(recursive=True), self.process]:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE)


@pytest.fixture
def server(tmp_path):
    """Describe a server; whatever of it still runs at the end of the test is killed."""
    with contextlib.ExitStack() as stack:

        def make(**settings) -> Process:
            process = Process(tmp_path, **settings)
            stack.callback(lambda: hasattr(process, "process") and process.process.poll() is None and process.kill())
            return process

        yield make


async def start_jobs(client, count, **body):
    answers = await asyncio.gather(*(client.post("/start", json=body or None) for _ in range(count)))
    assert {answer.status_code for answer in answers} == {202}
    return [answer.json()["job_id"] for answer in answers]


async def query(client, ids):
    jobs = (await client.post("/jobs/query", json={"job_ids": ids})).json()["jobs"]
    return {job["job_id"]: job for job in jobs}


def stored(folder: Path) -> dict[str, tuple]:
    """Return what was drawn for each job, as the database has it."""
    with contextlib.closing(sqlite3.connect(folder / "jobs.db")) as connection:
        return {
            row[0]: row[1:]
            for row in connection.execute("SELECT job_id, created_at, ends_at, outcome FROM jobs ORDER BY seq")
        }


async def test_a_killed_server_loses_nothing(server, tmp_path):
    """200 jobs accepted, `kill -9`, restart: all are there, with the outcomes and ending times they would have had."""
    process = server(MIN_DELAY="0.2", MAX_DELAY="1.5")
    await process.start()
    async with process.client() as client:
        ids = await start_jobs(client, 200)
        before = await query(client, ids)
    process.kill()
    drawn = stored(tmp_path)
    assert set(drawn) == set(ids)
    await process.start()
    async with process.client() as client:
        await asyncio.sleep(max(end for _, end, _ in drawn.values()) - min(at for at, _, _ in drawn.values()))
        after = await query(client, ids)
    assert [after[job_id]["status"] for job_id in ids] == [drawn[job_id][2] for job_id in ids]
    for job_id in ids:
        created_at, ends_at, _ = drawn[job_id]
        assert after[job_id]["elapsed_time"] == round(ends_at - created_at, 3)
        assert after[job_id]["created_at"] == before[job_id]["created_at"]
        if before[job_id]["status"] != "pending":
            assert after[job_id] == before[job_id]


async def test_a_job_accepted_right_before_a_kill_is_there(server, tmp_path, eventually):
    """Killed under a burst of starts, the server has every job it acknowledged, and each key has one job."""
    process = server()
    await process.start()
    accepted = {}

    async def start(client, key):
        with contextlib.suppress(httpx.TransportError):
            answer = await client.post("/start", headers={"Idempotency-Key": key})
            accepted[key] = answer.json()["job_id"]

    async with process.client() as client:
        starts = asyncio.gather(*(start(client, f"k{n}") for n in range(STARTS)))
        await eventually(lambda: len(accepted) >= STARTS / 8)
        process.kill()
        await starts
    assert len(accepted) < STARTS
    assert set(accepted.values()) <= set(stored(tmp_path))
    await process.start()
    before = dict(accepted)
    async with process.client() as client:
        await asyncio.gather(*(start(client, f"k{n}") for n in range(STARTS)))
    assert len(stored(tmp_path)) == len(set(accepted.values())) == STARTS
    assert before.items() <= accepted.items()


async def test_two_workers_give_the_same_answers(server):
    """Started and read through any workers, it is the same job; cancelled through any, it ends for all waiters."""
    process = server(workers=2, MIN_DELAY="0.5", MAX_DELAY="0.5")
    await process.start()
    async with process.client() as client:
        ids = await start_jobs(client, 20, simulate={"duration": 0.5})
        answers = await asyncio.gather(*(client.get(f"/status/{ids[0]}?wait=10") for _ in range(20)))
        assert len({orjson.dumps(answer.json()) for answer in answers}) == 1
        (long,) = await start_jobs(client, 1, simulate={"duration": 600})
        waits = [asyncio.create_task(client.get(f"/status/{long}?wait=15")) for _ in range(8)]
        await asyncio.sleep(0.3)
        await client.delete(f"/jobs/{long}")
        assert {(await wait).json()["error"]["code"] for wait in waits} == {"cancelled"}


async def test_every_worker_returns_what_one_of_them_wrote(server):
    """Each keeps the records it has read, and none returns one that another has changed, not a single time."""
    process = server(workers=3)
    await process.start()
    async with contextlib.AsyncExitStack() as stack:
        clients = await connected_to_each(process, stack)
        for number in range(60):
            (job_id,) = await start_jobs(clients[0], 1, simulate={"duration": 600})
            for status in ("pending", "error"):
                statuses = [(await client.get(f"/status/{job_id}")).json()["status"] for client in clients]
                assert statuses == [status] * len(clients)
                if status == "pending":
                    await clients[number % len(clients)].delete(f"/jobs/{job_id}")


async def connected_to_each(process, stack):
    """Return a client of each worker, with one connection that stays open."""
    clients = {}
    async with asyncio.timeout(PATIENCE):
        while len(clients) < process.workers:
            client = await stack.enter_async_context(
                httpx.AsyncClient(
                    base_url=f"http://127.0.0.1:{process.port}", auth=("admin", "secret"), timeout=PATIENCE
                )
            )
            figures = (await client.get("/metrics")).text
            clients.setdefault(figures.partition('worker="')[2].partition('"')[0], client)
    return [*clients.values()]


async def test_the_same_seed_gives_the_same_jobs(server, tmp_path):
    """Whatever the number of workers and the concurrency, the n-th job of a seed has the same duration and outcome."""
    runs = []
    for workers in (1, 2):
        folder = tmp_path / str(workers)
        folder.mkdir()
        process = server(workers=workers, RANDOM_SEED="7", DATABASE_URL=f"sqlite:///{folder / 'jobs.db'}")
        await process.start()
        async with process.client() as client:
            await start_jobs(client, 40)
        process.kill()
        runs.append([(round(end - begin, 3), outcome) for begin, end, outcome in stored(folder).values()])
    assert runs[0] == runs[1]
    assert len(set(runs[0])) > 30


@pytest.mark.parametrize("workers", [1, 2])
async def test_sigterm_answers_held_requests_and_ends(server, workers):
    """On SIGTERM held requests are answered, streams are closed, and the process is gone soon after."""
    process = server(workers=workers)
    await process.start()
    async with process.client() as client:
        (job_id,) = await start_jobs(client, 1, simulate={"duration": 600})
        wait = asyncio.create_task(client.get(f"/status/{job_id}?wait=60"))
        async with client.stream("GET", "/events") as stream:
            lines = stream.aiter_lines()
            assert await anext(lines) == "retry: 1000"
            await asyncio.sleep(0.3)
            process.process.terminate()
            assert (await wait).json()["status"] == "pending"
            assert "event: job" not in [line async for line in lines]
    assert await asyncio.to_thread(process.process.wait, 10) is not None
