"""Checks of what callers give: a ``TypeError`` for a wrong type, a ``ValueError`` for a wrong value. Pure.

Each message names the argument and what is allowed. Nothing has been sent when they are raised.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from typing import NoReturn

_VISIBLE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,255}")
_LONGEST_ID = 255
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_FIELD_VALUE = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?")  # RFC 9110, section 5.5
# With another value of these the requests would be others, or their answers not be understood.
_OWN_HEADERS = frozenset(
    {
        *("accept", "accept-encoding", "authorization", "connection", "content-encoding", "content-length"),
        *("content-type", "expect", "host", "idempotency-key", "last-event-id", "prefer", "proxy-authorization"),
        *("te", "trailer", "transfer-encoding", "upgrade"),
    }
)
_SECONDS = "a finite number of seconds"
_FORBIDDEN_IN_IDS = re.compile(r"[\x00-\x20\x7f/?#%\\\ud800-\udfff]")


def refuse(name: str, allowed: str, value: object, *, wrong_type: bool) -> NoReturn:
    """Raise ``TypeError`` or ``ValueError``: ``{name} must be {allowed}, not {value}``."""
    raise (TypeError if wrong_type else ValueError)(f"{name} must be {allowed}, not {value!r:.300}")


def check_number(  # noqa: PLR0913 - the range, by keyword
    name: str,
    value: object,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float = sys.float_info.max,
    what: str = "a finite number",
) -> None:
    """Check that the value is a finite number in the range."""
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else None
    in_range = number is not None and number <= most  # which NaN and infinity are not
    if number is not None and in_range and (least is None or number >= least) and (above is None or number > above):
        return
    shown_most = None if most == sys.float_info.max else most
    bounds = [
        f"{word} {bound:g}"
        for word, bound in (("at least", least), ("above", above), ("at most", shown_most))
        if bound is not None
    ]
    refuse(name, f"{what}, {' and '.join(bounds)}", value, wrong_type=number is None)


def check_count(name: str, value: object, *, least: int) -> None:
    """Check that the value is a whole number, or None."""
    is_count = isinstance(value, int) and not isinstance(value, bool)
    if value is not None and not (isinstance(value, int) and is_count and value >= least):
        refuse(name, f"a whole number, at least {least}, or None", value, wrong_type=not is_count)


def check_timeout(timeout: float | None) -> None:
    """Check that the timeout is None or a finite number of seconds, 0 or more."""
    if timeout is not None:
        check_number("timeout", timeout, least=0.0, what=_SECONDS)


def check_video_length(video_length: float | None) -> None:
    """Check that the length is None or a finite number of seconds above 0."""
    if video_length is not None:
        check_number("video_length", video_length, above=0.0, what=_SECONDS)


def check_idempotency_key(key: object) -> None:
    """Check that the key can stand in a quoted header."""
    if not isinstance(key, str):
        refuse("idempotency_key", "a string", key, wrong_type=True)
    if not _VISIBLE.fullmatch(key):
        raise ValueError("idempotency_key must be 1 to 255 visible ASCII characters without quote and backslash")


def check_headers(headers: object) -> dict[str, str]:
    """Return the headers a user adds, each checked; their values, which may be secrets, are in no message."""
    if headers is None:
        return {}
    if not isinstance(headers, Mapping):
        raise TypeError(f"headers must be a mapping of names to values, or None, not {type(headers).__name__}")
    for name, value in headers.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError("headers must be a mapping of strings to strings")
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"headers must have names of letters, digits and '-', not {name!r:.300}")
        if name.lower() in _OWN_HEADERS:
            raise ValueError(f"headers must not contain {name}, which the client sends itself")
        if not _FIELD_VALUE.fullmatch(value):
            raise ValueError(f"headers must have values of printable ASCII; that of {name} has others")
    return dict(headers)


def check_job_id(job_id: object) -> str:
    """Return the id if it can stand in a path: not empty, not too long, without ``/``, ``?``, spaces and the like."""
    if not isinstance(job_id, str):
        refuse("job_id", "a string", job_id, wrong_type=True)
    if not job_id or len(job_id) > _LONGEST_ID or job_id in {".", ".."} or _FORBIDDEN_IN_IDS.search(job_id):
        allowed = f"1 to {_LONGEST_ID} characters without spaces, '/', '?', '#', '%'"
        refuse("job_id", allowed, job_id, wrong_type=False)
    return job_id


def check_job_ids(job_ids: Iterable[str]) -> list[str]:
    """Return the ids, each checked; one string is refused, as it would be taken for its letters."""
    if isinstance(job_ids, str) or not isinstance(job_ids, Iterable):
        refuse("job_ids", "several ids", job_ids, wrong_type=True)
    return [check_job_id(job_id) for job_id in job_ids]
