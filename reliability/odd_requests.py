"""Requests as no client should send them: odd in what they ask for, or damaged byte by byte. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One of the API's: a method and a path, whose `{}` is a job's id."""

    method: str
    path: str
    parameters: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """For tables."""
        return f"{self.method} {self.path.format('{job_id}')}"


ENDPOINTS = (
    Endpoint("POST", "/start"),
    Endpoint("POST", "/jobs"),
    Endpoint("GET", "/status/{}", ("wait",)),
    Endpoint("GET", "/jobs/{}", ("wait",)),
    Endpoint("GET", "/status", ("wait",)),
    Endpoint("GET", "/jobs", ("status", "limit", "cursor")),
    Endpoint("POST", "/jobs/query"),
    Endpoint("DELETE", "/jobs/{}"),
    Endpoint("GET", "/events", ("since", "job_id")),
    Endpoint("GET", "/health/live"),
    Endpoint("GET", "/health/ready"),
    Endpoint("GET", "/docs"),
    Endpoint("GET", "/openapi.json"),
)


@dataclass(frozen=True, slots=True)
class Request:
    """One request, as far as it is not the same in all; `damaged` bytes stand for the whole of it."""

    endpoint: str
    line: bytes
    headers: tuple[bytes, ...] = ()
    body: bytes = b""
    cut: tuple[tuple[float, float, bytes], ...] = ()

    @property
    def damaged(self) -> bool:
        """Whether its bytes are changed where HTTP's framing may be."""
        return bool(self.cut)

    def message(self, common: str) -> bytes:
        """Its bytes, with the header lines that all requests have."""
        lines = b"".join(header + b"\r\n" for header in self.headers)
        message = self.line + b" HTTP/1.1\r\n" + common.encode() + lines + b"\r\n" + self.body
        for begin, length, instead in self.cut:
            start = int(begin * len(message))
            message = message[:start] + instead + message[start + int(length) :]
        return message


IDS = (
    "x", "%00", "%FF", "%ED%A0%80", "%F0%9F%94%91", "a" * 5000, "0" * 36, "'--", "..", "%2e%2e", "%25s", "query",
)  # fmt: skip
VALUES = (
    "", "0", "1", "0.01", "-1", "-0", "nan", "inf", "1e999", "1e-999", "9" * 400, "%00", "%FF", "0x10", "1_0", "\xb2",
    "%D9%A1", "pending", "completed", "error", "ERROR", "null", "2026-01-31T12:00:00Z", "2026-99-99T00:00:00Z",
    "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "AAAAAAAAAAE", "f" * 12, "%", "=", "a=b&&c",
)  # fmt: skip
HEADERS = (
    b"Prefer: wait=1", b"Prefer: wait=\xff", b'Prefer: wait="1"', b"Prefer: respond-async, wait=0", b"Prefer: ,;=",
    b"If-None-Match: *", b'If-None-Match: "a", W/"b"', b"If-None-Match: \x80", b'Idempotency-Key: "a\\"b"',
    b"Idempotency-Key: k", b"Idempotency-Key:", b"Idempotency-Key: \xe9", b"Idempotency-Key: " + b"k" * 256,
    b"Last-Event-ID: 0", b"Last-Event-ID: 0a1b2c3d-" + b"9" * 18, b"Last-Event-ID: \xff", b"Cookie: a=\xff",
    b"Content-Type: text/plain", b"Content-Type: application/json; charset=\xff", b"Content-Encoding: gzip",
    b"Sec-Fetch-Site: cross-site", b"Origin: null", b"Origin: \xff", b"Authorization: Basic \xff",
    b"X-Request-ID: \x01",
    b"Accept: \xff", b"Range: bytes=9-1", b"Expect: 100-continue", b"Upgrade: websocket", b"X-Long: " + b"a" * 20_000,
    b"Connection: close", b"Connection: \xff", b"TE: trailers", b"Accept-Encoding: *;q=x", b"Host: other",
)  # fmt: skip
LITERALS = (
    "1", "-1", "0", "-0.0", "0.5", "1e308", "1e309", "-1e999", "NaN", "Infinity", "1e-400", "9" * 30, "9" * 5000,
    "9007199254740993", "18446744073709551616", '"\\ud800"', '"\\u0000"', '"\\ud83d\\udd11"', '"\x7f"', '"\x00"',
    "null",
    "true", "[]", "{}", '{"a": 1, "a": 2}', "[" * 40 + "]" * 40, '{"a":' * 2000 + "1" + "}" * 2000, "[1,]", "'a'",
    '"' + "a" * 70_000 + '"', "01", "+1", ".5", "1.", "\ufeff1", '"completed"', '"error"', '"pending"',
    '{"\\ud800": 1}',
    '{"": 0}', '{"duration": 1, "outcome": "error"}', '{"duration": 1e309}', '{"duration": -1}', '{"outcome": []}',
)  # fmt: skip
NAMES = ("video_length", "metadata", "simulate", "job_ids", "duration", "", "\\ud800", "unknown", "__proto__")


