"""Which fault a request gets: a pure function of the rules, the request's identity, the seed, and what was counted.

What is drawn depends on whose request it is, about which job, and the how-manieth: never on what others do meanwhile.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, NamedTuple

from translation_server.simulator.recording.exchange import Exchange, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from translation_server.simulator.faults.rules import Rule


class Placed(NamedTuple):
    """A rule in its place: those with lower numbers are asked first.

    Attributes:
        number: From 1.
        rule: What it says.
    """

    number: int
    rule: Rule


Tally = tuple[object, ...]
"""Whose strikes are counted together."""


def decide(
    rules: Iterable[Placed], exchange: Exchange, seed: int, counts: Mapping[Tally, int], age: float | None
) -> Placed | None:
    """The first rule that strikes a request, or None.

    Args:
        rules: In order.
        exchange: The request.
        seed: The same one draws the same.
        counts: How often each tally was struck.
        age: Seconds of the job the request is about; 0 for a start; None if it is about no job whose start is known.
    """
    for placed in rules:
        if _concerns(placed.rule, exchange, age) and _has_times_left(placed, exchange, counts):
            rate = placed.rule.rate
            if rate is None or draw(placed.number, exchange, seed) < rate:
                return placed
    return None


def tally(placed: Placed, exchange: Exchange) -> Tally:
    """Where a strike of this rule against this request is counted."""
    match placed.rule.per:
        case "server":
            return (placed.number,)
        case "user":
            return (placed.number, exchange.user)
    return (placed.number, exchange.user, _subject(exchange))


def draw(number: int, exchange: Exchange, seed: int) -> float:
    """A number from 0 up to 1 that is this request's own with regard to one rule."""
    name = f"{seed}:fault:{number}:{exchange.user}:{_subject(exchange)}:{exchange.kind}:{exchange.attempt}"
    return random.Random(name).random()  # noqa: S311 - repeatable, which secrets are not


def _subject(exchange: Exchange) -> object:
    return exchange.job or exchange.job_id or exchange.kind


def _has_times_left(placed: Placed, exchange: Exchange, counts: Mapping[Tally, int]) -> bool:
    times = placed.rule.times
    return times is None or counts.get(tally(placed, exchange), 0) < times


def _concerns(rule: Rule, exchange: Exchange, age: float | None) -> bool:
    return (
        exchange.kind in _kinds(rule)
        and rule.fault.can_strike(exchange)
        and (rule.on_poll is None or rule.on_poll.has(exchange.attempt))
        and rule.user in {None, exchange.user}
        and rule.job in {None, exchange.job}
        and _is_at(rule, age)
    )


def _kinds(rule: Rule) -> tuple[Kind, ...]:
    kinds = rule.kind or rule.fault.kinds
    return kinds if rule.on_poll is None else tuple(kind for kind in kinds if kind is Kind.POLL)


def _is_at(rule: Rule, age: float | None) -> bool:
    if rule.after is None and rule.within is None:
        return True
    if age is None:
        return False
    return (rule.after is None or rule.after <= age) and (rule.within is None or age <= rule.within)
