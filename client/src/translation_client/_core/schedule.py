"""How long to wait between requests, and how long to ask the server to hold one: numbers only. Pure."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

from translation_client._wire.arguments import check_count, check_number, check_timeout, refuse
from translation_client._wire.requests import ANSWER_TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from translation_client._wire.failures import Transient


# After a failure: full jitter below a ceiling that doubles from the first to the last value (seconds), so that a
# thousand clients that lost the same server neither come back in step nor load it while it is down.
_FIRST_RETRY_CEILING = 0.5
_LAST_RETRY_CEILING = 10.0

# A hint is never followed closer than this (seconds), nor than a tenth of the blind interval: a server that always
# says "at once" must not be asked in a tight loop.
_SHORTEST_HINT = 0.05
_HINT_FLOOR = 0.1

# A thousand clients given the same hint spread out by up to this fraction of their jitter, always to the later side.
_HINT_SPREAD = 0.2


class PollingArguments(TypedDict, total=False):
    """The arguments of ``PollingConfig``, which a client takes one by one as well; documented there."""

    initial_delay: float
    max_delay: float
    backoff_factor: float | None
    jitter: float
    timeout: float | None
    max_retries: int | None
    max_polls: int | None


def _declared(default: Any, text: str) -> Any:  # noqa: ANN401 - as dataclasses.field
    """Declare a field of ``PollingConfig`` with the text the command line shows for it."""
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True, slots=True, kw_only=True)
class PollingConfig:
    """How one wait behaves. Durations are seconds.

    The first four matter only where the server neither holds requests nor says when to come again.

    Args:
        initial_delay: The shortest interval between polls; above 0.
        max_delay: The longest; at least ``initial_delay``. It also caps the server's ``poll_after``, so a bad hint
            cannot cost you minutes.
        backoff_factor: Each interval is this many times the one before, from ``initial_delay``; at least 1.
            None: the interval is the square root of the job's age, until the client has seen how long jobs take.
        jitter: How far an interval may be off, as a fraction of it; 0 to 1.
        timeout: What one wait may take in all; 0 asks once. None (no limit) must be written out.
        max_retries: How many consecutive failures are tolerated; None: any number until the deadline.
        max_polls: Status requests one wait may make; None: any number.

    Raises:
        TypeError: An argument has the wrong type; the message names it.
        ValueError: An argument has a wrong value; the message names it and what is allowed.
    """

    initial_delay: float = _declared(0.5, "the shortest interval between polls, where the server gives no help")
    max_delay: float = _declared(30.0, "the longest interval between polls")
    backoff_factor: float | None = _declared(None, "each interval is this many times the one before, at least 1")
    jitter: float = _declared(0.25, "how far an interval may be off, 0 to 1 of it")
    timeout: float | None = _declared(600.0, "what one wait may take in all")
    max_retries: int | None = _declared(None, "consecutive failures to tolerate")
    max_polls: int | None = _declared(None, "status requests to make for a job")

    def __post_init__(self) -> None:
        check_number("initial_delay", self.initial_delay, above=0.0)
        check_number("max_delay", self.max_delay, above=0.0)
        if self.max_delay < self.initial_delay:
            allowed = f"at least initial_delay ({self.initial_delay:g})"
            raise ValueError(f"max_delay must be {allowed}, not {self.max_delay:g}")
        if self.backoff_factor is not None:
            check_number("backoff_factor", self.backoff_factor, least=1.0)
        check_number("jitter", self.jitter, least=0.0, most=1.0)
        check_timeout(self.timeout)
        check_count("max_retries", self.max_retries, least=0)
        check_count("max_polls", self.max_polls, least=1)

    @classmethod
    def of(cls, polling: PollingConfig | None, arguments: PollingArguments) -> PollingConfig:
        """Return the configuration given whole, or make it from single arguments; both are a ``ValueError``."""
        unknown = set(arguments) - {one.name for one in fields(cls)}
        if unknown:
            raise TypeError(f"there is no argument {', '.join(sorted(unknown))}")
        if polling is None:
            return cls(**arguments)
        if not isinstance(polling, PollingConfig):
            refuse("polling", "a PollingConfig", polling, wrong_type=True)
        if arguments:
            raise ValueError(f"give {', '.join(arguments)} in polling, or without polling, not both")
        return polling

    def blind_interval(self, age: float, polls: int, experience: Experience, randomness: Callable[[], float]) -> float:
        """Return the interval where the server gives no help.

        Args:
            age: Seconds since the job was accepted.
            polls: Polls made so far.
            experience: What earlier waits have learnt; used unless the user gives a backoff factor.
            randomness: Gives numbers from 0 to 1.
        """
        interval = self._plain_interval(age, polls)
        if self.backoff_factor is None:
            interval = max(experience.interval(age, interval), self.initial_delay)
        jittered = interval * (1.0 + self.jitter * (2.0 * randomness() - 1.0))
        if jittered <= self.max_delay:
            return jittered
        # Spread below the cap rather than on it: clients that reached it must not fall into step there.
        return self.max_delay * (1.0 - self.jitter * randomness())

    def hinted_interval(self, hint: float, age: float, polls: int, randomness: Callable[[], float]) -> float:
        """Return the interval after a hint (``poll_after``): never shorter than it, unless it exceeds ``max_delay``."""
        floor = max(_SHORTEST_HINT, _HINT_FLOOR * self._plain_interval(age, polls))
        spread = 1.0 + _HINT_SPREAD * self.jitter * randomness()
        return max(floor, min(hint, self.max_delay)) * spread

    def retry_delay(self, failures: int, randomness: Callable[[], float]) -> float:
        """Return the pause after so many consecutive failures (at least 1): full jitter, at most 10 s."""
        ceiling = _grown(_FIRST_RETRY_CEILING, 2.0, failures - 1, min(self.max_delay, _LAST_RETRY_CEILING))
        return ceiling * randomness()

    def _plain_interval(self, age: float, polls: int) -> float:
        if self.backoff_factor is None:
            return min(max(math.sqrt(max(age, 0.0)), self.initial_delay), self.max_delay)
        return _grown(self.initial_delay, self.backoff_factor, max(polls - 1, 0), self.max_delay)


class GiveUp(NamedTuple):
    """There is no point in another attempt.

    Attributes:
        why: The reason, as messages say it.
        at_deadline: Whether the deadline is in the way; otherwise ``max_retries`` is used up.
    """

    why: str
    at_deadline: bool


def next_attempt(  # noqa: PLR0913 - the facts the decision depends on
    failure: Transient,
    failures: int,
    config: PollingConfig,
    *,
    now: float,
    deadline: float,
    randomness: Callable[[], float],
) -> float | GiveUp:
    """Return when to try again after a failure: never before the server's ``Retry-After`` is over.

    Args:
        failure: The last failure.
        failures: How many consecutive failures there were, this one included.
        config: The retries allowed, and the longest delay.
        now: The moment of the failure.
        deadline: When the call must be over.
        randomness: Gives numbers from 0 to 1.
    """
    if config.max_retries is not None and failures > config.max_retries:
        return GiveUp(f"max_retries={config.max_retries} used up", at_deadline=False)
    pause = failure.retry_after or 0.0
    if pause and now + pause > deadline:
        return GiveUp(f"the server asks to wait {pause:g} s (Retry-After), beyond the deadline", at_deadline=True)
    return now + max(pause, config.retry_delay(max(failures, 1), randomness))


def _grown(first: float, factor: float, times: int, limit: float) -> float:
    """Return ``first`` multiplied ``times`` times, at most ``limit``, without an overflow."""
    if first >= limit or (factor > 1.0 and times * math.log(factor) >= math.log(limit / first)):
        return limit
    return float(min(first * factor**times, limit))


_PRICE = 0.2  # seconds of delay that one request is worth
_PRIOR = 2.0  # jobs; the schedule without experience counts as much as having seen so many
_BOLDEST = 4.0  # times the interval without experience: jobs may have changed, and then the old ones mislead
_MEMORY = 50  # jobs; older ones say less about the next


class Experience:
    """What a client has learnt from its waits: how long jobs take, and whether the server holds requests.

    It matters only where the server gives no help. The blind schedule knows nothing but a job's age; after a few jobs
    their durations are known as well, and it is a waste to ask when none of them had ended. All waits of one client
    share it; threads may, as it is only ever appended to.
    """

    def __init__(self) -> None:
        self.server_holds: bool | None = None  # as the last answer to a request for a long poll showed
        self._durations: deque[float] = deque(maxlen=_MEMORY)

    def expects_hold(self, *, confirmed: bool, hinted: bool) -> bool:
        """Return whether to expect that the server holds the next request.

        Args:
            confirmed: Whether it confirmed the preference for an answer at once, and so knows the preference.
            hinted: Whether it gave a time to ask again, which is followed where nothing else is known.
        """
        return confirmed or (not hinted if self.server_holds is None else self.server_holds)

    def learn(self, duration: float) -> None:
        """Remember how long a job took, in seconds."""
        if duration > 0.0:
            self._durations.append(duration)

    def interval(self, age: float, plain: float) -> float:
        """Return the seconds until the next poll is worth its price.

        Args:
            age: Seconds since the job was accepted.
            plain: The interval of the blind schedule, which is returned where nothing has been learnt.
        """
        durations = tuple(self._durations)
        # A few jobs say little about where exactly the next one ends: each stands for a range that narrows with them.
        blur = 1.0 + 1.0 / math.sqrt(len(durations)) if durations else 1.0
        ends = sorted(end - age for took in durations for end in (took / blur, took, took * blur) if end > age)
        return min(_worth_a_request(ends, plain), _BOLDEST * plain)


def _worth_a_request(ends: Sequence[float], plain: float) -> float:
    """Return when the expected delay since the last poll costs as much as a request.

    Of the jobs like this one, a third each ends at each of ``ends`` (seconds from now, sorted). A poll after ``u``
    seconds finds those that ended before it late by ``u`` minus their end. The prior adds a delay that grows with the
    square of ``u`` and is worth a request after ``plain`` seconds. So ``u`` solves a quadratic equation between each
    two ends.
    """
    price = _PRICE * (len(ends) / 3 + _PRIOR)
    curve = _PRIOR * _PRICE / plain**2
    ended = total = 0.0  # jobs that end before the poll, and the sum of their ends
    for end in (*ends, math.inf):
        poll = (math.sqrt(ended**2 + 4 * curve * (price + total)) - ended) / (2 * curve)
        if poll <= end:
            return poll
        ended, total = ended + 1 / 3, total + end / 3
    return plain  # never reached: the last end is infinite


LONGEST_HOLD = 30.0
"""Seconds. Longer holds save little (one request in 30 s is few), and more proxies cut them."""

_PROBE = 5.0  # asked of a server that did not hold the last request: it may be able to by now
_SHORTEST_USEFUL = 2.0
_TOLERATED_CUTS = 4
_GRACE = 5.0
_HELD = 0.5  # of the time asked for: a server that confirms and answers sooner did not hold the request
_AT_ONCE = 0.01  # seconds; a request answered sooner was not held, whatever the server's clock says
_SHORTEST_HOLD = 0.5  # seconds; a server that promises less is asked no more often than one that promises nothing


class LongPoll:
    """The state of long polling within one wait.

    ``Prefer: wait=N`` (RFC 7240, section 4.3) is only a preference. Where the server does not confirm it, it costs
    nothing but the header. A proxy that cuts held requests makes the hold shorter, and in the end none is asked for.
    """

    def __init__(self) -> None:
        self._limit = LONGEST_HOLD
        self._confirmed: bool | None = None
        self._cuts = 0

    def hold(self, room: float) -> float:
        """Return the whole seconds to ask for, at most ``room``; 0 for no hold."""
        longest = self._limit if self._confirmed is not False else min(self._limit, _PROBE)
        return max(float(math.floor(min(longest, room))), 0.0)

    @staticmethod
    def timeout(asked: float) -> float:
        """Return the seconds after which a request that asked to be held this long is given up."""
        return max(ANSWER_TIMEOUT, asked + _GRACE)

    def answered(self, asked: float, applied: float | None, took: float, *, passed: float | None, ended: bool) -> bool:
        """Learn from an answer; return whether the request was really held, so that the next one may follow at once.

        Args:
            asked: Seconds it was asked to hold the request.
            applied: Seconds it confirmed; None without a confirmation.
            took: Seconds the answer took to come.
            passed: Seconds that passed on the server's clock meanwhile, for a simulator's may run fast; None where
                that cannot be told yet.
            ended: Whether the job has ended.
        """
        if not asked:
            return False
        self._confirmed = applied is not None
        held = applied is not None and (ended or _held(min(asked, applied), took, passed))
        if held:
            self._cuts = 0
        return held

    def failed(self, asked: float, took: float) -> bool:
        """Learn from a failure; return whether it looks like a held request cut on the way, not like an outage."""
        if not asked or took < 1.0:
            return False
        self._cuts += 1
        # Nothing came at all, not even late: no proxy closed the connection, so a slightly shorter hold would not help.
        self._limit = _PROBE if took >= asked + _GRACE else min(self._limit, math.floor(0.8 * took))
        if self._limit < _SHORTEST_USEFUL or self._cuts >= _TOLERATED_CUTS:
            self._limit = 0.0
        return self._cuts < _TOLERATED_CUTS


def _held(promised: float, took: float, passed: float | None) -> bool:
    if took < _AT_ONCE or promised < _SHORTEST_HOLD:
        return False
    return passed is None or max(took, passed) >= _HELD * promised
