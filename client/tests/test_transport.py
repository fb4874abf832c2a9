"""What is on the wire: headers, addresses, proxies, certificates, connections; and how much of an answer is taken."""

from __future__ import annotations

import base64
import gzip
import ssl
import tracemalloc
import unicodedata
from pathlib import Path

import pytest

from client.tests.scripted import ScriptedServer
from client.tests.sides import LATE, QUICK, timed
from client.tests.steps import answer, answered_then_closed, body_stalled, closed, endless_body, gzip_bomb, job
from translation_client import JobStatus, StatusUnavailableError, WaitTimeoutError
from translation_client._wire.failures import MAX_BODY

CERTIFICATE = Path(__file__).with_name("localhost.pem")


@pytest.fixture
def secure_server():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATE)
    with ScriptedServer(tls=context) as scripted:
        yield scripted


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    ("username", "password"),
    [("admin", "secretpassword"), ("jürgen", "pässwörd: ☃ 密码"), ("u", "e\u0301"), ("u", " "), ("u", ":")],
    ids=["ASCII", "Unicode", "decomposed", "blank", "colon"],
)
def test_credentials_are_sent_as_utf8_in_nfc(make_side, server, username, password):
    """Any Unicode password reaches the server as RFC 7617 says: UTF-8 of its composed form."""
    make_side(server.url, username, password).wait("j1")
    scheme, _, coded = server.seen[0].headers["authorization"].partition(" ")
    expected = unicodedata.normalize("NFC", f"{username}:{password}")
    assert (scheme, base64.b64decode(coded).decode()) == ("Basic", expected)


def test_every_request_says_who_asks_and_for_what(client, server):
    """A request carries what the protocol needs, and no cookie, even where the server sets one."""
    server.play(job("pending", headers={"Set-Cookie": "track=1"}), job("completed"))
    client.wait("j1")
    client.start_job(video_length=10, metadata={"title": "é"}, idempotency_key="k-1")
    for seen in server.seen:
        assert seen.headers["accept"].startswith("application/json")
        assert seen.headers["user-agent"].startswith("translation-client/")
        assert "cookie" not in seen.headers
    start = server.seen[-1]
    assert (start.method, start.target, start.headers["content-type"]) == ("POST", "/start", "application/json")
    assert start.headers["idempotency-key"] == '"k-1"'
    assert start.body == b'{"video_length": 10, "metadata": {"title": "\\u00e9"}}'


@pytest.mark.parametrize(
    ("job_id", "target"),
    [
        ("j1", "/status/j1"),
        ("é~:@!$&'()*+,;=", "/status/%C3%A9~%3A%40%21%24%26%27%28%29%2A%2B%2C%3B%3D"),
        ("..a", "/status/..a"),
    ],
)
def test_an_id_is_one_segment_of_the_path(client, server, job_id, target):
    """Whatever is in an id is quoted once, and nothing on the way changes it."""
    assert client.get_job(job_id).job_id == job_id
    assert server.seen[0].target == target


@pytest.mark.parametrize("suffix", ["/api/v1", "/api/v1/", "/"])
def test_a_base_url_may_have_a_path(make_side, server, suffix):
    """The server may live below a path, with or without a slash at its end."""
    make_side(server.url + suffix, "admin", "pw").get_status("j1")
    assert server.seen[0].target == suffix.rstrip("/") + "/status/j1"


def test_one_connection_serves_many_requests(client, server):
    """Polls one after the other use one connection."""
    server.play(*[job("pending")] * 5, job("completed"))
    client.wait("j1")
    assert (len(server.polls), server.connections) == (6, 1)


@pytest.mark.parametrize("fault", [closed, answered_then_closed], ids=["closed", "closed after an answer"])
def test_no_request_is_made_behind_the_back_of_the_wait(client, server, fault):
    """Every request that arrived is one the wait decided on, and counts; the library below repeats none."""
    server.play(job("pending"), fault, job("pending"), fault, job("completed"))
    stats = client.wait("j1").wait_stats
    assert (len(server.polls), stats.polls) == (5, 5)


