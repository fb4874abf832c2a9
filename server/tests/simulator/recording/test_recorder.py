"""The layers that record what arrives and what is sent."""

import asyncio
import contextlib
import json

import pytest
from server.tests.steady import Steady
from starlette.requests import ClientDisconnect

from translation_server.http.routes import FATE, JOB_NUMBER
from translation_server.jobs.model import Job, Status
from translation_server.simulator.recording.exchange import SCOPE_KEY, Kind
from translation_server.simulator.recording.exchange_log import Exchanges
from translation_server.simulator.recording.recorder import JobRecorder, Recorder, classify

PENDING = {"job_id": "a", "status": "pending", "poll_after": 1.5}
UNKNOWN = b'{"job_id": "a", "status": "done"}'
COMPLETED = {"job_id": "a", "status": "completed", "poll_after": None}
JOB = Job(1, "a", "alice", 0.0, 5.0, Status.COMPLETED, None, None, None, "{}", "uniform:3.0:7.0")


class Answering:
    """An application that gives one answer, in pieces."""

    def __init__(self, *pieces, status=200, headers=(), error=None):
        self.pieces = [piece if isinstance(piece, bytes) else json.dumps(piece).encode() for piece in pieces]
        self.status, self.headers, self.error = status, headers, error

    async def __call__(self, scope, receive, send):
        self.scope = scope
        while (await receive()).get("more_body"):
            pass
        if self.pieces:
            await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        for left, piece in zip(range(len(self.pieces) - 1, -1, -1), self.pieces, strict=True):
            await send({"type": "http.response.body", "body": piece, "more_body": bool(left) or self.error is not None})
        if self.error:
            raise self.error


class Client:
    """A client that sends a body in parts, and then waits for the answer or leaves."""

    def __init__(self, *body):
        self.asked = 0
        self.left = asyncio.Event()
        self.parts = [{"type": "http.request", "body": part, "more_body": True} for part in body]
        self.parts.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive(self):
        """Return the next message, as any ASGI server does."""
        self.asked += 1
        if not self.left.is_set() and self.parts:
            return self.parts.pop(0)
        await self.left.wait()
        return {"type": "http.disconnect"}


class _ServersClock:
    def __init__(self, steady):
        self._steady = steady

    def now(self):
        return 1000.0 + self._steady()


@pytest.fixture
def exchanges():
    return Exchanges()