def plain(job_ids: Sequence[str]) -> list[Request]:
    """One sensible request for every endpoint."""
    found = []
    for endpoint in ENDPOINTS:
        body = json.dumps({"job_ids": list(job_ids)} if endpoint.path == "/jobs/query" else {}).encode()
        headers = _framing(body) if endpoint.method == "POST" else ()
        line = f"{endpoint.method} {endpoint.path.format(job_ids[-1])}".encode()
        found.append(Request(endpoint.name, line, headers, body if headers else b""))
    return found


def odd(choices: random.Random, job_ids: Sequence[str]) -> Request:
    """A whole request that is odd in a few ways."""
    endpoint = choices.choice(ENDPOINTS)
    path = endpoint.path.format(choices.choice([*job_ids, choices.choice(IDS)]))
    if "{}" in endpoint.path and choices.random() < 0.5:  # noqa: PLR2004 - half are of jobs that exist
        path = endpoint.path.format(choices.choice(job_ids))
    line = f"{endpoint.method} {path}{_query(choices, endpoint)}".encode("latin-1")
    headers = tuple(choices.choice(HEADERS) for _ in range(choices.choice([0, 0, 1, 1, 2, 4])))
    body = _body(choices, endpoint, job_ids) if endpoint.method == "POST" or choices.random() < 0.05 else b""  # noqa: PLR2004 - a few
    return Request(endpoint.name, line, (*headers, *(_framing(body) if body else ())), body)


def damaged(choices: random.Random, whole: Request) -> Request:
    """The request with bytes changed, cut out, put in or doubled."""
    cuts = []
    for _ in range(choices.choice([1, 1, 2, 5])):
        length = choices.choice([0, 1, 1, 4, 100, 10**6])
        cuts.append((choices.random(), float(length), choices.randbytes(choices.choice([0, 1, 1, 2, 8, 300]))))
    return replace(whole, cut=tuple(cuts))


def _query(choices: random.Random, endpoint: Endpoint) -> str:
    foreign = choices.choice(["wait", "limit", "x", "%00", ""])
    names = endpoint.parameters if endpoint.parameters and choices.random() < 0.8 else (foreign,)  # noqa: PLR2004 - most
    pairs = [f"{choices.choice(names)}={choices.choice(VALUES)}" for _ in range(choices.choice([0, 0, 0, 1, 1, 2]))]
    return "?" + "&".join(pairs) if pairs else ""


def _body(choices: random.Random, endpoint: Endpoint, job_ids: Sequence[str]) -> bytes:
    kind = choices.random()
    if kind < 0.1:  # noqa: PLR2004 - the shares of the kinds
        return choices.randbytes(choices.choice([1, 10, 1000]))
    if kind < 0.2:  # noqa: PLR2004 - as above
        return choices.choice(LITERALS).encode("utf-8", "replace")
    if endpoint.path == "/jobs/query" and kind < 0.7:  # noqa: PLR2004 - as above
        ids = [choices.choice([*map(json.dumps, job_ids), *LITERALS]) for _ in range(choices.choice([0, 1, 3]))]
        return f'{{"job_ids": [{", ".join(ids)}]}}'.encode()
    names = choices.sample(NAMES[:3] if kind < 0.8 else NAMES, choices.choice([0, 1, 1, 2, 3]))  # noqa: PLR2004 - as above
    return ("{" + ", ".join(f'"{name}": {_value(choices, name)}' for name in names) + "}").encode()


def _value(choices: random.Random, name: str) -> str:
    literal = choices.choice(LITERALS)
    return f'{{"a": {literal}}}' if name == "metadata" and choices.random() < 0.8 else literal  # noqa: PLR2004 - most


def _framing(body: bytes) -> tuple[bytes, ...]:
    return (b"Content-Type: application/json", b"Content-Length: %d" % len(body))
