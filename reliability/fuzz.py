"""Promise: any bytes to any endpoint: no 5xx, and no request of HTTP's own grammar without an answer.

    python reliability/fuzz.py                            20,000 requests
    python reliability/fuzz.py --seeded-bug lenient-json  shows that it can fail

Half of the requests are HTTP as far as the framing goes, with odd paths, parameters, headers and bodies: each must be
answered. The others have bytes changed, cut out, put in or doubled anywhere, the framing included: the server may
close the connection, and must serve the next one.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from figures import Findings, run
from odd_requests import ENDPOINTS, Request, damaged, odd, plain
from servers import PASSWORD, USERNAME, Server, parser
from wire import Wire, read_head

if TYPE_CHECKING:
    import argparse

_BUGS = ("lenient-json",)
_USERS = 8
_PATIENCE = 15.0  # seconds: the server gives a slow body ten
_CONTINUE, _SERVER_ERROR = 100, 500
_SETTINGS = {"min_delay": 0.0, "max_delay": 0.2, "max_wait": 0.02}


class Fuzzing:
    """One run."""

    def __init__(self, options: argparse.Namespace, server: Server, findings: Findings) -> None:
        self._choices = random.Random(options.seed)  # noqa: S311 - repeatable
        self._left = options.requests
        self._server = server
        self._findings = findings
        self.table: Counter[tuple[str, int]] = Counter()
        self.job_ids = ["x"]

    async def run(self) -> None:
        """Let some jobs exist, then send what is to be sent."""
        await self._server.start()
        wire = self._server.wire()
        for _ in range(20):
            answer = await wire.request("POST", "/start", {"simulate": {"duration": self._choices.choice([0, 3600])}})
            self.job_ids.append(str(answer.json()["job_id"]))
        wire.close()
        for request in plain(self.job_ids):
            await self._send(request)
        async with asyncio.TaskGroup() as users:
            for _ in range(_USERS):
                users.create_task(self._user())
        if (await wire.request("GET", "/jobs?limit=1000")).status != 200:  # noqa: PLR2004 - what was stored can be told
            self._findings.breach("what was accepted cannot be told")
        wire.close()

    async def _user(self) -> None:
        while self._left > 0:
            self._left -= 1
            whole = odd(self._choices, self.job_ids)
            await self._send(whole if self._choices.random() < 0.5 else damaged(self._choices, whole))  # noqa: PLR2004 - half

    async def _send(self, request: Request) -> None:
        wire = Wire(self._server.port, USERNAME, PASSWORD)
        message = request.message(wire.common)
        status = await self._exchange(message, close=request.damaged)
        self._findings.count("damaged requests" if request.damaged else "whole requests")
        if status is None and not request.damaged:
            self._findings.breach(f"no answer to {message!r}")
        if status is None:
            self._findings.count("damaged requests that were not answered")
            return
        if not request.damaged:
            self.table[request.endpoint, status] += 1
        self._findings.count(f"answers {status // 100}xx")
        if status >= _SERVER_ERROR:
            self._findings.breach(f"{status} to {message!r}")

    async def _exchange(self, message: bytes, *, close: bool) -> int | None:
        """The status; None if the connection ended without an answer. A stream is not read to its end: it has none."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._server.port)
        try:
            async with asyncio.timeout(_PATIENCE):
                writer.write(message)
                if close:
                    writer.write_eof()
                status = (await read_head(reader)).status
                return (await read_head(reader)).status if status == _CONTINUE else status
        except (OSError, EOFError, ValueError, IndexError, TimeoutError):
            return None
        finally:
            writer.transport.abort()


def main() -> int:
    """Carry it out and give the exit status."""
    made = parser(__doc__, _BUGS)
    made.add_argument("--requests", type=int, default=20_000)
    options = made.parse_args()
    findings = Findings()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        server = Server(Path(folder), _SETTINGS, bug=options.seeded_bug, kind=options.server)
        fuzzing = Fuzzing(options, server, findings)
        try:
            asyncio.run(fuzzing.run())
            is_well = server.is_well
        finally:
            server.kill()
    if not is_well:
        findings.breach("the server has died")
    check_coverage(fuzzing.table, findings)
    findings.need("damaged requests", options.requests // 3)
    print_table(fuzzing.table)
    return findings.report("any bytes to any endpoint", {"seed": options.seed, "server": options.server})


def check_coverage(table: Counter[tuple[str, int]], findings: Findings) -> None:
    """Every endpoint must have said yes as well as no: bytes that are all refused at the door find nothing."""
    for endpoint in ENDPOINTS:
        statuses = {status for (name, status), _ in table.items() if name == endpoint.name}
        if not any(status < 400 for status in statuses):  # noqa: PLR2004 - a class of statuses
            findings.breach(f"too little was tried: {endpoint.name} never accepted anything: {sorted(statuses)}")


def print_table(table: Counter[tuple[str, int]]) -> None:
    """How often each endpoint answered what, to whole requests."""
    for endpoint in ENDPOINTS:
        told = sorted((status, number) for (name, status), number in table.items() if name == endpoint.name)
        print(f"{endpoint.name:<28} {'  '.join(f'{status}: {number}' for status, number in told)}")


if __name__ == "__main__":
    run(main())
