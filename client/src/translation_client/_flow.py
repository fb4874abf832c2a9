"""What a flow asks of its driver.

A *flow* is a generator that decides: it yields an action and is sent a ``Reply`` with the time and, after a ``Send``,
what came of it. A *driver* (``_client``, ``_async_client``, a test) carries the actions out and decides nothing. All
moments are on the driver's monotonic clock, so the wall clock may jump as it likes.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias, TypeVar

if TYPE_CHECKING:
    from translation_client._models import Job
    from translation_client._protocol import Request, Response, Transient

T = TypeVar("T")


class Event(Enum):
    """What there is to tell the user."""

    POLL = "an answer arrived"
    CHANGE = "the status is new"
    COMPLETION = "the job ended"


@dataclass(frozen=True, slots=True)
class Send:
    """Carry the request out; give up at the deadline, whatever the server, the network or the resolver do."""

    request: Request
    deadline: float


@dataclass(frozen=True, slots=True)
class Sleep:
    """Do nothing until the moment; it may be ``inf``."""

    until: float


@dataclass(frozen=True, slots=True)
class Tell:
    """Call the user's callback for the event."""

    event: Event
    job: Job


@dataclass(frozen=True, slots=True)
class Reply:
    """The moment an action was over, and the result of a ``Send``."""

    now: float
    result: Response | Transient | None = None


Action: TypeAlias = Send | Sleep | Tell
Flow: TypeAlias = Generator[Action, Reply, T]
