"""The socket a server listens on, and how many connections it may have."""

import socket

import pytest

from translation_server.testing import sockets


def test_whoever_connects_waits_until_somebody_answers():
    """The port is there before there is a server, and is free again at once after it."""
    with sockets.listen("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            connection, _ = listening.accept()
            connection.close()
    sockets.listen("127.0.0.1", port).close()


def test_two_cannot_have_one_port():
    """The second is told which, and why; and leaves no socket behind."""
    with (
        sockets.listen("127.0.0.1", 0) as first,
        pytest.raises(OSError, match=f"cannot listen on 127.0.0.1, port {first.getsockname()[1]}: ") as told,
    ):
        sockets.listen("127.0.0.1", first.getsockname()[1])
    assert told.value.errno is not None


@pytest.mark.parametrize(("host", "port"), [("a" * 64, 0), ("127.0.0.1", 65_536), ("127.0.0.1", -1)])
def test_what_is_no_address_is_an_oserror(host, port):
    """As whatever else is wrong with it, so that one except is enough."""
    with pytest.raises(OSError, match="cannot listen on"):
        sockets.listen(host, port)


class Resource:
    RLIMIT_NOFILE = 7
    RLIM_INFINITY = -1

    def __init__(self, usual):
        self.usual = usual

    def getrlimit(self, _):
        return self.usual, 100_000


@pytest.mark.parametrize(
    ("system", "most"),
    [(Resource(1024), 960), (Resource(40), 1), (Resource(-1), 5000), (Resource(9000), 5000), (None, 5000)],
)
def test_connections_are_as_many_as_the_process_has_files_for(monkeypatch, system, most):
    """Without asking the system for more, as a server that has a process for itself does."""
    monkeypatch.setattr(sockets, "resource", system)
    assert sockets.most_connections(5000) == most
