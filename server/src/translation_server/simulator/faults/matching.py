"""Which rule applies to a request: a function of the rules, the request, the seed, and the counts. Pure.

A draw depends on the request's user, its job and its attempt number, never on what other clients do meanwhile.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, NamedTuple

from translation_server.simulator.recording.exchange import Exchange, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from translation_server.simulator.faults.rules import Rule


class ActiveRule(NamedTuple):
    """A rule of a running server.

    Attributes:
        number: Its place: rules with lower numbers are tried first. A rule is removed by its number.
        rule: The fault, and which requests it affects.
        struck: How many requests it has affected.
    """

    number: int
    rule: Rule
    struck: int = 0

    def __str__(self) -> str:
        return f"{self.number}. {self.rule} (struck {self.struck} times)"


CountKey = tuple[object, ...]
"""What identifies the requests that ``times`` counts together."""


def find_match(
    rules: Iterable[ActiveRule], exchange: Exchange, seed: int, counts: Mapping[CountKey, int], age: float | None
) -> ActiveRule | None:
    """Return the first rule that applies to a request, or None.

    Args:
        rules: The rules, in order.
        exchange: The request.
        seed: The seed; the same one gives the same draws.
        counts: How often each rule has been applied.
        age: Seconds since the job of the request was started; 0 for a start; None if its start is not known.
    """
    for active in rules:
        if _applies(active.rule, exchange, age) and _has_times_left(active, exchange, counts):
            rate = active.rule.rate
            if rate is None or draw(active.number, exchange, seed) < rate:
                return active
    return None


def count_key(active: ActiveRule, exchange: Exchange) -> CountKey:
    """Return the key under which ``times`` of this rule counts this request."""
    match active.rule.per:
        case "server":
            return (active.number,)
        case "user":
            return (active.number, exchange.user)
    return (active.number, exchange.user, _counted(exchange))


def draw(number: int, exchange: Exchange, seed: int) -> float:
    """Return a number from 0 up to 1 that is drawn for one request and one rule."""
    name = f"{seed}:fault:{number}:{exchange.user}:{_subject(exchange)}:{exchange.kind}:{exchange.attempt}"
    return random.Random(name).random()  # noqa: S311 - repeatable, which secrets are not


def _counted(exchange: Exchange) -> object:
    """Return what ``times`` counts by: starts that a client repeats without a key are counted together."""
    return _subject(exchange) if exchange.repeats is None else ("start", exchange.repeats)


def _subject(exchange: Exchange) -> object:
    return exchange.job or exchange.job_id or exchange.kind


def _has_times_left(active: ActiveRule, exchange: Exchange, counts: Mapping[CountKey, int]) -> bool:
    times = active.rule.times
    return times is None or counts.get(count_key(active, exchange), 0) < times


def _applies(rule: Rule, exchange: Exchange, age: float | None) -> bool:
    return (
        exchange.kind in _kinds(rule)
        and rule.fault.can_affect(exchange)
        and (rule.on_poll is None or rule.on_poll.includes(exchange.attempt))
        and rule.user in {None, exchange.user}
        and rule.job in {None, exchange.job}
        and _has_age(rule, age)
    )


def _kinds(rule: Rule) -> tuple[Kind, ...]:
    kinds = rule.kind or rule.fault.kinds
    return kinds if rule.on_poll is None else tuple(kind for kind in kinds if kind is Kind.POLL)


def _has_age(rule: Rule, age: float | None) -> bool:
    if rule.after is None and rule.within is None:
        return True
    if age is None:
        return False
    return (rule.after is None or rule.after <= age) and (rule.within is None or age <= rule.within)
