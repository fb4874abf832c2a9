"""The active rules of a running server, and how often each has been applied. May be used by any thread."""

from __future__ import annotations

from collections import Counter, OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Final

from translation_server.simulator.faults.fields import RuleError
from translation_server.simulator.faults.matching import ActiveRule, CountKey, count_key, find_match
from translation_server.simulator.faults.rules import Rule, to_rule
from translation_server.simulator.recording.exchange import Exchange, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from translation_server.simulator.faults.model import Fault

_MOST_KEPT: Final = 100_000  # jobs whose start, and counts, are kept
_MOST_RULES: Final = 1000


class Faults:
    """The active rules, in the order in which they were added; the first that applies to a request is applied.

    Args:
        seed: The same seed gives the same faults.
        rules: The first rules, which a reset restores.

    Attributes:
        first: The first rules.
    """

    def __init__(self, seed: int, rules: Iterable[Fault | Rule | str] = ()) -> None:
        self._seed = seed
        self.first = tuple(to_rule(rule) for rule in rules)
        self._lock = Lock()
        self.reset()

    def __str__(self) -> str:
        return "\n".join(map(str, self.list())) or "no faults"

    def add(self, fault: Fault | Rule | str, **conditions: object) -> ActiveRule:
        """Add a rule.

        Args:
            fault: A fault such as ``Reset()``, a ``Rule``, or text such as ``"503 retry_after=1"``.
            conditions: Which requests it affects: attributes of ``Rule`` such as ``rate=0.1``, ``times=3``,
                ``on_poll=2``.

        Raises:
            RuleError: A value is not allowed, or there are too many rules.
        """
        rule = to_rule(fault, **conditions)
        with self._lock:
            if len(self._rules) >= _MOST_RULES:
                raise RuleError("rules", f"are too many: allowed are {_MOST_RULES}")
            return self._append(rule)

    def remove(self, rule: ActiveRule | int) -> None:
        """Remove a rule, given itself or its number.

        Raises:
            LookupError: There is no rule with this number.
        """
        number = rule if isinstance(rule, int) else rule.number
        with self._lock:
            if number not in self._rules:
                raise LookupError(f"there is no fault number {number}")
            del self._rules[number]

    def clear(self) -> None:
        """Remove every rule."""
        with self._lock:
            self._rules.clear()

    def list(self) -> tuple[ActiveRule, ...]:
        """Return the active rules, in the order in which they are tried."""
        with self._lock:
            return tuple(one._replace(struck=self._struck[one.number]) for one in self._rules.values())

    def reset(self) -> None:
        """Restore the first rules, and clear all counts."""
        with self._lock:
            self._rules: dict[int, ActiveRule] = {}
            self._next = 1
            self._struck: Counter[int] = Counter()
            self._counts: Counter[CountKey] = Counter()
            self._started: OrderedDict[tuple[str | None, int], float] = OrderedDict()
            for rule in self.first:
                self._append(rule)

    def strike(self, exchange: Exchange) -> ActiveRule | None:
        """Return the rule that applies to a request, and count it; None: no rule applies."""
        with self._lock:
            age = self._age(exchange)
            active = find_match(self._rules.values(), exchange, self._seed, self._counts, age)
            if active is not None:
                self._count(active, exchange, 1)
            return active

    def spare(self, active: ActiveRule, exchange: Exchange) -> None:
        """Undo the count of ``strike``: the fault could not affect the request."""
        with self._lock:
            if self._rules.get(active.number) is active:  # and not one that was added after a reset
                self._count(active, exchange, -1)

    def _append(self, rule: Rule) -> ActiveRule:
        number, self._next = self._next, self._next + 1
        active = self._rules[number] = ActiveRule(number, rule)
        return active

    def _count(self, active: ActiveRule, exchange: Exchange, by: int) -> None:
        self._struck[active.number] += by
        if active.rule.times is not None:
            self._counts[count_key(active, exchange)] += by
            if len(self._counts) > _MOST_KEPT:
                del self._counts[next(iter(self._counts))]

    def _age(self, exchange: Exchange) -> float | None:
        """Return the seconds since the last start of the job; after retries, that is the one that was accepted."""
        if exchange.job is None:
            return None
        name = (exchange.user, exchange.job)
        if exchange.kind is Kind.START:
            self._started[name] = exchange.arrived
            if len(self._started) > _MOST_KEPT:
                self._started.popitem(last=False)
        started = self._started.get(name)
        return None if started is None else exchange.arrived - started
