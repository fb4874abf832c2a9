"""Fates: what a tester decides about jobs; in Python, as JSON, as text, and inside a request.

In text, a fate is written as values by name, after the word ``fate`` or without it, a value in double quotes if it has
spaces. Semicolons or lines separate fates.

    fate outcome=error duration=2 times=3; outcome=expired job=4 message="Nobody came for it."

A request that starts a job can hold a fate of that job, with the same words: as ``[simulate outcome=error duration=2]``
in any text, see ``parse_directive``, or as the value of a header, see ``parse_header``.
"""

from __future__ import annotations

import json
import re
from collections import Counter, OrderedDict
from dataclasses import dataclass, fields
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from translation_server.http.schemas import LONGEST_DURATION
from translation_server.jobs.model import Fate
from translation_server.jobs.numbers import to_number
from translation_server.simulator.faults.fields import FIELDS, Field, RuleError, as_json, as_text, parse_value
from translation_server.simulator.faults.rules import check_names, quote, sentences

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

_HEADER: Final = "X-Simulate"
_DIRECTIVE: Final = re.compile(r"\[simulate ([^\]\r\n]{1,200})\]")
_OUTCOME: Final = re.compile(r"[A-Za-z0-9_.-]{1,50}")
_WORD: Final = "fate"  # which a fate may begin with
_MOST_KEPT: Final = 100_000  # jobs whose fates are kept, and counts
_MOST_RULES: Final = 1000


def _parse_duration(value: object) -> float:
    seconds = to_number(value)
    if not 0 <= seconds <= LONGEST_DURATION:
        raise ValueError
    return seconds


def _parse_outcome(value: object) -> str:
    if not isinstance(value, str) or not _OUTCOME.fullmatch(value):
        raise ValueError
    return str(value)


FATE_FIELDS: Final = {
    "outcome": Field(
        _parse_outcome,
        "completed, error, cancelled, expired, or another word of 1 to 50 letters (A to Z), digits, _, - and .",
        {"type": "string", "pattern": f"^{_OUTCOME.pattern}$", "examples": ["error", "cancelled", "expired"]},
    ),
    "duration": Field(
        _parse_duration,
        f"a number of seconds from 0 to {LONGEST_DURATION:.0f}",
        {"type": "number", "minimum": 0, "maximum": LONGEST_DURATION},
    ),
    "message": FIELDS["status"],  # any printable text
    "times": FIELDS["times"],
    "format": Field(
        FIELDS["user"].parse,
        "the name of a format or of its mount, printable text of 1 to 200 characters",
        FIELDS["user"].schema,
    ),
    "user": FIELDS["user"],
    "job": FIELDS["job"],
}
"""The values of a fate by their names; the first three say what happens, the others to which jobs."""


@dataclass(frozen=True, slots=True)
class FateRule:
    """A fate, and which jobs it is for: those that meet every condition.

    Attributes:
        outcome: How the job ends; None: it is drawn. See ``Fate``.
        duration: Seconds the job takes; None: they are drawn.
        message: What its error says, if it ends in one; None: the usual message.
        times: For so many jobs of each user, the next ones; None: for all.
        format: Only jobs that are started by the API of this name, or under this mount; None: by any, the native one
            included.
        user: Only jobs of this user.
        job: Only the user's job with this number, from 1.

    Raises:
        RuleError: A value is not allowed, or neither an outcome nor a duration is given.
    """

    outcome: str | None = None
    duration: float | None = None
    message: str | None = None
    times: int | None = None
    format: str | None = None
    user: str | None = None
    job: int | None = None

    def __post_init__(self) -> None:
        for name, value in self._values().items():
            object.__setattr__(self, name, parse_value(name, value, FATE_FIELDS))
        if self.outcome is None and self.duration is None:
            raise RuleError("outcome", "is missing, and so is duration: a fate needs one of them, or both")
        if self.outcome == "completed" and self.message is not None:
            raise RuleError("message", "is what an error says: it is not allowed with outcome=completed")

    def __str__(self) -> str:
        values = self._values().items()
        return " ".join([_WORD, *(f"{name}={quote(as_text(value))}" for name, value in values)])

    @property
    def fate(self) -> Fate:
        """What happens to the jobs."""
        return Fate(self.duration, self.outcome, self.message)

    def as_json(self) -> dict[str, Any]:
        """Return it as a flat JSON object, without the values that are unset."""
        return {name: as_json(value) for name, value in self._values().items()}

    @classmethod
    def from_json(cls, members: Mapping[str, object]) -> Self:
        """Return the one that a flat JSON object stands for: ``{"outcome": "error", "times": 3}``.

        Raises:
            RuleError: A member is unknown or not allowed, or neither an outcome nor a duration is given.
        """
        given = {name: value for name, value in members.items() if value is not None}
        check_names(given, tuple(FATE_FIELDS))
        return cls(**given)  # type: ignore[arg-type]  # it checks them

    def is_for(self, user: str | None, job: int, formats: Collection[str]) -> bool:
        """Return whether a job meets its conditions, whatever ``times`` says.

        Args:
            user: The job's owner.
            job: Its number among the owner's jobs, from 1.
            formats: The names of the API that it is started by; none: the native one.
        """
        is_format = self.format is None or self.format in formats
        return is_format and self.user in {None, user} and self.job in {None, job}

    def _values(self) -> dict[str, object]:
        given = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: value for name, value in given if value is not None}