# ── what the environment says ───────────────────────────────────────────────────────────────────────────────────────


def test_a_proxy_of_the_environment_is_used(make_side, server, stranger, monkeypatch):
    """Requests go through http_proxy, except to what no_proxy names."""
    monkeypatch.setenv("http_proxy", stranger.url)
    assert make_side("http://example.invalid:8000", "admin", "pw").get_status("j1") is JobStatus.COMPLETED
    assert stranger.seen[0].target == "http://example.invalid:8000/status/j1"
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    make_side(server.url, "admin", "pw").get_status("j1")
    assert (len(server.seen), len(stranger.seen)) == (1, 1)


def test_a_netrc_changes_nothing(make_side, server, tmp_path, monkeypatch):
    """Credentials for this host that lie around in a .netrc are not used."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login other password other")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    make_side(server.url, "admin", "pw").get_status("j1")
    assert base64.b64decode(server.seen[0].headers["authorization"].split()[1]) == b"admin:pw"


def test_a_certificate_nobody_trusts_is_refused(make_side, secure_server):
    """Without trust there is no request, and the words say why."""
    client = make_side(secure_server.url, "admin", "pw", max_retries=0)
    with pytest.raises(
        StatusUnavailableError, match="the server's certificate was not accepted: self-signed certificate"
    ):
        client.wait("j1")
    assert secure_server.seen == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_ca_bundle_of_the_environment_is_trusted(make_side, secure_server, monkeypatch, host):
    """REQUESTS_CA_BUNDLE names whom to trust, for both clients."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))
    client = make_side(f"https://{host}:{secure_server.port}", "admin", "pw", **QUICK)
    secure_server.play(job("pending"), closed, job("completed"))
    assert client.wait("j1").wait_stats.polls == 3


def a_context(*, trusting=True):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if trusting:
        context.load_verify_locations(CERTIFICATE)
    return context


TRUSTING = {"a path": lambda: CERTIFICATE, "a path as text": lambda: str(CERTIFICATE), "a context": a_context}


@pytest.mark.parametrize("make_verify", TRUSTING.values(), ids=TRUSTING)
@pytest.mark.parametrize("environment", ["", "/nowhere"])
def test_verify_says_whom_to_trust(make_side, secure_server, monkeypatch, make_verify, environment):
    """A CA bundle, or a context of the user's, in place of the environment's."""
    if environment:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", environment)
    client = make_side(secure_server.url, "admin", "pw", verify=make_verify(), **QUICK)
    secure_server.play(job("pending"), closed, job("completed"))
    assert client.wait("j1").wait_stats.polls == 3


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_a_context_is_used_as_it_is(make_side, secure_server):
    """It decides alone: no CA certificate is added to it, and none of its settings changed."""
    context = a_context()
    make_side(secure_server.url, "admin", "pw", verify=context, **QUICK).get_status("j1")
    assert len(context.get_ca_certs()) == 1
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    distrusting = make_side(secure_server.url, "admin", "pw", verify=a_context(trusting=False), max_retries=0)
    with pytest.raises(StatusUnavailableError, match="certificate was not accepted"):
        distrusting.wait("j1")
    lax = a_context(trusting=False)
    lax.check_hostname, lax.verify_mode = False, ssl.CERT_NONE
    make_side(secure_server.url, "admin", "pw", verify=lax, **QUICK).get_status("j1")
    assert lax.verify_mode is ssl.CERT_NONE
    assert len(secure_server.seen) == 2


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_without_verification_any_certificate_will_do(make_side, secure_server):
    """``verify=False`` is what it says; urllib3 warns of it."""
    assert make_side(secure_server.url, "admin", "pw", verify=False, **QUICK).get_status("j1") == "completed"


# ── headers of the user's ───────────────────────────────────────────────────────────────────────────────────────────


