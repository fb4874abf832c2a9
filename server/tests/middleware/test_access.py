"""The outermost layer: request ids, headers, the line in the log, cross-site requests, errors of last resort."""

import asyncio
import logging
import re

import httpx
import pytest
from server.tests.wire import exchange, serving
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse

from translation_server.http.answers import Answer
from translation_server.http.problems import ProblemError
from translation_server.middleware.access import Access, is_cross_site
from translation_server.observability.log_format import REQUEST_ID, LineFormatter

LOGGER = "translation_server.middleware.access"


def app(respond=None, *, error: Exception | None = None, user: str | None = None):
    """Return an app behind the layer: it answers, or raises, and may know its user."""

    async def endpoint(scope, receive, send):
        if scope["type"] != "http":
            return
        if user is not None:
            scope["user"] = user
        if error is not None:
            raise error
        await (respond or PlainTextResponse("ok"))(scope, receive, send)

    return Access(endpoint)


async def call(asgi, method="GET", path="/jobs", headers=None) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(asgi), base_url="http://server") as client:
        return await client.request(method, path, headers=headers)


@pytest.fixture
def lines(caplog):
    """Return the lines of the access log so far."""
    caplog.set_level(logging.INFO, LOGGER)
    return lambda: [record.getMessage() for record in caplog.records if record.name == LOGGER]


@pytest.mark.parametrize("given", ["a", "A-1_2.3", "x" * 64])
async def test_request_id_is_taken_over(given, lines):
    """A request id of the client comes back, and stands in the log."""
    answer = await call(app(), headers={"X-Request-ID": given})
    assert answer.headers["x-request-id"] == given
    assert lines()[0].endswith(f"request={given}")


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "a\tb", "ä", 'a"b', "a=b"])
async def test_request_id_is_replaced(given):
    """A request id that is too long, or could confuse whoever reads the log, is replaced."""
    answer = await call(app(), headers=[(b"X-Request-ID", given.encode())])
    assert re.fullmatch("[0-9a-f]{24}", answer.headers["x-request-id"])


async def test_request_ids_differ():
    """Every request has an id of its own."""
    asgi = app()
    assert len({(await call(asgi)).headers["x-request-id"] for _ in range(100)}) == 100


async def test_request_id_is_told_to_the_app():
    """The app behind finds the id in the scope."""

    async def endpoint(scope, receive, send):
        await PlainTextResponse(scope["request_id"])(scope, receive, send)

    answer = await call(Access(endpoint))
    assert answer.text == answer.headers["x-request-id"]


async def test_one_line_per_request(lines):
    """A request is one line: method, path, status, milliseconds, user, client, request id."""
    await call(app(user="admin"), "DELETE", "/jobs/x%0Ay?canary=1", {"X-Request-ID": "abc"})
    (line,) = lines()
    pattern = r"DELETE /jobs/x%0Ay 200 \d+\.\d{3} ms user=admin client=127\.0\.0\.1 request=abc"
    assert re.fullmatch(pattern, line)


@pytest.mark.parametrize(
    ("user", "shown"),
    [(None, "-"), ("a.b@c+d-e_1", "a.b@c+d-e_1"), ("zoë", "zoë"), ("a b", '"a b"'), ('a"=x\n', r'"a\"=x\n"')],
)
async def test_user_in_the_line(user, shown, lines):
    """A user's name cannot be taken for another part of the line."""
    await call(app(user=user))
    assert f" user={shown} client=" in lines()[0]


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (b"192.0.2.1", "192.0.2.1"),
        (b"2001:db8::1", "2001:db8::1"),
        (b"x user=admin client=y", '"x user=admin client=y"'),
        (b"\x9b31mred", r'"\x9b31mred"'),
        (b"a\tb", r'"a\tb"'),
    ],
)
def test_client_in_the_line(address, shown, lines):
    """What a proxy says about the client cannot be taken for another part of the line, or move the cursor."""
    with serving(app()) as port:
        exchange(port, b"GET /jobs HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: " + address + b"\r\n\r\n")
    record = logging.LogRecord(LOGGER, logging.INFO, "", 0, lines()[0], (), None)
    assert f" client={shown} request=" in LineFormatter().format(record)


