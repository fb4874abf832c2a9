"""The server inside a test, used as testers do: started, asked by our own client on a real socket, and stopped."""

import asyncio
import contextlib
import gc
import logging
import os
import resource
import shlex
import signal
import socket
import subprocess
import sys
import threading
import weakref

import pytest
import requests

from translation_client import JobNotFoundError
from translation_server import SteppedClock, TranslationServer

PATIENCE = 10.0
HERE = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}


def answers(server):
    return requests.get(f"{server.base_url}/health/ready", timeout=5).json() == {"status": "ready"}


def is_free(port):
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) != 0


def test_the_contract_in_three_lines():
    """A server on a free port, a client for it, and twenty seconds that pass at once, by default as well."""
    with TranslationServer(completion_time=20.0, error_rate=0.0) as server, server.client() as client:
        job_id = client.start_job()
        server.clock.advance(20)
        assert client.get_status(job_id) == "completed"


def test_what_it_was_is_gone_when_it_has_stopped():
    """No thread, no listening socket; and what asks it then is told how to use it."""
    before = threading.active_count()
    server = TranslationServer()
    with server:
        assert answers(server)
        port = server.port
    assert threading.active_count() == before
    assert is_free(port)
    for use in (lambda: server.base_url, lambda: server.port, server.client, server.async_client, server.curl):
        with pytest.raises(RuntimeError, match="not running: use it inside `with TranslationServer"):
            use()


def test_a_thousand_servers_are_not_kept_in_memory():
    """When a server is forgotten, what it had recorded and stored is, whatever the framework remembers of it."""
    server = TranslationServer()
    with server:
        assert answers(server)
        record, service = weakref.ref(server._simulator), weakref.ref(server._service)
    del server
    gc.collect()
    assert (record(), service()) == (None, None)


def test_it_can_be_started_again_but_not_twice():
    """Each start begins with an empty memory; what was recorded stays."""
    server = TranslationServer(clock="stepped")
    with server:
        job_id = server.client().start_job()
        with pytest.raises(RuntimeError, match="runs already, at http://127"), server:
            pass
        assert answers(server)
    with server, pytest.raises(JobNotFoundError):
        server.client().get_job(job_id)
    assert [str(request.kind) for request in server.requests] == ["start", "poll"]


def test_a_taken_port_is_told_to_the_caller():
    """The error names the port, and nothing was started."""
    before = threading.active_count()
    with TranslationServer() as server:
        with pytest.raises(OSError, match=rf"cannot listen on 127.0.0.1, port {server.port}: .*in use"):
            asyncio.run(TranslationServer().start(port=server.port))
        assert answers(server)
    assert threading.active_count() == before


async def test_any_address_of_this_machine_will_do():
    """It stands in the address of the server, as it must in one."""
    server = TranslationServer()
    with contextlib.closing(socket.socket(socket.AF_INET6)) as sock:
        try:
            sock.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
    await server.start(host="::1")
    try:
        assert server.base_url == f"http://[::1]:{server.port}"
        assert await asyncio.to_thread(answers, server)
    finally:
        await server.stop()


async def test_an_address_that_cannot_be_is_told_to_the_caller():
    """It is named."""
    with pytest.raises(OSError, match="cannot listen on 'aaa"):
        await TranslationServer().start(host="a" * 64)


@pytest.mark.parametrize("port", [-1, 65_536, 10**9])
def test_a_port_that_cannot_be_is_told_to_the_caller(port):
    """Whatever is wrong with it, it is an OSError."""
    with pytest.raises(OSError, match="cannot listen on"), TranslationServer(port=port):
        pass


def test_a_database_that_cannot_be_used_is_told_to_the_caller(tmp_path):
    """The thread that found out is gone, and its socket closed."""
    before = threading.active_count()
    server = TranslationServer(database_url=f"sqlite:///{tmp_path}/missing/jobs.db")
    with pytest.raises(ValueError, match="missing"), server:
        pass
    assert threading.active_count() == before
    assert not server.is_running


def test_what_goes_wrong_at_the_end_is_told_to_whoever_stops_it(monkeypatch):
    """It is not lost in a thread, and the thread is gone."""
    before = threading.active_count()
    monkeypatch.setattr("translation_server.app.Application.release", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError), TranslationServer():
        pass
    assert threading.active_count() == before


