"""How much one user, and one guesser of passwords, may do: decisions, given the time, and the layer that keeps them."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple

from translation_server.http.parameters import path_of
from translation_server.http.problems import limit_headers, respond

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from translation_server.http.answers import Handled, Handler

_MOST_KEPT: Final = 10_000  # addresses or names; attackers have more of both than we have memory
_FORGOTTEN_AFTER: Final = 900.0  # seconds without a further wrong login
_FREE_BY_ADDRESS: Final = 10  # wrong logins that cost nothing: people mistype, programs have several threads
_FREE_BY_NAME: Final = 50
_LONGEST_PAUSE: Final = 60.0  # seconds


class _Failures(NamedTuple):
    number: int
    last: float


class FailureCounts:
    """Counts failures by key; forgets what was long ago, and the oldest when there are too many.

    Args:
        free: failures without consequence; after them the pause is one second, and doubles with each.
        most: keys kept.
    """

    def __init__(self, free: int, *, most: int = _MOST_KEPT) -> None:
        self._free = free
        self._most = most
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def __len__(self) -> int:
        return len(self._failures)

    def last(self, key: str, now: float) -> float | None:
        """The moment of the key's last failure; None: there was none lately."""
        found = self._failures.get(key)
        return found.last if found and now - found.last < _FORGOTTEN_AFTER else None

    def pause(self, key: str, now: float) -> float:
        """Seconds to leave between the key's last failure and the next attempt."""
        if self.last(key, now) is None or self._failures[key].number < self._free:
            return 0.0
        return min(2.0 ** min(self._failures[key].number - self._free, 60), _LONGEST_PAUSE)

    def add(self, key: str, now: float) -> bool:
        """Count a failure; return whether it is the first with a consequence."""
        number = 1 if self.last(key, now) is None else self._failures[key].number + 1
        self._failures[key] = _Failures(number, now)
        self._failures.move_to_end(key)
        if len(self._failures) > self._most:
            self._failures.popitem(last=False)
        return number == self._free


class LoginThrottle:
    """Slows down guessing, by address and by user name, and locks nobody out.

    An address without a wrong login may always try. One with wrong logins waits after its own last one: the longer,
    the more there were from it or, from wherever, for the name it tries. So many addresses that share the work on one
    name are slowed down like one, and the name's owner, who tries from elsewhere, is not.
    """

    def __init__(self) -> None:
        self._by_address = FailureCounts(_FREE_BY_ADDRESS)
        self._by_name = FailureCounts(_FREE_BY_NAME)

    def wait(self, address: str, name: str, now: float) -> float:
        """Seconds until this address may try this name; 0: now."""
        last = self._by_address.last(address, now)
        if last is None:
            return 0.0
        pause = max(self._by_address.pause(address, now), self._by_name.pause(_shortened(name), now))
        return max(0.0, last + pause - now)

    def failed(self, address: str, name: str, now: float) -> bool:
        """Count a wrong login; return whether this address is slowed down from now on."""
        self._by_name.add(_shortened(name), now)
        return self._by_address.add(address, now)


def _shortened(name: str) -> str:
    return name[:256]  # names of this length exist in attacks only


class Allowance:
    """Allows so many requests per second on average, and so many at once after a pause: a token bucket.

    Kept is one number, the moment at which the bucket will be full again (in the literature GCRA, the generic cell
    rate algorithm).

    Args:
        rate: requests per second, above 0.
        burst: requests at once.
    """

    __slots__ = ("_full_at", "_interval", "_window")

    def __init__(self, rate: float, burst: int) -> None:
        self._interval = 1.0 / max(rate, 1e-9)  # a rate next to nothing has no inverse
        self._window = self._interval * (burst - 1)
        self._full_at = -math.inf

    def spend(self, now: float) -> float:
        """Allow a request at this moment and return 0; or return the seconds until there may be one."""
        ahead = self._full_at - now
        if ahead <= 0.0:
            self._full_at = now + self._interval
            return 0.0
        if ahead > self._window:
            return ahead - self._window
        self._full_at += self._interval
        return 0.0


class RateLimit:
    """A layer: answers 429 to a user who makes too many requests, without reading the body.

    Args:
        handler: what is behind it.
        rate: requests per second, on average.
        burst: requests at once, after a pause.
        is_open: whether a path (without the root path) is answered to everyone, and so to this user as well.
        monotonic: seconds of any origin; never goes back.
        speed: how many of them pass in one of the client's.
    """

    def __init__(  # noqa: PLR0913 - named by the one who gives them
        self,
        handler: Handler,
        rate: float,
        burst: int,
        *,
        is_open: Callable[[str], bool] = lambda _: False,
        monotonic: Callable[[], float] = time.monotonic,
        speed: float = 1.0,
    ) -> None:
        self._handler = handler
        self._rate = rate
        self._burst = burst
        self._is_open = is_open
        self._monotonic = monotonic
        self._speed = speed
        self._allowances: dict[str, Allowance] = {}

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Handled:
        """Handle one request."""
        user = scope.get("user")
        if user is not None and (wait := self._wait(user)) and not self._is_open(path_of(scope)):
            window = self._burst / self._rate / self._speed
            headers = limit_headers("requests", self._burst, retry_after=wait / self._speed, window=window)
            return respond(429, "You make more requests than allowed.", headers=headers)
        return self._handler(scope, receive, send)

    def _wait(self, user: str) -> float:
        allowance = self._allowances.get(user)
        if allowance is None:
            allowance = self._allowances[user] = Allowance(self._rate, self._burst)
        return allowance.spend(self._monotonic())
