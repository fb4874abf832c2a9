"""Starts the server as its users do, `uvicorn main:app`, and always takes it down again.

For whatever needs a real server from outside: `run.py`, `test_integration.py` and the tests. Standard library only.
"""

import contextlib
import http.client
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn, Self

ROOT = Path(__file__).resolve().parent
START_TIMEOUT = 30.0
STOP_TIMEOUT = 12.0
POLL_INTERVAL = 0.05
PORT_ATTEMPTS = 3
ENDING = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class ServerStartError(RuntimeError):
    """The server did not start; the message ends with what it printed."""


class ServerProcess:
    """A server on a free loopback port, in a process group of its own, with throw-away credentials.

    Its database, its log (`server.log`) and what it prints (`uvicorn.log`) are in `folder`. After `stop` or `kill`
    it can be started again, on the same data and port, and `exit_status` says how it ended.

    Args:
        folder: an existing folder for its files.
        python: the interpreter to run it with, which must have the server's packages.
        settings: configuration variables, which win over any `server/.env`.

    Raises:
        ServerStartError: from `start`, when it is not ready within 30 seconds.
    """

    def __init__(self, folder: Path, *, python: str | Path = sys.executable, **settings: str) -> None:
        self.username = "traveller"
        self.password = secrets.token_urlsafe(12)
        self.base_url = ""
        self._port: int | None = None
        self.exit_status: int | None = None
        self.log_file = folder / "server.log"
        self.output_file = folder / "uvicorn.log"
        self._python = python
        self._process: subprocess.Popen[bytes] | None = None
        self._settings = {
            "API_USERNAME": self.username,
            "API_PASSWORD": self.password,
            "DATABASE_URL": f"sqlite:///{folder / 'jobs.db'}",
            "LOG_FILE": str(self.log_file),
            **settings,
        }

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """The id of the running process, which is also the id of its group."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Starts the server and returns when it is ready."""
        for attempt in range(1, PORT_ATTEMPTS + 1):
            try:
                self._launch(self._port if self._port and attempt == 1 else free_port())
                self._await_readiness()
            except ServerStartError as failure:
                self.kill()
                # Another process may have taken the port between our look and the start.
                if attempt == PORT_ATTEMPTS or "address already in use" not in str(failure):
                    raise
            except BaseException:
                self.kill()
                raise
            else:
                return

    def stop(self) -> None:
        """Asks the server to end, and insists after 12 seconds."""
        if self._process is None:
            return
        try:
            self._signal_group(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_TIMEOUT)
        finally:
            self.kill()

    def kill(self) -> None:
        """Ends the server and all it started at once, as a crash would."""
        if self._process is None:
            return
        self._signal_group(getattr(signal, "SIGKILL", signal.SIGTERM))
        self.exit_status = self._process.wait(STOP_TIMEOUT)
        self._process = None

    def _launch(self, port: int) -> None:
        self._port = port
        self.base_url = f"http://127.0.0.1:{port}"
        command = [self._python, "-m", "uvicorn", "main:app", "--host", "127.0.0.1", "--port", str(port)]
        with self.output_file.open("ab") as output, interruptions_deferred():
            self._process = subprocess.Popen(
                command,
                cwd=ROOT / "server",
                env=clean_environment() | self._settings,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _await_readiness(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                break
            if is_ready(self.base_url):
                return
            time.sleep(POLL_INTERVAL)
        printed = self.output_file.read_text("utf-8", "replace").strip().splitlines()[-15:]
        raise ServerStartError("\n".join(["The server did not start. It printed:", *printed]))

    def _signal_group(self, number: int) -> None:
        assert self._process is not None  # noqa: S101 - only called with a process
        with contextlib.suppress(ProcessLookupError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, number)
            else:
                self._process.send_signal(number)


def free_port() -> int:
    """A port of the loopback interface that nobody listens on at this moment.

    It lies below those that a system gives out by itself, so that nothing which asks for any port gets it meanwhile.
    """
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe, contextlib.suppress(OSError):  # taken
            probe.bind(("127.0.0.1", port))
            return port


def is_ready(base_url: str) -> bool:
    """Whether `/health/ready` answers 200."""
    connection = http.client.HTTPConnection(base_url.removeprefix("http://"), timeout=5)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == http.client.OK
    return False


def documented_variables() -> frozenset[str]:
    """The names of all configuration variables, which `.env.example` documents, set or commented out."""
    sample = (ROOT / ".env.example").read_text("utf-8")
    return frozenset(re.findall(r"^(?:#\s*)?([A-Z][A-Z_]+)=", sample, flags=re.MULTILINE))


def clean_environment(*, measured: bool = True) -> dict[str, str]:
    """This process's environment without the variables that would configure a server or a client.

    Args:
        measured: Whether coverage may follow a process with it. It has locks of its own, so one that is interrupted
            while it takes one hangs for ever; and it takes time.
    """
    unwanted = (
        documented_variables()
        | {"API_BASE_URL"}
        | (set() if measured else {"COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START"})
    )
    return {name: value for name, value in os.environ.items() if name not in unwanted}


@contextlib.contextmanager
def interruptions_deferred() -> Iterator[None]:
    """Let signals that would end the script wait until the block is over.

    ``subprocess.Popen`` that is interrupted has started a process which nobody knows of. In the process that it starts,
    the signals do what they always do.
    """
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield
        return
    arrived: list[int] = []
    # One that is ignored, or ends the process on the spot, stays as it is.
    before = {number: handler for number in ENDING if callable(handler := signal.getsignal(number))}
    for number in before:
        signal.signal(number, lambda number, _frame: arrived.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in arrived:
            signal.raise_signal(number)


@contextlib.contextmanager
def orderly_exit() -> Iterator[None]:
    """Turns the signals that would end a script on the spot into `SystemExit`, so that clean-up runs."""

    def leave(number: int, _frame: object) -> NoReturn:
        sys.exit(128 + number)

    before = {number: signal.signal(number, leave) for number in ENDING if number != signal.SIGINT}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