def test_a_program_that_forgets_to_stop_it_ends_nevertheless():
    """Quietly, with the status it would have had."""
    program = "from translation_server import TranslationServer; print(TranslationServer().__enter__().is_running)"
    done = subprocess.run(
        [sys.executable, "-c", program], env=HERE, capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


async def test_asynchronous_code_starts_and_stops_it_by_name():
    """On the port that is asked for; a second stop does nothing."""
    server = TranslationServer(completion_time=0)
    async with server:
        port = server.port
    await server.start(port=port)
    assert server.port == port
    async with server.async_client() as client:
        assert await client.wait_for_completion(await client.start_job()) == "completed"
    await server.stop()
    await server.stop()
    assert is_free(port)


async def test_stopping_does_not_hold_up_the_loop(until):
    """While a held request is answered and the server stops, the test's loop goes on."""
    async with TranslationServer(clock="stepped") as server, server.async_client() as client:
        job_id = await client.start_job()
        waiting = asyncio.create_task(client.wait(job_id, timeout=None))
        await asyncio.to_thread(until, lambda: server.held == 1)
        turns = 0

        async def take_turns():
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        others = asyncio.create_task(take_turns())
        await server.stop()
        assert turns > 1
        for task in (others, waiting):
            task.cancel()
        await asyncio.gather(others, waiting, return_exceptions=True)


async def test_a_start_that_nobody_waits_for_any_more_leaves_nothing(until):
    """It is cancelled before it is done, and stops by itself."""
    before = threading.active_count()
    server = TranslationServer()
    starting = asyncio.create_task(server.start())
    await asyncio.sleep(0)
    starting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await starting
        await server.stop()
    await asyncio.to_thread(until, lambda: threading.active_count() <= before + 1)


def test_a_held_request_is_answered_when_it_stops(pool, until, asking):
    """As if the wait were over: the client learns that the job goes on."""
    with TranslationServer(clock="stepped") as server:
        job_id = server.client().start_job()
        ask = asking(server, f"/status/{job_id}?wait=30")
        held = pool.submit(ask)
        until(lambda: server.held == 1)
    assert held.result(PATIENCE).json()["status"] == "pending"


def test_it_stops_without_waiting_for_anybody(pool, until, asking, monkeypatch):
    """A connection that is kept open, a request that is held and a stream are told to end, and need no grace."""
    monkeypatch.setattr("translation_server.testing.uvicorn_server._GRACE", 3600.0)
    with requests.Session() as idle:
        server = TranslationServer(clock="stepped").__enter__()
        assert idle.get(f"{server.base_url}/health/live", timeout=PATIENCE).ok
        job_id = server.client().start_job()
        held = [pool.submit(asking(server, path)) for path in (f"/status/{job_id}?wait=30", "/events")]
        until(lambda: server.held == 2)
        pool.submit(server.__exit__, None, None, None).result(PATIENCE)
    assert [one.result(PATIENCE).status_code for one in held] == [200, 200]


def test_an_answer_that_cannot_be_given_in_time_is_broken_off(until):
    """A request whose body never comes is not waited for; its client sees the connection end."""
    head = ["POST /jobs HTTP/1.1", "Host: x", "Authorization: Basic YW5uOng=", "Content-Length: 100"]
    with socket.socket() as sock:
        sock.settimeout(PATIENCE)
        with TranslationServer(username="ann", password="x") as server:
            sock.connect(("127.0.0.1", server.port))
            sock.sendall("\r\n".join([*head, "Content-Type: application/json", "", "{"]).encode())
            until(lambda: len(server.requests) == 1)
        with contextlib.suppress(ConnectionResetError):
            while sock.recv(1000):
                pass


def test_many_at_once():
    """Twenty servers, each on a port of its own, with users and jobs of its own."""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(TranslationServer(completion_time=0)) for _ in range(20)]
        job_ids = [server.client().start_job() for server in servers]
        assert len({server.port for server in servers}) == len({server.password for server in servers}) == 20
        assert (
            len({server.client().get_job(job_id).job_id for server, job_id in zip(servers, job_ids, strict=True)}) == 20
        )
        with pytest.raises(JobNotFoundError):
            servers[0].client().get_job(job_ids[1])


def test_jobs_in_a_file_outlive_a_restart(tmp_path):
    """The port stays as well, and so does a client; in memory they would be lost, so that is refused."""
    with TranslationServer(clock="stepped", database_url=f"sqlite:///{tmp_path}/jobs.db") as server:
        port, job_id = server.port, server.client().start_job()
        server.restart()
        assert server.port == port
        assert server.client().get_status(job_id) == "pending"
    with TranslationServer() as server, pytest.raises(ValueError, match="would be lost"):
        server.restart()


