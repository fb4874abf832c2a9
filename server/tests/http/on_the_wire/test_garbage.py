"""What strangers send does not fill the log: it is for what an operator wants to know."""

GARBAGE = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),  # a client that speaks TLS
    b"\x00" * 500,
    b"GET /" + b"a" * 300 + b"\r\n\r\n",
    b"POST /start HTTP/1.1\r\nHost: x\r\nContent-Length: minus\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nbroken header\r\n\r\n",
]


def test_flood_of_garbage(own_wire):
    """Bytes that are no HTTP are worth a short line each at most, and many of them are summed up."""
    wire, count = own_wire, 2000
    for number in range(count):
        peer = wire.connect()
        peer.send_more(GARBAGE[number % len(GARBAGE)])
        peer.half_close()
        peer.rest()
        wire.close()
    wire.ask(wire.request("GET", "/jobs", "X-Request-ID: behind-the-flood"))
    wire.until(lambda: "request=behind-the-flood" in wire.server.said())
    assert "Traceback" not in wire.server.said()
    log, printed = (file.read_text("utf-8", "replace").splitlines() for file in wire.server.files)
    assert len(printed) < count + 50
    assert max(map(len, printed)) < 200
    assert len(log) < 200