@pytest.fixture
def ask(exchanges):
    """Send a request through the layers, and give what was recorded of it."""
    steady = Steady()

    async def ask(app, request, *body, headers=(), client=None, **more):
        method, target = request.split()
        path, _, query = target.partition("?")

        async def find(_, __):
            return JOB

        async def send(message):
            steady.now += 1.0 if message["type"] == "http.response.body" else 0.5

        clock = _ServersClock(steady)
        noting = JobRecorder(app, exchanges, find)
        layer = Recorder(noting, exchanges, clock, is_open="/health".__eq__, monotonic=steady, **more)
        scope = {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": headers}
        with contextlib.suppress(ClientDisconnect, ZeroDivisionError):
            await layer(scope | {"user": "alice"}, (client or Client(*body)).receive, send)
        return exchanges.requests()[-1] if exchanges.requests() else None

    return ask


@pytest.mark.parametrize(
    ("method", "path", "kind", "job_id"),
    [
        ("POST", "/start", Kind.START, None),
        ("POST", "/jobs", Kind.START, None),
        ("GET", "/status", Kind.LATEST, None),
        ("GET", "/status/a", Kind.POLL, "a"),
        ("GET", "/jobs/a", Kind.POLL, "a"),
        ("GET", "/jobs", Kind.LIST, None),
        ("POST", "/jobs/query", Kind.QUERY, None),
        ("GET", "/jobs/query", Kind.POLL, "query"),
        ("DELETE", "/jobs/a", Kind.CANCEL, "a"),
        ("GET", "/events", Kind.EVENTS, None),
        ("PUT", "/jobs/a", Kind.OTHER, None),
        ("GET", "/status/", Kind.OTHER, None),
        ("GET", "/nowhere", Kind.OTHER, None),
    ],
)
def test_requests_are_classified(method, path, kind, job_id):
    """By what they are for; both paths of a route are the same."""
    assert classify(method, path) == (kind, job_id)


async def test_a_poll_is_recorded(ask):
    """What it asked for, what was answered, and when."""
    headers = [(b"retry-after", b"2"), (b"preference-applied", b"wait=30")]
    one = await ask(Answering(PENDING, headers=headers), "GET /status/a", headers=[(b"prefer", b"wait=30")])
    assert (one.kind, one.user, one.job_id, one.wait, one.held) == (Kind.POLL, "alice", "a", 30.0, 30.0)
    assert (one.status, one.told, one.retry_after, one.poll_after) == (200, "pending", 2.0, 1.5)
    assert (one.arrived, one.answered, one.over) == (1000.0, 1000.5, 1000.5)
    assert (one.arrived_monotonic, one.answered_monotonic) == (0.0, 0.5)
    assert (one.endings, one.left) == ({}, False)


async def test_the_exchange_is_in_the_scope(ask):
    """Where the layers behind find it."""
    app = Answering(PENDING)
    await ask(app, "GET /status/a")
    assert app.scope[SCOPE_KEY].number == 1


async def test_the_number_of_a_start_is_in_the_scope(ask):
    """The routes read it there: with a seed, a job's fate depends on it. Other requests have none."""
    for number in (1, 2):
        app = Answering(PENDING)
        await ask(app, "POST /start")
        assert app.scope[JOB_NUMBER] == number
    app = Answering(PENDING)
    await ask(app, "GET /status/a")
    assert JOB_NUMBER not in app.scope


async def test_the_fate_of_a_start_is_in_the_scope(ask):
    """It is decided once the start has its number, for starts only; nothing is decided by default."""

    def decide(exchange, scope):
        return exchange.user, exchange.job, scope["path"]

    app = Answering(PENDING)
    await ask(app, "POST /start")
    assert app.scope[FATE] is None
    await ask(app, "POST /start", decide=decide)
    assert app.scope[FATE] == ("alice", 2, "/start")
    await ask(app, "GET /status/a", decide=decide)
    assert FATE not in app.scope


async def test_an_answer_that_was_read_is_in_the_record(exchanges):
    """It is recorded before the last byte is sent, or a test that looks at once would find the request under way."""
    seen = []

    async def send(_):
        seen.append(exchanges.requests()[0])

    layer = Recorder(Answering(COMPLETED), exchanges, _ServersClock(Steady()), monotonic=Steady())
    scope = {"type": "http", "method": "GET", "path": "/status/a", "query_string": b"", "headers": []}
    await layer(scope, Client().receive, send)
    assert [(one.told, one.answered, list(one.endings)) for one in seen] == [
        (None, None, []),
        ("completed", 1000.0, ["a"]),
    ]


async def test_an_end_is_reported_when_the_whole_answer_was_sent(ask):
    """An answer that drips reports it with its last byte."""
    text = json.dumps(COMPLETED).encode()
    one = await ask(Answering(text[:9], text[9:]), "GET /status/a")
    assert (one.told, one.endings) == ("completed", {"a": (1001.5, 1.5)})


@pytest.mark.parametrize("body", [b'{"job_id": "a", "status": "completed"', b"<html>", b"[]", UNKNOWN, b"7"])
async def test_an_answer_that_cannot_be_parsed_reports_nothing(ask, body):
    """Half an answer, a proxy's page, an unknown status."""
    one = await ask(Answering(body), "GET /status/a")
    assert (one.status, one.told, one.endings) == (200, None, {})
    assert one.answered is not None


async def test_a_304_reports_the_status_in_its_entity_tag(ask):
    """The status that the client knows still holds."""
    one = await ask(Answering(b"", status=304, headers=[(b"etag", b'W/"a.completed"')]), "GET /status")
    assert (one.job_id, one.told, list(one.endings)) == ("a", "completed", ["a"])


async def test_a_start_is_linked_to_its_job(ask, exchanges):
    """Even if the answer is lost."""

    async def losing(scope, receive, _):
        async def lose(_):
            return

        await JobRecorder(answering, exchanges, find)(scope, receive, lose)
        scope[SCOPE_KEY].cut = True
        raise ClientDisconnect

    async def find(user, job_id):
        assert (user, job_id) == ("alice", "a")
        return JOB

    answering = Answering(PENDING, status=202, headers=[(b"location", b"/status/a")])
    one = await ask(losing, "POST /start", b"{", b"}", headers=[(b"idempotency-key", b'"k"')])
    assert (one.job, one.job_id, one.key, one.attempt) == (1, "a", "k", 1)
    assert (one.status, one.answered, one.left, one.cut) == (None, None, False, True)
    assert list(exchanges.jobs()) == ["a"]


@pytest.mark.parametrize(("request_", "status"), [("POST /start", 202), ("DELETE /jobs/a", 200)])
async def test_a_store_that_fails_changes_no_answer(ask, exchanges, monkeypatch, request_, status):
    """The job's record cannot be read just then; the client gets the same answer."""
    monkeypatch.setattr(f"{__name__}.JOB", None)
    one = await ask(Answering(PENDING, status=status, headers=[(b"location", b"/status/a")]), request_)
    assert (one.status, one.job_id, one.told) == (status, "a", "pending")
    assert exchanges.jobs() == {}


async def test_bodies_of_starts_are_distinguished(ask):
    """By a digest of all their parts."""
    digests = [
        (await ask(Answering(b""), "POST /start", *body)).fingerprint for body in ([b"ab"], [b"a", b"b"], [b"c"])
    ]
    assert digests[0] == digests[1] != digests[2]


async def test_a_cancelled_job_has_another_end(ask, exchanges):
    """It is read from the store again."""
    exchanges.set_job(exchanges.begin(Kind.START, "POST", "/start", user="alice"), JOB._replace(ends_at=9.0))
    await ask(Answering(COMPLETED), "DELETE /jobs/a")
    assert exchanges.jobs()["a"].ends_at == 5.0


async def test_the_latest_job_gets_its_number(ask, exchanges):
    """Its answer names it."""
    exchanges.set_job(exchanges.begin(Kind.START, "POST", "/start", user="alice"), JOB)
    one = await ask(Answering(PENDING), "GET /status")
    assert (one.kind, one.job, one.job_id) == (Kind.LATEST, 1, "a")


@pytest.mark.parametrize("request_", ["GET /jobs", "POST /jobs/query"])
async def test_a_list_reports_the_end_of_jobs(ask, request_):
    """Of those that have ended."""
    one = await ask(Answering({"jobs": [COMPLETED, {"job_id": "b", "status": "pending"}]}), request_)
    assert list(one.endings) == ["a"]


async def test_a_stream_reports_each_end_when_it_is_sent(ask):
    """An event in two pieces is reported with the second."""
    event = b"id: 1\nevent: job\ndata: %s\n\n"
    first, second = (event % json.dumps(COMPLETED | {"job_id": name}).encode() for name in ("a", "b"))
    one = await ask(Answering(b": connected\n\n", first + second[:30], second[30:], b""), "GET /events")
    assert {job_id: told.monotonic for job_id, told in one.endings.items()} == {"a": 1.5, "b": 2.5}


async def test_a_client_that_leaves_is_noticed(ask):
    """A held request ends with this error."""
    one = await ask(Answering(error=ClientDisconnect()), "GET /status/a")
    assert (one.left, one.status, one.answered, one.over) == (True, None, None, 1000.0)


@pytest.mark.parametrize("pieces", [[COMPLETED], [b"{", b"}"]])
async def test_an_answer_to_a_client_that_has_left_reports_nothing(ask, pieces):
    """A web server drops what is sent to it without an error, so the recorder asks the server before it records."""
    client = Client()
    client.left.set()
    one = await ask(Answering(*pieces), "GET /status/a", client=client)
    assert (one.left, one.answered, one.endings) == (True, None, {})


class Unread:
    """An application that answers without reading the request; it may listen for a disconnect, or read afterwards."""

    def __init__(self, *, is_listening=False, reads_late=False):
        self.is_listening = is_listening
        self.reads_late = reads_late

    async def __call__(self, _, receive, send):
        listening = asyncio.ensure_future(receive() if self.is_listening else asyncio.sleep(0))
        await asyncio.sleep(0)
        await send({"type": "http.response.start", "status": 413, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})
        listening.cancel()
        self.body = await receive() if self.reads_late else None


async def test_a_body_that_is_read_late_is_complete(ask):
    """The recorder asks the server whether the client has left; a part of the body that comes instead is kept."""
    app = Unread(reads_late=True)
    one = await ask(app, "POST /start", b"ab")
    assert (one.left, one.status, app.body["body"]) == (False, 413, b"ab")


async def test_a_client_that_leaves_during_a_slow_answer_is_noticed(ask):
    """Although nothing reads its request, whose end is received before the news that it has left."""
    client = Client()

    async def drip(_, __, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for piece in (b"{", b"}"):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            client.left.set()
        await send({"type": "http.response.body", "body": b""})

    one = await ask(drip, "GET /status/a", client=client)
    assert (one.left, one.status, one.answered) == (True, 200, None)


@pytest.mark.parametrize(
    ("app", "headers", "asked"),
    [(Unread(), [], 1), (Unread(is_listening=True), [], 1), (Unread(), [(b"expect", b"100-continue")], 0)],
)
async def test_the_server_is_asked_once_at_most(ask, app, headers, asked):
    """Not while the application listens for the same, nor where asking would let the client send its body."""
    client = Client()
    client.parts.clear()
    one = await ask(app, "POST /start", headers=headers, client=client)
    assert (one.left, one.status, client.asked) == (False, 413, asked)


async def test_at_most_one_part_of_an_unread_body_is_kept(ask):
    """However many parts the answer has, the rest of the body stays with the server."""
    client = Client(b"a", b"b", b"c")

    async def answer(_, __, send):
        await send({"type": "http.response.start", "status": 413, "headers": []})
        for _ in range(3):
            await send({"type": "http.response.body", "body": b"", "more_body": True})

    await ask(answer, "POST /start", client=client)
    assert client.asked == 1


async def test_a_client_that_has_sent_an_expected_body_may_leave(ask):
    """After its body it does not wait for 100 Continue any more, so the server may be asked."""
    client = Client(b"ab")

    async def answer(_, receive, send):
        while (await receive())["more_body"]:
            pass
        client.left.set()
        await send({"type": "http.response.start", "status": 202, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    one = await ask(answer, "POST /start", headers=[(b"expect", b"100-continue")], client=client)
    assert (one.left, one.answered) == (True, None)


async def test_an_unexpected_error_is_a_500(ask):
    """It is answered in front of this layer."""
    one = await ask(Answering(error=ZeroDivisionError()), "GET /status/a")
    assert (one.status, one.told) == (500, None)


@pytest.mark.parametrize("path", ["/health", "/simulator", "/simulator/report"])
async def test_requests_of_others_are_not_recorded(ask, path):
    """Health checks, and the tester's own requests to the simulator."""
    assert await ask(Answering(b"{}"), f"GET {path}") is None


@pytest.mark.parametrize(
    ("request_", "headers"),
    [
        ("GET /status/a?wait=soon", []),
        ("GET /status/a?unknown=1", []),
        ("POST /start", [(b"idempotency-key", b"")]),
    ],
)
async def test_the_application_refuses_mistakes(ask, request_, headers):
    """They are recorded without the values that make no sense."""
    one = await ask(Answering(b"{}", status=422), request_, headers=headers)
    assert (one.wait, one.key, one.status) == (None, None, 422)