def test_the_process_around_it_stays_as_it_was():
    """Its signals, its logging, its garbage collection and its limits are its own."""

    def state():
        loggers = [logging.getLogger(name) for name in ("", "uvicorn", "uvicorn.access", "translation_server")]
        return (
            [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
            [(logger.level, logger.propagate, list(logger.handlers)) for logger in loggers],
            (gc.get_threshold(), gc.get_freeze_count()),
            resource.getrlimit(resource.RLIMIT_NOFILE),
        )

    usual, largest = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, largest))  # as on some machines, where a server would raise it
    try:
        before = state()
        with TranslationServer() as server:
            assert answers(server)
            assert state() == before
        assert state() == before
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (usual, largest))


def test_it_can_be_looked_at_without_showing_the_password():
    """Where it is, who uses it, what time it is there."""
    server = TranslationServer(clock="stepped", password="secret")
    assert repr(server) == f"<TranslationServer not running, user 'tester', {SteppedClock()!r}>"
    with server:
        assert "secret" not in repr(server)
        assert server.base_url in repr(server)


def test_it_has_a_record_and_can_forget_it():
    """What arrived, what is thought of it, what happened: until it is reset."""
    with TranslationServer(clock="stepped", seed=1) as server:
        server.client().start_job()
        assert [request.job for request in server.requests] == [1]
        assert server.report().jobs[0].starts == 1
        assert server.trace().startswith("tester job 1 takes ")
        server.reset()
        assert (len(server.requests), server.trace()) == (0, "")


def test_other_users_have_jobs_of_their_own():
    """Each is let in, and none sees the others' jobs."""
    with TranslationServer(users={"ann": "1", "bob": "2"}) as server:
        assert (server.username, server.password) == ("ann", "1")
        job_id = server.client().start_job()
        with pytest.raises(JobNotFoundError):
            server.client(username="bob").get_job(job_id)


def test_curl_can_be_copied():
    """The command line has all that is needed to ask the server from a terminal."""
    with TranslationServer(password="it's secret") as server:
        words = shlex.split(server.curl("/jobs", "--silent"))
        assert words == ["curl", "--user", "tester:it's secret", "--silent", f"{server.base_url}/jobs"]


@pytest.mark.parametrize(
    ("settings", "kind", "words"),
    [
        ({"completion_tyme": 5}, TypeError, "there is no setting 'completion_tyme': did you mean 'completion_time'"),
        ({"error_rate": 2}, ValueError, "error_rate is 2: allowed is a number from 0 to 1"),
        ({"seed": "x"}, ValueError, "seed is 'x'"),
        ({"max_wait": 0}, ValueError, "max_wait is 0"),
        ({"completion_time": -1}, ValueError, "completion_time is -1"),
        ({"completion_time": (7, 3)}, ValueError, r"completion_time is \(7, 3\)"),
        ({"completion_time": 1, "delay_model": "fixed:1"}, ValueError, "give one of them"),
        ({"delay_model": "fixed:x"}, ValueError, "delay_model is 'fixed:x': allowed is uniform"),
        ({"min_delay": 9}, ValueError, "min_delay is 9 and max_delay is 7"),
        ({"clock": "slow"}, ValueError, "clock is 'slow': allowed are 'real', 'stepped', a speed"),
        ({"clock": True}, ValueError, "clock is True"),
        ({"username": "a:b"}, ValueError, "username is 'a:b'"),
        ({"stages": "a b"}, ValueError, "stages is 'a b'"),
        ({"faults": ["nonsense"]}, ValueError, "nonsense"),
        ({"incident": "nonsense"}, ValueError, "nonsense"),
    ],
)
def test_settings_that_make_no_sense_are_refused_at_once(settings, kind, words):
    """When the server is made, in the tester's own words."""
    with pytest.raises(kind, match=words):
        TranslationServer(**settings)


def test_the_client_is_asked_for_when_it_is_missing():
    """The error says what to install."""
    program = (
        "import sys; sys.modules['translation_client'] = None\n"
        "from translation_server import TranslationServer\n"
        "with TranslationServer() as server: server.client()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=HERE, capture_output=True, text=True, timeout=30, check=False
    )
    assert "pip install 'translation-client'" in done.stderr


def test_naming_the_package_costs_nothing():
    """Who imports it for its version does not import a web framework; and what it does not have, it says."""
    program = "import sys, translation_server; print('fastapi' in sys.modules); translation_server.Server"
    done = subprocess.run(
        [sys.executable, "-c", program], env=HERE, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stdout == "False\n"
    assert "has no attribute 'Server'" in done.stderr