def test_a_whole_answer_is_sent_logged_and_counted(lines, caplog):
    """As any other request, and what is logged meanwhile belongs to it."""
    counted, within = [], []

    def endpoint(scope, _, __):
        if scope["path"] == "/fails":
            raise RuntimeError("why")
        within.append(REQUEST_ID.get())
        return Answer(b"told", status=202)

    asgi = Access(endpoint, count=lambda scope, status, seconds: counted.append((scope["path"], status, seconds < 1)))
    with serving(asgi) as port:
        head = "HTTP/1.1\r\nHost: x\r\nX-Request-ID: abc\r\n\r\n"
        told = [exchange(port, f"GET {path} {head}".encode()) for path in ("/", "/fails")]
    assert [(reply.status, dict(reply.headers)["x-request-id"]) for reply in told] == [(202, "abc"), (500, "abc")]
    assert counted == [("/", 202, True), ("/fails", 500, True)]
    assert (within, REQUEST_ID.get()) == (["abc"], "")
    assert [re.sub(r"[\d.]+ ms", "1 ms", line) for line in lines()] == [
        "GET / 202 1 ms user=- client=127.0.0.1 request=abc",
        "GET /fails 500 1 ms user=- client=127.0.0.1 request=abc",
    ]
    assert "RuntimeError: why" in caplog.text


async def test_long_path_in_the_line(lines):
    """A path of any length takes a line of limited length."""
    await call(app(), path="/" + "x" * 5000)
    assert len(lines()[0]) < 300


async def test_headers_of_data():
    """An answer with data is not stored, not sniffed, not framed and names no referrer."""
    headers = (await call(app())).headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"


async def test_own_cache_control_stays():
    """An answer that says itself how long it keeps is left alone."""
    answer = await call(app(PlainTextResponse("ok", headers={"Cache-Control": "max-age=5"})))
    assert answer.headers.get_list("cache-control") == ["max-age=5"]


@pytest.mark.parametrize(
    ("path", "stored"),
    [("/docs", False), ("/docs/oauth2-redirect", False), ("/static-offline-docs/swagger-ui.css", True)],
)
async def test_headers_of_pages(path, stored):
    """The documentation may run its own scripts, nothing from elsewhere; its assets may be kept."""
    headers = (await call(app(), path=path)).headers
    assert "script-src 'self'" in headers["content-security-policy"]
    assert "http" not in headers["content-security-policy"]
    assert ("cache-control" not in headers) == stored


@pytest.mark.parametrize(
    ("method", "headers", "refused"),
    [
        ("POST", {}, False),
        ("DELETE", {}, False),
        ("POST", {"sec-fetch-site": "same-origin"}, False),
        ("POST", {"sec-fetch-site": "none"}, False),
        ("POST", {"sec-fetch-site": "cross-site"}, True),
        ("DELETE", {"sec-fetch-site": "same-site"}, True),
        ("PATCH", {"sec-fetch-site": "nonsense"}, True),
        ("GET", {"sec-fetch-site": "cross-site"}, False),
        ("HEAD", {"origin": "https://evil.example"}, False),
        ("OPTIONS", {"origin": "https://evil.example"}, False),
        ("POST", {"origin": "https://evil.example", "host": "server"}, True),
        ("POST", {"origin": "null", "host": "server"}, True),
        ("POST", {"origin": "null"}, True),
        ("POST", {"origin": "", "host": ""}, True),
        ("POST", {"origin": "http://server.evil.example", "host": "server"}, True),
        ("POST", {"origin": "http://server:8001", "host": "server:8000"}, True),
        ("POST", {"origin": "http://Server:8000", "host": "server:8000"}, False),
        ("POST", {"origin": "https://server", "host": "server", "sec-fetch-site": "cross-site"}, True),
    ],
)
def test_cross_site(method, headers, refused):
    """What a page of another site makes a browser send is recognised; other clients send no such headers."""
    assert is_cross_site(method, {name.encode(): value.encode() for name, value in headers.items()}) == refused


def test_cross_site_is_refused_before_the_body(lines):
    """A cross-site request is a 403 problem, without its body, and has its line."""
    request = b"POST /jobs HTTP/1.1\r\nHost: x\r\nSec-Fetch-Site: cross-site\r\nContent-Length: 314572800\r\n\r\n"
    with serving(app()) as port:
        reply = exchange(port, request)
    assert (reply.status, reply.headers["content-type"]) == (403, "application/problem+json")
    assert lines()[0].startswith("POST /jobs 403 ")


