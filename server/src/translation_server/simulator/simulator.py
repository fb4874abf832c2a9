"""The instrument itself: what a server is given to be a simulator, and what tests turn and read."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

from translation_server.service.clock import SystemClock
from translation_server.simulator.clocks import SteppedClock
from translation_server.simulator.faults.active_rules import Faults
from translation_server.simulator.faults.incidents import Incident, incident_named
from translation_server.simulator.recording.exchange_log import Exchanges
from translation_server.simulator.report.report import Report, make_report
from translation_server.simulator.report.trace import trace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from translation_server.service.clock import Clock
    from translation_server.simulator.faults.active_rules import Standing
    from translation_server.simulator.faults.model import Fault
    from translation_server.simulator.faults.rules import Rule
    from translation_server.simulator.recording.exchange import Requests
    from translation_server.simulator.report.politeness import Politeness

_SEEDS: Final = 2**32


class Simulator:
    """Faults, the clock and the record of one server; may be used by any thread.

    Args:
        clock: The server's clock; by default the machine's.
        seed: Same seed, same faults, and with `RANDOM_SEED` the same jobs; by default a new one.
        faults: Rules that stand from the beginning.
        incident: What happens from the beginning, by its name in `incidents`.

    Raises:
        RuleError: A fault is not allowed, or there is no such incident.

    Attributes:
        clock: The server's clock.
        seed: What everything drawn comes from, also if none was given: `replay_line` names it.
        faults: What goes wrong.
        exchanges: What has arrived.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        seed: int | None = None,
        faults: Iterable[Fault | Rule | str] = (),
        incident: Incident | str | None = None,
    ) -> None:
        self.clock = clock or SystemClock()
        self.seed = random.SystemRandom().randrange(_SEEDS) if seed is None else seed
        self.faults = Faults(self.seed, [*faults, *_rules_of(incident)])
        self.exchanges = Exchanges()

    @property
    def requests(self) -> Requests:
        """What has arrived until now, as a tuple: ``requests.where(kind="poll", job=1)`` narrows it."""
        return self.exchanges.requests()

    def report(self, limits: Politeness | None = None) -> Report:
        """How well the clients behaved until now; ``limits`` say what is polite."""
        log, clock = self.exchanges, self.clock
        requests, jobs = log.requests(), log.jobs()
        return make_report(requests, jobs, clock.now(), speed=clock.speed, limits=limits, forgotten=log.forgotten)

    def trace(self) -> str:
        """What has happened until now, in the same words in every run with the same seed.

        It tells times if the clock is a stepped one.
        """
        return trace(self.exchanges.requests(), self.exchanges.jobs(), timed=isinstance(self.clock, SteppedClock))

    def begin(self, incident: Incident | str) -> tuple[Standing, ...]:
        """Let an incident happen from now on, by its name in `incidents`; returns its rules.

        Raises:
            RuleError: There is no such incident.
        """
        return tuple(self.faults.add(rule) for rule in _rules_of(incident))

    def reset(self) -> None:
        """Be as at the beginning: the first faults, nothing counted, nothing recorded. Jobs and the clock stay."""
        self.faults.reset()
        self.exchanges.clear()

    def replay_line(self, **arguments: object) -> str:
        """The line that makes a server with the same jobs and the same bad luck.

        Args:
            arguments: What else the server was made with.
        """
        said = [f"{name}={value!r}" for name, value in {**arguments, "seed": self.seed}.items()]
        rules = [str(rule) for rule in self.faults.first]
        if rules and not arguments.keys() & {"faults", "incident"}:
            said.append(f"faults={rules!r}")
        return f"TranslationServer({', '.join(said)})"


def _rules_of(incident: Incident | str | None) -> tuple[Rule, ...]:
    if incident is None:
        return ()
    return (incident if isinstance(incident, Incident) else incident_named(incident)).rules
