"""`translation-server` as a process of its own, from the sources, with throw-away data."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from translation_server.config.settings import Settings

SOURCE = Path(__file__).resolve().parents[1] / "src"
VARIABLES = {name.upper() for name in Settings.model_fields}
CREDENTIALS = {"API_USERNAME": "admin", "API_PASSWORD": "canary-secret"}
PATIENCE = 30.0


def environment(**variables: str) -> dict[str, str]:
    """This process's, without what would configure a server."""
    kept = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    return kept | {"PYTHONPATH": str(SOURCE)} | variables


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "translation_server", *arguments],
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@dataclass
class Serving:
    """A server process."""

    process: subprocess.Popen[str]
    port: int
    said: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> float:
        """Send SIGTERM; return how many seconds it took to end."""
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)
        return time.monotonic() - begun


@contextlib.contextmanager
def serving(folder: Path, *arguments: str, command: str = "serve", **variables: str) -> Iterator[Serving]:
    """Serve from this folder, on a free port, until the block ends."""
    said = folder / "said.txt"
    with said.open("w") as output:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "translation_server", command, "--port", "0", *arguments],
            cwd=folder,
            env=environment(**CREDENTIALS | variables),
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )
    try:
        yield Serving(process, _port(process, said), said)
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
        process.kill()
        process.wait()


def _port(process: subprocess.Popen[str], said: Path) -> int:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        text = said.read_text()
        if found := re.search(r"running on https?://\S+:(\d+)", text):
            return int(found[1])
        time.sleep(0.02)
    pytest.fail(f"the server did not start: {said.read_text()}")
