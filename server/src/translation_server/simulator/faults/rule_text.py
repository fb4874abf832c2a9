"""The text form of rules, which the variable `FAULTS` has, and which is short to type in a test. Pure.

A rule is the name of a fault, that fault's main value, and what else is to be said of both as name=value, the value in
double quotes if it has spaces. A number in place of a name is a status. Semicolons or lines separate rules.

    503 retry_after=1 times=2; latency 0.5 rate=0.1 kind=poll; lost_answer times=1
"""

from __future__ import annotations

import re
from dataclasses import fields
from typing import TYPE_CHECKING, Final, NamedTuple

from translation_server.simulator.faults.fields import RuleError
from translation_server.simulator.faults.model import Fault, Status, fault_named
from translation_server.simulator.faults.rules import CONDITIONS, Rule, check_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_TOKEN: Final = re.compile(
    r"""(?P<space>[ \t]+)
    |   (?P<end>[;\r\n])
    |   (?:(?P<name>[A-Za-z_]+)=)? (?: "(?P<quoted>(?:[^"\\]|\\.)*)" | (?P<bare>[^\s;"=\\]+) )""",
    re.VERBOSE,
)
_SHOWN: Final = 20  # characters of what cannot be read


class _Word(NamedTuple):
    name: str | None
    value: str


_INCIDENT: Final = _Word(None, "incident")


def parse(text: str, incidents: Mapping[str, tuple[Rule, ...]] | None = None) -> tuple[Rule, ...]:
    """The rules in a text.

    Args:
        text: What to read.
        incidents: Rules that `incident name` stands for; None: no incidents are allowed.

    Raises:
        RuleError: It is not as it must be; the error says what is.
    """
    return tuple(rule for words in _sentences(text) for rule in _rules(words, incidents))


def rule_of(fault: Fault | Rule | str, **when: object) -> Rule:
    """One rule, from a fault, a rule or its text, with further conditions of `Rule`.

    Raises:
        RuleError: It makes no rule.
    """
    check_names(when, CONDITIONS)
    match fault:
        case str():
            rule = _only(parse(fault))
        case Rule():
            rule = fault
        case Fault():
            rule = Rule(fault)
        case _:
            raise RuleError("fault", f"is {fault!r}: allowed is a fault, a rule, or the text of one")
    return Rule(rule.fault, **{name: getattr(rule, name) for name in CONDITIONS} | when)


def _only(rules: tuple[Rule, ...]) -> Rule:
    if len(rules) != 1:
        raise RuleError("rules", f"are {len(rules)} in this text: allowed is one")
    return rules[0]


def _sentences(text: str) -> Iterator[list[_Word]]:
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
    said: dict[str, object] = {"fault": first.value}
    for position, word in enumerate(rest):
        name = word.name or _main(first.value, word.value, is_second=position == 0)
        if name in said:
            raise RuleError(name, "is said twice")
        said[name] = word.value
    return Rule.from_json(said)


def _main(fault: str, value: str, *, is_second: bool) -> str:
    """The field that a word without a name is for."""
    own = fields(fault_named(fault))
    if not is_second or not own:
        raise RuleError("rules", f"cannot have {value!r} there: allowed is name=value")
    return own[0].name
