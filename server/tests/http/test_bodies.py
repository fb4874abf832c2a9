"""Request bodies: strict JSON within limits of size and time."""

import asyncio
import json
import logging
import socket

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from server.tests.wire import PATIENCE, exchange, read_reply, serving
from starlette.requests import Request
from starlette.responses import JSONResponse

from translation_server.http.bodies import parse_object, read_json
from translation_server.http.problems import ProblemError, answer_to
from translation_server.service.clock import SystemClock
from translation_server.service.waiters import Waiters

LIMIT = 1000
JSON = {"Content-Type": "application/json"}


def waiters() -> Waiters:
    """Those of a server that does not stop."""
    return Waiters(SystemClock(), limit=1)


async def echo(scope, receive, send):
    """Answer with what was read."""
    if scope["type"] != "http":
        return
    try:
        answer = JSONResponse(
            {"read": await read_json(Request(scope, receive), LIMIT, waiters=waiters(), time_limit=0.3)}
        )
    except ProblemError as error:
        answer = answer_to(error)
    await answer(scope, receive, send)


async def post(content=b"", headers=None) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(echo), base_url="http://server") as client:
        return await client.post("/jobs", content=content, headers=JSON if headers is None else headers)


def refusal(body: bytes) -> tuple[int, str]:
    with pytest.raises(ProblemError) as caught:
        parse_object(body)
    return caught.value.status, caught.value.detail


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
        "application/json; version=1",
        "application/merge-patch+json",
    ],
)
async def test_object(content_type):
    """A JSON object is read, whichever way it is declared as JSON."""
    answer = await post('{"video_length": 10.5, "metadata": {"a": ["ä"]}}'.encode(), {"Content-Type": content_type})
    assert answer.json() == {"read": {"video_length": 10.5, "metadata": {"a": ["ä"]}}}


@pytest.mark.parametrize("headers", [{}, JSON, {"Content-Type": "text/plain"}])
async def test_no_body(headers):
    """No body is None, whatever is declared about it."""
    assert (await post(headers=headers)).json() == {"read": None}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": ""},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/jsonx"},
        {"Content-Type": "application/json; charset=latin-1"},
        JSON | {"Content-Encoding": "gzip"},
    ],
)
async def test_not_declared_as_json(headers):
    """A body that is not declared as plain JSON is refused: a page of another site can send any other."""
    assert (await post(b"{}", headers)).status_code == 415


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"{", "Expecting property name enclosed in double quotes (line 1, column 2)"),
        (b"   ", "Expecting value (line 1, column 4)"),
        (b'{"a": 1}\n\n{', "Extra data (line 3, column 1)"),
        (b'\xef\xbb\xbf{"a": 1}', "Expecting value (line 1, column 1)"),
        (b'{"a": 01}', "Expecting ',' delimiter (line 1, column 8)"),
        (b'{"a": "\n"}', "Invalid control character at (line 1, column 8)"),
        (b"{'a': 1}", "Expecting property name enclosed in double quotes (line 1, column 2)"),
        (b'{"a": "\\ud8"}', "Invalid \\uXXXX escape (line 1, column 9)"),
        (b'{"a": NaN}', "NaN is no JSON number"),
        (b'{"a": Infinity}', "Infinity is no JSON number"),
        (b'{"a": [-Infinity]}', "-Infinity is no JSON number"),
        (b'{"a": "\xff"}', "it is not UTF-8 text"),
        ('{"a": 1}'.encode("utf-16"), "it is not UTF-8 text"),
        (b"\xed\xa0\x80", "it is not UTF-8 text"),
    ],
)
def test_not_json(body, detail):
    """What is not JSON (RFC 8259) is a 400 that says where."""
    assert refusal(body) == (400, f"The body is not JSON: {detail}.")


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"null", "must be a JSON object"),
        (b"[]", "must be a JSON object"),
        (b'"text"', "must be a JSON object"),
        (b"1e3", "must be a JSON object"),
        (b'{"a": 1, "b": 2, "a": 1}', "gives 'a' twice in one object"),
        (b'{"x": [{"a": 1, "\\u0061": 2}]}', "gives 'a' twice in one object"),
        (b'{"a": 1e999}', "holds a number that is too large"),
        (b'{"a": [-1e999]}', "holds a number that is too large"),
        (b'{"a": 9223372036854775808}', "holds a whole number that does not fit 64 bits"),
        (b'{"a": -9223372036854775809}', "holds a whole number that does not fit 64 bits"),
        (b'{"a": ' + b"1" * 60_000 + b"}", "holds a whole number that does not fit 64 bits"),
        (b'{"a": "\\ud800"}', "holds half of a surrogate pair, which is no text"),
        (b'{"\\uDFFF": [1]}', "holds half of a surrogate pair, which is no text"),
        (b'{"a": [{"b": ["\\udc00\\ud800"]}]}', "holds half of a surrogate pair, which is no text"),
        (b'{"a": ' * 33 + b"1" + b"}" * 33, "is nested deeper than 32 levels"),
        (b'{"a":' + b"[" * 32 + b"]" * 32 + b"}", "is nested deeper than 32 levels"),
        (b'{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}", "is nested deeper than 32 levels"),
    ],
)
def test_json_of_another_kind(body, detail):
    """JSON that programs read differently, or that is no object, is a 422 that says why."""
    status, found = refusal(body)
    assert (status, detail in found) == (422, True)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"{}", {}),
        (b' {"a": -0} \r\n', {"a": 0}),
        (b'{"a": 9223372036854775807, "b": -9223372036854775808}', {"a": 2**63 - 1, "b": -(2**63)}),
        (b'{"a": 1e308, "b": 1e-999}', {"a": 1e308, "b": 0.0}),
        (b'{"a": "\\ud83d\\ude00 \\u0000 [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["}', {"a": "😀 \0 " + "[" * 34}),
        (b'{"a": [' + b"[]," * 40 + b"[]]}", {"a": [[]] * 41}),
        (b'{"a": ' * 32 + b"1" + b"}" * 32, json.loads(b'{"a": ' * 32 + b"1" + b"}" * 32)),
        (b'{"a": 1, "b": {"a": 1}}', {"a": 1, "b": {"a": 1}}),
        (b'{"": null}', {"": None}),
    ],
)
def test_strict_is_not_narrow(body, value):
    """Every JSON object that all programs read alike is taken."""
    assert parse_object(body) == value


