"""What is known of a request that is cut off: whether the server may have received it."""

import socket
import threading
import time

import pytest

from translation_client._sync.interruptible import Exchange, report_socket
from translation_client._wire.failures import Transient

PATIENCE = 10.0
LATE = Transient(ConnectionError("too late"))


@pytest.fixture
def line():
    """Both ends of a connection."""
    ends = socket.socketpair()
    yield ends
    for end in ends:
        end.close()


@pytest.mark.parametrize("connected", [True, False])
def test_only_what_had_a_connection_may_have_been_received(line, connected):
    """At the deadline a request that is still being connected has certainly not been sent."""
    go_on, cut = threading.Event(), threading.Event()

    def send():
        if connected:
            report_socket(line[0])
        go_on.wait(PATIENCE)
        if not connected:
            report_socket(line[0])  # at last, but in vain
        cut.set()
        return LATE

    exchange = Exchange(send, time.monotonic() + 0.05)
    found = exchange.result()
    go_on.set()
    assert found.maybe_received is connected
    assert ("no answer within" if connected else "no connection within") in str(found.error)
    assert cut.wait(PATIENCE)
    with pytest.raises(BrokenPipeError):
        line[0].send(b"GET / HTTP/1.1")


def test_what_was_received_is_not_taken_back(line):
    """A request that is over has been sent, though it has no connection any more."""
    over = threading.Event()

    def send():
        report_socket(line[0])
        report_socket(None)
        over.set()
        return LATE

    exchange = Exchange(send, time.monotonic() + PATIENCE)
    assert over.wait(PATIENCE)
    assert exchange.result() is LATE
    assert exchange._interrupter.interrupt() is True
