"""The tables of `docs/faults.md`, made from the declarations of faults, conditions and incidents.

`python3 docs/tables.py` writes them into the page. They stand in it, and are not made while the site is built, so that
the page can be read as it is.
"""

from __future__ import annotations

import re
import sys
from dataclasses import MISSING, Field, fields
from inspect import cleandoc
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "server/src")]

from translation_server import incidents  # noqa: E402 - from the checkout, whatever is installed
from translation_server.simulator.faults.fields import FIELDS, as_text  # noqa: E402
from translation_server.simulator.faults.model import FAULTS, Fault  # noqa: E402
from translation_server.simulator.faults.rules import CONDITIONS, Rule  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

PAGE: Final = ROOT / "docs/faults.md"
_ATTRIBUTE: Final = re.compile(r"^ {4}(\w+): (.*(?:\n {6,}.*)*)", re.MULTILINE)


def fill(page: str) -> str:
    """Return the page with each table replaced by the one made from the code."""
    for name, make in TABLES.items():
        page, found = re.subn(rf"(?<=<!-- {name} -->\n\n)(?:\|.*\n)*", lambda _, make=make: make(), page)  # type: ignore[misc]  # each its own
        if found != 1:
            raise LookupError(f"{PAGE.name} has {found} tables {name}")
    return page


def faults_table() -> str:
    """Return each fault: its name in Python and in text, what happens, its values."""
    rows = ((f"`{kind.__name__}`", f"`{name}`", _about(kind), _values(kind)) for name, kind in FAULTS.items())
    return _table(("in Python", "in text", "what happens", "values"), rows)


def conditions_table() -> str:
    """Return each condition of a rule: its name, which requests it selects, the allowed values."""
    about = dict(_attributes(Rule))
    rows = ((f"`{name}`", about[name], FIELDS[name].allowed) for name in CONDITIONS)
    return _table(("condition", "which requests", "allowed"), rows)


TABLES: Final[dict[str, Callable[[], str]]] = {
    "faults": faults_table,
    "conditions": conditions_table,
    "incidents": incidents.table,
}


def _about(kind: type[Fault]) -> str:
    return cleandoc(kind.__doc__ or "").partition("\n")[0]


def _values(kind: type[Fault]) -> str:
    about = dict(_attributes(kind))
    return " ".join(_value(field, about[field.name]) for field in fields(kind))


def _value(field: Field[Any], about: str) -> str:
    default = "" if field.default in {MISSING, None} else f" ({as_text(field.default)})"
    return f"`{field.name}`{default}: {about}"


def _attributes(kind: type) -> Iterator[tuple[str, str]]:
    """Yield the name of each attribute, and what the docstring says about it."""
    text = cleandoc(kind.__doc__ or "").partition("Attributes:\n")[2].partition("\n\nRaises:")[0]
    for name, about in _ATTRIBUTE.findall(text):
        yield name, " ".join(about.split())


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(cells)} |" for cells in rows]
    return "\n".join([f"| {' | '.join(head)} |", "|---" * len(head) + "|", *lines, ""])


if __name__ == "__main__":
    PAGE.write_text(fill(PAGE.read_text("utf-8")), "utf-8")
