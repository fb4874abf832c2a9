"""Faults on a real connection: what a client sees of each, byte by byte."""

import json
import re
import threading
import time

import pytest
from server.tests.simulated import is_readable, request, simulated, until_reset
from server.tests.wire import connect, read_reply

from translation_server.simulator.faults.model import (
    BadGateway,
    BrokenJson,
    Close,
    CutLongPoll,
    Drip,
    HtmlPage,
    Latency,
    LostAnswer,
    NotFound,
    Reset,
    Restart,
    Status,
    Truncate,
    UnknownStatus,
)
from translation_server.simulator.recording.exchange import Kind

LOOPS = ("uvloop", "asyncio")


@pytest.fixture(scope="module", params=LOOPS)
def server(request):
    """One server for each event loop; every test begins without faults."""
    with simulated(uvicorn={"loop": request.param}) as served:
        yield served


@pytest.fixture(autouse=True)
def no_faults(request, caplog):
    """Begin without faults; and whatever they do, the server takes it for no error of the application."""
    if "server" in request.fixturenames:
        request.getfixturevalue("server").simulator.reset()
    yield
    assert [record.getMessage() for record in caplog.records if record.name.startswith("uvicorn")] == []


def last(server):
    """The exchange that was last, once it is over."""
    deadline = time.monotonic() + 5
    while (found := server.simulator.requests[-1]).over is None:
        assert time.monotonic() < deadline
        time.sleep(0.001)
    return found


def parts(received):
    """Status, headers and body of an answer."""
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return int(first.split()[1]), dict(line.lower().split(": ", 1) for line in lines), body


def test_status(server):
    """A status is answered as a problem, with the header that says when to come again."""
    job_id = server.start()
    server.faults.add(Status(429, retry_after=7), times=1)
    reply = server.send("GET", f"/status/{job_id}")
    assert (reply.status, reply.headers["retry-after"]) == (429, "7")
    assert reply.headers["content-type"] == "application/problem+json"
    assert (last(server).fault, last(server).status, last(server).retry_after) == ("status", 429, 7.0)
    assert server.send("GET", f"/status/{job_id}").status == 200
    assert server.struck == [1]


def test_status_instead_of_a_start(server):
    """Nothing is done where an error is answered."""
    server.faults.add("500", kind="start", times=1)
    assert server.send("POST", "/start", b"{}").status == 500
    assert server.send("GET", "/status").status in {200, 404}
    assert last(server).job is None
    assert not server.simulator.exchanges.jobs()


