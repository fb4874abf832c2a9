"""What can go wrong, and when, as tables in Markdown: made from the declarations, for the documentation."""

from __future__ import annotations

import re
from dataclasses import MISSING, Field, fields
from inspect import cleandoc
from typing import TYPE_CHECKING, Any, Final

from translation_server.simulator.faults.fields import FIELDS, as_text
from translation_server.simulator.faults.model import FAULTS
from translation_server.simulator.faults.rules import CONDITIONS, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from translation_server.simulator.faults.model import Fault

_ATTRIBUTE: Final = re.compile(r"^ {4}(\w+): (.*(?:\n {6,}.*)*)", re.MULTILINE)


def faults_table() -> str:
    """Each fault: its name in Python and in text, what happens, its values."""
    rows = ((f"`{kind.__name__}`", f"`{name}`", _about(kind), _values(kind)) for name, kind in FAULTS.items())
    return _table(("in Python", "in text", "what happens", "values"), rows)


def conditions_table() -> str:
    """What a rule can say of the requests it strikes."""
    about = dict(_attributes(Rule))
    return _table(
        ("condition", "which requests", "allowed"), ((f"`{name}`", about[name], _allowed(name)) for name in CONDITIONS)
    )


def _about(kind: type[Fault]) -> str:
    return cleandoc(kind.__doc__ or "").partition("\n")[0]


def _values(kind: type[Fault]) -> str:
    about = dict(_attributes(kind))
    return " ".join(_value(field, about[field.name]) for field in fields(kind))


def _value(field: Field[Any], about: str) -> str:
    default = "" if field.default in {MISSING, None} else f" ({as_text(field.default)})"
    return f"`{field.name}`{default}: {about}"


def _allowed(name: str) -> str:
    return FIELDS[name].allowed


def _attributes(kind: type) -> Iterator[tuple[str, str]]:
    """What the docstring says of each attribute."""
    text = cleandoc(kind.__doc__ or "").partition("Attributes:\n")[2].partition("\n\nRaises:")[0]
    for name, about in _ATTRIBUTE.findall(text):
        yield name, " ".join(about.split())


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(cells)} |" for cells in rows]
    return "\n".join([f"| {' | '.join(head)} |", "|---" * len(head) + "|", *lines, ""])