class ActiveFate(NamedTuple):
    """A fate of a running server.

    Attributes:
        number: Its place: fates with lower numbers are tried first. A fate is removed by its number.
        rule: The fate, and which jobs it is for.
        given: How many jobs have got it.
    """

    number: int
    rule: FateRule
    given: int = 0

    def __str__(self) -> str:
        return f"{self.number}. {self.rule} (given {self.given} times)"


class Fates:
    """The fates of a running server, in the order in which they were added; a job gets the first that is for it.

    A job that has got its fate, or none, keeps it, whatever is added or removed afterwards: it is known by its number
    among its owner's jobs, which a start that is repeated with the same idempotency key has as well. May be used by any
    thread.

    Args:
        rules: The first fates, which a reset restores.

    Raises:
        RuleError: One of them is not allowed.

    Attributes:
        first: The first fates.
    """

    def __init__(self, rules: Iterable[FateRule | str] = ()) -> None:
        self.first = tuple(_to_rule(rule) for rule in rules)
        self._lock = Lock()
        self.reset()

    def __str__(self) -> str:
        return "\n".join(map(str, self.list())) or "no fates"

    def add(  # noqa: PLR0913 - each has a name
        self,
        rule: FateRule | str | None = None,
        /,
        *,
        outcome: str | None = None,
        duration: float | None = None,
        times: int | None = None,
        format: str | None = None,  # noqa: A002 - the name that it has in text
        user: str | None = None,
        job: int | None = None,
        message: str | None = None,
    ) -> ActiveFate:
        """Add a fate of jobs that are started from now on; it needs an outcome, a duration or both.

        Args:
            rule: All of it as text, such as ``"outcome=error duration=2 times=3"``, or as a ``FateRule``; what is given
                by name as well wins.
            outcome: How the job ends: ``completed``, ``error``, ``cancelled``, ``expired``, or any other word, which
                becomes the code of its error.
            duration: Seconds it takes, 0 or more.
            times: For so many jobs of each user, the next ones; by default for all.
            format: Only jobs started by the API of this name, or under this mount.
            user: Only jobs of this user.
            job: Only the user's job with this number, from 1.
            message: What the job's error says, if it ends in one.

        Raises:
            RuleError: A value is not allowed, or there are too many fates; the error names what is allowed.
        """
        named = {"outcome": outcome, "duration": duration, "message": message, "times": times, "format": format}
        made = _to_rule(rule, **named, user=user, job=job)
        with self._lock:
            if len(self._rules) >= _MOST_RULES:
                raise RuleError("rules", f"are too many: allowed are {_MOST_RULES}")
            return self._append(made)

    def remove(self, rule: ActiveFate | int) -> None:
        """Remove a fate, given itself or its number.

        Raises:
            LookupError: There is no fate with this number.
        """
        number = rule if isinstance(rule, int) else rule.number
        with self._lock:
            if number not in self._rules:
                raise LookupError(f"there is no fate number {number}")
            del self._rules[number], self._given[number]

    def clear(self) -> None:
        """Remove every fate."""
        with self._lock:
            self._rules.clear()
            self._given.clear()

    def list(self) -> tuple[ActiveFate, ...]:
        """Return the fates, in the order in which they are tried."""
        with self._lock:
            return tuple(one._replace(given=self._given[one.number]) for one in self._rules.values())

    def reset(self) -> None:
        """Restore the first fates, and forget which jobs have got which."""
        with self._lock:
            self._rules: dict[int, ActiveFate] = {}
            self._next = 1
            self._given: Counter[int] = Counter()
            self._counts: Counter[tuple[int, str | None]] = Counter()
            self._decided: OrderedDict[tuple[str | None, int], Fate | None] = OrderedDict()
            for rule in self.first:
                self._append(rule)

    def decide(self, user: str | None, job: int | None, formats: Collection[str] = ()) -> Fate | None:
        """Return the fate of a job that is started, and count it; None: nothing is decided.

        Args:
            user: The job's owner.
            job: Its number among the owner's jobs, from 1; None: it has none, and gets no fate.
            formats: The names of the API that it is started by: of the format, and of its mount; none: the native one.
        """
        if job is None:
            return None
        with self._lock:
            if (user, job) not in self._decided:
                self._decided[user, job] = self._next_fate(user, job, formats)
                if len(self._decided) > _MOST_KEPT:
                    self._decided.popitem(last=False)
            return self._decided[user, job]

    def _next_fate(self, user: str | None, job: int, formats: Collection[str]) -> Fate | None:
        for number, rule, _ in self._rules.values():
            if rule.is_for(user, job, formats) and self._use(number, rule, user):
                self._given[number] += 1
                return rule.fate
        return None

    def _use(self, number: int, rule: FateRule, user: str | None) -> bool:
        """Return whether a fate has a time left for this user, and use it up."""
        if rule.times is None:
            return True
        if self._counts[number, user] >= rule.times:
            return False
        self._counts[number, user] += 1
        if len(self._counts) > _MOST_KEPT:
            del self._counts[next(iter(self._counts))]
        return True

    def _append(self, rule: FateRule) -> ActiveFate:
        number, self._next = self._next, self._next + 1
        active = self._rules[number] = ActiveFate(number, rule)
        return active


