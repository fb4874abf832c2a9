"""The server in a test that speaks https: who trusts it, where its certificate is, and faults below the encryption."""

import asyncio
import contextlib
import os
import shlex
import socket
import ssl
import stat
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import pytest
import requests

from translation_server import TranslationServer
from translation_server.simulator.faults.model import FAULTS
from translation_server.testing.certificate import Certificate

PATIENCE = 10.0
JOBS = 90  # enough for a list that is longer than a TLS record
MISSING = r"^TLS needs the library trustme, which makes certificates: pip install 'translation-server\[tls\]'$"


@pytest.fixture
def server():
    """A server that speaks https."""
    with TranslationServer(tls=True, clock="stepped", completion_time=60) as server:
        yield server


def trust(server):
    """What a client of this server is to trust, as strictly as Python 3.13 is by default."""
    context = ssl.create_default_context(cafile=server.ca_file)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


def exchange(server, request):
    """What arrives of the answer, and what is below TLS at its end: the word close_notify, FIN or RST."""
    credentials = b64encode(f"{server.username}:{server.password}".encode()).decode()
    head = f"{request} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {credentials}\r\nContent-Length: 0\r\n"
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = trust(server).wrap_bio(incoming, outgoing, server_hostname="localhost")
    answer = b""
    with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as sock:

        def until_done(step, *arguments):
            while True:
                try:
                    return step(*arguments)
                except ssl.SSLWantReadError:
                    sock.sendall(outgoing.read())
                    if data := sock.recv(65536):
                        incoming.write(data)
                    else:
                        incoming.write_eof()

        until_done(tls.do_handshake)
        tls.write(f"{head}Connection: close\r\n\r\n".encode())
        try:
            while data := until_done(tls.read, 65536):
                answer += data
        except ConnectionResetError:
            return answer, "RST"
        except ssl.SSLEOFError:
            return answer, "FIN"
        except ssl.SSLZeroReturnError:
            pass
        return answer, "close_notify"


def test_both_clients_trust_it_out_of_the_box(server):
    """Nothing has to be given; and nothing else in the environment counts."""
    client = server.client()
    job_id = client.start_job()

    async def ask():
        async with server.async_client() as client:
            return await client.get_status(job_id)

    assert server.base_url == f"https://127.0.0.1:{server.port}"
    assert asyncio.run(ask()) == "pending"
    server.clock.advance(60)
    assert client.get_status(job_id) == "completed"


def test_a_client_s_own_arguments_count(server):
    """Its session says itself whom it trusts, and who asks for no verification has none."""
    with requests.Session() as session:
        session.trust_env = False  # for requests, REQUESTS_CA_BUNDLE would win
        session.verify = server.ca_file
        assert server.client(session=session).list_jobs() == []
    with pytest.warns(match="Unverified HTTPS request"):
        assert server.client(verify=False).list_jobs() == []


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1"])
async def test_the_certificate_is_for_every_name_of_this_machine(name):
    """Also for its address in IPv6."""
    server = TranslationServer(tls=True)
    host = name if name != "localhost" else "127.0.0.1"
    with contextlib.closing(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)) as sock:
        try:
            sock.bind((host, 0))
        except OSError:
            pytest.skip(f"this machine has no {host}")
    await server.start(host=host)
    try:
        _, writer = await asyncio.open_connection(host, server.port, ssl=trust(server), server_hostname=name)
        writer.close()
        await writer.wait_closed()
    finally:
        await server.stop()


def test_nobody_else_trusts_it(server):
    """Neither those who know nothing of it nor those who know another server; nor under another name."""
    with TranslationServer(tls=True) as other:
        contexts = [(ssl.create_default_context(), "localhost"), (trust(other), "localhost")]
    contexts.append((trust(server), "example.org"))
    for context, name in contexts:
        with (
            socket.create_connection(("127.0.0.1", server.port), PATIENCE) as sock,
            pytest.raises(ssl.SSLCertVerificationError),
            context.wrap_socket(sock, server_hostname=name),
        ):
            pass


def test_the_environment_s_variables_make_others_trust_it(server, monkeypatch):
    """The path is a text, as they and `verify` need it."""
    monkeypatch.setenv("SSL_CERT_FILE", server.ca_file)
    with (
        socket.create_connection(("127.0.0.1", server.port), PATIENCE) as sock,
        ssl.create_default_context().wrap_socket(sock, server_hostname="127.0.0.1") as connection,
    ):
        assert connection.version() == "TLSv1.3"
    assert requests.get(f"{server.base_url}/health/live", verify=server.ca_file, timeout=PATIENCE).ok


def test_curl_trusts_it(server):
    """The command line names the authority's file."""
    command = shlex.split(server.curl("/jobs", "--silent"))
    assert command[3:6] == ["--cacert", server.ca_file, "--silent"]
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=True)  # noqa: S603 - curl itself
    assert done.stdout.startswith(b'{"jobs":[]')


def test_its_files_are_private_and_gone_after_it():
    """The folder and the private key are this user's alone; the next start has the same path and the same authority."""
    server = TranslationServer(tls=True)
    with server:
        path = Path(server.ca_file)
        folder, authority = path.parent, path.read_bytes()
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert b"PRIVATE KEY" not in authority
        context = trust(server)
    assert not folder.exists()
    with server:
        assert (server.ca_file, path.read_bytes()) == (str(path), authority)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as sock:
            context.wrap_socket(sock, server_hostname="localhost").close()
    assert not folder.exists()


