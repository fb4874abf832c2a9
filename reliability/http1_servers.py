"""The application on each of the servers it runs on, as users start them: for what tries their HTTP from outside."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))  # where the commands of this folder do not look by themselves

from server_process import ServerProcess, clean_environment, interruptions_deferred  # noqa: E402 - as above

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVERS = ("granian", "uvicorn")
PYTHON = os.environ.get("SERVER_PYTHON", sys.executable)
"""The interpreter of the servers, which has their packages: so other versions of them can be tried."""


def command(server: str, python: str | Path, port: int) -> list[str]:
    """Return the command line that serves the application on this loopback port."""
    where = ["--host", "127.0.0.1", "--port", str(port)]
    if server == "granian":
        return [str(python), "-m", "translation_server", "serve", "--header-timeout", "60", *where]
    parser = "httptools" if server == "httptools" else "h11"
    # uvicorn closes a connection that is silent for 5 seconds, as it may; what arrives at that moment is lost, and on a
    # busy machine even the clients of a load fall silent for so long.
    options = ["--http", parser, "--ws", "none", "--no-proxy-headers", "--timeout-keep-alive", "60"]
    return [str(python), "-m", "uvicorn", "main:app", *options, *where]


class Http1Server(ServerProcess):
    """The application on one of the servers, with a log and a store of its own, and `printed`, what it prints.

    Args:
        server: One of `SERVERS`; or `httptools`, uvicorn with a parser that this application does not use.
        folder: An existing folder for its files.
        settings: Configuration variables.
    """

    def __init__(self, server: str, folder: Path, **settings: str) -> None:
        usual = {"RATE_LIMIT": "0", "MAX_PENDING_JOBS": "1000000"}
        super().__init__(folder, python=PYTHON, **{**usual, **settings})
        self.server = server
        self.output_file = folder / "printed"

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self.base_url.rpartition(":")[2])

    def processes(self) -> Iterator[psutil.Process]:
        """Its process and those it has started, workers for example."""
        process = psutil.Process(self.pid)
        yield process
        yield from process.children(recursive=True)

    @property
    def files(self) -> tuple[Path, Path]:
        """Its log, and what it prints."""
        return self.log_file, self.output_file

    def said(self) -> str:
        """Return all that is in its log, and all that it printed."""
        return "".join(file.read_text("utf-8", "replace") for file in self.files if file.exists())

    def _launch(self, port: int) -> None:
        self._port = port
        self.base_url = f"http://127.0.0.1:{port}"
        source = {"PYTHONPATH": str(ROOT / "server/src")}
        with self.output_file.open("ab") as output, interruptions_deferred():
            self._process = subprocess.Popen(
                command(self.server, self._python, port),
                cwd=ROOT / "server" if self.server != "granian" else self.log_file.parent,
                env=clean_environment() | source | self._settings,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
