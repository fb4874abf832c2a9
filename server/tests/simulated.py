"""A simulator on a real socket, and raw requests to it."""

import base64
import contextlib
import json
import select
import socket
from dataclasses import dataclass
from typing import Any

from server.tests.wire import connect, exchange, serving

from translation_server.app import create_app
from translation_server.config.settings import Settings
from translation_server.middleware.users import Accounts
from translation_server.simulator.simulator import Simulator

CREDENTIALS = base64.b64encode(b"admin:secret").decode()
JSON = b'{"simulate": {"duration": %s, "outcome": "completed"}}'


@dataclass
class Served:
    """A running server, and its simulator."""

    port: int
    simulator: Simulator
    app: Any

    @property
    def faults(self):
        return self.simulator.faults

    @property
    def struck(self):
        """The number of requests each rule has affected."""
        return [one.struck for one in self.faults.list()]

    def send(self, method, path, body=b"", **headers):
        """Send one request; return its whole answer."""
        return exchange(self.port, request(method, path, body, **headers))

    def start(self, duration=60.0, **headers):
        """Start a job; return its id."""
        reply = self.send("POST", "/start", JSON % str(duration).encode(), **headers)
        assert reply.status == 202
        return json.loads(reply.body)["job_id"]

    def raw(self, method, path, body=b"", **headers):
        """Send one request; return everything that comes until the connection is closed, or None if it is reset."""
        with connect(self.port) as connection:
            connection.sendall(request(method, path, body, connection="close", **headers))
            return until_reset(connection)

    def control(self, method, path, body=None):
        """Send one request to the control API; return status and JSON."""
        sent = b"" if body is None else json.dumps(body).encode()
        reply = self.send(method, f"/simulator{path}", sent)
        return reply.status, json.loads(reply.body) if reply.body else None


def request(method, path, body=b"", **headers):
    """Return the bytes of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Authorization: Basic {CREDENTIALS}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def until_reset(connection: socket.socket):
    """Return everything before the end of the connection; None if it is reset."""
    received = b""
    while True:
        try:
            chunk = connection.recv(65536)
        except ConnectionResetError:
            return None
        if not chunk:
            return received
        received += chunk


def is_readable(connection):
    """Return whether anything has arrived, the end included."""
    return bool(select.select([connection], [], [], 0)[0])


@contextlib.contextmanager
def simulated(*faults, seed=1, clock=None, incident=None, uvicorn=(), **settings):
    """Serve a simulator while the block runs."""
    usual = {"database_url": "sqlite:///:memory:", "retention": 0, "min_delay": 0.2, "max_delay": 0.4}
    simulator = Simulator(clock=clock, seed=seed, faults=faults, incident=incident)
    made = create_app(
        Settings(api_username="admin", api_password="secret", **usual | settings),
        accounts=Accounts({"admin": "secret", "eve": "secret"}),
        simulator=simulator,
    )
    with serving(made, **{"http": "h11"} | dict(uvicorn)) as port:
        yield Served(port, simulator, made)
