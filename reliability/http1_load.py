"""What eight users ask for at once, as bytes, and what each answer must be. Pure: the choices are a parameter."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random

    from wire import Answer

USERS = tuple(f"user-{number}" for number in range(8))
_LONG, _SHORT = 36_000.0, 0.05  # seconds a job takes: it is pending for the whole run, or soon over
_REMEMBERED = 200  # jobs of each user that are asked for
_JSON = "Content-Type: application/json"
_TRAILERS = (
    "Authorization: Basic b3RoZXI6b3RoZXI=\r\nX-Forwarded-For: 192.0.2.1\r\nSec-Fetch-Site: cross-site\r\n"
    "X-Request-ID: of-a-trailer\r\n"
)
_BAD_BODIES = (b"{", b'{"video_length": -1}', b'{"unknown": 1}', b"[]", b"\xff", b'{"video_length": "GET / HTTP/1.1"}')


@dataclass(frozen=True, slots=True)
class Job:
    """What a start was answered with."""

    owner: str
    job_id: str
    video_length: float | None


@dataclass(slots=True)
class Exchange:
    """One request, and what its answer must be.

    Attributes:
        request_id: Its `X-Request-ID`, which the answer has as well.
        kind: A word for the counters.
        statuses: Those that are right.
        jobs: Those which the answer must be about, in this order; None: it is no answer about jobs that are known.
        started: The number that the new job has as its `video_length`; None: it has none, or there is no new job.
        closing: Whether the connection is closed behind the answer.
    """

    request_id: str
    method: str
    user: str
    kind: str
    data: bytes = b""
    statuses: tuple[int, ...] = (200,)
    jobs: list[Job] | None = None
    started: int | None = None
    closing: bool = False


@dataclass
class Load:
    """The users' requests, and what they know of their jobs.

    Args:
        password: That of all the users.
    """

    password: str
    jobs: dict[str, list[Job]] = field(default_factory=lambda: {user: [] for user in USERS})
    by_number: dict[int, Job] = field(default_factory=dict)
    number: int = 0

    @property
    def is_known(self) -> bool:
        """Whether every user has a job to ask for."""
        return all(self.jobs.values())

    def draw(self, choices: random.Random, *, closing: bool = False) -> Exchange:
        """Return the next request."""
        self.number += 1
        user = choices.choice(USERS)
        make = self._start
        if self.jobs[user]:
            kinds = self._read, self._start, self._unknown, self._stranger, self._mistaken, self._query, self._held
            [make] = choices.choices(kinds, weights=(40, 22, 12, 9, 9, 5, 3))
        exchange = make(choices, Exchange(f"request-{self.number}", "GET", user, make.__name__.strip("_")))
        if closing:
            exchange.closing = True
            exchange.data = exchange.data.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
        return exchange

    def fault(self, exchange: Exchange, answer: Answer) -> str:
        """Return what is wrong with the answer, beyond its place; nothing: it is right."""
        if answer.status not in exchange.statuses:
            return f"wrong: {exchange.kind} was answered with {answer.status} {answer.body[:120]!r}"
        if exchange.kind == "start":
            return self._acknowledge(exchange, answer.json())
        if exchange.jobs is None:
            about = answer.json().get("job_id") if answer.body else None
            known = about is not None and any(about == job.job_id for job in self.jobs[exchange.user])
            return f"somebody else's: {exchange.kind} was answered with the job {about}" if known else ""
        told = answer.json()
        found = [(job["job_id"], job["video_length"]) for job in told.get("jobs", [told])]
        wanted = [(job.job_id, job.video_length) for job in exchange.jobs]
        return "" if found == wanted else f"somebody else's: {exchange.kind} of {wanted} was answered with {found}"

    def _acknowledge(self, exchange: Exchange, told: dict[str, Any]) -> str:
        job = Job(exchange.user, told["job_id"], told["video_length"])
        if job.video_length != exchange.started:
            return f"somebody else's: a start with the body of {exchange.started} became a job of {job.video_length}"
        if exchange.started is not None:
            first = self.by_number.setdefault(exchange.started, job)
            if first != job:
                return f"somebody else's: the key of {first} was answered with {job}"
        jobs = self.jobs[exchange.user]
        if len(jobs) < _REMEMBERED and job not in jobs:
            jobs.append(job)
        return ""

    def _start(self, choices: random.Random, exchange: Exchange) -> Exchange:
        exchange.method, exchange.statuses = "POST", (202,)
        if choices.random() < 0.1:  # noqa: PLR2004 - a share of the starts has no body
            exchange.data = self._message(exchange, "/start", "Content-Length: 0")
            return exchange
        known = list(self.by_number.items())[-50:]
        repeated = [number for number, job in known if job.owner == exchange.user]
        exchange.started = choices.choice(repeated) if repeated and choices.random() < 0.2 else self.number  # noqa: PLR2004 - a share
        seconds = _LONG if exchange.started % 8 else _SHORT
        body = json.dumps({"video_length": exchange.started, "simulate": {"duration": seconds}}).encode()
        key = f"Idempotency-Key: {exchange.user}-{exchange.started}"
        exchange.data = self._message(exchange, choices.choice(["/start", "/jobs"]), _JSON, key, body=body, by=choices)
        return exchange

    def _read(self, choices: random.Random, exchange: Exchange) -> Exchange:
        exchange.jobs = [choices.choice(self.jobs[exchange.user])]
        path = choices.choice(["/status/", "/jobs/"]) + exchange.jobs[0].job_id
        exchange.data = self._message(exchange, path, *_offer(choices, 0.05))
        return exchange

    def _held(self, choices: random.Random, exchange: Exchange) -> Exchange:
        exchange.jobs = [choices.choice(self.jobs[exchange.user])]
        path = f"/status/{exchange.jobs[0].job_id}"
        if choices.random() < 0.05:  # noqa: PLR2004 - few, as a whole second is the least that this header can say
            exchange.data = self._message(exchange, path, "Prefer: wait=1")
        else:
            exchange.data = self._message(exchange, f"{path}?wait={choices.choice([0.01, 0.03, 0.1])}")
        return exchange

    def _query(self, choices: random.Random, exchange: Exchange) -> Exchange:
        exchange.method = "POST"
        exchange.jobs = choices.sample(self.jobs[exchange.user], min(3, len(self.jobs[exchange.user])))
        body = json.dumps({"job_ids": [job.job_id for job in exchange.jobs]}).encode()
        exchange.data = self._message(exchange, "/jobs/query", _JSON, body=body, by=choices)
        return exchange

    def _unknown(self, choices: random.Random, exchange: Exchange) -> Exchange:
        """A job that is not there, or that of somebody else, which looks the same."""
        others = [job for user in USERS if user != exchange.user for job in self.jobs[user][-5:]]
        job_id = choices.choice(others).job_id if others and choices.random() < 0.5 else "unknown"  # noqa: PLR2004 - half
        exchange.method = choices.choice(["GET", "GET", "DELETE"])
        exchange.statuses = (404,)
        exchange.data = self._message(exchange, f"/jobs/{job_id}")
        return exchange

    def _stranger(self, choices: random.Random, exchange: Exchange) -> Exchange:
        """Wrong credentials or none, with a body that is nobody's request."""
        exchange.method = choices.choice(["GET", "POST"])
        exchange.statuses = (401, 429)  # after many wrong ones, the next are refused unseen
        password = choices.choice([None, "wrong", f"wrong-{choices.randrange(3)}"])
        body = b"GET /status HTTP/1.1\r\nHost: x\r\n\r\n" if exchange.method == "POST" else b""
        exchange.data = self._message(exchange, "/start", _JSON, body=body, by=choices, password=password)
        return exchange

    def _mistaken(self, choices: random.Random, exchange: Exchange) -> Exchange:
        exchange.method, exchange.statuses = "POST", (400, 415, 422)
        kind = choices.choice([_JSON, _JSON, "Content-Type: text/plain"])
        path = choices.choice(["/start", "/jobs/query"])
        exchange.data = self._message(exchange, path, kind, body=choices.choice(_BAD_BODIES), by=choices)
        return exchange

    def _message(
        self,
        exchange: Exchange,
        path: str,
        *headers: str,
        body: bytes = b"",
        by: random.Random | None = None,
        password: str | None = "",
    ) -> bytes:
        """The bytes of the request; ``by`` chooses how a body is framed and whether another protocol is offered.

        Without a ``password`` of its own it is the user's; None: no credentials.
        """
        lines = [f"{exchange.method} {path} HTTP/1.1", "Host: x", f"X-Request-ID: {exchange.request_id}", *headers]
        if password is not None:
            pair = f"{exchange.user}:{password or self.password}".encode()
            lines.append(f"Authorization: Basic {base64.b64encode(pair).decode()}")
        if body and by is not None:
            lines += _offer(by, 0.1)
            if by.random() < 0.3:  # noqa: PLR2004 - a share of the bodies is chunked
                trailers = _TRAILERS if by.random() < 0.5 else ""  # noqa: PLR2004 - half of those
                lines.append("Transfer-Encoding: chunked")
                body = _chunked(by, body) + f"0\r\n{trailers}\r\n".encode()
            else:
                lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, "", ""]).encode() + body


def pieces(choices: random.Random, data: bytes) -> list[bytes]:
    """Cut what is written at once into packets: mostly none or a few cuts, wherever they fall."""
    number = choices.choice([0, 0, 0, 1, 1, 2, 4, 12])
    places = sorted(choices.randrange(len(data) + 1) for _ in range(number))
    return [data[begin:end] for begin, end in zip([0, *places], [*places, len(data)], strict=True) if begin < end]


def _offer(choices: random.Random, share: float) -> list[str]:
    """Headers by which some clients offer to go on in another protocol."""
    if choices.random() >= share:
        return []
    if choices.random() < 0.5:  # noqa: PLR2004 - half
        return ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAAA"]
    return [
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: " + "A" * 22 + "==",
    ]


def _chunked(choices: random.Random, body: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces(choices, body))