async def test_problem_in_front_of_the_router(lines):
    """A problem raised outside the framework's own error handling is answered as well."""
    answer = await call(app(error=ProblemError(404, "There is no such job.", job_id="7")))
    assert (answer.status_code, answer.json()["job_id"]) == (404, "7")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert " 404 " in lines()[0]


async def test_unexpected_error(lines, caplog):
    """An unexpected error is a 500 problem without internals, with the request id to look for in the log."""
    answer = await call(app(error=RuntimeError("canary")))
    assert (answer.status_code, answer.json()["status"]) == (500, 500)
    assert "canary" not in answer.text
    assert lines()[0].endswith(f"request={answer.headers['x-request-id']}")
    assert [record.exc_info[1].args for record in caplog.records if record.exc_info] == [("canary",)]


def test_error_in_the_middle_of_an_answer(lines, caplog):
    """An answer that breaks in the middle is broken off, and logged once."""

    async def endpoint(scope, _receive, send):
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
            await send({"type": "http.response.body", "body": b"part", "more_body": True})
            raise RuntimeError("canary")

    with serving(Access(endpoint)) as port:
        reply = exchange(port, b"GET /jobs HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (reply.status, reply.body) == (200, b"part")
    assert lines()[0].startswith("GET /jobs 200 ")
    assert sum(1 for record in caplog.records if record.exc_info) == 1


async def test_client_gone(lines, caplog):
    """A client that left is a line with 499 and no error."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app(error=ClientDisconnect()))) as client:
        with pytest.raises(AssertionError):  # httpx insists on an answer, which nobody is there to get
            await client.get("http://server/jobs")
    assert " 499 " in lines()[0]
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


async def test_no_line_when_the_level_is_higher(lines, caplog):
    """Above INFO, requests leave no lines."""
    caplog.set_level(logging.WARNING, LOGGER)
    assert (await call(app())).status_code == 200
    assert lines() == []


async def test_shutdown_flushes_the_log(monkeypatch):
    """When the app has shut down, all lines are written before the server is told so."""
    order = []
    handler = logging.NullHandler()
    handler.flush = lambda: order.append("flushed")
    monkeypatch.setattr(logging.getLogger(LOGGER), "handlers", [handler])

    async def endpoint(_scope, _receive, send):
        await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})

    async def send(message):
        order.append(message["type"])

    await Access(endpoint)({"type": "lifespan"}, None, send)
    assert order == ["lifespan.startup.complete", "flushed", "lifespan.shutdown.complete"]


async def test_websocket_passes():
    """What is not HTTP is left to the app."""
    seen = []

    async def endpoint(scope, _receive, _send):
        seen.append(scope["type"])

    await Access(endpoint)({"type": "websocket"}, None, None)
    assert seen == ["websocket"]


def bodies(*pieces, whole=True):
    """What a client sends, piece by piece; if it is not whole, nothing more comes."""
    waiting = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    if whole:
        waiting[-1]["more_body"] = False

    async def receive():
        if not waiting:
            await asyncio.get_running_loop().create_future()
        return waiting.pop(0)

    receive.left = waiting
    return receive


@pytest.mark.parametrize(
    ("headers", "receive", "left"),
    [
        ([(b"transfer-encoding", b"chunked")], bodies(b"a", b"b", b"c"), 0),
        ([(b"content-length", b"3")], bodies(b"a", b"b", b"c"), 0),
        ([(b"transfer-encoding", b"chunked")], bodies(*[b"x" * 30_000] * 10), 7),
        ([(b"content-length", b"300000")], bodies(b"x" * 300_000), 1),
        ([(b"content-length", b"3")], bodies(b"a", whole=False), 0),
        ([(b"content-length", b"3"), (b"expect", b"100-continue")], bodies(b"a"), 1),
        ([(b"content-length", b"0")], bodies(b""), 1),
        ([], bodies(b""), 1),
    ],
)
async def test_a_small_body_is_read_before_it_is_refused(headers, receive, left):
    """So that a server need not close the connection; a large or slow one, and one not sent yet, is left alone."""
    sent = []

    async def send(message):
        sent.append((message["type"], len(receive.left)))

    scope = {"type": "http", "method": "POST", "path": "/start", "headers": headers}
    await Access(lambda *_: Answer(b"no", status=401))(scope, receive, send)
    assert sent == [("http.response.start", left), ("http.response.body", left)]