def parse_fates(text: str) -> tuple[FateRule, ...]:
    """Return the fates in a text.

    Raises:
        RuleError: The text is not understood, or a value is not allowed; the error names the allowed values.
    """
    return tuple(map(FateRule.from_json, _members(text)))


def parse_directive(text: str) -> Fate | None:
    """Return what the first ``[simulate outcome=error duration=2]`` in a text decides; None: it has none.

    The words are ``outcome``, ``duration`` and ``message``. In a text that is JSON, the quotes around a message may be
    escaped, as they are when the directive stands in one of its strings.

    Raises:
        RuleError: A word is unknown or its value not allowed; the error's field is the directive.
    """
    found = _DIRECTIVE.search(text)
    return None if found is None else _parse_words(found[0], _unescaped(found[1]))


def parse_header(text: str) -> Fate:
    """Return what the value of the header ``X-Simulate`` decides: ``outcome=error duration=2``.

    Raises:
        RuleError: A word is unknown or its value not allowed; the error's field is the header's name.
    """
    return _parse_words(_HEADER, text)


def _parse_words(where: str, text: str) -> Fate:
    try:
        members = _only(text)
        check_names(members, Fate._fields)
        return FateRule.from_json(members).fate
    except RuleError as error:
        raise RuleError(where, str(error)) from None


def _unescaped(words: str) -> str:
    """Return words as they were before they became part of a JSON string; a quote cannot be escaped otherwise."""
    if not words.partition('"')[0].endswith("\\"):
        return words
    try:
        return str(json.loads(f'"{words}"'))
    except ValueError:
        return words  # which cannot be read, and the error shows where


def _members(text: str) -> Iterator[dict[str, object]]:
    """Yield the values of each fate in a text, by their names."""
    for first, *rest in sentences(text):
        members: dict[str, object] = {}
        for name, value in rest if first == (None, _WORD) else (first, *rest):
            if name is None:
                raise RuleError("rules", f"cannot have {value[:100]!r} there: allowed is name=value")
            if name in members:
                raise RuleError(name[:100], "is given twice")
            members[name] = value
        yield members


def _only(text: str) -> dict[str, object]:
    found = list(_members(text))
    if len(found) != 1:
        raise RuleError("fates", f"are {len(found)} in this text: allowed is one, such as outcome=error duration=2")
    return found[0]


def _to_rule(rule: FateRule | str | None, **values: object) -> FateRule:
    if isinstance(rule, str):
        rule = FateRule.from_json(_only(rule))
    if rule is not None and not isinstance(rule, FateRule):
        raise RuleError("rules", f"are {rule!r}: allowed is a FateRule, or the text of one")
    known = {} if rule is None else rule.as_json()
    return FateRule.from_json(known | {name: value for name, value in values.items() if value is not None})