@pytest.mark.parametrize(("fault", "status"), [(BadGateway(), 502), (BadGateway(504), 504), (HtmlPage(), 200)])
def test_html(server, fault, status):
    """A proxy speaks HTML, whatever was asked for."""
    server.faults.add(fault)
    status_, headers, body = parts(server.raw("GET", "/jobs"))
    assert (status_, headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert b"<html>" in body
    assert "retry-after" not in headers


@pytest.mark.parametrize("path", ["/jobs", "/status/unknown"])
def test_reset(server, path):
    """The client gets a reset, and nothing before it."""
    server.faults.add(Reset())
    assert server.raw("GET", path) is None
    assert (last(server).fault, last(server).status, last(server).cut, last(server).left) == (
        "reset",
        None,
        True,
        False,
    )


def test_reset_of_a_start_with_a_body(server):
    """A client can send its whole request before the connection is reset; no job was made."""
    server.faults.add(Reset())
    assert server.raw("POST", "/start", b'{"metadata": {"x": "' + b"x" * 3000 + b'"}}') is None
    assert not server.simulator.exchanges.jobs()


def test_close(server):
    """The client gets the end of the stream, and nothing before it."""
    server.faults.add(Close())
    assert server.raw("POST", "/start", b"{}") == b""
    assert (last(server).fault, last(server).status, last(server).cut) == ("close", None, True)


@pytest.mark.parametrize(("share", "whole"), [(0.5, False), (1.0, False), (0.0, False)])
def test_truncate(server, share, whole):
    """The connection is closed before the last byte of the body, at the latest."""
    job_id = server.start()
    server.faults.add(Truncate(share))
    status, headers, body = parts(server.raw("GET", f"/status/{job_id}"))
    length = int(headers["content-length"])
    assert status == 200
    assert len(body) == min(int(length * share), length - 1)
    assert (last(server).told is not None, last(server).cut) == (whole, True)


def test_truncated_start(server):
    """The job of a start whose answer was cut in the middle has been accepted."""
    server.faults.add(Truncate(), kind="start")
    server.raw("POST", "/start", b"{}")
    assert [last(server).job_id] == list(server.simulator.exchanges.jobs())


def test_drip(server):
    """The body comes in pieces, none of them late, and whole in the end."""
    job_id = server.start()
    server.faults.add(Drip(2000))
    begun, times, received = time.monotonic(), [], b""
    with connect(server.port) as connection:
        connection.sendall(request("GET", f"/status/{job_id}", connection="close"))
        while chunk := connection.recv(65536):
            times.append(time.monotonic() - begun)
            received += chunk
    _, headers, body = parts(received)
    assert len(body) == int(headers["content-length"])
    assert json.loads(body)["job_id"] == job_id
    assert len(times) >= 3
    assert times[-1] >= (len(body) - 100) / 2000
    assert (last(server).fault, last(server).told) == ("drip", "pending")


def test_latency(server):
    """The answer is held back, and what was asked for is done meanwhile."""
    server.faults.add(Latency(0.2))
    begun = time.monotonic()
    assert server.send("POST", "/start", b"{}").status == 202
    assert time.monotonic() - begun >= 0.2
    assert last(server).fault == "latency"


def test_broken_json(server):
    """The answer has the length it says, and is no JSON."""
    job_id = server.start()
    server.faults.add(BrokenJson())
    reply = server.send("GET", f"/status/{job_id}")
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert reply.body.startswith(b'{"job_id":')
    with pytest.raises(json.JSONDecodeError):
        json.loads(reply.body)
    assert last(server).told is None


def test_unknown_status(server):
    """Only the word for the status is another."""
    job_id = server.start()
    server.faults.add(UnknownStatus("on_hold"), times=1)
    server.faults.add(UnknownStatus("on_hold"), kind="list")
    told, before = (json.loads(server.send("GET", f"/status/{job_id}").body) for _ in range(2))
    assert (told["status"], before["status"]) == ("on_hold", "pending")
    assert told.keys() == before.keys()
    assert {job["status"] for job in json.loads(server.send("GET", "/jobs").body)["jobs"]} == {"on_hold"}
    assert server.struck == [1, 1]


@pytest.mark.parametrize(
    ("fault", "path", "status"),
    [
        (UnknownStatus("on_hold"), "/status/unknown", 404),
        (UnknownStatus("on_hold"), "/metrics", 200),
        (NotFound(), "/jobs", 200),
    ],
)
def test_no_opportunity(server, fault, path, status):
    """A fault that finds nothing to do has not struck: the status of a problem is a number, and metrics have none."""
    server.faults.add(fault)
    server.faults.add(fault, kind="other")
    assert server.send("GET", path).status == status
    assert (last(server).fault, server.struck) == (None, [0, 0])


@pytest.mark.parametrize("fault", [Truncate(), BrokenJson(), Drip()])
def test_an_answer_without_a_body(server, fault):
    """Where there is no body, there is nothing to break: 304 stays 304."""
    job_id = server.start()
    server.faults.add(fault)
    assert server.raw("GET", f"/status/{job_id}", if_none_match=f'W/"{job_id}.pending"').startswith(b"HTTP/1.1 304")
    assert server.struck == [0]


def test_not_found(server):
    """A job of its first moments looks exactly like one that does not exist."""
    job_id = server.start()
    unknown = server.send("GET", f"/status/{job_id[:-1]}z")
    server.faults.add(NotFound(), times=1)
    hidden = server.send("GET", f"/status/{job_id}")
    assert hidden.status == unknown.status == 404
    assert hidden.body.replace(job_id.encode(), b"") == unknown.body.replace(f"{job_id[:-1]}z".encode(), b"")
    assert server.send("GET", f"/status/{job_id}").status == 200


@pytest.mark.parametrize(("instead", "status"), [("close", b""), ("reset", None), ("502", 502), ("504", 504)])
def test_lost_answer(server, instead, status):
    """A job was accepted, and its client does not learn of it; the same key gives the same job."""
    server.faults.add(LostAnswer(instead), times=1)
    received = server.raw("POST", "/start", b"{}", idempotency_key="k-" + instead)
    assert received == status or parts(received)[0] == status
    lost = last(server)
    assert (lost.fault, lost.job, lost.told) == ("lost_answer", 1, None)
    reply = server.send("POST", "/start", b"{}", idempotency_key="k-" + instead)
    assert json.loads(reply.body)["job_id"] == lost.job_id
    assert reply.headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize(
    ("instead", "seen"),
    [("close", rb"$"), ("502", rb"HTTP/1.1 502 [^<]*<html>"), ("504", rb"HTTP/1.1 504 [^<]*<html>")],
)
def test_cut_long_poll(server, instead, seen):
    """A request that is held for too long is cut off, and the server stops holding it."""
    job_id = server.start()
    server.faults.add(CutLongPoll(0.1, instead))
    assert re.match(seen, server.raw("GET", f"/status/{job_id}?wait=30"))
    assert last(server).fault == "cut_long_poll"
    assert server.struck == [1]


def test_the_server_lets_go_of_a_long_poll_that_was_cut(server):
    """Who was answered in the proxy's name is waited for no longer, though the connection stays."""
    job_id = server.start()
    server.faults.add(CutLongPoll(0.05, "504"))
    with connect(server.port) as connection:
        connection.sendall(request("GET", f"/status/{job_id}?wait=30"))
        assert read_reply(connection).status == 504
        assert len(server.app.state.service.waiters) == 0
        connection.sendall(request("GET", f"/status/{job_id}"))
        assert read_reply(connection).status == 200


def test_a_long_poll_that_is_answered_in_time(server):
    """A job that ends before the proxy loses patience is told as ever, and the fault has not struck."""
    job_id = server.start(0.05)
    server.faults.add(CutLongPoll(5))
    reply = server.send("GET", f"/status/{job_id}?wait=30")
    assert json.loads(reply.body)["status"] == "completed"
    assert (last(server).fault, server.struck) == (None, [0])


def test_a_stream_that_is_left_in_time(server):
    """Whoever closes a stream before the proxy does has not been struck."""
    server.faults.add(CutLongPoll(5))
    with connect(server.port) as connection:
        connection.sendall(request("GET", "/events"))
        while b"connected" not in connection.recv(65536):
            pass
    assert (last(server).fault, last(server).left, server.struck) == (None, True, [0])


def test_a_long_poll_whose_client_leaves(server):
    """Whoever leaves while held was not cut off."""
    job_id = server.start()
    server.faults.add(CutLongPoll(5))
    with connect(server.port) as connection:
        connection.sendall(request("GET", f"/status/{job_id}?wait=30"))
        time.sleep(0.05)
    assert (last(server).fault, last(server).left) == (None, True)


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        (CutLongPoll(0.1), rb"HTTP/1.1 200 .*: connected\n\n(.*\n\n)?\r\n$"),
        (CutLongPoll(0.1, "504"), rb"HTTP/1.1 200 .*: connected\n\n(.*\n\n)?\r\n$"),
        (Truncate(), rb"HTTP/1.1 200 .*retry: 1000\nid: [-0-9a-f]*\r\n$"),
    ],
)
def test_a_stream_is_cut(server, fault, seen):
    """An event stream breaks off in the middle, without the chunk that would end it."""
    server.faults.add(fault)
    assert re.match(seen, server.raw("GET", "/events"), re.DOTALL)
    assert last(server).cut


