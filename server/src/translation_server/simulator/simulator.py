"""The simulator: the faults, the clock and the record of one server, for tests to control and to read."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

from translation_server.service.clock import SystemClock
from translation_server.simulator.clocks import SteppedClock
from translation_server.simulator.fates import Fates
from translation_server.simulator.faults.active_rules import Faults
from translation_server.simulator.faults.incidents import Incident, incident_named
from translation_server.simulator.recording.exchange_log import Exchanges
from translation_server.simulator.report.report import Report, make_report
from translation_server.simulator.report.trace import trace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from translation_server.service.clock import Clock
    from translation_server.simulator.fates import FateRule
    from translation_server.simulator.faults.matching import ActiveRule
    from translation_server.simulator.faults.model import Fault
    from translation_server.simulator.faults.rules import Rule
    from translation_server.simulator.recording.exchange import Requests
    from translation_server.simulator.report.politeness import Politeness

_SEEDS: Final = 2**32


class Simulator:
    """The faults, the clock and the record of one server; may be used by any thread.

    Args:
        clock: The server's clock; by default the machine's.
        seed: The same seed gives the same faults, and with ``RANDOM_SEED`` the same jobs; by default a new one.
        faults: The first rules; see ``reset``.
        incident: An incident whose rules are added to them, by its name in ``incidents``.
        fates: The first fates; see ``reset``.

    Raises:
        RuleError: A fault or a fate is not allowed, or there is no such incident.

    Attributes:
        clock: The server's clock.
        seed: The seed of everything that is drawn, even if none was given; ``replay_line`` names it.
        faults: The active rules.
        fates: What is decided about jobs.
        exchanges: The log of what has arrived.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        seed: int | None = None,
        faults: Iterable[Fault | Rule | str] = (),
        incident: Incident | str | None = None,
        fates: Iterable[FateRule | str] = (),
    ) -> None:
        self.clock = clock or SystemClock()
        self.seed = random.SystemRandom().randrange(_SEEDS) if seed is None else seed
        self.faults = Faults(self.seed, [*faults, *_rules_of(incident)])
        self.fates = Fates(fates)
        self.exchanges = Exchanges()

    @property
    def requests(self) -> Requests:
        """The requests so far, as a tuple: ``requests.where(kind="poll", job=1)`` filters it."""
        return self.exchanges.requests()

    def report(self, limits: Politeness | None = None) -> Report:
        """Return the report card of the clients so far; ``limits`` define what is polite."""
        log, clock = self.exchanges, self.clock
        requests, jobs = log.requests(), log.jobs()
        return make_report(requests, jobs, clock.now(), speed=clock.speed, limits=limits, forgotten=log.forgotten)

    def trace(self) -> str:
        """Return what has happened so far as text, which is the same in every run with the same seed.

        It includes times if the clock is a stepped one.
        """
        return trace(self.exchanges.requests(), self.exchanges.jobs(), timed=isinstance(self.clock, SteppedClock))

    def begin(self, incident: Incident | str) -> tuple[ActiveRule, ...]:
        """Begin an incident, by its name in ``incidents``; return the rules it added.

        Raises:
            RuleError: There is no such incident.
        """
        return tuple(self.faults.add(rule) for rule in _rules_of(incident))

    def reset(self) -> None:
        """Restore the first faults and fates, and clear the counts and the record. Jobs and the clock stay."""
        self.faults.reset()
        self.fates.reset()
        self.exchanges.clear()

    def replay_line(self, **arguments: object) -> str:
        """Return the line that makes a server with the same jobs and the same faults.

        Args:
            arguments: The other arguments that the server was made with.
        """
        parts = [f"{name}={value!r}" for name, value in {**arguments, "seed": self.seed}.items()]
        rules = [str(rule) for rule in self.faults.first]
        if rules and not arguments.keys() & {"faults", "incident"}:
            parts.append(f"faults={rules!r}")
        return f"TranslationServer({', '.join(parts)})"


def _rules_of(incident: Incident | str | None) -> tuple[Rule, ...]:
    if incident is None:
        return ()
    return (incident if isinstance(incident, Incident) else incident_named(incident)).rules
