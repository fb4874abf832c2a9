"""Held requests over real sockets: all are told of an end before the server does what else is left to do for each."""

import base64
import gc
import json

import pytest
from server.tests.wire import connect, exchange, read_reply, serving

from translation_server.cycle import Cycle

HEAD = (
    b"Host: test\r\nContent-Type: application/json\r\nAuthorization: Basic "
    + base64.b64encode(b"admin:secret")
    + b"\r\n"
)
NEW_EACH_TIME = {"date", "x-request-id"}


def request(line, more="", body=b""):
    return f"{line} HTTP/1.1\r\n{more}Content-Length: {len(body)}\r\n".encode() + HEAD + b"\r\n" + body


def ask(port, line, body=b""):
    return exchange(port, request(line, body=body))


def start(port):
    return json.loads(ask(port, "POST /start", b'{"simulate": {"duration": 600}}').body)["job_id"]


@pytest.fixture
def sent(monkeypatch):
    """The whole answers that went out, and between them None for each time a task went on."""
    sent = []
    send, rouse = Cycle.send_whole, Cycle.rouse

    def sending(self, status, headers, body):
        was_sent = send(self, status, headers, body)
        sent.append(body if was_sent else b"")
        return was_sent

    def rousing(self):
        sent.append(None)
        rouse(self)

    monkeypatch.setattr(Cycle, "send_whole", sending)
    monkeypatch.setattr(Cycle, "rouse", rousing)
    return sent


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
    with serving(app, access_log=False) as port:
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


async def test_all_are_told_before_anything_else_is_done_for_each(app, hold, eventually, sent):
    """Of a hundred, the last is told before the first one's request goes on to its end, which is logged."""
    with serving(app, access_log=False) as port:
        job_id, connections = await hold(port, 100)
        sent.clear()
        ask(port, f"DELETE /jobs/{job_id}")
        for connection in connections:
            assert read_reply(connection).status == 200
            connection.close()
        await eventually(lambda: sent.count(None) == 100)
        told = [body for body in sent if body]
        assert len(told) == 101  # and the answer to the cancellation
        assert sent.index(None) > max(number for number, body in enumerate(sent) if body)


async def test_a_request_leaves_no_garbage(app, hold):
    """Neither a held one nor another, whole or not: there may be thousands a second."""
    with serving(app, access_log=False) as port:
        for _ in range(2):
            job_id, connections = await hold(port, 50)
            gc.collect()
            gc.disable()
            try:
                ask(port, f"DELETE /jobs/{job_id}")
                for connection in connections:
                    read_reply(connection)
                    connection.sendall(request(f"GET /status/{job_id}"))
                    assert read_reply(connection).status == 200
                found = gc.collect()
            finally:
                gc.enable()
            for connection in connections:
                connection.close()
        assert found < 50


def test_whoever_need_not_wait_is_answered_at_once(app, monkeypatch):
    """Without a task, and as whoever has one: what is told at once differs in nothing."""
    tasks, wait_for = [], Cycle._wait_for

    def waiting(self, answering):
        tasks.append(self.scope["path"])
        return wait_for(self, answering)

    monkeypatch.setattr(Cycle, "_wait_for", waiting)
    with serving(app, access_log=False) as port:
        pending, ended = start(port), start(port)
        ask(port, f"DELETE /jobs/{ended}")
        tasks.clear()
        for path in (f"/status/{pending}", f"/jobs/{pending}", f"/status/{ended}", f"/jobs/{ended}"):
            quick = ask(port, f"GET {path}")
            assert tasks == []
            slow = exchange(port, request(f"GET {path}", more='If-None-Match: "other"\r\n'))
            assert tasks.pop() == path
            assert quick.status == slow.status == 200
            told = [json.loads(reply.body) for reply in (quick, slow)]
            for one in told:
                for member in ("elapsed_time", "progress", "poll_after"):
                    assert path.endswith(ended) or one.pop(member) >= 0
            assert told[0] == told[1]
            assert quick.headers.keys() == slow.headers.keys()
            assert quick.headers["etag"] == slow.headers["etag"]
        assert ask(port, "GET /status/unknown").status == 404
        assert tasks == ["/status/unknown"]
