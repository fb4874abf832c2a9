"""Our client in virtual time: its own flows, with a clock and a wire of ours."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, TypeVar

from benchmarks.virtual import Help, Look, Server
from translation_client import PollingConfig
from translation_client._core.flow import Reply, Send, Sleep
from translation_client._core.operations import UNSET, Operations
from translation_client._wire.responses import Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from translation_client._core.flow import Flow
    from translation_client._wire.requests import Request

T = TypeVar("T")

EPOCH = 1_700_000_000.0  # the virtual clock, as a date


def ours(server: Server, seed: int) -> Callable[[float], object]:
    """One client, with the defaults, that starts each job and waits for it."""
    rng = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    operations = Operations(PollingConfig(timeout=None), server.clock.read)
    operations._random = rng.random  # noqa: SLF001 - jitter that the seed determines
    numbers = count(1)

    def wait(duration: float) -> None:
        wire = _Wire(server, f"job-{next(numbers)}", duration)
        job = _drive(operations.start(None, None, None, None, UNSET), server, wire.start)
        _drive(operations.wait(job.job_id, UNSET), server, wire.status)

    return wait


def _drive(flow: Flow[T], server: Server, send: Callable[[Request], Response]) -> T:
    """Carry out what the flow asks for."""
    try:
        action = next(flow)
        while True:
            result = None
            match action:
                case Send(request):
                    result = send(request)
                case Sleep(until):
                    server.clock.now = max(until, server.clock.now)
            action = flow.send(Reply(server.clock.now, result))
    except StopIteration as stop:
        answer: T = stop.value
        return answer


class _Wire:
    """One job, in the words of our server's HTTP API; where the server gives no help, its id and status only."""

    def __init__(self, server: Server, job_id: str, duration: float) -> None:
        self._server = server
        self._job_id = job_id
        self._duration = duration

    def start(self, _: Request) -> Response:
        self._server.start(self._duration)
        hint = None if self._server.help is Help.NONE else self._server.hints.poll_after(0.0)
        return self._answer(202, Look(ended=False, age=0.0, hint=hint))

    def status(self, request: Request) -> Response:
        return self._answer(200, self._server.look(request.hold))

    def _answer(self, status: int, look: Look) -> Response:
        headers = {"date": "Tue, 14 Nov 2023 22:13:20 GMT"}
        if look.held is not None:
            headers["preference-applied"] = f"wait={look.held:g}"
        job: dict[str, object] = {"job_id": self._job_id, "status": "completed" if look.ended else "pending"}
        if self._server.help is not Help.NONE:
            created = self._server.created
            job |= {
                "created_at": _timestamp(created),
                "ended_at": _timestamp(created + look.age) if look.ended else None,
                "elapsed_time": round(look.age, 3),
                "poll_after": None if look.hint is None else round(look.hint + 0.0005, 3),
            }
        return Response(status, headers, json.dumps(job).encode())


def _timestamp(moment: float) -> str:
    return datetime.fromtimestamp(EPOCH + moment, UTC).isoformat(timespec="milliseconds")
