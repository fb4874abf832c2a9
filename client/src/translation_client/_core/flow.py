"""The actions a flow asks of its driver.

A *flow* is a generator that decides: it yields an action and is sent a ``Reply`` with the time and the result.
A *driver* (in ``_sync``, ``_aio``, or a test) carries the actions out and decides nothing. All moments are on the
driver's monotonic clock, so jumps of the wall clock have no effect.
"""

from __future__ import annotations

from collections.abc import Generator
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from translation_client._models import Job
    from translation_client._wire.events import ServerEvent
    from translation_client._wire.failures import Transient
    from translation_client._wire.requests import Request
    from translation_client._wire.responses import Response

T = TypeVar("T")


class Event(Enum):
    """What a callback of the user's is called for."""

    POLL = "an answer arrived"
    CHANGE = "the status is new"
    COMPLETION = "the job ended"


class Send(NamedTuple):
    """Carry the request out; give up at the deadline, whatever the server, the network or the resolver do."""

    request: Request
    deadline: float


class Sleep(NamedTuple):
    """Sleep until the moment, which may be ``inf``."""

    until: float


class Notify(NamedTuple):
    """Call the user's callback for the event."""

    event: Event
    job: Job


class Open(NamedTuple):
    """Open an event stream in place of the one before; the result is its head, with a body if it is no stream."""

    request: Request
    deadline: float


class Receive(NamedTuple):
    """Wait for events of the open stream until the moment; the result is None if there were none."""

    until: float


class Found(NamedTuple):
    """Give the user the job, which has ended."""

    job: Job


class Reply(NamedTuple):
    """The moment an action was over, and the result of a ``Send``, ``Open`` or ``Receive``."""

    now: float
    result: Response | Transient | Sequence[ServerEvent] | None = None


Action: TypeAlias = Send | Sleep | Notify | Open | Receive | Found
Flow: TypeAlias = Generator[Action, Reply, T]
