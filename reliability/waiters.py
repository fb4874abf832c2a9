"""Promise: ten thousand held requests and streams on one worker slow nobody down, and are told at once.

    python reliability/waiters.py                       10,000 waiters, a tenth of them streams
    python reliability/waiters.py --seeded-bug sleepy-waiters   shows that it can fail

Measured: memory of the server for each; how long others' status reads take meanwhile; how many still are held after
some clients vanished without a word; when the last one is told once the job that all wait for ends. The limits
are multiplied by `--tolerance`, for machines that are slow or busy, and for small numbers of waiters.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from figures import Findings, percentile, run
from servers import Server, parser

if TYPE_CHECKING:
    import argparse

    from wire import Wire

_BUGS = ("sleepy-waiters",)
_LARGEST_MEMORY = 16.0  # KiB of the server each
_SLOWEST_OTHER = 0.1  # seconds, the p99 of other requests
_LAST_TOLD = 0.7  # seconds per 10,000 after the end
_FREED_WITHIN = 1.0  # seconds after the client has vanished
_AT_A_TIME = 200
_PATIENCE = 30.0


class Holder(asyncio.Protocol):
    """One held request or stream: keeps its socket, and the moment at which it was told of the end."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._told = b""
        self.told_at = 0.0
        self.transport: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        self.transport = transport
        transport.write(self._request)  # type: ignore[attr-defined]  # a socket's transport

    def data_received(self, data: bytes) -> None:
        """The first end that is told counts."""
        self._told = (self._told + data)[-2000:]
        if not self.told_at and b'"cancelled"' in self._told:
            self.told_at = time.monotonic()


