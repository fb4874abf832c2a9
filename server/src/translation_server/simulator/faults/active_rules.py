"""The faults of a running server: rules come and go, strikes are counted. May be used by any thread."""

from __future__ import annotations

from collections import Counter, OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Final, NamedTuple

from translation_server.simulator.faults.fields import RuleError
from translation_server.simulator.faults.matching import Placed, Tally, decide, tally
from translation_server.simulator.faults.rule_text import rule_of
from translation_server.simulator.recording.exchange import Exchange, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from translation_server.simulator.faults.model import Fault
    from translation_server.simulator.faults.rules import Rule

_MOST_KEPT: Final = 100_000  # jobs that are remembered
_MOST_RULES: Final = 1000


class Standing(NamedTuple):
    """A rule of a running server.

    Attributes:
        number: Its place, and what it is removed by.
        rule: What it says.
        struck: How many requests it has struck.
    """

    number: int
    rule: Rule
    struck: int = 0

    def __str__(self) -> str:
        return f"{self.number}. {self.rule} (struck {self.struck} times)"


class Faults:
    """Rules in the order in which they were added; the first that applies strikes.

    Args:
        seed: Same seed, same faults.
        rules: What stands at first, and again after a reset.

    Attributes:
        first: Those rules.
    """

    def __init__(self, seed: int, rules: Iterable[Fault | Rule | str] = ()) -> None:
        self._seed = seed
        self.first = tuple(rule_of(rule) for rule in rules)
        self._lock = Lock()
        self.reset()

    def __str__(self) -> str:
        return "\n".join(map(str, self.list())) or "no faults"

    def add(self, fault: Fault | Rule | str, **when: object) -> Standing:
        """Let a fault strike from now on.

        Args:
            fault: A fault such as `Reset()`, a `Rule`, or text such as "503 retry_after=1".
            when: Which requests it strikes: any attributes of `Rule`, such as `rate=0.1`, `times=3`, `on_poll=2`.

        Raises:
            RuleError: A value is not allowed, or there are too many rules.
        """
        rule = rule_of(fault, **when)
        with self._lock:
            if len(self._rules) >= _MOST_RULES:
                raise RuleError("rules", f"are too many: allowed are {_MOST_RULES}")
            return self._place(rule)

    def remove(self, standing: Standing | int) -> None:
        """Take one away.

        Raises:
            LookupError: There is none with this number.
        """
        number = standing if isinstance(standing, int) else standing.number
        with self._lock:
            if number not in self._rules:
                raise LookupError(f"there is no fault number {number}")
            del self._rules[number]

    def clear(self) -> None:
        """Take all away."""
        with self._lock:
            self._rules.clear()

    def list(self) -> tuple[Standing, ...]:
        """Those that stand, in the order in which they are asked."""
        with self._lock:
            return tuple(Standing(*placed, self._struck[placed.number]) for placed in self._rules.values())

    def reset(self) -> None:
        """Be as at the beginning: only the first rules, nothing counted."""
        with self._lock:
            self._rules: dict[int, Placed] = {}
            self._next = 1
            self._struck: Counter[int] = Counter()
            self._counts: Counter[Tally] = Counter()
            self._started: OrderedDict[tuple[str | None, int], float] = OrderedDict()
            for rule in self.first:
                self._place(rule)

    def strike(self, exchange: Exchange) -> Placed | None:
        """The rule that strikes a request, which counts as a strike; None: nothing happens to it."""
        with self._lock:
            age = self._age(exchange)
            placed = decide(self._rules.values(), exchange, self._seed, self._counts, age)
            if placed is not None:
                self._count(placed, exchange, 1)
            return placed

    def spare(self, placed: Placed, exchange: Exchange) -> None:
        """Take a strike back: the fault found nothing to do."""
        with self._lock:
            if self._rules.get(placed.number) is placed:  # and not one that came after a reset
                self._count(placed, exchange, -1)

    def _place(self, rule: Rule) -> Standing:
        number, self._next = self._next, self._next + 1
        self._rules[number] = Placed(number, rule)
        return Standing(number, rule)

    def _count(self, placed: Placed, exchange: Exchange, by: int) -> None:
        self._struck[placed.number] += by
        if placed.rule.times is not None:
            self._counts[tally(placed, exchange)] += by
            if len(self._counts) > _MOST_KEPT:
                del self._counts[next(iter(self._counts))]

    def _age(self, exchange: Exchange) -> float | None:
        """Seconds since the job was last asked for; with retries of its start, that is when it was accepted."""
        if exchange.job is None:
            return None
        name = (exchange.user, exchange.job)
        if exchange.kind is Kind.START:
            self._started[name] = exchange.arrived
            if len(self._started) > _MOST_KEPT:
                self._started.popitem(last=False)
        started = self._started.get(name)
        return None if started is None else exchange.arrived - started
