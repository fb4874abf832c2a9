"""A scripted server, and each test once for either client."""

from __future__ import annotations

import os
import socket

import pytest

from client.tests.scripted import ScriptedServer
from client.tests.sides import QUICK, AsyncSide, SyncSide

NOT_THE_TESTS_BUSINESS = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TERM", "XDG_STATE_HOME")


@pytest.fixture(autouse=True)
def environment_of_nobody(monkeypatch, tmp_path):
    """Whoever runs the tests, and in whatever terminal: nothing of it reaches the client, nor anything of them it."""
    for name in os.environ:
        if name in NOT_THE_TESTS_BUSINESS or name.startswith("API_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def server():
    with ScriptedServer() as scripted:
        yield scripted


@pytest.fixture(params=[SyncSide, AsyncSide], ids=["sync", "async"])
def side_class(request):
    return request.param


@pytest.fixture
def make_side(side_class, server):  # noqa: ARG001 - the server ends later: its end would take with it what was left
    """Makes clients of one kind; afterwards nothing of them may be left: no task, no thread."""
    sides = []

    def make(*arguments, **keywords):
        sides.append(side_class(*arguments, **keywords))
        return sides[-1]

    yield make
    for side in sides:
        side.finish()


@pytest.fixture
def client(make_side, server):
    """A client of either kind that loses no time, and its scripted server."""
    return make_side(server.url, "admin", "secretpassword", **QUICK)


@pytest.fixture
def stranger():
    """A server that nobody has business with."""
    with ScriptedServer() as scripted:
        yield scripted


@pytest.fixture
def closed_port():
    """A port on which nobody listens, nor will."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture(scope="module", params=[SyncSide, AsyncSide], ids=["sync", "async"])
def shared_side(request):
    """One client of either kind, and its server, for a whole table of tests."""
    with ScriptedServer() as scripted:
        side = request.param(scripted.url, "admin", "secretpassword")
        yield side, scripted
        side.finish()
