"""How long to wait between requests: numbers only, no clock and no network."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from translation_client._core.experience import Experience

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


@dataclass(frozen=True, slots=True, kw_only=True)
class PollingConfig:
    """How one wait behaves. Durations are seconds.

    The first four matter only where the server neither holds requests nor says when to come again.

    Args:
        initial_delay: The shortest interval between polls; above 0.
        max_delay: The longest; at least ``initial_delay``. It also caps the server's ``poll_after``.
        backoff_factor: Each interval is this many times the one before, from ``initial_delay``; at least 1.
            None: the interval is the square root of the job's age, until the client has seen how long jobs take.
        jitter: How far an interval may be off, as a fraction of it; 0 to 1.
        timeout: What one wait may take in all; 0 looks once. None (no limit) must be written out.
        max_retries: Consecutive transient failures tolerated; None: any number until the deadline.
        max_polls: Status requests one wait may make; None: any number.

    Raises:
        ValueError: Naming the argument, its value and what is allowed.
    """

    initial_delay: float = 0.5
    max_delay: float = 30.0
    backoff_factor: float | None = None
    jitter: float = 0.25
    timeout: float | None = 600.0
    max_retries: int | None = None
    max_polls: int | None = None

    def __post_init__(self) -> None:
        _number("initial_delay", self.initial_delay, above=0.0)
        _number("max_delay", self.max_delay, above=0.0)
        if self.max_delay < self.initial_delay:
            raise ValueError(
                f"max_delay must be at least initial_delay ({self.initial_delay:g}), not {self.max_delay:g}"
            )
        if self.backoff_factor is not None:
            _number("backoff_factor", self.backoff_factor, least=1.0)
        _number("jitter", self.jitter, least=0.0, most=1.0)
        check_timeout(self.timeout)
        _count("max_retries", self.max_retries, least=0)
        _count("max_polls", self.max_polls, least=1)

    def blind_interval(self, age: float, polls: int, experience: Experience, randomness: Callable[[], float]) -> float:
        """The interval where the server gives no help.

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
        """The interval where the server said ``poll_after``: never shorter, unless it is beyond ``max_delay``."""
        floor = max(_SHORTEST_HINT, _HINT_FLOOR * self._plain_interval(age, polls))
        spread = 1.0 + _HINT_SPREAD * self.jitter * randomness()
        return max(floor, min(hint, self.max_delay)) * spread

    def retry_delay(self, failures: int, randomness: Callable[[], float]) -> float:
        """The pause after the given number of consecutive failures (at least 1): full jitter, at most 10 s."""
        ceiling = _grown(_FIRST_RETRY_CEILING, 2.0, failures - 1, min(self.max_delay, _LAST_RETRY_CEILING))
        return ceiling * randomness()

    def _plain_interval(self, age: float, polls: int) -> float:
        if self.backoff_factor is None:
            return min(max(math.sqrt(max(age, 0.0)), self.initial_delay), self.max_delay)
        return _grown(self.initial_delay, self.backoff_factor, max(polls - 1, 0), self.max_delay)


_DEFAULTS = {field.name: field.default for field in fields(PollingConfig)}


def configured(polling: PollingConfig | None, **arguments: Any) -> PollingConfig:  # noqa: ANN401 - checked by PollingConfig
    """The configuration given whole, or made of the single arguments; raises ``ValueError`` where both are given."""
    if polling is None:
        return PollingConfig(**arguments)
    if not isinstance(polling, PollingConfig):
        raise ValueError(f"polling must be a PollingConfig, not {polling!r}")  # noqa: TRY004 - as all bad arguments
    twice = [name for name, value in arguments.items() if value != _DEFAULTS[name]]
    if twice:
        raise ValueError(f"give {', '.join(twice)} in polling, or without polling, not both")
    return polling


def check_timeout(timeout: float | None) -> None:
    """Raise ``ValueError`` unless the timeout is None or a finite number of seconds, 0 or more."""
    if timeout is not None:
        _number("timeout", timeout, least=0.0)


def _grown(first: float, factor: float, times: int, limit: float) -> float:
    """``first`` multiplied ``times`` times, at most ``limit``; never an overflow, however many times."""
    if first >= limit or (factor > 1.0 and times * math.log(factor) >= math.log(limit / first)):
        return limit
    return float(min(first * factor**times, limit))


def _number(
    name: str,
    value: object,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
) -> None:
    """Raise ``ValueError`` naming the argument unless the value is a finite number in the range."""
    ok = isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value)
    if ok and isinstance(value, int | float):
        ok = (least is None or value >= least) and (above is None or value > above) and (most is None or value <= most)
    if not ok:
        bounds = [
            f"{word} {bound:g}"
            for word, bound in (("at least", least), ("above", above), ("at most", most))
            if bound is not None
        ]
        raise ValueError(f"{name} must be a finite number, {' and '.join(bounds)}, not {value!r}")


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an int beyond what a float can say
        return False


def _count(name: str, value: object, *, least: int) -> None:
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be a whole number, at least {least}, or None, not {value!r}")
