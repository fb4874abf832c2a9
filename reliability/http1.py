"""Promise: HTTP/1.1 is right: answers come in the order of the requests, none is lost, and none is somebody else's.

    python reliability/http1.py                                    100,000 requests of 8 users on each server
    python reliability/http1.py --server uvicorn --requests 5000
    python reliability/http1.py --seeded-bug swapped-answers       shows that it can fail

The users share 24 connections, as behind a proxy, and wait for no answer before they ask for more: reads, held reads,
starts with bodies and keys, unknown jobs, wrong credentials and bodies, offers of other protocols and trailers, many in
one write, cut into packets anywhere. Each answer must have the id of its request, a status that is right for it, and be
about the job that was asked for.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections import Counter, deque
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import bcrypt
from figures import Findings, parser, run
from http1_bugs import BUGS, relay
from http1_load import USERS, Exchange, Load, pieces
from http1_servers import SERVERS, Http1Server
from wire import Answer, AnswerReader

if TYPE_CHECKING:
    import argparse

_PASSWORD = "canary-of-the-reliability-commands"  # noqa: S105 - of servers that are gone in a minute
_MOST_OUTSTANDING = 300
_PATIENCE = 30.0  # seconds until an answer counts as lost
_BURSTS = (1, 1, 1, 2, 2, 3, 5, 8, 20, 60, 150)
_TO_READ = 2**13  # bytes at a time: the connections take turns, so that none of them falls silent for seconds
_REFUSED = 400


class Users:
    """One run: the connections of all users to one server."""

    def __init__(self, port: int, options: argparse.Namespace, findings: Findings) -> None:
        self._port = port
        self._options = options
        self._findings = findings
        self._left = options.requests
        self._load = Load(_PASSWORD)
        self._origin: dict[str, int] = {}  # by the id of a request: the number of its connection
        self.table: Counter[tuple[str, int]] = Counter()
        self.longest_pause = 0.0

    async def run(self) -> None:
        """Ask for all that there is to ask for."""
        watching = asyncio.create_task(self._watch_pauses())
        try:
            async with asyncio.timeout(self._options.seconds), asyncio.TaskGroup() as connections:
                for number in range(self._options.connections):
                    choices = random.Random(f"{self._options.seed}-{number}")  # noqa: S311 - repeatable
                    connections.create_task(self._connect_again_and_again(number, choices))
        except TimeoutError:
            self._findings.breach(f"not over after {self._options.seconds:g} s, with {self._left} requests to go")
        finally:
            await _cancelled(watching)

    async def _watch_pauses(self) -> None:
        """Measure how long the clients were kept from going on: after seconds, a server may close what is silent."""
        while True:
            begun = time.monotonic()
            await asyncio.sleep(0.01)
            self.longest_pause = max(self.longest_pause, time.monotonic() - begun)

    async def _connect_again_and_again(self, number: int, choices: random.Random) -> None:
        while self._left > 0 and len(self._findings.breaches) < self._options.connections:
            connection = Connection(number, self._load, self._findings, self._origin)
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            self._findings.count("connections")
            try:
                writing = asyncio.create_task(self._write(connection, writer, choices))
                await connection.read(reader)
                await (writing if connection.broken is None else _cancelled(writing))
            finally:
                writer.transport.abort()
            self.table += connection.table

    async def _write(self, connection: Connection, writer: asyncio.StreamWriter, choices: random.Random) -> None:
        """Send bursts of requests, the last of which closes the connection."""
        to_send = choices.randint(1, 600)
        while to_send > 0:
            size = max(1, min(choices.choice(_BURSTS), self._left, to_send)) if self._load.is_known else 1
            self._left -= size
            to_send = 0 if self._left <= 0 else to_send - size
            burst = [self._load.draw(choices, closing=not to_send and last == size - 1) for last in range(size)]
            await connection.allow(burst)
            self._findings.count("requests sent behind another without its answer", size - (connection.is_idle(burst)))
            for piece in pieces(choices, b"".join(exchange.data for exchange in burst)):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            if choices.random() < 0.3 or not self._load.is_known:  # noqa: PLR2004 - now and then it falls silent first
                await connection.quiet.wait()


class Connection:
    """The requests of one connection that are under way, and the check of each answer.

    Attributes:
        broken: What went wrong with the order or the number of its answers, after which it is given up.
        quiet: Set while nothing is under way.
    """

    def __init__(self, number: int, load: Load, findings: Findings, origin: dict[str, int]) -> None:
        self._number = number
        self._load = load
        self._findings = findings
        self._origin = origin
        self._answers = AnswerReader()
        self._under_way: deque[Exchange] = deque()
        self._room = asyncio.Event()
        self.quiet = asyncio.Event()
        self.broken: str | None = None
        self._heard_at = time.monotonic()
        self.table: Counter[tuple[str, int]] = Counter()

    def is_idle(self, burst: list[Exchange]) -> bool:
        """Whether nothing but this burst is under way."""
        return len(self._under_way) == len(burst)

    async def allow(self, burst: list[Exchange]) -> None:
        """Return once these may be sent, and expect their answers from then on."""
        while len(self._under_way) > _MOST_OUTSTANDING:
            self._room.clear()
            await self._room.wait()
        self.quiet.clear()
        for exchange in burst:
            self._answers.expect(exchange.method)
            self._under_way.append(exchange)
            self._origin[exchange.request_id] = self._number

    async def read(self, reader: asyncio.StreamReader) -> None:
        """Check the answers until the connection is closed by the last of them, or is broken."""
        try:
            while not self._answers.closing and self.broken is None:
                async with asyncio.timeout(_PATIENCE):
                    data = await reader.read(_TO_READ)
                for answer in self._answers.feed(data):
                    if self.broken is None:
                        await self._check(answer, reader)
                        self._heard_at = time.monotonic()
                await asyncio.sleep(0)
            if self.broken is None and not await self._is_closed(reader):
                self._break("the connection stays open behind an answer with Connection: close")
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            silence = time.monotonic() - self._heard_at
            self._break(f"lost: {len(self._under_way)} answers: {error!r}, {silence:.1f} s after the last")
        finally:
            self._room.set()
            self.quiet.set()

    async def _check(self, answer: Answer, reader: asyncio.StreamReader) -> None:
        exchange = self._under_way.popleft()
        self._room.set()
        if not self._under_way:
            self.quiet.set()
        told = answer.headers.get("x-request-id", "")
        if told != exchange.request_id:
            self._under_way.appendleft(exchange)
            self._break(await self._classify(told, reader))
            return
        if self._answers.closing and not exchange.closing:
            self._break(
                f"lost: {len(self._under_way)} answers: closed behind {answer.status} to {exchange.data[:200]!r}"
            )
        self._findings.count("requests answered")
        self._findings.count("of those, refused in between", answer.status >= _REFUSED)
        self._findings.count("of those, held", "preference-applied" in answer.headers)
        self._findings.count("of those, offers of another protocol", b"\r\nUpgrade: " in exchange.data)
        self._findings.count("of those, with trailers", b"Sec-Fetch-Site" in exchange.data)
        self.table[exchange.kind, answer.status] += 1
        if fault := self._load.fault(exchange, answer):
            self._findings.breach(f"{fault} ({exchange.request_id})")

    @staticmethod
    async def _is_closed(reader: asyncio.StreamReader) -> bool:
        async with asyncio.timeout(_PATIENCE):
            try:
                return not await reader.read(1)
            except ConnectionError:  # it was closed before all of a body that nobody wanted was sent
                return True

    async def _classify(self, told: str, reader: asyncio.StreamReader) -> str:
        """Say what happened to the answers, of which the first that is wrong has this id: the others tell."""
        arrived = [told]
        try:
            async with asyncio.timeout(1.0):
                while len(arrived) < len(self._under_way) and (data := await reader.read(_TO_READ)):
                    arrived += [answer.headers.get("x-request-id", "") for answer in self._answers.feed(data)]
        except (OSError, EOFError, TimeoutError, ValueError):
            pass  # what has arrived says enough
        outstanding = [exchange.request_id for exchange in self._under_way]
        foreign = [one for one in arrived if one not in outstanding]
        if foreign:
            whose = self._origin.get(foreign[0], "that was never opened")
            return f"somebody else's: {outstanding[0]} got the answer of {foreign[0]!r}, of connection {whose}"
        ours = [one for one in outstanding if one in arrived]
        if arrived != ours:
            return f"out of order: {arrived[:4]} instead of {ours[:4]}"
        return f"lost: the answer of {outstanding[0]}; the next was that of {told}"

    def _break(self, reason: str) -> None:
        if self.broken is None:
            self.broken = reason
            self._findings.breach(reason)


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)  # it may have found the connection closed


def main() -> int:
    """Carry it out on each server and give the exit status."""
    made = parser(__doc__, BUGS)
    made.add_argument("--requests", type=int, default=100_000, help="on each server")
    made.add_argument("--connections", type=int, default=24)
    made.add_argument("--server", choices=[*SERVERS, "both"], default="both")
    made.add_argument("--seconds", type=float, default=600.0, help="at most, on each server")
    options = made.parse_args()
    servers = SERVERS if options.server == "both" else [options.server]
    if options.seeded_bug == "httptools":
        servers = ["httptools"]
    return max([try_server(server, options) for server in servers])


def try_server(server: str, options: argparse.Namespace) -> int:
    """Carry it out on one of them and give the exit status."""
    findings = Findings()
    with tempfile.TemporaryDirectory(prefix="http1-") as name:
        folder = Path(name)
        hashed = bcrypt.hashpw(_PASSWORD.encode(), bcrypt.gensalt(4)).decode()
        users = folder / "users"
        users.touch(mode=0o600)
        users.write_text("".join(f"{user}:{hashed}\n" for user in USERS))
        begun = time.monotonic()
        with Http1Server(server, folder, HTPASSWD_FILE=str(users), LOG_LEVEL="WARNING") as running:
            everyone = asyncio.run(_ask(running.port, options, findings))
        took = time.monotonic() - begun
        if "Traceback" in running.said():
            findings.breach("the server has written a traceback")
    findings.need("requests answered", options.requests * 9 // 10)
    findings.need("requests sent behind another without its answer", options.requests // 2)
    findings.need("of those, refused in between", options.requests // 8)
    findings.need("of those, offers of another protocol", options.requests // 100)
    findings.need("of those, with trailers", options.requests // 100)
    findings.need("of those, held", options.requests // 200)
    for (kind, status), number in sorted(everyone.table.items()):
        findings.count(f"{kind}: {status}", number)
    pause = f"{everyone.longest_pause:.2f} s"
    figures = {"seed": options.seed, "seconds": f"{took:.0f}", "longest pause of the clients": pause}
    return findings.report(f"HTTP/1.1 on {server}", figures)


async def _ask(port: int, options: argparse.Namespace, findings: Findings) -> Users:
    async with AsyncExitStack() as stack:
        if options.seeded_bug in BUGS and options.seeded_bug != "httptools":
            port = await stack.enter_async_context(relay(port, options.seeded_bug))
        users = Users(port, options, findings)
        await users.run()
        return users


if __name__ == "__main__":
    run(main())
