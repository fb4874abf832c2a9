"""Query parameters, each declared once, and request headers; what is wrong with one is a 422 that names it. Pure."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn, TypeVar
from urllib.parse import parse_qsl

from translation_server.http.problems import ProblemError
from translation_server.jobs.model import Status
from translation_server.jobs.numbers import to_count, to_decimal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from starlette.types import Scope

MOST_PER_PAGE: Final = 1000
PER_PAGE: Final = 100
NO_CURSOR: Final = "must be a next_cursor of an earlier answer"
_LATEST: Final = 253402300799.0  # the last second of the year 9999

_MOMENT: Final = re.compile(r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?)([Zz]|[+ -]\d\d:\d\d)", re.ASCII)
_PREFERRED_WAIT: Final = re.compile(r'\s*wait\s*=\s*("?)(\d{1,9})\1\s*(;.*)?', re.ASCII | re.IGNORECASE)
_KEY_STRING: Final = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_KEY_BARE: Final = re.compile(r"[!#-~][!-~]*")
_LONGEST_KEY: Final = 255
_JOB_ID: Final = re.compile(r"[0-9a-f-]{36}")
_EVENT_ID: Final = re.compile(r"([0-9a-f]{8})-([0-9]{1,18})")
_MOST_VALUES: Final = 1000
_BY_NAME: Final = "translation_server.headers"

_T = TypeVar("_T")
Query = dict[str, list[str]]


def refuse(name: str, message: str) -> NoReturn:
    """Raise the ``ProblemError`` (422) about a parameter or header."""
    raise ProblemError(422, f"{name}: {message}", errors=[{"field": name, "message": message}])


@dataclass(frozen=True)
class QueryParameter(Generic[_T]):
    """A query parameter; the OpenAPI document and the errors are made from it.

    Attributes:
        name: In the address.
        description: For the document.
        schema: For the document, a JSON schema.
        parse: Returns what the text means; raises ``ValueError`` that says what it must be.
        default: What it is if it is not given.
        repeated: Whether it may be given several times.
    """

    name: str
    description: str
    schema: Mapping[str, Any]
    parse: Callable[[str], _T]
    default: _T
    repeated: bool = False

    def value(self, query: Query) -> _T:
        """Return what a request gives for it, or the default; raises ``ProblemError`` (422)."""
        values = query.get(self.name)
        return self._parsed(values[0]) if values else self.default

    def values(self, query: Query) -> list[_T]:
        """Return everything a request gives for it; raises ``ProblemError`` (422)."""
        return [self._parsed(text) for text in query.get(self.name, ())]

    def _parsed(self, text: str) -> _T:
        try:
            return self.parse(text)
        except ValueError as error:
            refuse(self.name, str(error))


def read_query(scope: Scope, *parameters: QueryParameter[Any]) -> Query:
    """Return the values of each parameter; one that is unknown, or repeated though it may not be, is refused."""
    if not scope["query_string"]:
        return {}
    try:
        text = scope["query_string"].decode("latin-1")
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_VALUES)
    except ValueError:
        refuse("query", "too many parameters")
    known = {parameter.name: parameter for parameter in parameters}
    found: Query = {}
    for name, value in pairs:
        if name not in known:
            refuse(name[:100], f"is not a parameter here; allowed: {', '.join(known) or 'none'}")
        if name in found and not known[name].repeated:
            refuse(name, "may be given once only")
        found.setdefault(name, []).append(value)
    return found


def path_of(scope: Scope) -> str:
    """Return the path without the root path, which a proxy adds."""
    path: str = scope["path"]
    return path.removeprefix(root) if (root := scope.get("root_path")) else path


def headers_by_name(scope: Scope) -> dict[bytes, bytes]:
    """Return the request's headers, made once for each request; of several with one name, the last."""
    found: dict[bytes, bytes] | None = scope.get(_BY_NAME)
    if found is None:
        found = scope[_BY_NAME] = dict(scope["headers"])
    return found


def set_header(scope: Scope, name: bytes, value: bytes | None) -> None:
    """Give a request another header in place of those with this name, which is in lower case; None: none of it."""
    kept = [pair for pair in scope["headers"] if pair[0] != name]
    scope["headers"] = kept if value is None else [*kept, (name, value)]
    scope.pop(_BY_NAME, None)


def header_values(scope: Scope, name: bytes) -> list[str]:
    """Return what the request gives for a header, whose name is in lower case."""
    return [value.decode("latin-1") for given, value in scope["headers"] if given == name]


def _wait(text: str) -> float:
    try:
        return to_decimal(text)
    except ValueError:
        raise ValueError("must be a number of seconds, 0 or more, such as 30 or 2.5") from None


def _limit(text: str) -> int:
    try:
        return to_count(text, 1, MOST_PER_PAGE)
    except ValueError:
        raise ValueError(f"must be a whole number from 1 to {MOST_PER_PAGE}") from None


def _status(text: str) -> Status:
    if text not in set(Status):
        raise ValueError(f"must be one of {', '.join(Status)}")
    return Status(text)


def _cursor(text: str) -> str:
    if not _JOB_ID.fullmatch(text):
        raise ValueError(NO_CURSOR)
    return text


def _since(text: str) -> float:
    with suppress(ValueError):
        if (seconds := to_decimal(text)) <= _LATEST:
            return seconds
    match = _MOMENT.fullmatch(text)
    try:
        # A plus sign that was not escaped arrives as a space.
        moment = datetime.fromisoformat((match[1] + match[2].replace(" ", "+")).upper()) if match else None
    except ValueError:
        moment = None
    if moment is None:
        raise ValueError("must be a date and time such as 2026-01-31T12:00:00Z, or seconds since 1970")
    return moment.timestamp()


_TEXT: Final = {"type": "string"}
WAIT: Final = QueryParameter[float | None](
    "wait", "Seconds to hold the request until the job ends.", {"type": "number", "minimum": 0}, _wait, None
)
STATUS: Final = QueryParameter[Status | None](
    "status", "Only jobs with this status.", {"$ref": "#/components/schemas/Status"}, _status, None
)
LIMIT: Final = QueryParameter(
    "limit",
    "How many are told of in one answer.",
    {"type": "integer", "minimum": 1, "maximum": MOST_PER_PAGE, "default": PER_PAGE},
    _limit,
    PER_PAGE,
)
CURSOR: Final = QueryParameter[str | None]("cursor", "`next_cursor` of the answer before.", _TEXT, _cursor, None)
SINCE: Final = QueryParameter[float | None](
    "since", "Replays from this moment: RFC 3339, or seconds since 1970.", _TEXT, _since, None
)
JOB_ID: Final = QueryParameter(
    "job_id", "Only this job; may be repeated.", {"type": "array", "items": _TEXT}, str, "", repeated=True
)


def preferred_wait(values: Sequence[str]) -> float | None:
    """Return the seconds of the header ``Prefer: wait=N`` (RFC 7240, section 4.3); None without one.

    A header that makes no sense is no preference (section 2), so it is not an error.
    """
    found = [match for part in ",".join(values).split(",") if (match := _PREFERRED_WAIT.fullmatch(part))]
    return float(found[0][2]) if found else None


def wait_seconds(scope: Scope) -> float | None:
    """Return for how long a request asks to be held, by the parameter or else the header; raises ``ProblemError``."""
    seconds = WAIT.value(read_query(scope, WAIT))
    return preferred_wait(header_values(scope, b"prefer")) if seconds is None else seconds


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
    """Return whether the header ``If-None-Match`` names the entity tag, compared weakly (RFC 9110, section 13.1.2)."""
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
