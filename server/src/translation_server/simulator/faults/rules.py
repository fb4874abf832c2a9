"""Rules: which fault affects which requests; in Python, as JSON and as text. Pure.

In text, which the variable ``FAULTS`` holds and which is short to type in a test, a rule is the name of a fault, that
fault's main value, and further values of the fault and conditions as name=value, a value in double quotes if it has
spaces. A number in place of a name is a status. Semicolons or lines separate rules.

    503 retry_after=1 times=2; latency 0.5 rate=0.1 kind=poll; lost_answer times=1
"""

from __future__ import annotations

import re
from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from translation_server.simulator.faults.fields import RuleError, Span, as_json, as_text, parse_value
from translation_server.simulator.faults.model import Fault, Status, fault_named

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from translation_server.simulator.recording.exchange import Kind

_PLAIN: Final = re.compile(r'[^\s;"=\\]+')
_TOKEN: Final = re.compile(
    r"""(?P<space>[ \t]+)
    |   (?P<end>[;\r\n])
    |   (?:(?P<name>[A-Za-z_]+)=)? (?: "(?P<quoted>(?:[^"\\]|\\.)*)" | (?P<bare>[^\s;"=\\]+) )""",
    re.VERBOSE,
)
_SHOWN: Final = 20  # characters of what cannot be read


@dataclass(frozen=True, slots=True)
class Rule:
    """A fault, and which requests it affects: those that meet every condition.

    Attributes:
        fault: What happens to them.
        kind: Only requests of these kinds; None: of the kinds the fault is for, which for most faults are all.
        on_poll: Only a job's poll (by its id) with this number, from 1, or in a range: `(2, 5)`; None: any request.
        user: Only requests of this user.
        job: Only requests about the user's job with this number, from 1.
        after: Only requests about a job of at least this age in seconds; at its start, a job's age is 0.
        within: Only requests about a job of at most this age in seconds.
        rate: Only this share of the requests, drawn from the seed.
        times: At most this many requests, the first ones; see `per`.
        per: What `times` counts: requests per `job`, so that concurrency does not matter, per `user`, or of the whole
            `server`, where the order of arrival decides which are affected. Requests that are not about a single job
            are counted by their kind.

    Raises:
        RuleError: A value is not allowed.
    """

    fault: Fault
    kind: tuple[Kind, ...] | None = None
    on_poll: Span | None = None
    user: str | None = None
    job: int | None = None
    after: float | None = None
    within: float | None = None
    rate: float | None = None
    times: int | None = None
    per: str = "job"

    def __post_init__(self) -> None:
        for name in CONDITIONS:
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, parse_value(name, value))
        if self.after is not None and self.within is not None and self.after > self.within:
            raise RuleError("after", f"is {self.after:g}, and within is {self.within:g}: allowed is one up to within")

    def __str__(self) -> str:
        values = self._values()
        return " ".join([self.fault.name, *(f"{name}={quote(as_text(value))}" for name, value in values.items())])

    def as_json(self) -> dict[str, Any]:
        """Return the rule as a flat JSON object, without the values that are unset."""
        return {"fault": self.fault.name} | {name: as_json(value) for name, value in self._values().items()}

    @classmethod
    def from_json(cls, members: Mapping[str, object]) -> Self:
        """Return the rule that a flat JSON object stands for: ``{"fault": "status", "code": 503, "times": 2}``.

        Raises:
            RuleError: A member is unknown, missing or not allowed.
        """
        if "fault" not in members:
            raise RuleError("fault", "is missing: it names what is to happen")
        kind = fault_named(members["fault"])
        own = [field.name for field in fields(kind)]
        given = {name: value for name, value in members.items() if name != "fault" and value is not None}
        check_names(given, (*own, *CONDITIONS))
        missing = [field.name for field in fields(kind) if field.default is MISSING and field.name not in given]
        if missing:
            raise RuleError(missing[0], f"is missing: {kind.name} needs it")
        fault = kind(**{name: value for name, value in given.items() if name in own})
        return cls(fault, **{name: value for name, value in given.items() if name not in own})  # type: ignore[arg-type]  # it checks them

    def _values(self) -> dict[str, object]:
        own = {field.name: getattr(self.fault, field.name) for field in fields(self.fault)}
        conditions = {name: getattr(self, name) for name in CONDITIONS if (name, getattr(self, name)) != ("per", "job")}
        return {name: value for name, value in (own | conditions).items() if value is not None}


