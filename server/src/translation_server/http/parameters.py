"""Reads query parameters and request headers; whatever is wrong with one is a 422 that names it. Pure."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import parse_qsl

from translation_server.http.problems import ProblemError
from translation_server.jobs.model import Status

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

MOST_PER_PAGE = 1000
PER_PAGE = 100
NO_CURSOR = "must be a next_cursor of an earlier answer"
_LATEST = 253402300799.0  # the last second of the year 9999

_SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")
_WHOLE = re.compile(r"[0-9]{1,4}")
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?)([Zz]|[+ -]\d\d:\d\d)", re.ASCII)
_PREFERRED_WAIT = re.compile(r'\s*wait\s*=\s*("?)(\d{1,9})\1\s*(;.*)?', re.ASCII | re.IGNORECASE)
_KEY_STRING = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_KEY_BARE = re.compile(r"[!#-~][!-~]*")
_LONGEST_KEY = 255
_JOB_ID = re.compile(r"[0-9a-f-]{36}")
_EVENT_ID = re.compile(r"([0-9a-f]{8})-([0-9]{1,18})")


def refuse(name: str, message: str) -> NoReturn:
    """Raise the ``ProblemError`` (422) about a parameter or header."""
    raise ProblemError(422, f"{name}: {message}", errors=[{"field": name, "message": message}])


def read_query(query: bytes, *, once: Collection[str] = (), repeated: Collection[str] = ()) -> Mapping[str, list[str]]:
    """The values of each parameter; one that is unknown, or repeated though it may not be, is refused."""
    if not query:
        return {}
    try:
        pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=1000)
    except ValueError:
        refuse("query", "too many parameters")
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        if name not in once and name not in repeated:
            allowed = ", ".join([*once, *repeated]) or "none"
            refuse(name[:100], f"is not a parameter here; allowed: {allowed}")
        if name in found and name in once:
            refuse(name, "may be given once only")
        found.setdefault(name, []).append(value)
    return found


def one(query: Mapping[str, list[str]], name: str) -> str | None:
    """The value of a parameter that may be given once."""
    return query[name][0] if name in query else None


def wait(parameter: str | None, prefer: Sequence[str]) -> float | None:
    """Seconds to hold the request: the parameter, else the header ``Prefer`` (RFC 7240, section 4.3); None: neither.

    A header that makes no sense is no preference (section 2), so it is not an error.
    """
    if parameter is not None:
        if not _SECONDS.fullmatch(parameter):
            refuse("wait", "must be a number of seconds, 0 or more, such as 30 or 2.5")
        return float(parameter)
    if not prefer:
        return None
    found = [match for part in ",".join(prefer).split(",") if (match := _PREFERRED_WAIT.fullmatch(part))]
    return float(found[0][2]) if found else None


def limit(parameter: str | None) -> int:
    """How many jobs a page has."""
    if parameter is None:
        return PER_PAGE
    if not _WHOLE.fullmatch(parameter) or not 1 <= int(parameter) <= MOST_PER_PAGE:
        refuse("limit", f"must be a whole number from 1 to {MOST_PER_PAGE}")
    return int(parameter)


def status(parameter: str | None) -> Status | None:
    """Which jobs are listed; None: all."""
    if parameter is None:
        return None
    if parameter not in set(Status):
        refuse("status", f"must be one of {', '.join(Status)}")
    return Status(parameter)


def cursor(parameter: str | None) -> str | None:
    """The id of the job with which a page ended."""
    if parameter is not None and not _JOB_ID.fullmatch(parameter):
        refuse("cursor", NO_CURSOR)
    return parameter


def since(parameter: str | None) -> float | None:
    """A moment, in seconds since 1970, given so or as date and time of RFC 3339."""
    if parameter is None:
        return None
    if _SECONDS.fullmatch(parameter) and float(parameter) <= _LATEST:
        return float(parameter)
    match = _MOMENT.fullmatch(parameter)
    try:
        # A plus sign that was not escaped arrives as a space.
        moment = datetime.fromisoformat((match[1] + match[2].replace(" ", "+")).upper()) if match else None
    except ValueError:
        moment = None
    if moment is None:
        refuse("since", "must be a date and time such as 2026-01-31T12:00:00Z, or seconds since 1970")
    return moment.timestamp()


def idempotency_key(values: Sequence[str]) -> str | None:
    """The header ``Idempotency-Key``: a string of RFC 8941 (section 3.3.3), or the same without quotes."""
    if not values:
        return None
    quoted = _KEY_STRING.fullmatch(values[0].strip())
    key = re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else values[0].strip()
    if len(values) > 1 or not 1 <= len(key) <= _LONGEST_KEY or not (quoted or _KEY_BARE.fullmatch(key)):
        refuse("Idempotency-Key", f"must be one key of 1 to {_LONGEST_KEY} visible ASCII characters, quoted or bare")
    return key


def matches(if_none_match: Iterable[str], etag: str) -> bool:
    """Whether the header ``If-None-Match`` names the entity tag, compared weakly (RFC 9110, section 13.1.2)."""
    tags = [tag.strip().removeprefix("W/") for value in if_none_match for tag in value.split(",")]
    return etag.removeprefix("W/") in tags or "*" in tags


def to_event_id(identity: str, position: int) -> str:
    """What names a place in the order of ending of one store's jobs; opaque to the client."""
    return f"{identity}-{position}"


def last_event_id(values: Sequence[str], identity: str) -> int | None:
    """The position in the header ``Last-Event-ID``; None without one.

    Places in another store mean nothing in this one, so all of its jobs have yet to be told: position 0.
    """
    value = values[-1].strip() if values else ""
    if not value:
        return None
    match = _EVENT_ID.fullmatch(value)
    if match is None:
        refuse("Last-Event-ID", "must be the id of an event of this stream")
    return int(match[2]) if match[1] == identity else 0


def applied(seconds: float) -> str:
    """The header ``Preference-Applied`` (RFC 7240, section 3); fractions as the query parameter has them."""
    return "wait=" + f"{seconds:.3f}".rstrip("0").rstrip(".")
