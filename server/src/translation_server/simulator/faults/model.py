"""Faults: what can go wrong with one request, as values; ``injection`` applies them to a connection. Pure.

The faults in ``BEFORE`` replace the handling of the request. The others alter its answer, after the request has been
handled.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar, Final

from translation_server.simulator.faults.fields import RuleError, parse_value
from translation_server.simulator.recording.exchange import Exchange, Kind

_ALL: Final = tuple(kind for kind in Kind if kind is not Kind.OTHER)


@dataclass(frozen=True, slots=True)
class Fault:
    """The base of all faults.

    Raises:
        RuleError: A value is not allowed.
    """

    name: ClassVar[str]
    kinds: ClassVar[tuple[Kind, ...]] = _ALL
    """The kinds of requests it affects, unless a rule names others."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None or field.default is not None:
                object.__setattr__(self, field.name, parse_value(field.name, value))

    def can_affect(self, exchange: Exchange) -> bool:  # noqa: ARG002 - most can affect any
        """Return whether the fault makes sense for this request."""
        return True


@dataclass(frozen=True, slots=True)
class Latency(Fault):
    """The request is handled, and its answer delayed.

    Attributes:
        seconds: The delay.
    """

    name = "latency"
    seconds: float


@dataclass(frozen=True, slots=True)
class Status(Fault):
    """An error is answered; the request is not handled.

    Attributes:
        code: The HTTP status code: 429, 500, 503, or any other from 400 to 599.
        retry_after: The header `Retry-After`, in whole seconds; None: the answer does not have it.
    """

    name = "status"
    code: int = 503
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class BadGateway(Fault):
    """A proxy answers with an error page in HTML; the request is not handled.

    Attributes:
        code: The HTTP status code, usually 502, 503 or 504.
    """

    name = "bad_gateway"
    code: int = 502


@dataclass(frozen=True, slots=True)
class HtmlPage(Fault):
    """A page in HTML is answered with status 200, as by a login portal; the request is not handled."""

    name = "html_page"


@dataclass(frozen=True, slots=True)
class Reset(Fault):
    """The connection is reset (TCP RST); the request is not handled."""

    name = "reset"


@dataclass(frozen=True, slots=True)
class Close(Fault):
    """The connection is closed without an answer; the request is not handled."""

    name = "close"


@dataclass(frozen=True, slots=True)
class Truncate(Fault):
    """The connection is closed in the middle of the answer.

    Attributes:
        share: The share of the body that arrives, 0 to 1; the last byte never does.
    """

    name = "truncate"
    share: float = 0.5


@dataclass(frozen=True, slots=True)
class Drip(Fault):
    """The body of the answer arrives byte by byte, so that no single read takes long.

    Attributes:
        bytes_per_second: The speed.
    """

    name = "drip"
    bytes_per_second: float = 20.0


@dataclass(frozen=True, slots=True)
class BrokenJson(Fault):
    """The answer has the right length, but its JSON ends in the middle."""

    name = "broken_json"


@dataclass(frozen=True, slots=True)
class UnknownStatus(Fault):
    """The job has an undocumented status, as after an update of the server.

    Attributes:
        status: The name of that status.
    """

    name = "unknown_status"
    kinds = (Kind.POLL, Kind.LATEST)
    status: str = "paused"


@dataclass(frozen=True, slots=True)
class NotFound(Fault):
    """The job is unknown (404), as while its record has not reached every machine of the service."""

    name = "not_found"
    kinds = (Kind.POLL, Kind.CANCEL)


@dataclass(frozen=True, slots=True)
class CutLongPoll(Fault):
    """A held request or a stream is cut off, as by a proxy.

    Attributes:
        seconds: The time until the cut; requests that are answered sooner are not affected.
        instead: What the client gets, unless its answer has begun: `close`, `reset`, `502` or `504` (in HTML).
    """

    name = "cut_long_poll"
    kinds = (Kind.START, Kind.POLL, Kind.LATEST, Kind.EVENTS)
    seconds: float
    instead: str = "close"

    def can_affect(self, exchange: Exchange) -> bool:
        """Return whether the request asks to be held for longer."""
        return exchange.kind is Kind.EVENTS or (exchange.wait or 0.0) > self.seconds


@dataclass(frozen=True, slots=True)
class LostAnswer(Fault):
    """The request is handled, and its answer lost: a job was accepted, and the client does not know.

    Attributes:
        instead: What the client gets: `close`, `reset`, `502` or `504` (in HTML).
    """

    name = "lost_answer"
    kinds = (Kind.START,)
    instead: str = "close"


@dataclass(frozen=True, slots=True)
class Restart(Fault):
    """The server restarts: every connection is reset, and every new one until it is up again; jobs survive.

    Attributes:
        seconds: The time until it is up again.
    """

    name = "restart"
    seconds: float = 1.0


FAULTS: Final[dict[str, type[Fault]]] = {
    kind.name: kind
    for kind in (
        *(Latency, Status, BadGateway, HtmlPage, Reset, Close, Truncate, Drip, BrokenJson),
        *(UnknownStatus, NotFound, CutLongPoll, LostAnswer, Restart),
    )
}
BEFORE: Final = (Status, BadGateway, HtmlPage, Reset, Close, NotFound, Restart)


def fault_named(name: object) -> type[Fault]:
    """Return the fault with this name.

    Raises:
        RuleError: There is none.
    """
    if not isinstance(name, str) or name not in FAULTS:
        raise RuleError("fault", f"is {name!r}: allowed is one of {', '.join(FAULTS)}")
    return FAULTS[name]
