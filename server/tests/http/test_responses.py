"""Status answers over real sockets: held ones are told of an end as anyone is; one look at the store for each."""

import base64
import gc
import inspect
import json
import sys

import pytest
from server.tests.wire import connect, exchange, read_reply, serving

HEAD = (
    b"Host: test\r\nContent-Type: application/json\r\nAuthorization: Basic "
    + base64.b64encode(b"admin:secret")
    + b"\r\n"
)
NEW_EACH_TIME = {"date", "x-request-id"}


def request(line, more="", body=b""):
    return f"{line} HTTP/1.1\r\n{more}Content-Length: {len(body)}\r\n".encode() + HEAD + b"\r\n" + body


def ask(port, line, body=b"", more=""):
    return exchange(port, request(line, body=body, more=more))


def start(port):
    return json.loads(ask(port, "POST /start", b'{"simulate": {"duration": 600}}').body)["job_id"]


@pytest.fixture
def app(make_app):
    """In real time."""
    return make_app(clock=None)


@pytest.fixture
def hold(app, eventually):
    """So many connections that are held, and the job they wait for."""

    async def hold(port, number, line="GET /status/{}?wait=30", more=""):
        job_id = start(port)
        connections = [connect(port) for _ in range(number)]
        for connection in connections:
            connection.sendall(request(line.format(job_id), more.format(job_id)))
        await eventually(lambda: len(app.state.service.waiters) == number)
        return job_id, connections

    return hold


@pytest.mark.parametrize(
    ("number", "more"), [(1, ""), (100, ""), (3, 'If-None-Match: W/"{}.pending"\r\n'), (3, "Prefer: wait=20\r\n")]
)
@pytest.mark.parametrize("path", ["/status/{}", "/jobs/{}", "/status"])
async def test_what_is_told_of_an_end_is_what_anyone_is_told(app, hold, number, more, path):
    """To the byte, though thousands may share it; and the connection takes the next request."""
    with serving(app) as port:
        job_id, connections = await hold(port, number, f"GET {path}?wait=30", more)
        assert ask(port, f"DELETE /jobs/{job_id}").status == 200
        plain = ask(port, f"GET /status/{job_id}?wait=30")
        assert json.loads(plain.body)["error"]["code"] == "cancelled"
        ids = set()
        for connection in connections:
            told = read_reply(connection)
            ids.add(told.headers["x-request-id"])
            assert (told.status, told.body) == (plain.status, plain.body)
            assert {**told.headers, **dict.fromkeys(NEW_EACH_TIME)} == {**plain.headers, **dict.fromkeys(NEW_EACH_TIME)}
            connection.sendall(request(f"GET /status/{job_id}"))
            assert read_reply(connection).body == plain.body
            connection.close()
        assert len(ids) == number
        figures = ask(port, "GET /metrics").body.decode()
        assert f"translation_detection_delay_seconds_count {number}.0" in figures
        assert 'translation_waiters{kind="request"} 0.0' in figures


async def test_a_request_leaves_no_garbage(app, hold):
    """Neither a held one nor another: there may be thousands a second, and a search for garbage stops them all."""
    with serving(app) as port:
        for _ in range(2):
            job_id, connections = await hold(port, 50)
            gc.collect()
            gc.disable()
            try:
                ask(port, f"DELETE /jobs/{job_id}")
                for connection in connections:
                    assert read_reply(connection).status == 200
                gc.collect()
                before = gc.collect()
                for connection in connections:
                    connection.sendall(request(f"GET /status/{job_id}"))
                    assert read_reply(connection).status == 200
                found = gc.collect()
            finally:
                gc.enable()
            for connection in connections:
                connection.close()
        assert found - before < 50


@pytest.mark.parametrize("more", ["", "Connection: close\r\n", "Upgrade: h2c\r\nConnection: Upgrade\r\n"])
@pytest.mark.parametrize("access_log", [False, True])
@pytest.mark.parametrize("has_ended", [False, True])
def test_a_status_read_asks_the_store_once(app, more, access_log, has_ended):
    """Whatever becomes of the connection, and whether the web server logs: the metric counts one read."""

    def reads():
        lines = ask(port, "GET /metrics").body.decode().splitlines()
        [line] = [line for line in lines if line.startswith("translation_store_read_seconds_count")]
        return float(line.split()[-1])

    with serving(app, access_log=access_log) as port:
        job_id = start(port)
        if has_ended:
            ask(port, f"DELETE /jobs/{job_id}")
        before = reads()
        told = ask(port, f"GET /status/{job_id}", more=more)
        assert json.loads(told.body)["status"] == ("error" if has_ended else "pending")
        assert reads() - before == 1


async def test_a_status_read_is_two_messages_of_one_coroutine(make_app):
    """Nothing else is created or awaited between the door and the answer of a read that need not wait."""
    app, sent = make_app(), []

    async def send(message):
        sent.append(message["type"])

    def scope(method, path):
        headers = [(b"authorization", b"Basic " + base64.b64encode(b"admin:secret"))]
        more = {"query_string": b"", "raw_path": path.encode(), "client": None}
        return {"type": "http", "method": method, "path": path, "headers": headers, **more}

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async with app.running():
        await app(scope("POST", "/start"), receive, send)
        job = await app.state.service.latest("admin")
        sent.clear()
        reading = app(scope("GET", f"/status/{job.job.job_id}"), receive, send)
        frames = awaited_by(reading)
    assert sent == ["http.response.start", "http.response.body"]
    assert frames == ["Access.__call__", "send", "send"]


def awaited_by(coroutine) -> list[str]:
    """Run it, which must never have to wait; return each Python coroutine that was begun, in order."""
    begun = []

    def note(frame, event, _):
        if event == "call" and frame.f_code.co_flags & inspect.CO_COROUTINE:
            begun.append(frame.f_code.co_qualname)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        with pytest.raises(StopIteration):
            coroutine.send(None)
    finally:
        sys.setprofile(before)
    return [name.rpartition("<locals>.")[2] for name in begun]


async def test_what_is_told_at_once_differs_in_nothing(app):
    """Whoever need not wait is answered as whoever asks for more."""
    with serving(app) as port:
        pending, ended = start(port), start(port)
        ask(port, f"DELETE /jobs/{ended}")
        for path in (f"/status/{pending}", f"/jobs/{pending}", f"/status/{ended}", f"/jobs/{ended}"):
            quick = ask(port, f"GET {path}")
            slow = ask(port, f"GET {path}", more='If-None-Match: "other"\r\n')
            assert quick.status == slow.status == 200
            told = [json.loads(reply.body) for reply in (quick, slow)]
            for one in told:
                for member in ("elapsed_time", "progress", "poll_after"):
                    assert path.endswith(ended) or one.pop(member) >= 0
            assert told[0] == told[1]
            assert quick.headers.keys() == slow.headers.keys()
            assert quick.headers["etag"] == slow.headers["etag"]
        assert ask(port, "GET /status/unknown").status == 404
