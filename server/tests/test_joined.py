"""An answer goes out in one piece, and its head never waits for a body that takes its time."""

import asyncio

import pytest
from server.tests.test_connections import GET, App, guarded
from server.tests.wire import PATIENCE, connect, read_reply

from translation_server.cycle import Cycle
from translation_server.joined import Joined


class Transport:
    """Remembers what was done to it."""

    def __init__(self):
        self.did = []

    def write(self, data):
        self.did.append(data)

    def close(self):
        self.did.append("closed")

    def is_closing(self):
        return "closed" in self.did


@pytest.fixture
def transport():
    return Transport()


async def test_head_and_body_are_one_piece(transport):
    """What follows the head at once goes out with it, in one call."""
    joined = Joined(transport)
    joined.write(b"head ")
    joined.write(b"body")
    await asyncio.sleep(0)
    assert transport.did == [b"head body"]


async def test_an_empty_body_is_enough(transport):
    """An answer without a body, such as 304, goes out at once as well."""
    joined = Joined(transport)
    joined.write(b"head")
    joined.write(b"")
    assert transport.did == [b"head"]


async def test_a_head_alone_waits_for_one_round_at_most(transport):
    """A stream has begun for its client before it has anything to tell; later pieces go out as they come."""
    joined = Joined(transport)
    joined.write(b"head")
    await asyncio.sleep(0)
    assert transport.did == [b"head"]
    joined.write(b"one")
    joined.write(b"two")
    assert transport.did == [b"head", b"one", b"two"]


async def test_closing_loses_nothing(transport):
    """What was kept back goes out before the connection is closed, and is not sent again."""
    joined = Joined(transport)
    joined.write(b"head")
    assert not joined.is_closing()
    joined.close()
    await asyncio.sleep(0)
    assert transport.did == [b"head", "closed"]
    assert joined.is_closing()


def test_an_answer_is_one_piece(monkeypatch):
    """Head and body reach the connection in one call, on each of several requests of a connection."""
    pieces = []

    class Watched(Joined):
        def __init__(self, transport):
            super().__init__(Recorder(transport))

    class Recorder:
        def __init__(self, transport):
            self._transport = transport

        def write(self, data):
            pieces.append(data)
            self._transport.write(data)

        def close(self):
            self._transport.close()

        def is_closing(self):
            return self._transport.is_closing()

    monkeypatch.setattr(f"{Cycle.__module__}.Joined", Watched)
    with guarded(App(), seconds=PATIENCE) as port, connect(port) as connection:
        for _ in range(3):
            connection.sendall(GET)
            assert read_reply(connection).body == b"/jobs"
    assert len(pieces) == 3
    assert all(piece.startswith(b"HTTP/1.1 200") and piece.endswith(b"/jobs") for piece in pieces)
