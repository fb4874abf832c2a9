"""HTTP/1.1 on every server: one request is one request, and its answer comes in its turn (RFC 9112)."""

import json
import time

import pytest
from server.tests.http.on_the_wire.conftest import LONG, basic

OFFERS = {
    "h2c": ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAAA"),
    "websocket": (
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ),
}
CLOSE = "Connection: close"


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
def test_body_behind_an_offer_of_another_protocol(wire, offer):
    """Who offers another protocol is answered in HTTP/1.1, and a body belongs to its request, however it is framed."""
    body = {"video_length": 42.5, **LONG}
    job_id = wire.new_job()
    peer = wire.connect()
    peer.send(wire.start(*offer, **body), wire.chunked(*offer, **body), wire.request("GET", f"/status/{job_id}"))
    first, second, third = peer.answers(3)
    assert [first.status, second.status, third.status] == [202, 202, 200]
    assert first.json()["video_length"] == second.json()["video_length"] == 42.5
    assert third.json()["job_id"] == job_id
    peer.end()


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
def test_body_behind_an_offer_looks_like_a_request(wire, offer):
    """A body that reads like a request is none."""
    peer = wire.connect()
    body = wire.request("DELETE", "/jobs/x")
    peer.send(wire.request("POST", "/start", *offer, f"Content-Length: {len(body)}", body=body))
    assert peer.answer().status == 415
    peer.end()


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
def test_offer_of_another_protocol_without_a_body(wire, offer):
    """A read with an offer is answered as one without, and so is what comes behind it."""
    job_id = wire.new_job()
    peer = wire.connect()
    peer.send(wire.request("GET", f"/status/{job_id}", *offer), wire.request("GET", "/jobs/unknown", *offer))
    first, second = peer.answers(2)
    assert (first.status, first.json()["job_id"], second.status) == (200, job_id, 404)
    peer.end()


@pytest.mark.parametrize("connections", [1, 2, 8, 32])
@pytest.mark.parametrize("last", ["", CLOSE], ids=["", "close"])
def test_answers_come_in_the_order_of_the_requests(wire, connections, last):
    """Of requests in one write, each is answered in its turn, whether it is refused, slower or asks to close."""
    job_id = wire.new_job()
    wrong = basic("eve", "wrong")
    more = (last,) if last else ()
    seconds = {
        "accepted": (wire.start("X-Request-ID: b", *more, **LONG), {202}),
        "unknown": (wire.request("GET", "/jobs/unknown", "X-Request-ID: b", *more), {404}),
        "stranger": (wire.request("GET", f"/jobs/{job_id}", "X-Request-ID: b", *more, auth=wrong), {401, 429}),
        "stranger's body": (wire.request("POST", "/start", "X-Request-ID: b", *more, body={"a": 1}, auth=None), {401}),
        "mistaken": (wire.start("X-Request-ID: b", *more, video_length=-1), {422}),
        "held": (wire.request("GET", f"/jobs/{job_id}?wait=0.03", "X-Request-ID: b", *more), {200}),
    }
    firsts = [
        (wire.request("GET", f"/jobs/{job_id}", "X-Request-ID: a"), 200),
        (wire.request("GET", f"/jobs/{job_id}?wait=0.03", "X-Request-ID: a"), 200),
        (wire.start("X-Request-ID: a", **LONG), 202),
    ]
    for second, statuses in seconds.values():
        for first, status in firsts:
            peers = [wire.connect() for _ in range(connections)]
            for peer in peers:
                peer.send(first, second)
            for peer in peers:
                one, two = peer.answers(2)
                assert (one.status, one.headers["x-request-id"]) == (status, "a")
                assert (two.status in statuses, two.headers["x-request-id"]) == (True, "b")
                assert (two.headers.get("connection") == "close") == bool(last)
            for peer in peers[:1]:
                assert not last or peer.rest() == b""
                assert last or peer.end() is None


@pytest.mark.parametrize("count", [150, 500, 1000])
def test_many_requests_in_one_write(wire, count):
    """Any number of requests may be written at once: all are answered, in their order."""
    job_id = wire.new_job()
    kinds = [
        lambda name: wire.request("GET", f"/jobs/{job_id}", name),
        lambda name: wire.start(name, **LONG),
        lambda name: wire.request("GET", "/jobs/unknown", name),
        lambda name: wire.request("POST", "/start", name, body=LONG, auth=None),
    ]
    peer = wire.connect()
    peer.send(*(kinds[number % 4](f"X-Request-ID: {number}") for number in range(count)))
    answers = peer.answers(count)
    assert [answer.headers["x-request-id"] for answer in answers] == [str(number) for number in range(count)]
    assert [answer.status for answer in answers] == [[200, 202, 404, 401][number % 4] for number in range(count)]
    peer.end()


@pytest.mark.parametrize("garbage", [b"\x00\xff\x16\x03\x01\r\n\r\n", b"GET\r\n\r\n", b"{}\r\n\r\n"])
def test_garbage_behind_a_request(wire, garbage):
    """A request is answered whatever follows it; what follows and is no HTTP is answered with 400, and closes."""
    for request, status in ((wire.start(**LONG), 202), (wire.request("GET", "/jobs/unknown"), 404)):
        peer = wire.connect()
        peer.send(request, garbage=garbage)
        first, second = peer.answers(2)
        assert (first.status, second.status, second.headers["connection"].lower()) == (status, 400, "close")
        assert peer.rest() == b""