def test_name_given_often_is_found_quickly():
    """Tens of thousands of names, one of them twice, are no work worth attacking with."""
    names = ", ".join(f'"{number}": 0' for number in range(100_000))
    assert refusal(f'{{{names}, "7": 0}}'.encode()) == (422, "The body gives '7' twice in one object.")


@given(st.binary() | st.text(alphabet='{}[]":,\\ud8001e9-NaInfty \n').map(lambda text: f"{{{text}}}".encode()))
def test_any_bytes(body):
    """Whatever the bytes are, they are an object that can be sent on, or a 400 or 422."""
    try:
        value = parse_object(body)
    except ProblemError as error:
        assert error.status in {400, 422}  # noqa: PT017 - what was raised is the other good outcome
    else:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()


# Size and time


async def test_longest_body():
    """A body of exactly the limit is read, one byte more is not."""
    body = json.dumps({"a": "x" * LIMIT}).encode()
    fits = body.replace(b"x" * (len(body) - LIMIT), b"", 1)
    assert (await post(fits)).status_code == 200
    assert (await post(fits + b" ")).status_code == 413


async def test_longer_than_declared():
    """A body that turns out longer than it may be is refused as soon as it does."""
    sent = 0

    async def content():
        nonlocal sent
        for _ in range(1000):
            sent += 100
            yield b" " * 100

    answer = await post(content())
    assert (answer.status_code, answer.json()["detail"]) == (413, "The body may have 1000 bytes at most.")


@pytest.mark.parametrize("length", ["1001", "314572800", "9" * 30])
async def test_declared_too_long(length):
    """A body declared too long is refused before a byte of it is read."""

    async def receive():
        raise AssertionError("nothing may be read")

    request = Request({"type": "http", "headers": [(b"content-length", length.encode())]}, receive)
    with pytest.raises(ProblemError) as caught:
        await read_json(request, LIMIT, waiters=waiters())
    assert caught.value.status == 413


@pytest.mark.parametrize("length", ["", "x", "-1", "1e9", "٣", " 5"])
async def test_declared_oddly(length):
    """A length that is no number is the server's business; the body counts."""

    async def receive():
        return {"type": "http.request", "body": b"{}", "more_body": False}

    headers = [(b"content-length", length.encode()), (b"content-type", b"application/json")]
    assert await read_json(Request({"type": "http", "headers": headers}, receive), LIMIT, waiters=waiters()) == {}


async def test_client_gone():
    """A client that leaves while it sends is told apart from one that sends nonsense."""

    async def receive():
        return {"type": "http.disconnect"}

    with pytest.raises(ProblemError, match="ended before"):
        await read_json(Request({"type": "http", "headers": []}, receive), LIMIT, waiters=waiters())


def head(*lines: str) -> bytes:
    return "\r\n".join(["POST /jobs HTTP/1.1", "Host: x", "Content-Type: application/json", *lines, "", ""]).encode()


def test_too_slow():
    """A body that does not arrive in time is a 408, and the connection is closed."""
    with serving(echo) as port:
        reply = exchange(port, head("Content-Length: 10") + b'{"a"')
    assert (reply.status, reply.headers["connection"]) == (408, "close")


@pytest.mark.parametrize("length", ["Content-Length: 314572800", "Transfer-Encoding: chunked"])
def test_too_long_on_the_wire(length):
    """The 413 comes at once for a declared length, and after the limit for an endless body."""
    chunks = b"" if "Content" in length else b"400\r\n" + b" " * 1024 + b"\r\n"
    with serving(echo) as port:
        assert exchange(port, head(length) + chunks).status == 413


def test_connection_survives_a_refused_body():
    """After a refused body the same connection serves the next request."""
    with serving(echo) as port, socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        for body, status in ((b"{", 400), (b" " * 5000, 413), (b"{}", 200)):
            connection.sendall(head(f"Content-Length: {len(body)}") + body)
            assert read_reply(connection).status == status


def test_client_gone_on_the_wire(caplog):
    """A client that leaves while it sends leaves no error in the log."""
    with caplog.at_level(logging.ERROR), serving(echo) as port:
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
            connection.sendall(head("Content-Length: 10") + b"{")
        assert exchange(port, head("Content-Length: 2") + b"{}").status == 200
    assert not caplog.records


async def test_a_body_that_is_on_its_way_when_the_server_stops():
    """It is given up at once, and the client is told to come again."""
    stopping = waiters()

    async def receive():
        stopping.stop()
        await asyncio.get_running_loop().create_future()

    with pytest.raises(ProblemError, match="about to stop") as caught:
        await read_json(Request({"type": "http", "headers": []}, receive), LIMIT, waiters=stopping)
    assert (caught.value.status, caught.value.headers["Retry-After"]) == (503, "1")