def test_its_files_outlast_a_restart(tmp_path):
    """A client that asks in between finds them, and goes on with the same jobs."""
    with TranslationServer(tls=True, database_url=f"sqlite:///{tmp_path}/jobs.db") as server:
        job_id, path = server.client().start_job(), Path(server.ca_file)
        written = path.stat().st_ctime_ns
        server.restart()
        assert (path.stat().st_ctime_ns, server.ca_file) == (written, str(path))
        assert server.client().get_job(job_id).job_id == job_id
    assert not path.parent.exists()


def test_a_start_that_fails_leaves_no_files():
    """The certificate's place is free again as well."""
    server = TranslationServer(tls=True, database_url="sqlite:////no/such/folder/jobs.db")
    with pytest.raises(ValueError, match="no/such/folder"), server:
        pass
    assert not Path(server._certificate.ca_file).parent.exists()


def test_a_place_that_was_taken_is_not_used():
    """A folder of that name that somebody else has made meanwhile is left alone, and the start fails."""
    certificate = Certificate()
    with certificate:
        folder = Path(certificate.ca_file).parent
    folder.mkdir()
    try:
        with pytest.raises(FileExistsError), certificate:
            pass
        assert list(folder.iterdir()) == []
    finally:
        folder.rmdir()
    with certificate:
        assert Path(certificate.server_file).read_bytes().startswith(b"-----BEGIN EC PRIVATE KEY-----")


def test_a_program_that_forgets_to_stop_it_leaves_no_files():
    """They go with the program."""
    program = "from translation_server import TranslationServer; print(TranslationServer(tls=True).__enter__().ca_file)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(  # noqa: S603 - Python itself
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("ca.pem\n")
    assert not Path(done.stdout.strip()).parent.exists()


def test_there_is_a_certificate_only_where_it_is_asked_for():
    """A server that speaks http says so; one that is not running says that."""
    with TranslationServer() as server:
        with pytest.raises(RuntimeError, match="speaks http, without a certificate: make it with tls=True"):
            _ = server.ca_file
        assert "--cacert" not in server.curl()
    with pytest.raises(RuntimeError, match="not running"):
        _ = TranslationServer(tls=True).ca_file


def test_without_the_library_it_is_said_how_to_install_it(monkeypatch):
    """Only who asks for TLS needs it."""
    monkeypatch.setitem(sys.modules, "trustme", None)
    with TranslationServer() as server:
        assert server.base_url.startswith("http://")
    with pytest.raises(ModuleNotFoundError, match=MISSING) as told:
        TranslationServer(tls=True)
    assert told.value.name == "trustme"


def test_the_same_again(server):
    """The line that makes the same server asks for TLS as well."""
    assert server.replay_line.startswith("TranslationServer(completion_time=60, clock='stepped', tls=True, seed=")


POLL, HELD, START, LIST = "GET /status/{job_id}", "GET /status/{job_id}?wait=60", "POST /start", "GET /jobs?limit=100"
STRIKES = {  # fault: the request, what arrives of the answer, and how the connection ends
    "latency seconds=0.01": (POLL, b'"status":"pending"', "close_notify"),
    "status code=429 retry_after=2": (POLL, b"HTTP/1.1 429", "close_notify"),
    "bad_gateway": (POLL, b"HTTP/1.1 502", "close_notify"),
    "html_page": (POLL, b"<html>", "close_notify"),
    "reset": (POLL, None, "RST"),
    "close": (POLL, None, "FIN"),
    "truncate share=0.9": (LIST, b"HTTP/1.1 200", "FIN"),
    "drip bytes_per_second=20000": (POLL, b'"status":"pending"', "close_notify"),
    "broken_json": (POLL, b"HTTP/1.1 200", "close_notify"),
    "unknown_status": (POLL, b'"status":"paused"', "close_notify"),
    "not_found": (POLL, b"HTTP/1.1 404", "close_notify"),
    "cut_long_poll seconds=0.01": (HELD, None, "FIN"),
    "cut_long_poll seconds=0.01 instead=reset": (HELD, None, "RST"),
    "cut_long_poll seconds=0.01 instead=504": (HELD, b"HTTP/1.1 504", "close_notify"),
    "lost_answer": (START, None, "FIN"),
    "lost_answer instead=reset": (START, None, "RST"),
    "restart seconds=0.01": (POLL, None, "RST"),
}


def test_every_fault_is_tried():
    """None is left out here."""
    assert {rule.split()[0] for rule in STRIKES} == FAULTS.keys()


@pytest.mark.parametrize("rule", STRIKES)
def test_faults_strike_below_the_encryption(rule):
    """What arrives, and the end of the connection, are as without TLS: a reset is RST, a close FIN alone."""
    request, arrives, end = STRIKES[rule]
    with TranslationServer(tls=True, completion_time=600) as server:
        client = server.client()
        job_ids = [client.start_job() for _ in range(JOBS if request is LIST else 1)]
        server.faults.add(rule, times=1)
        answer, ended = exchange(server, request.format(job_id=job_ids[0]))
        assert (server.requests[-1].fault, ended) == (rule.split()[0], end)
        assert arrives in answer if arrives else answer == b""
        if request is LIST:
            head, body = answer.split(b"\r\n\r\n")
            announced = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            assert 0.85 * announced < len(body) < announced
            assert announced > 2**14
