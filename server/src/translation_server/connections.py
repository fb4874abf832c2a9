"""The connections of one server process among each other: who has been slow for too long, and whose place is needed."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import OrderedDict
from operator import methodcaller
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

_LOGGER: Final = logging.getLogger(__name__)
_REQUEST_TIME: Final = 8.0  # seconds from a request's first byte to its last
_STALLED_TIME: Final = 30.0  # seconds in which a client that does not read may go on not reading
_EVICTED_AT_ONCE: Final = 20  # a twentieth: looking for the quiet ones takes longer than closing them
_LOG_INTERVAL: Final = 60.0  # seconds


class Connection(Protocol):
    """One connection."""

    @property
    def is_answering(self) -> bool:
        """Whether a request is under way that the application has not answered to its end."""

    @property
    def is_known(self) -> bool:
        """Whether its last request was a user's, with credentials."""

    def close(self) -> None:
        """Close it, after what was written; nothing was asked for in a long time, or its place is needed."""

    def give_up(self) -> None:
        """Close it: a request has not arrived in time."""

    def abort(self) -> None:
        """Close it: the client does not read what was written."""


class Deadlines:
    """Calls back for each item that is not taken back in time; all have the same time, so one timer is enough.

    Args:
        seconds: the time.
        expire: called with the item.
    """

    def __init__(self, seconds: float, expire: Callable[[Connection], None]) -> None:
        self._seconds = seconds
        self._expire = expire
        self._moments: OrderedDict[Connection, float] = OrderedDict()
        self._timer: asyncio.TimerHandle | None = None
        self._steady: Callable[[], float] | None = None

    def add(self, item: Connection) -> None:
        """Begin the item's time."""
        if self._steady is None:  # once, as to ask for the loop takes a system call
            self._steady = asyncio.get_running_loop().time
        self._moments[item] = self._steady() + self._seconds
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._look)

    def discard(self, item: Connection) -> None:
        """Take the item back."""
        self._moments.pop(item, None)

    def __contains__(self, item: Connection) -> bool:
        return item in self._moments

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        while self._moments:
            item, moment = next(iter(self._moments.items()))
            if moment > loop.time():
                self._timer = loop.call_at(moment, self._look)
                return
            del self._moments[item]
            self._expire(item)


class Connections:
    """What the connections of one server process have in common.

    Args:
        most: how many there may be; beyond them, those are closed that have no request under way, strangers first.
        idle_time: seconds from an answer to the next request.
        request_time: seconds from a request's first byte to its last.
        stalled_time: seconds in which a client may go on not reading.
    """

    def __init__(
        self,
        most: int,
        *,
        idle_time: float,
        request_time: float = _REQUEST_TIME,
        stalled_time: float = _STALLED_TIME,
    ) -> None:
        self.idle = Deadlines(idle_time, methodcaller("close"))
        self.incomplete = Deadlines(request_time, methodcaller("give_up"))
        self.stalled = Deadlines(stalled_time, methodcaller("abort"))
        self._most = most
        self._leaving: set[Connection] = set()
        self._log_again_at = 0.0

    def enter(self, newcomer: Connection, there: Collection[Connection]) -> bool:
        """Take a new connection in; return whether there is a place for it among those that are there."""
        if len(there) - len(self._leaving) <= self._most:
            return True
        self._say_so()
        quiet = [one for one in there if one is not newcomer and one not in self._leaving and not one.is_answering]
        quiet = [one for one in quiet if not one.is_known] or quiet
        # Whoever floods the server has most of them, so that chance hits the right ones; no order has this property.
        for one in random.sample(quiet, min(len(quiet), max(1, self._most // _EVICTED_AT_ONCE))):
            self._leaving.add(one)
            one.close()
        return bool(quiet)

    def leave(self, connection: Connection) -> None:
        """Forget a connection that is closed."""
        self.idle.discard(connection)
        self.incomplete.discard(connection)
        self.stalled.discard(connection)
        self._leaving.discard(connection)

    def _say_so(self) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._log_again_at:
            self._log_again_at = now + _LOG_INTERVAL
            _LOGGER.warning("MAX_CONNECTIONS is reached (%d): quiet connections are closed", self._most)
