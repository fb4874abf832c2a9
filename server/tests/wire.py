"""A real uvicorn on a free loopback port, and raw bytes to and from it."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.types import ASGIApp

PATIENCE = 10.0


@dataclass(frozen=True)
class Reply:
    """One answer as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes


@contextlib.contextmanager
def serving(app: ASGIApp, **options: Any) -> Iterator[int]:
    """Serve the app, with uvicorn's options, while the block runs; gives the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    usual = {"http": "h11", "interface": "asgi3", "log_config": None, "timeout_graceful_shutdown": 1}
    server = uvicorn.Server(uvicorn.Config(app, **usual | options))
    thread = threading.Thread(target=server.run, args=([listener],), name="uvicorn")
    thread.start()
    try:
        deadline = time.monotonic() + PATIENCE
        while not server.started and thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.005)
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        listener.close()


def exchange(port: int, request: bytes) -> Reply:
    """Send these bytes and no more; return the answer, which must come although the connection stays open."""
    with connect(port) as connection:
        connection.sendall(request)
        return read_reply(connection)


def read_reply(connection: socket.socket) -> Reply:
    """Read one answer that has a Content-Length."""
    with connection.makefile("rb") as stream:
        status = int(stream.readline().split()[1])
        lines = iter(stream.readline, b"\r\n")
        headers = dict(line.decode("latin-1").rstrip("\r\n").lower().split(": ", 1) for line in lines)
        return Reply(status, headers, stream.read(int(headers.get("content-length", "0"))))


def connect(port: int) -> socket.socket:
    """Open a connection."""
    return socket.create_connection(("127.0.0.1", port), PATIENCE)


def until_closed(connection: socket.socket) -> bytes:
    """Return what came before the other side closed the connection, which it must."""
    received = bytearray()
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        while chunk := connection.recv(65536):
            received += chunk
    return bytes(received)


def problem(received: bytes) -> dict[str, object]:
    """Return the problem that an answer is, which closes the connection."""
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head.lower()
    assert b"connection: close" in head.lower()
    found: dict[str, object] = json.loads(body)
    return found