@pytest.mark.parametrize("path", ["/start", "/status/{}", "/status/{}?wait=0.1"])
def test_client_that_half_closes(wire, path):
    """Who says that nothing more will come is answered, or taken for one who leaves; the key then tells of the job.

    uvicorn answers what takes no wait, a read; granian (hyper) closes the connection at once.
    """
    job_id = wire.new_job()
    key = f"Idempotency-Key: half-{time.time_ns()}"
    request = wire.start(key, **LONG) if path == "/start" else wire.request("GET", path.format(job_id))
    peer = wire.connect()
    peer.send(request)
    peer.half_close()
    told = {job_id} if path != "/start" else set()
    try:
        answer = peer.answer()
        assert answer.status in {200, 202}
        told.add(answer.json()["job_id"])
    except EOFError:
        assert (wire.name, path) != ("uvicorn", "/status/{}")
    assert peer.rest() == b""
    if path == "/start":
        told |= {again.json()["job_id"] for again in wire.ask(request, request)}
    assert len(told) == 1


def test_trailers_are_no_headers(wire):
    """Fields behind a body change nothing: not who asks, nor from where, nor from what site (RFC 9110, section 6.5)."""
    wrong, right = basic("eve", "wrong"), wire.admin
    forged = "X-Forwarded-For: 192.0.2.77\r\nSec-Fetch-Site: cross-site\r\nX-Request-ID: of-the-trailer\r\n"
    peer = wire.connect()
    peer.send(
        wire.chunked("X-Request-ID: trailed", trailers=f"{wrong}\r\n{forged}", video_length=1, **LONG),
        wire.chunked(trailers=f"{right}\r\n", auth=None, **LONG),
        wire.chunked(trailers="Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", video_length=2, **LONG),
    )
    first, second, third = peer.answers(3)
    assert (first.status, first.headers["x-request-id"], first.json()["video_length"]) == (202, "trailed", 1)
    assert second.status == 401
    assert (third.status, third.json()["video_length"]) == (202, 2)
    peer.end()
    wire.until(lambda: "request=trailed" in wire.server.said())
    assert "192.0.2.77" not in wire.server.said()


def test_forwarded_for_is_not_believed(wire):
    """Nobody may say from where a request comes, not even on loopback, unless the operator names them."""
    wire.ask(wire.request("GET", "/jobs", "X-Forwarded-For: 192.0.2.78", "X-Request-ID: forwarded"))
    wire.until(lambda: "request=forwarded" in wire.server.said())
    assert "192.0.2.78" not in wire.server.said()


@pytest.mark.parametrize("hosts", [[], ["Host: a", "Host: b"], ["Host: a", "Host: a"]], ids=["none", "two", "same"])
def test_one_host(wire, hosts):
    """A request of HTTP/1.1 that does not name one host is answered with 400 (RFC 9112, section 3.2)."""
    peer = wire.connect()
    peer.send("\r\n".join(["GET /jobs HTTP/1.1", *hosts, wire.admin, "", ""]).encode())
    assert peer.answer().status == 400


@pytest.mark.parametrize(
    "framing",
    [
        ["Content-Length: 26", "Content-Length: 2"],
        ["Content-Length: 26", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: identity, chunked"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
        ["Content-Length: +26"],
        ["Content-Length: 26, 27"],
    ],
)
def test_body_is_framed_in_one_way(wire, framing):
    """A body whose end can be read in two ways is refused, or nothing behind it is read (RFC 9112, section 6.3)."""
    body = json.dumps({"video_length": 2, "metadata": {}}).encode()
    behind = wire.request("GET", "/jobs", "X-Request-ID: smuggled")
    peer = wire.connect()
    peer.send(wire.request("POST", "/start", "Content-Type: application/json", *framing, body=body + behind))
    rest = peer.rest()
    assert rest.count(b"HTTP/1.1 ") <= 1
    assert rest.startswith(b"HTTP/1.1 400 ") or not rest
    assert "smuggled" not in wire.server.said()


def test_chunks_end_where_they_say(wire):
    """A chunk without a line end behind it is refused, and what it might hide is not read (RFC 9112, section 7.1)."""
    chunks = b'14\r\n{"video_length": 22}XX5\r\n     \r\n0\r\n\r\n'
    behind = wire.request("GET", "/jobs", "X-Request-ID: hidden")
    kind = "Content-Type: application/json"
    peer = wire.connect()
    peer.send(wire.request("POST", "/start", kind, "Transfer-Encoding: chunked", body=chunks + behind))
    assert peer.answer().status == 400
    assert peer.rest() == b""
    assert "request=hidden" not in wire.server.said()


def test_body_is_asked_for_once_it_is_wanted(wire):
    """Who sends a body only when told to (`Expect: 100-continue`) is told, unless the request is refused anyway."""
    head, _, body = wire.start("Expect: 100-continue", video_length=42.5, **LONG).partition(b"\r\n\r\n")
    peer = wire.connect()
    peer.send(head + b"\r\n\r\n")
    peer.await_interim(100)
    peer.send_more(body)
    answer = peer.answer()
    assert (answer.status, answer.json()["video_length"]) == (202, 42.5)
    peer.end()
    stranger = wire.connect()
    stranger.send(wire.request("POST", "/start", "Expect: 100-continue", "Content-Length: 99", auth=None))
    assert stranger.answer().status == 401
    assert stranger.interim == []
