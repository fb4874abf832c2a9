"""What is written in one round of the event loop goes out together, at its end, and none of it is lost."""

import asyncio
import gc
import threading

import pytest
from server.tests.test_connections import guarded
from server.tests.wire import PATIENCE, connect, read_reply, until_closed

from translation_server.cycle import TRANSPORT, WHOLE, whole_of
from translation_server.http.routing import Answer
from translation_server.outbox import Outbox, outbox_of
from translation_server.stores.fair_queue import Turns


class Transport:
    """Notes what is written."""

    def __init__(self, *, closing=False):
        self.closing = closing
        self.written = []

    def is_closing(self):
        return self.closing

    def write(self, data):
        self.written.append(data)


@pytest.mark.parametrize("expected", [0, 1])
def test_one_alone_is_not_kept_waiting(expected):
    """It is sent at once."""
    outbox, transport = Outbox(), Transport()
    outbox.expect(expected)
    outbox.write(transport, b"a")
    assert transport.written == [b"a"]
    outbox.over(expected)


def test_of_several_all_go_when_the_last_is_over():
    """In the order they were written."""
    outbox, one, other = Outbox(), Transport(), Transport()
    outbox.expect(2)
    outbox.expect()
    outbox.write(one, b"a")
    outbox.over()
    outbox.write(other, b"b")
    outbox.write(one, b"c")
    outbox.over()
    assert (one.written, other.written) == ([], [])
    outbox.over()
    assert (one.written, other.written) == ([b"a", b"c"], [b"b"])
    outbox.write(one, b"d")
    assert one.written == [b"a", b"c", b"d"]


def test_what_waits_can_be_sent_before():
    """And is not sent twice; what is written after it waits again."""
    outbox, transport = Outbox(), Transport()
    outbox.expect(2)
    outbox.write(transport, b"a")
    outbox.send()
    outbox.write(transport, b"b")
    assert transport.written == [b"a"]
    outbox.over(2)
    assert transport.written == [b"a", b"b"]


def test_a_connection_that_is_closed_keeps_nobody_from_their_answer():
    """Its own goes nowhere."""
    outbox, gone, here = Outbox(), Transport(closing=True), Transport()
    outbox.expect(2)
    outbox.write(gone, b"a")
    outbox.write(here, b"b")
    outbox.over(2)
    assert (gone.written, here.written) == ([], [b"b"])


def test_each_loop_has_its_own():
    """Which a loop that was broken off takes with it."""

    async def mine():
        return outbox_of(asyncio.get_running_loop())

    async def broken_off():
        outbox_of(asyncio.get_running_loop()).expect(2)
        return await mine() is await mine()

    assert asyncio.run(broken_off())
    gc.collect()
    assert asyncio.run(mine())._expected == 0


async def test_who_go_on_in_one_round_write_together():
    """Both what is called and those who wait for that; and nothing is left over."""
    turns, loop = Turns(), asyncio.get_running_loop()
    outbox, transport = outbox_of(loop), Transport()
    transport.write = lambda data: transport.written.append((data, outbox._expected))
    futures = [loop.create_future() for _ in range(3)]

    async def wait(future):
        outbox.write(transport, await future)

    waiting = [asyncio.create_task(wait(future)) for future in futures]
    await asyncio.sleep(0)
    for future in futures:
        turns.give(future, b"after")
        turns.take(lambda: outbox.write(transport, b"called"))
    await asyncio.gather(*waiting)
    await asyncio.sleep(0)
    assert transport.written == [(b"called", 0)] * 3 + [(b"after", 0)] * 3
    assert outbox._expected == 0


class App:
    """Answers whole; can be stopped in its tracks until more requests have come; closes others' connections."""

    def __init__(self):
        self.blocked = threading.Event()
        self.go_on = threading.Event()
        self.asked = []

    async def __call__(self, scope, receive, send):
        scope[WHOLE] = whole_of(send)
        if scope["path"] == "/block":
            self.blocked.set()
            assert self.go_on.wait(PATIENCE)
        elif scope["path"] == "/ask":
            self.asked.append(scope[TRANSPORT].get_protocol())
        elif scope["type"] == "http":
            for protocol in self.asked:
                getattr(protocol, scope["path"][1:])()
        await Answer(scope["path"].encode(), [(b"content-type", b"text/plain")])(scope, receive, send)


def request(path):
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def at_once(app, port, paths):
    """Connections whose requests the server finds when it looks again."""
    connections = [connect(port) for _ in paths]
    with connect(port) as blocking:
        blocking.sendall(request("/block"))
        assert app.blocked.wait(PATIENCE)
        for connection, path in zip(connections, paths, strict=True):
            connection.sendall(request(path))
        app.go_on.set()
        assert read_reply(blocking).body == b"/block"
    return connections


def test_requests_that_come_together_are_answered_together(monkeypatch):
    """And each is."""
    sent, send = [], Outbox.send

    def counting(self):
        sent.append(len(self._waiting))
        send(self)

    monkeypatch.setattr(Outbox, "send", counting)
    app = App()
    with guarded(app, seconds=PATIENCE, access_log=False) as port:
        for connection in at_once(app, port, ["/ask"] * 20):
            assert read_reply(connection).body == b"/ask"
            connection.sendall(request("/ask"))
            assert read_reply(connection).body == b"/ask"
            connection.close()
    assert max(sent) >= 10


@pytest.mark.parametrize("how", ["shutdown", "close", "give_up"])
def test_no_answer_is_lost_when_its_connection_is_closed(how):
    """It waits for others, one of whom closes it."""
    app = App()
    with guarded(app, seconds=PATIENCE, access_log=False) as port:
        asking, closing = at_once(app, port, ["/ask", f"/{how}"])
        assert until_closed(asking).endswith(b"/ask")
        assert read_reply(closing).body == f"/{how}".encode()
        asking.close()
        closing.close()