CONDITIONS: Final = tuple(field.name for field in fields(Rule) if field.name != "fault")


def check_names(given: Iterable[str], allowed: tuple[str, ...]) -> None:
    """Raise ``RuleError`` for the first name that is not allowed."""
    for name in given:
        if name not in allowed:
            raise RuleError(name[:100], f"is not a name here: allowed are {', '.join(allowed)}")


def quote(text: str) -> str:
    """Return a value as text that ``sentences`` reads as the same value."""
    return text if _PLAIN.fullmatch(text) else '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


class _Word(NamedTuple):
    name: str | None
    value: str


_INCIDENT: Final = _Word(None, "incident")


def parse_rules(text: str, incidents: Mapping[str, tuple[Rule, ...]] | None = None) -> tuple[Rule, ...]:
    """Return the rules in a text.

    Args:
        text: The text.
        incidents: The rules that ``incident NAME`` stands for, by name; None: incidents are not allowed.

    Raises:
        RuleError: The text is not understood, or a value is not allowed; the error names the allowed values.
    """
    return tuple(rule for words in sentences(text) for rule in _rules(words, incidents))


def to_rule(fault: Fault | Rule | str, **conditions: object) -> Rule:
    """Return one rule, made from a fault, a rule or its text, with further conditions of ``Rule``.

    Raises:
        RuleError: A value is not allowed.
    """
    check_names(conditions, CONDITIONS)
    match fault:
        case str():
            rule = _only(parse_rules(fault))
        case Rule():
            rule = fault
        case Fault():
            rule = Rule(fault)
        case _:
            raise RuleError("fault", f"is {fault!r}: allowed is a fault, a rule, or the text of one")
    return Rule(rule.fault, **{name: getattr(rule, name) for name in CONDITIONS} | conditions)


def _only(rules: tuple[Rule, ...]) -> Rule:
    if len(rules) != 1:
        raise RuleError("rules", f"are {len(rules)} in this text: allowed is one")
    return rules[0]


def sentences(text: str) -> Iterator[list[_Word]]:
    """Yield the words of each rule in a text, which semicolons or lines separate; raises ``RuleError``."""
    words: list[_Word] = []
    place = 0
    while place < len(text):
        token = _TOKEN.match(text, place)
        if token is None:
            raise RuleError("rules", f"cannot be read from {text[place : place + _SHOWN]!r} on")
        place = token.end()
        if token["end"] and words:
            yield words
            words = []
        elif not token["space"] and not token["end"]:
            words.append(_Word(token["name"], _unquoted(token)))
    if words:
        yield words


def _unquoted(token: re.Match[str]) -> str:
    return token["bare"] if token["quoted"] is None else re.sub(r"\\(.)", r"\1", token["quoted"])


def _rules(words: list[_Word], incidents: Mapping[str, tuple[Rule, ...]] | None) -> tuple[Rule, ...]:
    if incidents is None or words[0] != _INCIDENT:
        return (_rule(words),)
    name = " ".join(word.value for word in words[1:])
    if name not in incidents:
        raise RuleError("incident", f"is {name!r}: allowed is one of {', '.join(incidents)}")
    return incidents[name]


def _rule(words: list[_Word]) -> Rule:
    first, *rest = words
    if first.name is not None:
        raise RuleError(
            "fault", f"is missing before {first.name}={first.value}: a rule begins with the name of a fault"
        )
    if first.value.isdecimal():
        first, rest = _Word(None, Status.name), [_Word("code", first.value), *rest]
    members: dict[str, object] = {"fault": first.value}
    for position, word in enumerate(rest):
        name = word.name or _main_field(first.value, word.value, is_second=position == 0)
        if name in members:
            raise RuleError(name, "is given twice")
        members[name] = word.value
    return Rule.from_json(members)


def _main_field(fault: str, value: str, *, is_second: bool) -> str:
    """Return the name of the fault's main value, which is given without a name after that of the fault."""
    own = fields(fault_named(fault))
    if not is_second or not own:
        raise RuleError("rules", f"cannot have {value!r} there: allowed is name=value")
    return own[0].name