@pytest.mark.parametrize("fault", [Drip(5000), Latency(0.05), BrokenJson()])
def test_a_stream_goes_on(server, fault):
    """An event stream that drips or is late is a stream nevertheless, and one that is no JSON cannot be broken JSON."""
    server.faults.add(fault, kind="events")
    with connect(server.port) as connection:
        connection.sendall(request("GET", "/events"))
        received = b""
        while b"connected" not in received:
            received += connection.recv(65536)
        server.start(0.01)
        while b"completed" not in received:
            received += connection.recv(65536)


def test_restart(server):
    """Every connection is reset, also those that are held or idle, and so is every new one until the server is up."""
    job_id = server.start()
    with connect(server.port) as idle, connect(server.port) as held:
        idle.sendall(request("GET", "/jobs"))
        assert read_reply(idle).status == 200
        held.sendall(request("GET", f"/status/{job_id}?wait=30"))
        time.sleep(0.05)
        assert not is_readable(held)
        server.faults.add(Restart(0.2), times=1, per="server", kind="list")
        assert server.raw("GET", "/jobs") is None
        assert until_reset(held) is None
        assert until_reset(idle) is None
    assert server.raw("GET", "/status") is None
    assert {one.fault for one in server.simulator.requests if one.cut} == {"restart"}
    time.sleep(0.2)
    assert json.loads(server.send("GET", f"/status/{job_id}").body)["status"] == "pending"
    assert server.struck == [1]


def test_the_connection_stays_usable(server):
    """After a fault that is an answer, the same connection serves the next request."""
    server.faults.add("503", times=1)
    with connect(server.port) as connection:
        for status in (503, 200):
            connection.sendall(request("POST", "/jobs/query", b'{"job_ids": []}'))
            assert read_reply(connection).status == status


def test_what_is_never_struck(server):
    """The health checks, the documentation and strangers are left alone."""
    server.faults.add(Reset(), kind=tuple(Kind))
    assert server.send("GET", "/health/live").status == 200
    assert server.send("GET", "/openapi.json").status == 200
    assert server.send("GET", "/metrics", authorization="Basic nonsense").status == 401


def test_a_server_that_stops_delays_nothing():
    """Answers that are held back go out when the server is told to stop, so that it stops at once."""
    with simulated(Latency(60), CutLongPoll(60)) as served:
        answers = []
        thread = threading.Thread(target=lambda: answers.append(served.send("GET", "/jobs").status))
        thread.start()
        while not served.simulator.requests:
            time.sleep(0.005)
        time.sleep(0.05)
        served.app.state.service.waiters.stop()  # as a signal does
        thread.join(5)
    assert answers == [200]
