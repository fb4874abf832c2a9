"""The guard: put in place when the server starts, with as many connections as there can be files."""

import pytest
from fastapi import FastAPI
from server.tests.wire import connect, exchange, problem, serving, until_closed
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.h11_impl import H11Protocol

from translation_server import guard as guard_module
from translation_server.guard import Guard, allowed_connections, entrance

GET = b"GET /jobs HTTP/1.1\r\nHost: x\r\n\r\n"


class Files:
    """Stands in for the module `resource`."""

    RLIMIT_NOFILE, RLIM_INFINITY = 7, -1
    limits = (0, 0)
    refuses = False

    def getrlimit(self, _):
        return self.limits

    def setrlimit(self, _, limits):
        if self.refuses:
            raise ValueError
        self.limits = limits


@pytest.fixture
def files(monkeypatch):
    files = Files()
    monkeypatch.setattr(guard_module, "resource", files)
    return files


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_guard(loop, caplog):
    """A layer of the application is enough to have its server's connections guarded, on every event loop."""
    with serving(Guard(PlainTextResponse("ok"), 1000), loop=loop, interface="asgi3") as port:
        assert exchange(port, GET).body == b"ok"
        with connect(port) as connection:
            connection.sendall(b"nonsense\r\n\r\n")
            assert problem(until_closed(connection))["status"] == 400
    assert caplog.messages == []


def test_guard_of_the_whole_server(make_app, caplog):
    """The server guards its connections without being told to, whatever the framework puts in front of its layers."""
    with serving(make_app()) as port, connect(port) as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        assert problem(until_closed(connection))["status"] == 400
    assert not [message for message in caplog.messages if "slow connections" in message]


@pytest.mark.parametrize("around", [lambda app: app, GZipMiddleware])
@pytest.mark.parametrize("proxied", [True, False])
def test_the_layers_see_the_same_whoever_calls_them(make_app, proxied, around):
    """The application is named in the scope and what proxies say is heeded, also where the framework is passed by."""
    app = make_app()
    called = []
    layers = app.middleware_stack._app

    def noting(scope, receive, send):
        if scope["type"] == "http":
            called.append((scope["app"] is app, scope["client"][0], scope["scheme"]))
        return layers(scope, receive, send)

    app.middleware_stack._app = noting
    forwarded = b"X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n" if proxied else b""
    with serving(around(app), interface="asgi3") as port:
        request = b"GET /health/live HTTP/1.1\r\nHost: x\r\n" + forwarded + b"\r\n"
        assert exchange(port, request).status == 200
    assert called == [(True, *(("192.0.2.1", "https") if proxied else ("127.0.0.1", "http")))]


@pytest.mark.parametrize("proxied", [True, False])
def test_only_the_framework_is_passed_by(make_app, proxied):
    """Nothing of somebody else, and nothing where the framework has more to do."""
    around = ProxyHeadersMiddleware if proxied else lambda app: app
    app = make_app()
    assert entrance(around(app)) is not app
    app.root_path = "/behind"
    for other in (app, GZipMiddleware(make_app()), Guard(make_app(), 1), FastAPI(), PlainTextResponse("")):
        served = around(other)
        assert entrance(served) is served


def test_guard_of_another_protocol(caplog):
    """A server that cannot be guarded serves, and its operator is told."""
    with serving(Guard(PlainTextResponse("ok"), 1000), http=H11Protocol, interface="asgi3") as port:
        assert exchange(port, GET).body == b"ok"
    assert "slow connections are not closed: that needs uvicorn with httptools" in caplog.messages


@pytest.mark.parametrize(("workers", "said"), [(1, False), (3, True)])
def test_what_is_for_one_process(caplog, workers, said):
    """Where each of several processes has a state of its own, the operator is told."""
    with serving(
        Guard(PlainTextResponse("ok"), 1000, alone=["FAULTS", "CONTROL_API"]), interface="asgi3", workers=workers
    ):
        pass
    assert ("FAULTS, CONTROL_API: for one process, and each of the 3 has its own" in caplog.messages) is said


@pytest.mark.parametrize(
    ("before", "after", "allowed"),
    [
        ((20_064, 20_064), (20_064, 20_064), 20_000),
        ((1024, 1_000_000), (20_064, 1_000_000), 20_000),
        ((1024, -1), (20_064, -1), 20_000),
        ((-1, -1), (-1, -1), 20_000),
        ((1024, 4096), (4096, 4096), 4032),
        ((20_000, 20_000), (20_000, 20_000), 19_936),
        ((10, 10), (10, 10), 1),
    ],
)
def test_allowed_connections(files, caplog, before, after, allowed):
    """As many files are asked for as the connections need; if there are much fewer, it is said."""
    files.limits = before
    assert (allowed_connections(20_000), files.limits) == (allowed, after)
    assert bool(caplog.messages) == (allowed < 10_000)


def test_limit_that_cannot_be_raised(files, caplog):
    """A system that refuses to allow more leaves it at what there was."""
    files.limits, files.refuses = (1024, 1_000_000), True
    assert allowed_connections(20_000) == 960
    [message] = caplog.messages
    assert message == (
        "at most 960 connections are kept open, not MAX_CONNECTIONS=20000: that needs 20064 open files, and the system "
        "allows 1024. Beyond them, quiet connections are closed. Allow more files (ulimit -n 20064), or set "
        "MAX_CONNECTIONS=960"
    )


def test_a_few_files_less_are_told_as_they_are(files, caplog):
    """As many files as connections are not enough, which is said without a warning, and the advice ends it."""
    caplog.set_level("INFO", "translation_server")
    files.limits = (20_000, 20_000)
    assert allowed_connections(20_000) == 19_936
    [record] = caplog.records
    assert record.levelname == "INFO"
    assert "set MAX_CONNECTIONS=19936" in record.getMessage()
    assert (allowed_connections(19_936), len(caplog.records)) == (19_936, 1)


def test_without_limits_of_files(monkeypatch):
    """A system without such limits is no problem."""
    monkeypatch.setattr(guard_module, "resource", None)
    assert allowed_connections(7) == 7
