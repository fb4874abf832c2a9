"""Promise: told to stop (SIGTERM), a server tells all who are held to come again, and is out within ten seconds.

    python reliability/drain.py                                   1,000 held, a tenth of them streams; 3 rounds
    python reliability/drain.py --seeded-bug deaf-to-sigterm      shows that it can fail

Meanwhile starts rain in, some clients read nothing of what they are sent, and others keep idle connections. Each held
request must be answered with its job, pending, and when to come again; each stream must end as a whole; and every
start that was acknowledged must be known to the server that comes next.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from figures import Findings, run
from ledger import Ledger
from review import query
from servers import Server, parser
from waiters import allow_files
from wire import LostError, read_head

if TYPE_CHECKING:
    import argparse

_BUGS = ("deaf-to-sigterm",)
_LONGEST = 10.0  # seconds from the signal to the end of the process
_DEAF = 5  # clients that read nothing
_IDLE = 20
_STARTERS = 8
_LISTED = 1000
_LENGTH = 4000  # of the metadata of each: more in all than the four megabytes that a socket takes
_PATIENCE = 30.0
_OK, _ACCEPTED = 200, 202
_LAST_CHUNK = b"0\r\n\r\n"


class Draining:
    """One run."""

    def __init__(self, options: argparse.Namespace, server: Server, findings: Findings) -> None:
        self._options = options
        self._server = server
        self._findings = findings
        self._ledger = Ledger(findings)
        self.slowest = 0.0

    async def run(self) -> None:
        """Fill, stop, look, several times."""
        for number in range(self._options.rounds):
            await self._server.start()
            if not number:
                await self._fill()
            await self._round(number)
        await self._server.start()
        await self._look()

    async def _fill(self) -> None:
        """Make a list of jobs so long that no socket takes it from the server unless its client reads."""
        wires = [self._server.wire() for _ in range(_STARTERS)]
        for _ in range(_LISTED // _STARTERS):
            body = {"metadata": {"x": "x" * _LENGTH}}
            for answer in await asyncio.gather(*(wire.request("POST", "/start", body) for wire in wires)):
                self._findings.count("jobs that fill a list", answer.status == _ACCEPTED)
        for wire in wires:
            wire.close()

    async def _round(self, number: int) -> None:
        wire = self._server.wire()
        job_id = (await wire.request("POST", "/start", {"simulate": {"duration": 3600}})).json()["job_id"]
        wire.close()
        with contextlib.ExitStack() as stack:
            deaf = [
                stack.enter_context(self._connect(wire.message("GET", f"/jobs?limit={_LISTED}"))) for _ in range(_DEAF)
            ]
            for _ in range(_IDLE):
                stack.enter_context(self._connect(b""))
            async with asyncio.TaskGroup() as clients:
                for place in range(self._options.held):
                    clients.create_task(self._stream() if place % 10 == 9 else self._hold(job_id))  # noqa: PLR2004 - a tenth
                for starter in range(_STARTERS):
                    clients.create_task(self._start_until_it_ends(f"{number}-{starter}"))
                await self._all_are_held()
                await self._stop()
            for connection in deaf:
                self._findings.count("answers cut off, as nobody read them", not _ends(connection, b"}"))

    def _connect(self, message: bytes) -> socket.socket:
        """A client of which nothing more is heard."""
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", self._server.port))
        connection.sendall(message)
        return connection

    async def _all_are_held(self) -> None:
        begun = time.monotonic()
        while (held := await self._server.held()) < self._options.held:
            if time.monotonic() - begun > _PATIENCE:
                raise RuntimeError(f"only {held} of {self._options.held} are held")
            await asyncio.sleep(0.02)

    async def _stop(self) -> None:
        begun = time.monotonic()
        has_ended = await asyncio.to_thread(self._server.terminate)
        took = time.monotonic() - begun
        self.slowest = max(self.slowest, took)
        self._findings.count("servers told to stop")
        if took > _LONGEST:
            self._findings.breach(f"the server was out after {took:.1f} s")
        if not has_ended:
            self._server.kill()

    async def _hold(self, job_id: str) -> None:
        wire = self._server.wire()
        try:
            answer = await wire.request("GET", f"/status/{job_id}?wait=600", patience=2 * _PATIENCE)
        except LostError as error:
            self._findings.breach(f"a held request had no answer: {error}")
            return
        finally:
            wire.close()
        self._findings.count("held requests answered")
        if answer.status != _OK or answer.json()["status"] != "pending":
            self._findings.breach(f"a held request was answered with {answer.status}: {answer.body!r}")
        elif "retry-after" not in answer.headers:
            self._findings.breach("who was held is not told when to come again")

    async def _stream(self) -> None:
        """A stream is ended by its last chunk, not by a connection that breaks."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._server.port)
        writer.write(self._server.wire().message("GET", "/events"))
        try:
            async with asyncio.timeout(2 * _PATIENCE):
                await read_head(reader)
                rest = await reader.read()
        except (OSError, EOFError, TimeoutError) as error:
            self._findings.breach(f"a stream broke: {error!r}")
            return
        finally:
            writer.transport.abort()
        self._findings.count("streams ended")
        if not rest.endswith(_LAST_CHUNK):
            self._findings.breach("a stream was broken off")

    async def _start_until_it_ends(self, name: str) -> None:
        wire = self._server.wire()
        with contextlib.suppress(LostError):
            for number in range(10**6):
                key = f"{name}-{number}"
                answer = await wire.request("POST", "/start", {}, {"Idempotency-Key": key})
                if answer.status != _ACCEPTED:
                    break
                self._ledger.acknowledged(key, answer.json())
                self._findings.count("starts acknowledged meanwhile")
        wire.close()

    async def _look(self) -> None:
        """Every start that was acknowledged is known."""
        wire = self._server.wire()
        known = {str(job["job_id"]) for job in await query(wire, list(self._ledger.jobs))}
        wire.close()
        for job_id in set(self._ledger.jobs) - known:
            self._findings.breach(f"lost: {job_id} was acknowledged before the server stopped")


def _ends(connection: socket.socket, end: bytes) -> bool:
    """Whether what a server sent that is gone ends like this."""
    received = b""
    with contextlib.suppress(OSError):
        while data := connection.recv(2**20):
            received = data
    return received.endswith(end)


def main() -> int:
    """Carry it out and give the exit status."""
    made = parser(__doc__, _BUGS)
    made.add_argument("--held", type=int, default=1000)
    made.add_argument("--rounds", type=int, default=3)
    options = made.parse_args()
    allow_files(2 * options.held + 1000)
    findings = Findings()
    with tempfile.TemporaryDirectory(prefix="drain-") as folder:
        settings = {"max_wait": 600.0, "max_connections": 100_000}
        server = Server(Path(folder), settings, bug=options.seeded_bug, kind=options.server)
        draining = Draining(options, server, findings)
        try:
            asyncio.run(draining.run())
        finally:
            server.kill()
    findings.need("servers told to stop", options.rounds)
    findings.need("held requests answered", options.rounds * options.held * 9 // 10)
    findings.need("streams ended", options.rounds * options.held // 10)
    findings.need("starts acknowledged meanwhile", options.rounds)
    findings.need("jobs that fill a list", _LISTED)
    findings.need("answers cut off, as nobody read them", options.rounds)
    figures = {"seed": options.seed, "server": options.server, "slowest": f"{draining.slowest:.1f} s"}
    return findings.report("told to stop", figures)


if __name__ == "__main__":
    run(main())
