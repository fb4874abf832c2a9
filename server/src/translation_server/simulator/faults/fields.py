"""The named values of faults and rules: how each is parsed, which values are allowed, how it is written. Pure.

One table serves Python, JSON and text, so that a name means the same in a test, in ``curl`` and in the environment.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from translation_server.jobs.numbers import to_number, to_whole
from translation_server.simulator.recording.exchange import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

KINDS: Final = tuple(kind.value for kind in Kind)
INSTEAD: Final = ("close", "reset", "502", "504")
PER: Final = ("job", "user", "server")

_LONGEST: Final = 86_400.0  # seconds; a day
_LONGEST_WORD: Final = 200


class RuleError(ValueError):
    """A fault or a rule is not allowed.

    Attributes:
        field: The name of the wrong value.
        message: What is wrong with it, and which values are allowed.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(field, message)
        self.field = field
        self.message = message

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class Span(NamedTuple):
    """The numbers from ``first`` to ``last``, both included; if ``last`` is None, there is no end."""

    first: int
    last: int | None

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last or ''}"

    def includes(self, number: int) -> bool:
        """Return whether a number is among them."""
        return self.first <= number and (self.last is None or number <= self.last)


@dataclass(frozen=True, slots=True)
class Field:
    """The declaration of one named value.

    Attributes:
        parse: Returns the value that an argument, a JSON value or a text stands for; raises ``ValueError`` or
            ``TypeError`` if it stands for none.
        allowed: The allowed values, in words.
        schema: The allowed values, as a schema of OpenAPI.
    """

    parse: Callable[[object], object]
    allowed: str
    schema: dict[str, object]


def parse_value(name: str, value: object, fields: Mapping[str, Field] | None = None) -> object:
    """Return the value of a field that an argument, a JSON value or a text stands for.

    Args:
        name: The name of the field.
        value: What was given.
        fields: The declared fields; by default, those of faults and rules.

    Raises:
        RuleError: It is not allowed; the error names the allowed values.
    """
    field = (FIELDS if fields is None else fields)[name]
    try:
        return field.parse(value)
    except (TypeError, ValueError):
        text = repr(value)
        shown = text if len(text) <= 80 else f"{text[:79]}…"  # noqa: PLR2004 - about a line of a terminal
        raise RuleError(name, f"is {shown}: allowed is {field.allowed}") from None


def as_json(value: object) -> object:
    """Return a field's value as JSON; ``parse_value`` returns the same value from it."""
    match value:
        case Span(first, last):
            return first if first == last else str(value)
        case tuple():
            return [str(one) for one in value]
        case float() if value.is_integer():
            return int(value)
    return value


def as_text(value: object) -> str:
    """Return a field's value as text; ``parse_value`` returns the same value from it."""
    match value:
        case Span():
            return str(value)
        case tuple():
            return ",".join(map(str, value))
    return str(as_json(value))


def _between(parse: Callable[[object], float], least: float, most: float) -> Callable[[object], object]:
    def parse_bounded(value: object) -> object:
        number = parse(value)
        if not least <= number <= most:
            raise ValueError
        return number

    return parse_bounded


def _above_zero(most: float) -> Callable[[object], object]:
    return _between(to_number, math.nextafter(0, 1), most)


def _one_of(*words: str) -> Callable[[object], object]:
    def parse_word(value: object) -> object:
        if str(value) not in words:
            raise ValueError
        return str(value)

    return parse_word


def _word(value: object) -> object:
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_WORD or not value.isprintable():
        raise ValueError
    return value


def _kinds(value: object) -> object:
    given = value.split(",") if isinstance(value, str) else list(value)  # type: ignore[call-overload]
    kinds = {Kind(one) for one in given}
    if not kinds:
        raise ValueError
    return tuple(kind for kind in Kind if kind in kinds)


def _span(value: object) -> object:
    match value:
        case str() if "-" in value:
            first, _, last = value.partition("-")
            span = Span(to_whole(first), to_whole(last) if last else None)
        case range(start=first, stop=stop, step=1):
            span = Span(first, stop - 1)
        case [first, last]:
            span = Span(to_whole(first), None if last is None else to_whole(last))
        case _:
            span = Span(to_whole(value), to_whole(value))
    if not 1 <= span.first <= (span.last or span.first):
        raise ValueError
    return span


def _seconds(*, zero: bool = True) -> Field:
    parse = _between(to_number, 0, _LONGEST) if zero else _above_zero(_LONGEST)
    allowed = f"a number of seconds {'from 0' if zero else 'above 0 and up'} to {_LONGEST:g}"
    return Field(parse, allowed, {"type": "number", "minimum": 0, "maximum": _LONGEST})


def _count(least: int, most: int) -> Field:
    allowed = f"a whole number from {least} to {most}"
    return Field(_between(to_whole, least, most), allowed, {"type": "integer", "minimum": least, "maximum": most})


def _choice(*words: str) -> Field:
    return Field(_one_of(*words), f"{', '.join(words[:-1])} or {words[-1]}", {"type": "string", "enum": list(words)})


_TEXT: Final = {"type": "string", "minLength": 1, "maxLength": _LONGEST_WORD}

FIELDS: Final = {
    "seconds": _seconds(),
    "code": _count(400, 599),
    "retry_after": _count(0, int(_LONGEST)),
    "share": Field(_between(to_number, 0, 1), "a number from 0 to 1", {"type": "number", "minimum": 0, "maximum": 1}),
    "bytes_per_second": Field(
        _above_zero(1e9), "a number of bytes above 0 and up to 1000000000", {"type": "number", "exclusiveMinimum": 0}
    ),
    "status": Field(_word, f"printable text of 1 to {_LONGEST_WORD} characters", _TEXT),
    "instead": _choice(*INSTEAD),
    "kind": Field(
        _kinds,
        f"one or several of {', '.join(KINDS)}",
        {"type": "array", "minItems": 1, "items": {"type": "string", "enum": list(KINDS)}},
    ),
    "rate": Field(_between(to_number, 0, 1), "a number from 0 to 1", {"type": "number", "minimum": 0, "maximum": 1}),
    "times": _count(1, 10**9),
    "per": _choice(*PER),
    "on_poll": Field(
        _span,
        "a number from 1, or a range of them such as 2-5 or 3-",
        {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": "^[0-9]+-[0-9]*$"}]},
    ),
    "user": Field(_word, f"a user's name, printable text of 1 to {_LONGEST_WORD} characters", _TEXT),
    "job": _count(1, 10**9),
    "after": _seconds(),
    "within": _seconds(zero=False),
}