def test_headers_go_along_with_every_request(make_side, server):
    """Starts, polls, queries and streams carry them; a User-Agent of the user's replaces ours."""
    server.play(answer(404), to="streams")
    headers = {"X-Api-Key": "canary-5d1e", "user-agent": "my-tool/2", "Cookie": "a=b"}
    client = make_side(server.url, "admin", "pw", headers=headers, **QUICK)
    client.start_job(video_length=2)
    client.wait("j1")
    client.wait_all(["j1", "j2"])
    assert {seen.kind for seen in server.seen} == {"starts", "polls", "streams"}
    assert {(seen.headers["x-api-key"], seen.headers["user-agent"]) for seen in server.seen} == {
        ("canary-5d1e", "my-tool/2")
    }
    assert all(seen.headers["authorization"].startswith("Basic ") for seen in server.seen)
    assert "canary-5d1e" not in repr(client.client)


REFUSED_HEADERS = [
    *((name, "x", ValueError, f"headers must not contain {name}") for name in ("Authorization", "ACCEPT", "host")),
    *((name, "x", ValueError, f"headers must not contain {name}") for name in ("Prefer", "Content-Length", "TE")),
    *((name, "x", ValueError, "headers must have names") for name in ("", "a b", "a:b", "a\r\nHost", "ä")),
    *(("X-Key", value, ValueError, "headers must have values") for value in ("", " x", "a\r\nb", "ä", "a\x00")),
    *(("X-Key", value, TypeError, "a mapping of strings to strings") for value in (5, None, b"x")),
    (5, "x", TypeError, "a mapping of strings to strings"),
]


@pytest.mark.parametrize(("name", "value", "kind", "message"), REFUSED_HEADERS)
def test_headers_that_would_break_a_request_are_refused(side_class, name, value, kind, message):
    """What the client sends itself, and what is no header at all; a value is never repeated, it may be a key."""
    with pytest.raises(kind, match=message) as caught:
        side_class.client_class("http://127.0.0.1:1", "admin", "pw", headers={"X-Secret": "canary-5d1e", name: value})
    assert "canary-5d1e" not in str(caught.value)


@pytest.mark.parametrize("wrong", ["X-Key: a", [("X-Key", "canary-5d1e")], 5])
def test_headers_are_a_mapping(side_class, wrong):
    """Anything else is refused, without being repeated."""
    with pytest.raises(TypeError, match="headers must be a mapping") as caught:
        side_class.client_class("http://127.0.0.1:1", "admin", "pw", headers=wrong)
    assert "canary-5d1e" not in str(caught.value)


# ── deadlines over TLS ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_stalled_answer_over_tls_ends_at_the_deadline(make_side, secure_server, monkeypatch):
    """An encrypted connection can be abandoned as well."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(CERTIFICATE))
    secure_server.play(body_stalled)
    outcome, seconds = timed(make_side(secure_server.url, "admin", "pw").wait, "j1", timeout=0.3)
    assert isinstance(outcome, WaitTimeoutError)
    assert 0.3 <= seconds <= 0.3 + LATE


# ── how much is taken in ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("fault", [endless_body, gzip_bomb(1024)], ids=["endless body", "gzip bomb"])
def test_a_huge_answer_takes_bounded_memory(make_side, server, fault):
    """An answer without an end, or of 1 GB in 1 MB, is given up at 16 MB."""
    server.play(fault)
    client = make_side(server.url, "admin", "pw", max_retries=0)
    tracemalloc.start()
    try:
        with pytest.raises(StatusUnavailableError, match="longer than 16777216 bytes"):
            client.wait("j1")
        assert tracemalloc.get_traced_memory()[1] < 3 * MAX_BODY
    finally:
        tracemalloc.stop()


def test_a_compressed_answer_is_read(client, server):
    """A server may compress."""
    server.play(answer(200, gzip.compress(b'{"job_id": "j1", "status": "completed"}'), Content_Encoding="gzip"))
    assert client.get_status("j1") is JobStatus.COMPLETED
