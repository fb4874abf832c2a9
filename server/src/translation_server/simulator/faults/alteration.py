"""What faults make of an answer's bytes. Pure."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_Header = tuple[bytes, bytes]
_INTERVAL: Final = 0.05  # seconds between two pieces of an answer that drips, unless a byte takes longer

_PAGE: Final = """\
<html>
<head><title>{code} {phrase}</title></head>
<body>
<center><h1>{code} {phrase}</h1></center>
<hr><center>proxy</center>
</body>
</html>
"""


def page(code: int) -> str:
    """What a proxy shows."""
    phrase = HTTPStatus(code).phrase if code in set(HTTPStatus) else "Error"
    return _PAGE.format(code=code, phrase=phrase)


def beginning(body: bytes, share: float) -> bytes:
    """So much of it, but never all."""
    return body[: min(int(len(body) * share), len(body) - 1)] if body else b""


def broken(body: bytes) -> bytes:
    """The first half of it, which is no JSON any more."""
    return body[: len(body) // 2]


def with_status(body: bytes, status: str) -> bytes:
    """The same JSON, with another status of each job in it."""
    try:
        document = json.loads(body)
    except ValueError:
        return body
    jobs = document.get("jobs", [document]) if isinstance(document, dict) else []
    for job in jobs:
        _rename(job, status)
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def with_length(headers: Iterable[_Header], length: int) -> list[_Header]:
    """The headers of an answer of another length; of those that say it is the same as before, none."""
    kept = [(name, value) for name, value in headers if name.lower() not in {b"content-length", b"etag"}]
    return [*kept, (b"content-length", b"%d" % length)]


def pieces(body: bytes, bytes_per_second: float) -> list[bytes]:
    """The body bit by bit: as many bytes as go out between two moments, and one at least."""
    size = max(1, int(bytes_per_second * _INTERVAL))
    return [body[start : start + size] for start in range(0, len(body), size)] or [b""]


def _rename(job: Any, status: str) -> None:  # noqa: ANN401 - any JSON
    if isinstance(job, dict) and isinstance(job.get("status"), str):  # a problem's is a number
        job["status"] = status
