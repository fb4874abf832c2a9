"""`uvicorn main:app`, as a process: found from anywhere, refusing plainly, losing no line of its log."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
from server.tests.wire import PATIENCE

from translation_server.config.settings import Settings

SERVER = Path(__file__).resolve().parents[1]
CREDENTIALS = {"API_USERNAME": "admin", "API_PASSWORD": "canary-secret"}
VARIABLES = {name.upper() for name in Settings.model_fields}


@pytest.fixture
def server(tmp_path):
    """Return a folder like `server/` of a fresh clone: the real `main.py` and sources, but files of its own."""
    folder = tmp_path / "server"
    folder.mkdir()
    shutil.copy(SERVER / "main.py", folder)
    (folder / "src").symlink_to(SERVER / "src")
    return folder


@dataclass
class Running:
    """A server process and where it listens."""

    process: subprocess.Popen[str]
    url: str

    def get(self, path: str, auth: tuple[str, str] | None = None) -> httpx.Response:
        return httpx.get(self.url + path, auth=auth, timeout=PATIENCE, trust_env=False)

    def stop(self) -> str:
        """End the server as an operator does; return what it said."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.communicate(timeout=PATIENCE)[0]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "uvicorn", *arguments]


def environment(variables: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in VARIABLES} | variables


@contextlib.contextmanager
def running(cwd: Path, *arguments: str, **variables: str) -> Iterator[Running]:
    """Run uvicorn in this folder until the block ends, at the latest."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    process = subprocess.Popen(  # noqa: S603 - our own command
        command(*arguments, "--host", "127.0.0.1", "--port", str(port)),
        cwd=cwd,
        env=environment(variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    children = []
    try:
        wait_until_live(process, port)
        children = psutil.Process(process.pid).children(recursive=True)
        yield Running(process, f"http://127.0.0.1:{port}")
    finally:
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        process.kill()
        process.communicate()


def wait_until_live(process: subprocess.Popen[str], port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{port}/health/live", timeout=1, trust_env=False)
            return
        time.sleep(0.02)
    process.kill()
    pytest.fail(f"uvicorn did not start: {process.communicate()[0]}")


def refused(cwd: Path, *arguments: str, **variables: str) -> tuple[int, str]:
    """Run uvicorn where it must not start; return exit status and what it said."""
    done = subprocess.run(  # noqa: S603 - our own command
        command(*(arguments or ("main:app",)), "--host", "127.0.0.1", "--port", "0"),
        cwd=cwd,
        env=environment(variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stdout


def log_of(server: Path) -> list[str]:
    return (server / "logs/server.log").read_text("utf-8").splitlines()


@pytest.mark.parametrize("where", ["inside", "above", "elsewhere"])
def test_starts_from_anywhere(server, tmp_path, where):
    """It finds its sources, its `.env`, its database and its log beside `main.py`, whatever the current folder."""
    (server / ".env").write_text("API_USERNAME=admin\nAPI_PASSWORD=canary-secret   # mine\n")
    (tmp_path / ".env").write_text("API_USERNAME=wrong\nNONSENSE\n")
    folders = {"inside": server, "above": tmp_path, "elsewhere": tmp_path / "else" / "where"}
    folders[where].mkdir(parents=True, exist_ok=True)
    arguments = (
        ["main:app"] if where == "inside" else ["--app-dir", os.path.relpath(server, folders[where]), "main:app"]
    )
    with running(folders[where], *arguments) as it:
        assert it.get("/jobs", ("admin", "canary-secret")).status_code == 200
        assert it.get("/jobs", ("wrong", "canary-secret")).status_code == 401
    names = {path.name for path in server.iterdir()} - {"__pycache__"}
    assert {"main.py", "src", ".env", "logs"} <= names
    assert any(name.startswith("translation.db") for name in names)
    assert not list(folders[where].glob("logs")) or where == "inside"


@pytest.mark.parametrize("level", ["info", "warning"])
def test_log_loses_nothing_at_the_end(server, level):
    """The last request before SIGTERM is in the log, whatever uvicorn itself says."""
    with running(server, "main:app", "--log-level", level, **CREDENTIALS) as it:
        it.get("/health/live?last")
        request_id = it.get("/health/live").headers["x-request-id"]
        it.stop()
        assert it.process.returncode in {0, -signal.SIGTERM}
    assert any(line.endswith(f"request={request_id}") for line in log_of(server))


def test_terminal_and_file(server):
    """The terminal says where the log is and leaves the requests to it; no secret is in either."""
    with running(server, "main:app", **CREDENTIALS) as it:
        it.get("/jobs", ("admin", "canary-secret"))
        it.get("/jobs", ("canary-user", "canary-wrong"))
        said = it.stop()
    lines = log_of(server)
    assert f"Logging to {server}/logs/server.log" in said
    assert "/jobs" not in said
    assert re.search(r"GET /jobs 200 \d+\.\d+ ms user=admin client=127\.0\.0\.1 request=", "\n".join(lines))
    assert re.search(r"GET /jobs 401 \d+\.\d+ ms user=- client=127\.0\.0\.1 request=", "\n".join(lines))
    assert sum("configuration: " in line for line in lines) == 1
    assert "canary" not in said + "\n".join(lines)
    assert lines[-1].endswith(f"Finished server process [{it.process.pid}]")


def test_two_workers(server):
    """Two workers share one log; each says what is in force."""
    with running(server, "main:app", "--workers", "2", **CREDENTIALS) as it:
        ids = [it.get("/health/live").headers["x-request-id"] for _ in range(20)]
        it.stop()
    lines = log_of(server)
    assert len({line.split()[2] for line in lines if "configuration: " in line}) == 2
    assert [sum(line.endswith(one) for line in lines) for one in ids] == [1] * len(ids)


def test_refusal(server):
    """A bad configuration ends the start with status 2 and a line for each thing that is wrong, no traceback."""
    (server / ".env").write_text("API_USERNAME=admin\nMIN_DELY=3\n")
    status, said = refused(server, MAX_DELAY="soon")
    anything = "allowed is any text without control characters"
    assert status == 2
    assert said.splitlines() == [
        f"{server}/.env, line 2: MIN_DELY is not a variable of this server: did you mean MIN_DELAY?",
        f"API_PASSWORD is missing from the environment and the .env file: {anything}",
        "MAX_DELAY is 'soon': allowed is a number of seconds from 0 to 1000000000",
    ]


def test_refusal_of_the_log_file(server):
    """A log file that cannot be written is refused in the same way."""
    status, said = refused(server, **CREDENTIALS, LOG_FILE="main.py/server.log")
    assert (status, said.splitlines()) == (
        2,
        [f"LOG_FILE is '{server}/main.py/server.log', which cannot be written: File exists"],
    )


def test_refusal_of_the_database(server, postgres_server):
    """A database that cannot be used is refused at the start, without its password."""
    url = re.sub(r"//.*@([^/]*)/.*", r"//nobody:canary@\1/nowhere", postgres_server)
    status, said = refused(server, **CREDENTIALS, DATABASE_URL=url)
    assert status == 2
    assert "DATABASE_URL" in said
    assert "Traceback" not in said
    assert "canary" not in said


def test_refusal_by_workers(server):
    """Several workers that are refused end the whole server, instead of being started again for ever."""
    _, said = refused(server, "main:app", "--workers", "2", API_USERNAME="admin")
    assert 1 <= said.count("API_PASSWORD is missing") <= 4
    assert "Traceback" not in said