class Holding:
    """One run."""

    def __init__(self, options: argparse.Namespace, server: Server, findings: Findings) -> None:
        self._options = options
        self._server = server
        self._findings = findings
        self._job_id = ""
        self._holders: list[Holder] = []
        self.figures: dict[str, object] = {}

    async def run(self) -> None:
        """Hold, measure, let some vanish, end the job."""
        await self._server.start()
        wire = self._server.wire()
        answer = await wire.request("POST", "/start", {"simulate": {"duration": 3600}})
        self._job_id = str(answer.json()["job_id"])
        before = self._memory()
        others = asyncio.create_task(self._others())
        await self._ramp()
        gc.freeze()  # else the pauses of this process are measured
        self.figures["memory of the server for each"] = f"{(self._memory() - before) / self._options.waiters:.1f} KiB"
        if (self._memory() - before) / self._options.waiters > _LARGEST_MEMORY * self._options.tolerance:
            self._findings.breach(f"a waiter takes {self.figures['memory of the server for each']}")
        await asyncio.sleep(2.0)
        others.cancel()
        await asyncio.wait([others])
        await self._vanish()
        await self._end(wire)
        wire.close()

    def _memory(self) -> float:
        """KiB."""
        return sum(float(worker.memory_info().rss) for worker in self._server.workers) / 1024

    async def _ramp(self) -> None:
        wire = self._server.wire()
        kinds = [wire.message("GET", f"/status/{self._job_id}?wait=600")] * 9 + [wire.message("GET", "/events")]
        loop = asyncio.get_running_loop()
        numbers = range(self._options.waiters)
        for first in numbers[::_AT_A_TIME]:
            some = [Holder(kinds[number % 10]) for number in numbers[first : first + _AT_A_TIME]]
            supply = iter(some)
            connecting = (loop.create_connection(supply.__next__, "127.0.0.1", self._server.port) for _ in some)
            await asyncio.gather(*connecting)
            self._holders += some
        if not await self._held(lambda held: held >= self._options.waiters):
            self._findings.breach(f"not all {self._options.waiters} are held")
        self._findings.count("requests and streams held", await self._server.held())

    async def _held(self, wanted: object) -> bool:
        """Whether, within some time, the server holds a number as wanted."""
        assert callable(wanted)  # noqa: S101 - ours
        begun = time.monotonic()
        while not wanted(await self._server.held()):
            if time.monotonic() - begun > _PATIENCE:
                return False
            await asyncio.sleep(0.02)
        return True

    async def _others(self) -> None:
        """Somebody else's status reads, one after the other, while the waiters come and are held."""
        wire = self._server.wire()
        took: list[float] = []
        try:
            while True:
                begun = time.monotonic()
                await wire.request("GET", f"/status/{self._job_id}")
                took.append(time.monotonic() - begun)
                await asyncio.sleep(0.005)
        finally:
            wire.close()
            p99 = percentile(took, 0.99)
            self._findings.count("other requests meanwhile", len(took))
            self.figures["others: median, p99"] = f"{percentile(took, 0.5) * 1000:.1f} ms, {p99 * 1000:.1f} ms"
            if p99 > _SLOWEST_OTHER * self._options.tolerance:
                self._findings.breach(f"the p99 of other requests is {p99 * 1000:.0f} ms")

    async def _vanish(self) -> None:
        """Let a tenth leave without a word."""
        leaving, self._holders = self._holders[: len(self._holders) // 10], self._holders[len(self._holders) // 10 :]
        begun = time.monotonic()
        for holder in leaving:
            if holder.transport is not None:
                holder.transport.abort()  # type: ignore[attr-defined]  # a socket's transport
        if not await self._held(lambda held: held <= len(self._holders)):
            self._findings.breach("the waiters of vanished clients are kept")
        took = time.monotonic() - begun
        self._findings.count("clients that vanished", len(leaving))
        self.figures["vanished clients freed after"] = f"{took:.2f} s"
        if took > _FREED_WITHIN * self._options.tolerance:
            self._findings.breach(f"vanished clients were freed after {took:.1f} s")

    async def _end(self, wire: Wire) -> None:
        """Cancel the job all wait for."""
        begun = time.monotonic()
        await wire.request("DELETE", f"/jobs/{self._job_id}")
        # Not an event: the holders shall do nothing but note the time.
        while not all(one.told_at for one in self._holders) and time.monotonic() - begun < _PATIENCE:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        told = sorted(one.told_at - begun for one in self._holders if one.told_at)
        self._findings.count("told of the end", len(told))
        if len(told) < len(self._holders):
            self._findings.breach(f"{len(self._holders) - len(told)} waiters were never told of the end")
        if not told:
            return
        self.figures["told: median, last"] = f"{told[len(told) // 2]:.2f} s, {told[-1]:.2f} s"
        if told[-1] > max(_LAST_TOLD / 2, _LAST_TOLD * len(told) / 10_000) * self._options.tolerance:
            self._findings.breach(f"the last one was told after {told[-1]:.2f} s")


def main() -> int:
    """Carry it out and give the exit status."""
    made = parser(__doc__, _BUGS)
    made.add_argument("--waiters", type=int, default=10_000)
    made.add_argument("--tolerance", type=float, default=1.0)
    options = made.parse_args()
    allow_files(options.waiters + 1000)
    findings = Findings()
    with tempfile.TemporaryDirectory(prefix="waiters-") as folder:
        settings = {"max_wait": 600.0, "max_connections": 100_000}
        server = Server(Path(folder), settings, bug=options.seeded_bug, kind=options.server)
        holding = Holding(options, server, findings)
        try:
            asyncio.run(holding.run())
        finally:
            server.kill()
    findings.need("requests and streams held", options.waiters)
    findings.need("other requests meanwhile", 50)
    return findings.report("waiters", {"seed": options.seed, "server": options.server, **holding.figures})


def allow_files(number: int) -> None:
    """Let this process and those it starts have so many connections open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < number:
        sys.exit(f"{number} open files are needed, and this machine allows {hard}: see ulimit -n")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, number), hard))


if __name__ == "__main__":
    run(main())
