"""Servers as their users start them, in processes of their own, which can be killed as a crash would.

`serve` is the production server: granian, a supervisor and a worker. `uvicorn` is the same application in one process.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
if str(ROOT / "server/src") not in sys.path:
    sys.path[1:1] = [str(ROOT / "server/src"), str(ROOT)]

import figures  # noqa: E402 - found once the path is set
from child import BUG, WALL_OFFSET  # noqa: E402 - as above
from wire import LostError, Wire  # noqa: E402 - as above

from server_process import clean_environment, free_port, interruptions_deferred  # noqa: E402 - as above

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

SERVERS = ("serve", "uvicorn")
USERNAME, PASSWORD = "traveller", "canary-of-the-reliability-commands"
PATIENCE = 30.0
_HELD = re.compile(rb"^translation_waiters\{.*\} (\S+)$", re.MULTILINE)


def parser(doc: str | None, bugs: Sequence[str]) -> argparse.ArgumentParser:
    """With the options of every command that starts servers."""
    made = figures.parser(doc, bugs)
    made.add_argument("--server", choices=SERVERS, default=SERVERS[0], help="what serves (default: %(default)s)")
    return made


@dataclass
class Server:
    """One server on a loopback port; `start` after `kill` starts it on the same port and store.

    Attributes:
        folder: Where it keeps its files; what it prints is in `printed`, beside its log.
        settings: Those of `translation_server.config.settings.Settings` that differ from the commands' own.
        bug: A name of `server_bugs.BUGS`, or nothing.
        kind: One of `SERVERS`.
        wall_offset: The file with the seconds by which its wall clock is wrong, as `child.shared_offset` takes it;
            None: right.
        workers: Its processes that answer requests, of this start.
    """

    folder: Path
    settings: Mapping[str, object] = field(default_factory=dict)
    bug: str = ""
    kind: str = SERVERS[0]
    port: int = field(default_factory=free_port)
    wall_offset: Path | None = None
    workers: list[psutil.Process] = field(default_factory=list)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def values(self) -> dict[str, object]:
        """All settings in force."""
        return {
            "api_username": USERNAME,
            "api_password": PASSWORD,
            "database_url": f"sqlite:///{self.folder / 'jobs.db'}",
            "log_file": str(self.folder / "server.log"),
            "log_level": "WARNING",
            "rate_limit": 0,
            "max_pending_jobs": 1_000_000,
            "max_waiters": 1_000_000,
            **self.settings,
        }

    @property
    def is_well(self) -> bool:
        """Whether the processes that were started all run: a worker that was started again is not the same."""
        return self._process is not None and self._process.poll() is None and all(map(_runs, self.workers))

    def launch(self) -> None:
        """Start it, without waiting until it is ready."""
        variables = {name.upper(): str(value) for name, value in self.values.items()}
        own = {BUG: self.bug, WALL_OFFSET: str(self.wall_offset or "")}
        path = {"PYTHONPATH": os.pathsep.join([str(ROOT / "server/src"), os.environ.get("PYTHONPATH", "")])}
        printed = Path(variables["LOG_FILE"]).with_name("printed")
        with printed.open("ab") as output, interruptions_deferred():
            self._process = subprocess.Popen(
                [sys.executable, HERE / "child.py", self.kind, "--port", str(self.port)],
                cwd=printed.parent,  # where there is no .env
                env=clean_environment(measured=False) | path | variables | own,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    async def start(self) -> float:
        """Start it and return once it is ready; how many seconds that took."""
        begun = time.monotonic()
        self.launch()
        while not await is_ready(self.port):
            if self._process is None or self._process.poll() is not None:
                raise RuntimeError(f"the server did not start; see {self.values['log_file']}, and beside it")
            if time.monotonic() - begun > PATIENCE:
                raise RuntimeError("the server did not become ready")
            await asyncio.sleep(0.01)
        took = time.monotonic() - begun
        self.workers = self._find_workers()
        return took

    def kill(self) -> None:
        """End all its processes at once, as a crash would."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._await_end()

    def terminate(self) -> bool:
        """Tell it to stop as an operator does, and return whether it and its workers are gone after some time."""
        assert self._process is not None  # noqa: S101 - it runs
        self._process.send_signal(signal.SIGTERM)
        return self._await_end()

    async def held(self) -> int:
        """How many requests and streams it holds, by its own metrics."""
        wire = self.wire()
        try:
            return round(sum(map(float, _HELD.findall((await wire.request("GET", "/metrics")).body))))
        finally:
            wire.close()

    def wire(self) -> Wire:
        """A connection to it, opened when it is first used."""
        return Wire(self.port, USERNAME, PASSWORD)

    def _find_workers(self) -> list[psutil.Process]:
        assert self._process is not None  # noqa: S101 - it runs
        process = psutil.Process(self._process.pid)
        if self.kind == "uvicorn":
            return [process]
        # The other child tracks what workers leave behind, which is nothing.
        return [child for child in process.children() if "--multiprocessing-fork" in child.cmdline()]

    def _await_end(self) -> bool:
        assert self._process is not None  # noqa: S101 - as above
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            return False
        give_up = time.monotonic() + PATIENCE
        while any(map(_runs, self.workers)):  # they are not our children, and would still have the port
            if time.monotonic() > give_up:
                return False
            time.sleep(0.002)
        self._process = None
        return True


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def is_ready(port: int) -> bool:
    """Whether `/health/ready` answers 200."""
    wire = Wire(port, USERNAME, PASSWORD)
    try:
        return (await wire.request("GET", "/health/ready", patience=5.0)).status == 200  # noqa: PLR2004 - 200 is 200
    except LostError:
        return False
    finally:
        wire.close()
