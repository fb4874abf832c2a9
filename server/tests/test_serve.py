"""The production server, as a process of its own: workers, HTTP/2, TLS, time-outs, limits, signals."""

import base64
import contextlib
import json
import os
import re
import signal
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import httpx
import psutil
import pytest
from server.tests.command import CREDENTIALS, PATIENCE, Serving, run, serving

from translation_server import serve
from translation_server.serve import Listener

AUTH = ("admin", "canary-secret")
BASIC = "Basic " + base64.b64encode(":".join(AUTH).encode()).decode()
LONG = {"MIN_DELAY": "600", "MAX_DELAY": "600"}
LIVE = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"

# Signed by itself, for localhost and 127.0.0.1, until 2126. It protects nothing.
PEMS = Path(__file__).parent
CERTIFICATE, KEY, ENCRYPTED = (PEMS / f"{name}.pem" for name in ("localhost.crt", "localhost.key", "encrypted.key"))


class Connection:
    """One connection to one worker, kept open."""

    def __init__(self, it: Serving) -> None:
        self._connection = HTTPConnection("127.0.0.1", it.port, timeout=PATIENCE)
        found = re.search(r'worker="(\d+)"', self.ask("GET", "/metrics")[1])
        assert found
        self.worker = int(found[1])

    def ask(self, method: str, path: str, **headers: str) -> tuple[int, str]:
        self._connection.request(method, path, headers={"Authorization": BASIC} | headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read().decode()

    def stream(self, path: str) -> HTTPResponse:
        self._connection.request("GET", path, headers={"Authorization": BASIC})
        return self._connection.getresponse()

    def close(self) -> None:
        self._connection.close()


def get(it: Serving, path: str, **options) -> httpx.Response:
    return httpx.get(it.url + path, auth=AUTH, timeout=10, trust_env=False, **options)


def start(it: Serving) -> str:
    answer = httpx.post(f"{it.url}/start", json={}, auth=AUTH, timeout=10, trust_env=False)
    return answer.json()["job_id"]


@contextlib.contextmanager
def two_workers(it: Serving) -> Iterator[tuple[Connection, Connection]]:
    """A connection to each of two workers; the kernel chooses, so some are made until it chose both."""
    with contextlib.ExitStack() as stack:
        found: dict[int, Connection] = {}
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            one = stack.enter_context(contextlib.closing(Connection(it)))
            found.setdefault(one.worker, one)
            if len(found) == 2:
                break
        first, second = found.values()
        yield first, second


def eventually(condition) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def is_ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def waiters_in(metrics: str) -> float:
    return sum(float(line.split()[-1]) for line in metrics.splitlines() if line.startswith("translation_waiters{"))


def held(it: Serving) -> float:
    return waiters_in(get(it, "/metrics").text)


def test_serve(tmp_path):
    """It serves what `.env` says, names no version, says once where it is, and believes no stranger's headers."""
    (tmp_path / ".env").write_text("MIN_DELAY=0\nMAX_DELAY=0\nLOG_FORMAT=json\n")
    with serving(tmp_path) as it:
        answer = get(it, "/jobs", headers={"X-Forwarded-For": "203.0.113.9"})
        assert (answer.status_code, answer.headers["server"]) == (200, "granian")
        assert it.stop() < 10
        assert it.process.returncode == 0
    lines = [json.loads(line) for line in (tmp_path / "logs/server.log").read_text().splitlines()]
    request = next(line for line in lines if line.get("path") == "/jobs")
    assert (request["user"], request["status"], request["client"]) == ("admin", 200, "127.0.0.1")
    assert request["request_id"] == answer.headers["x-request-id"]
    said = f"translation-server is running on {it.url} (pid {it.process.pid}, 1 worker)\n"
    assert it.said.read_text() == said
    assert "canary" not in str(lines)


@pytest.mark.prove
@pytest.mark.parametrize("trusted", ["127.0.0.1", "10.0.0.7, 127.0.0.0/8", "*"])
def test_trusted_proxies_are_believed(tmp_path, trusted):
    """With --trusted-proxies, the log tells the address that such a proxy tells, the last one nobody answers for."""
    with serving(tmp_path, "--trusted-proxies", trusted) as it:
        get(it, "/jobs", headers={"X-Forwarded-For": "203.0.113.9"})
        it.stop()
    assert "client=203.0.113.9" in (tmp_path / "logs/server.log").read_text()


def test_a_trusted_proxy_seen_by_a_listener_on_ipv6(tmp_path):
    """An IPv4 proxy is the one that was named, though its address is told as an IPv6 one there."""
    with serving(tmp_path, "--host", "::", "--trusted-proxies", "127.0.0.0/8") as it:
        get(it, "/jobs", headers={"X-Forwarded-For": "203.0.113.9"})
        it.stop()
    assert "client=203.0.113.9" in (tmp_path / "logs/server.log").read_text()


@pytest.mark.prove
def test_other_proxies_are_not_believed(tmp_path):
    """An address that is not named is believed nothing, and of what a named one says only the part it saw itself."""
    with serving(tmp_path, "--trusted-proxies", "10.0.0.7") as it:
        get(it, "/jobs", headers={"X-Forwarded-For": "203.0.113.9"})
        it.stop()
    with serving(tmp_path, "--trusted-proxies", "127.0.0.1") as it:
        get(it, "/jobs", headers={"X-Forwarded-For": "203.0.113.9, 198.51.100.4"})
        it.stop()
    assert re.findall(r"client=(\S+)", (tmp_path / "logs/server.log").read_text()) == ["127.0.0.1", "198.51.100.4"]


def test_started_here_awaited_there(tmp_path):
    """Workers share the jobs of one SQLite file: a job of one is awaited at another, and cancelled at the first."""
    with serving(tmp_path, "--workers", "2", **LONG) as it, two_workers(it) as (one, other):
        status, text = one.ask("POST", "/start")
        job_id = json.loads(text)["job_id"]
        assert status == 202
        answers: list[tuple[int, str]] = []
        waiting = threading.Thread(
            target=lambda: answers.append(other.ask("GET", f"/status/{job_id}", Prefer="wait=30"))
        )
        waiting.start()
        assert eventually(lambda: json.loads(one.ask("GET", f"/status/{job_id}")[1])["elapsed_time"] > 0.3)
        assert waiting.is_alive()
        begun = time.monotonic()
        assert one.ask("DELETE", f"/jobs/{job_id}")[0] == 200
        waiting.join(PATIENCE)
        assert time.monotonic() - begun < 3
        assert json.loads(answers[0][1])["error"]["code"] == "cancelled"
        assert it.stop() < 10
        assert it.process.returncode == 0


def test_streams_tell_what_ends_in_another_worker(tmp_path):
    """An event stream of one worker tells within seconds of a job that was started and cancelled at another."""
    with serving(tmp_path, "--workers", "2", **LONG) as it, two_workers(it) as (one, other):
        stream = other.stream("/events")
        while not stream.readline().startswith(b": connected"):
            pass
        job_id = json.loads(one.ask("POST", "/start")[1])["job_id"]
        begun = time.monotonic()
        assert one.ask("DELETE", f"/jobs/{job_id}")[0] == 200
        while job_id.encode() not in stream.readline():
            pass
        assert time.monotonic() - begun < 3


@pytest.mark.prove
def test_a_worker_that_dies_is_started_again(tmp_path):
    """The log says it, and the other worker answers; one that dies again at once ends the server, with status 1."""
    with serving(tmp_path, "--workers", "2") as it:

        def workers() -> set[int]:
            family = psutil.Process(it.process.pid).children()
            return {one.pid for one in family if not is_ended(one) and "spawn_main" in str(one.cmdline())}

        assert eventually(lambda: len(workers()) == 2)
        with two_workers(it) as (one, _):
            before = workers()
            os.kill(one.worker, signal.SIGKILL)
        assert eventually(lambda: len(workers()) == 2 and workers() != before)
        with two_workers(it) as (_, other):
            assert other.ask("GET", "/jobs")[0] == 200
        (again,) = workers() - before
        os.kill(again, signal.SIGKILL)
        assert it.process.wait(PATIENCE) == 1
    said = it.said.read_text()
    assert said.count("Unexpected exit from worker") == 2
    assert "Traceback" not in said
    assert "Respawning worker" in (tmp_path / "logs/server.log").read_text()


@pytest.mark.prove
def test_workers_end_with_their_supervisor(tmp_path):
    """A supervisor that is killed leaves no worker behind that would answer for ever."""
    with serving(tmp_path, "--workers", "2") as it:
        family = psutil.Process(it.process.pid).children(recursive=True)
        it.process.kill()
        _, alive = psutil.wait_procs(family, PATIENCE)
    assert alive == []


@pytest.mark.prove
def test_interrupt_from_the_keyboard(tmp_path):
    """Ctrl-C reaches every process, and ends them without a traceback; the exit status is 0."""
    with serving(tmp_path, "--workers", "2") as it:
        family = psutil.Process(it.process.pid).children(recursive=True)
        for one in [*family, psutil.Process(it.process.pid)]:
            if "resource_tracker" not in str(one.cmdline()):
                one.send_signal(signal.SIGINT)
        assert it.process.wait(PATIENCE) == 0
    assert it.said.read_text().count("\n") == 1


@pytest.mark.prove
def test_workers_are_replaced(tmp_path):
    """SIGHUP brings new workers, one after the other, which read the configuration again; the old ones end."""
    with serving(tmp_path, "--workers", "2") as it:
        before = {one.pid for one in psutil.Process(it.process.pid).children()}
        (tmp_path / ".env").write_text("MAX_WAIT=7\n")
        it.process.send_signal(signal.SIGHUP)
        log = tmp_path / "logs/server.log"
        assert eventually(lambda: log.read_text().count("Stopped old worker") == 2)
        with two_workers(it) as workers:
            assert not before & {one.worker for one in workers}
        assert log.read_text().count("MAX_WAIT=7 ") >= 2  # one that starts slowly is started twice
        assert it.stop() < 10


def test_a_second_server_on_the_port(tmp_path):
    """Workers share a port; a second server that is started by mistake does not: it is refused."""
    with serving(tmp_path) as it:
        done = run(tmp_path, "serve", "--port", str(it.port), **CREDENTIALS)
    assert done.returncode == 1
    assert "address already in use" in done.stderr.lower()


class Http2:
    """One HTTP/2 connection, without TLS and without asking."""

    def __init__(self, it: Serving) -> None:
        self.connection = pytest.importorskip("h2.connection").H2Connection()
        self._socket = socket.create_connection(("127.0.0.1", it.port), timeout=PATIENCE)
        self.connection.initiate_connection()
        self._answers: dict[int, bytes] = {}
        self._ended: set[int] = set()
        while not self.connection.remote_settings.max_concurrent_streams < 10_000:  # until the server said how many
            self._receive()

    def send(self, method: str, path: str, **headers: str) -> int:
        """Send a request without a body; return the number of its stream."""
        stream = self.connection.get_next_available_stream_id()
        known = {":method": method, ":path": path, ":scheme": "http", ":authority": "x", "authorization": BASIC}
        self.connection.send_headers(stream, list((known | headers).items()), end_stream=True)
        return stream

    def answer(self, stream: int) -> str:
        while stream not in self._ended:
            self._receive()
        return self._answers[stream].decode()

    def close(self) -> None:
        self._socket.close()

    def _receive(self) -> None:
        self._socket.sendall(self.connection.data_to_send())
        for event in self.connection.receive_data(self._socket.recv(65_536)):
            match type(event).__name__:
                case "DataReceived":
                    self._answers[event.stream_id] = self._answers.get(event.stream_id, b"") + event.data
                    self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                case "StreamEnded":
                    self._ended.add(event.stream_id)
                case "StreamReset" | "ConnectionTerminated":
                    pytest.fail(repr(event))


@pytest.mark.parametrize("version", ["2", "auto"])
def test_http2_holds_a_thousand_requests_on_one_connection(tmp_path, version):
    """Each of a thousand held requests on one connection is answered when its job ends; nobody else is slowed down."""
    with serving(tmp_path, "--http", version, **LONG) as it, contextlib.closing(Http2(it)) as client:
        job_id = json.loads(client.answer(client.send("POST", "/start")))["job_id"]
        held_streams = [client.send("GET", f"/status/{job_id}", prefer="wait=30") for _ in range(999)]
        assert eventually(lambda: waiters_in(client.answer(client.send("GET", "/metrics"))) == 999)
        client.answer(client.send("DELETE", f"/jobs/{job_id}"))
        assert {json.loads(client.answer(stream))["status"] for stream in held_streams} == {"error"}
        client.close()
        assert it.stop() < 10


@pytest.mark.prove
def test_http2_clients_that_leave(tmp_path):
    """One request that is taken back is freed at once, and all of a connection that is lost."""
    with serving(tmp_path, "--http", "auto", **LONG) as it, contextlib.closing(Http2(it)) as client:
        job_id = start(it)
        streams = [client.send("GET", f"/status/{job_id}", prefer="wait=60") for _ in range(20)]
        client.answer(client.send("GET", "/jobs"))
        assert eventually(lambda: held(it) == 20)
        client.connection.reset_stream(streams[0])
        client.answer(client.send("GET", "/jobs"))
        assert eventually(lambda: held(it) == 19)
        client.close()
        begun = time.monotonic()
        assert eventually(lambda: held(it) == 0)
        assert time.monotonic() - begun < 1


def test_http2_has_to_be_asked_for(tmp_path):
    """By default there is HTTP/1.1 only, because silent connections can be closed then."""
    with serving(tmp_path) as it, socket.create_connection(("127.0.0.1", it.port), timeout=PATIENCE) as sock:
        sock.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert sock.recv(100)[:13] in {b"HTTP/1.1 400 ", b""}


@pytest.mark.parametrize("version", ["1", "auto"])
def test_tls(tmp_path, version):
    """With a certificate it is HTTPS, from TLS 1.2 on, and HTTP/2 by ALPN where that is offered."""
    trusted = ssl.create_default_context(cafile=CERTIFICATE)
    trusted.set_alpn_protocols(["h2", "http/1.1"])
    with serving(tmp_path, "--http", version, "--tls-cert", str(CERTIFICATE), "--tls-key", str(KEY)) as it:
        assert f"running on https://127.0.0.1:{it.port} " in it.said.read_text()
        plain = socket.create_connection(("127.0.0.1", it.port), timeout=PATIENCE)
        with trusted.wrap_socket(plain, server_hostname="localhost") as secured:
            assert secured.selected_alpn_protocol() == {"1": "http/1.1", "auto": "h2"}[version]
        trusted = ssl.create_default_context(cafile=CERTIFICATE)
        trusted.maximum_version = ssl.TLSVersion.TLSv1_2
        answer = httpx.get(f"https://localhost:{it.port}/jobs", auth=AUTH, verify=trusted, trust_env=False)
        assert answer.status_code == 200
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", it.port), timeout=5) as plain:
            plain.sendall(LIVE)
            assert not plain.recv(100).startswith(b"HTTP/1.1 2")
        assert it.stop() < 10
    assert it.said.read_text().count("\n") == 1


@pytest.mark.prove
@pytest.mark.parametrize("sent", [b"", b"GET /jobs HTTP/1.1\r\nHos", LIVE])
def test_silent_connections_are_closed(tmp_path, sent):
    """A connection without a whole head, from the beginning or after an answer, is closed after the time-out."""
    with contextlib.ExitStack() as stack:
        it = stack.enter_context(serving(tmp_path, "--header-timeout", "1"))
        silent = stack.enter_context(socket.create_connection(("127.0.0.1", it.port), timeout=PATIENCE))
        begun = time.monotonic()
        silent.sendall(sent)
        while silent.recv(65_536):
            pass
        assert 0.9 < time.monotonic() - begun < 3


@pytest.mark.prove
def test_connections_beyond_the_limit_wait(tmp_path):
    """The next one is answered as soon as one closes, which silent ones do by themselves."""
    with serving(tmp_path, "--header-timeout", "2", MAX_CONNECTIONS="20") as it, contextlib.ExitStack() as stack:
        for _ in range(20):
            one = stack.enter_context(socket.create_connection(("127.0.0.1", it.port), timeout=PATIENCE))
            one.sendall(LIVE)
            assert one.recv(65_536).startswith(b"HTTP/1.1 200 ")
        late = stack.enter_context(socket.create_connection(("127.0.0.1", it.port), timeout=0.5))
        late.sendall(LIVE)
        with pytest.raises(TimeoutError):
            late.recv(65_536)
        late.settimeout(PATIENCE)
        assert late.recv(65_536).startswith(b"HTTP/1.1 200 ")


def test_fewer_files_than_connections(monkeypatch):
    """As many files as needed are asked for; what is not allowed lowers the limit instead of running into it."""
    limits = [(256, 4096)]
    monkeypatch.setattr(serve.resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(serve.resource, "setrlimit", lambda _, both: limits.append(both))
    assert serve.allowed_connections(1_000) == 1_000
    assert limits[-1] == (1_064, 4096)
    assert serve.allowed_connections(20_000) == 4_032
    monkeypatch.setattr(serve, "resource", None)
    assert serve.allowed_connections(20_000) == 20_000


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_a_reserved_port(host):
    """It is known before anybody listens, and is free for those who share it."""
    with serve.reserve_port(host, 0) as reserved:
        family, address = serve.resolve(host, reserved.getsockname()[1])
        assert address[1] > 0
        with socket.socket(family) as worker:
            worker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            worker.bind(address)
            worker.listen()
            with pytest.raises(OSError, match=r"cannot listen on .*: Address already in use"):
                serve.reserve_port(host, address[1])


def test_the_defaults_are_safe():
    """On loopback, without proxies that are trusted, with a time-out within ten seconds."""
    assert Listener() == Listener(host="127.0.0.1", http="1", header_timeout=10.0, trusted_proxies=None)
    assert serve.STOP_TIMEOUT < 10


def test_an_encrypted_key_is_refused_without_a_question(tmp_path):
    """Nobody is asked for a password at a terminal that may not be there."""
    done = run(tmp_path, "serve", "--tls-cert", str(CERTIFICATE), "--tls-key", str(ENCRYPTED), **CREDENTIALS)
    assert done.returncode == 2
    assert "its own private key, not encrypted" in done.stderr
