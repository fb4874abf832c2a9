"""The library of incidents: named faults that clients of a job service meet in real life, and what each teaches. Pure.

    TranslationServer(incident="lost_start")
    @pytest.mark.parametrize("incident", incidents.ALL)
    FAULTS="incident lost_start"
    curl --user … --request POST http://127.0.0.1:8000/simulator/incidents/lost_start

Each job meets an incident independently of the others, and every incident is over in a second or two, so that a test of
a client that handles it is fast.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from translation_server.simulator.faults.fields import RuleError
from translation_server.simulator.faults.rules import parse_rules

if TYPE_CHECKING:
    from translation_server.simulator.faults.rules import Rule


@dataclass(frozen=True, slots=True)
class Incident:
    """A failure of real life, made of faults.

    Attributes:
        name: Its name.
        happens: What happens, in a sentence.
        teaches: What a client must do to handle it.
        rules: The rules it consists of.
    """

    name: str
    happens: str
    teaches: str
    rules: tuple[Rule, ...]

    def __str__(self) -> str:
        return self.name


def _incident(name: str, rules: str, happens: str, teaches: str) -> Incident:
    return Incident(name, happens, teaches, parse_rules(rules))


_STATUS_READS: Final = "poll,latest,query,list,events"

LIBRARY: Final[dict[str, Incident]] = {
    incident.name: incident
    for incident in (
        _incident(
            "lost_start",
            "lost_answer times=1",
            "A job is accepted, and the answer that says so is lost.",
            "Make an idempotency key once per job, outside the retries, or pay for two jobs.",
        ),
        _incident(
            "lost_start_504",
            "lost_answer 504 times=1",
            "A job is accepted, and a proxy answers 504 in place of the service.",
            "A 5xx does not mean that nothing was done: repeat a start only with the same idempotency key.",
        ),
        _incident(
            "deploy_502",
            f"bad_gateway kind=start times=1; bad_gateway kind={_STATUS_READS} times=2",
            "While the service is deployed, its proxy answers 502 with a page in HTML.",
            "A 502 says nothing about the job: wait on, and do not read its body as JSON.",
        ),
        _incident(
            "maintenance_page",
            f"html_page kind=start times=1; html_page kind={_STATUS_READS} times=1",
            "A maintenance page or a login portal answers 200, in HTML.",
            "A 200 is an answer of the service only if it reads like one.",
        ),
        _incident(
            "overloaded",
            f"503 kind=start times=1; 500 kind={_STATUS_READS} times=2",
            "The service answers 503 and 500 for a while.",
            "A failed request is not a failed job: try again, more slowly each time.",
        ),
        _incident(
            "rate_limited",
            f"429 retry_after=1 kind={_STATUS_READS} times=1",
            "The service answers 429 and says when to ask again.",
            "Wait for as long as `Retry-After` says before the next request.",
        ),
        _incident(
            "limited_start",
            "429 retry_after=1 kind=start times=1",
            "The first start of a job is refused with 429, as too many are under way.",
            "Repeat the same start, body and all, once the time in `Retry-After` is over.",
        ),
        _incident(
            "eventual_404",
            "not_found kind=poll times=2",
            "A job that was accepted is unknown for its first moments, as its record has not reached every machine.",
            "A 404 just after the start is not final.",
        ),
        _incident(
            "slow_drip",
            "drip 800 times=1",
            "An answer arrives byte by byte, so that no single read takes long.",
            "A timeout per read is no deadline: the whole exchange needs one.",
        ),
        _incident(
            "slow_answers",
            "latency 0.3 times=2",
            "Answers take a third of a second, where they used to take no time.",
            "Waiting for an answer uses up the deadline, and is no reason to ask again meanwhile.",
        ),
        _incident(
            "result_not_ready",
            "425 kind=result times=1",
            "A job is completed, and the first request for its result is answered 425, as the file is not there yet.",
            "Ask for the result again, and do not start the job again: it is paid for.",
        ),
        _incident(
            "expired_result",
            "403 kind=result times=1",
            "The link to a result has expired, and answers 403.",
            "Keep the job's id rather than the link: ask for the job again, and take its new link.",
        ),
        _incident(
            "unknown_status",
            "unknown_status paused kind=poll,latest,query,list times=1",
            "After an update of the service a job is `paused`, which is not a documented status.",
            "An unknown status is not terminal: wait on.",
        ),
        _incident(
            "proxy_cuts_long_poll",
            "cut_long_poll 0.2 instead=504",
            "A proxy ends every request that is held for long with a 504.",
            "Ask for a shorter hold, or poll: a long poll that is cut off says nothing about the job.",
        ),
        _incident(
            "proxy_cuts_stream",
            "cut_long_poll 0.2 kind=events",
            "A proxy ends every event stream after a moment.",
            "Resume with `Last-Event-ID`, so that no event is missed and none comes twice.",
        ),
        _incident(
            "restart",
            f"restart 0.3 kind={_STATUS_READS} times=1 per=server",
            "The server restarts: every connection is reset, and so is every new one until it is up again.",
            "A lost connection says nothing about the job: jobs survive, and waits must.",
        ),
        _incident(
            "connection_resets",
            "reset times=2",
            "Connections are reset before anything is answered, at the start and later.",
            "Connect again, with the same idempotency key.",
        ),
        _incident(
            "closed_connections",
            "close times=2",
            "Connections are closed without an answer, as by a proxy that has kept them for too long.",
            "Connect again; with HTTP keep-alive this happens every day.",
        ),
        _incident(
            "truncated_answers",
            "truncate 0.5 times=2",
            "Connections are closed in the middle of answers.",
            "Half an answer is no answer, and a start with half an answer may have made a job.",
        ),
        _incident(
            "broken_json",
            f"broken_json kind={_STATUS_READS} times=2",
            "Answers of the right length hold half a JSON document.",
            "An answer that cannot be parsed is not an outcome: ask again.",
        ),
        _incident(
            "flaky_network",
            "reset rate=0.1; close rate=0.1; truncate rate=0.1; latency 0.1 rate=0.3",
            "One request in four fails, in different ways, and many are slow.",
            "Handle all of the above at once; the same seed repeats the same faults.",
        ),
    )
}

ALL: Final = tuple(LIBRARY)
"""The names of all incidents."""


def incident_named(name: object) -> Incident:
    """Return the incident with this name.

    Raises:
        RuleError: There is none.
    """
    if not isinstance(name, str) or name not in LIBRARY:
        raise RuleError("incident", f"is {name!r}: allowed is one of {', '.join(ALL)}")
    return LIBRARY[name]


def rules_in(text: str) -> tuple[Rule, ...]:
    """Return the rules in a text, which may also name incidents: ``incident lost_start; 503 rate=0.1``.

    Raises:
        RuleError: The text is not understood, or a value is not allowed.
    """
    return parse_rules(text, {name: incident.rules for name, incident in LIBRARY.items()})


def table() -> str:
    """Return all incidents as a table in Markdown."""
    rows = [f"| `{one.name}` | {one.happens} | {one.teaches} |" for one in LIBRARY.values()]
    return "\n".join(["| incident | what happens | what it teaches |", "|---|---|---|", *rows]) + "\n"
