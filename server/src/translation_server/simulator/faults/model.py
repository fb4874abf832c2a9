"""Faults: what can go wrong with one request, as values. `faulty` does them to a real connection. Pure.

Those of `BEFORE` strike instead of the request being handled, the others strike its answer: then whatever was asked
for has been done.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar, Final

from translation_server.simulator.faults.fields import RuleError, checked
from translation_server.simulator.recording.exchange import Exchange, Kind

_ALL: Final = tuple(kind for kind in Kind if kind is not Kind.OTHER)


@dataclass(frozen=True, slots=True)
class Fault:
    """What all faults have in common.

    Raises:
        RuleError: A value is not allowed.
    """

    name: ClassVar[str]
    kinds: ClassVar[tuple[Kind, ...]] = _ALL
    """Which requests it strikes, unless a rule says otherwise."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None or field.default is not None:
                object.__setattr__(self, field.name, checked(field.name, value))

    def can_strike(self, exchange: Exchange) -> bool:  # noqa: ARG002 - most can strike any
        """Whether this request is one that it is about."""
        return True


@dataclass(frozen=True, slots=True)
class Latency(Fault):
    """The answer is held back; whatever was asked for has been done.

    Attributes:
        seconds: For how long.
    """

    name = "latency"
    seconds: float


@dataclass(frozen=True, slots=True)
class Status(Fault):
    """An error, instead of the request being handled.

    Attributes:
        code: The HTTP status code: 429, 500, 503, or any other from 400 to 599.
        retry_after: Whole seconds the header `Retry-After` names; None: there is no such header.
    """

    name = "status"
    code: int = 503
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class BadGateway(Fault):
    """A page in HTML from a proxy that found no server behind it; the request was not handled.

    Attributes:
        code: The HTTP status code: 502, 503 or 504, as a rule.
    """

    name = "bad_gateway"
    code: int = 502


@dataclass(frozen=True, slots=True)
class HtmlPage(Fault):
    """A page in HTML with the status 200, as from a login portal; the request was not handled."""

    name = "html_page"


@dataclass(frozen=True, slots=True)
class Reset(Fault):
    """The connection is reset (TCP RST), and the request not handled."""

    name = "reset"


@dataclass(frozen=True, slots=True)
class Close(Fault):
    """The connection is closed without an answer, and the request not handled."""

    name = "close"


@dataclass(frozen=True, slots=True)
class Truncate(Fault):
    """The connection is closed in the middle of the answer.

    Attributes:
        share: How much of the body arrives, 0 to 1; the last byte never does.
    """

    name = "truncate"
    share: float = 0.5


@dataclass(frozen=True, slots=True)
class Drip(Fault):
    """The answer's body arrives byte by byte, so that no single read takes long.

    Attributes:
        bytes_per_second: How fast.
    """

    name = "drip"
    bytes_per_second: float = 20.0


@dataclass(frozen=True, slots=True)
class BrokenJson(Fault):
    """An answer whose length is right, and whose JSON ends in the middle."""

    name = "broken_json"


@dataclass(frozen=True, slots=True)
class UnknownStatus(Fault):
    """The job has a status that is none of the documented ones, as after an update of the server.

    Attributes:
        status: What it is called.
    """

    name = "unknown_status"
    kinds = (Kind.POLL, Kind.LATEST)
    status: str = "paused"


@dataclass(frozen=True, slots=True)
class NotFound(Fault):
    """The job is unknown, as while a start has not reached all machines behind an address yet."""

    name = "not_found"
    kinds = (Kind.POLL, Kind.CANCEL)


@dataclass(frozen=True, slots=True)
class CutLongPoll(Fault):
    """A request that is held, or a stream, is cut off as by a proxy.

    Attributes:
        seconds: After how long; requests that are answered sooner are left alone.
        instead: What the client gets, unless its answer has begun: `close`, `reset`, `502` or `504` (in HTML).
    """

    name = "cut_long_poll"
    kinds = (Kind.POLL, Kind.LATEST, Kind.EVENTS)
    seconds: float
    instead: str = "close"

    def can_strike(self, exchange: Exchange) -> bool:
        """Whether it asks to be held for longer."""
        return exchange.kind is Kind.EVENTS or (exchange.wait or 0.0) > self.seconds


@dataclass(frozen=True, slots=True)
class LostAnswer(Fault):
    """The request is handled and its answer lost: a job was accepted, and its client does not know.

    Attributes:
        instead: What the client gets: `close`, `reset`, `502` or `504` (in HTML).
    """

    name = "lost_answer"
    kinds = (Kind.START,)
    instead: str = "close"


@dataclass(frozen=True, slots=True)
class Restart(Fault):
    """The server goes down: every connection is reset, at once and for as long as it lasts; jobs survive.

    Attributes:
        seconds: Until it is up again.
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
    """The fault with this name.

    Raises:
        RuleError: There is none.
    """
    if not isinstance(name, str) or name not in FAULTS:
        raise RuleError("fault", f"is {name!r}: allowed is one of {', '.join(FAULTS)}")
    return FAULTS[name]
