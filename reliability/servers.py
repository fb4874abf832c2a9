"""Servers in processes of their own that start in a few milliseconds, and can be killed as a crash would.

A restart of `uvicorn main:app` takes 0.6 s, nearly all of it imports. Here a process that has imported everything, and
runs nothing, is forked for each server (`multiprocessing`'s fork server). What is forked then does what `main.py` does:
`create_app` and uvicorn, on the same store.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import random
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT / "server/src")]

from wire import LostError, Wire  # noqa: E402 - found once the path is set

if TYPE_CHECKING:
    from collections.abc import Mapping
    from multiprocessing.context import ForkServerProcess

USERNAME, PASSWORD = "traveller", "canary-of-the-reliability-commands"
PATIENCE = 30.0
_PORTS = range(20_000, 32_000)  # below those that outgoing connections get, so that a port stays free while it is dead


def forking() -> Any:  # noqa: ANN401 - the context's type is not public
    """The context in which processes are started from one that has imported the server."""
    folders = [str(HERE), str(ROOT / "server/src"), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, folders))  # the fork server learns of no other path
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["child"])
    return context


CONTEXT = forking()


@dataclass
class Server:
    """One server on a loopback port; `start` after `kill` starts it on the same port and store.

    Attributes:
        settings: Those of `translation_server.config.settings.Settings` that differ from the commands' own.
        bug: A name of `server_bugs.BUGS`, or nothing.
        wall_offset: Shared number of seconds by which its wall clock is wrong; None: right.
        waiters: Shared number that follows how many requests and streams it holds; None: nobody asks.
    """

    folder: Path
    settings: Mapping[str, object] = field(default_factory=dict)
    bug: str = ""
    port: int = 0
    wall_offset: Any = None
    waiters: Any = None
    process: ForkServerProcess | None = None

    def __post_init__(self) -> None:
        self.port = self.port or free_port()

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

    def launch(self) -> None:
        """Start it, without waiting until it is ready."""
        import child  # noqa: PLC0415 - imports the server, which the commands' other parts do not need

        arguments = (self.values, self.port, self.bug, self.wall_offset, self.waiters)
        self.process = CONTEXT.Process(target=child.serve, args=arguments, daemon=True)
        self.process.start()

    async def start(self) -> float:
        """Start it and return once it is ready; how many seconds that took."""
        begun = time.monotonic()
        self.launch()
        while not await is_ready(self.port):
            if self.process is None or not self.process.is_alive():
                raise RuntimeError(f"the server did not start; see {self.values['log_file']}")
            if time.monotonic() - begun > PATIENCE:
                raise RuntimeError("the server did not become ready")
            await asyncio.sleep(0.005)
        return time.monotonic() - begun

    def kill(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End it at once; with SIGTERM, in an orderly way."""
        if self.process is not None and self.process.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, how)
            self.process.join(PATIENCE)
            self.process = None

    def wire(self) -> Wire:
        """A connection to it, opened when it is first used."""
        return Wire(self.port, USERNAME, PASSWORD)


async def is_ready(port: int) -> bool:
    """Whether `/health/ready` answers 200."""
    wire = Wire(port, USERNAME, PASSWORD)
    try:
        return (await wire.request("GET", "/health/ready", patience=5.0)).status == 200  # noqa: PLR2004 - 200 is 200
    except LostError:
        return False
    finally:
        wire.close()


def free_port() -> int:
    """A port of the loopback interface that nobody listens on at this moment."""
    for port in random.sample(_PORTS, 100):
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("there is no free port")
