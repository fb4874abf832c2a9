"""Which formats there are: those in the folder ``formats``, and a user's own."""

from __future__ import annotations

import importlib
import pkgutil
import re
from functools import cache
from typing import TYPE_CHECKING, Final

from translation_server.vendors import formats
from translation_server.vendors.format import Format

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import ModuleType

ALL: Final = "all"
"""Stands for all formats that come with the server."""

_MOUNT: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,49}")
_OWN: Final = frozenset(
    {"console", "docs", "events", "health", "jobs", "metrics", "simulator", "start", "status", "webhooks"}
)


@cache
def built_in() -> Mapping[str, Format]:
    """Return the formats that come with the server, by name, those of one mount together."""
    names = (one.name for one in pkgutil.iter_modules(formats.__path__))
    modules = [importlib.import_module(f"{formats.__name__}.{name}") for name in names]
    return {form.name: form for module in modules for form in _formats_of(module)}


def find_formats(wanted: Iterable[Format | str]) -> tuple[Format, ...]:
    """Return formats, each once.

    Args:
        wanted: Formats; or their names, or the names of mounts, which stand for all their formats, or ``all``, or where
            to import one from: ``package.module:NAME``.

    Raises:
        ValueError: There is no such format, or two of them have one name, or a mount has the path of something else.
    """
    found: dict[str, Format] = {}
    for one in wanted:
        for form in (one,) if isinstance(one, Format) else _named(one):
            if found.setdefault(form.name, form) is not form:
                raise ValueError(f"two formats are called {form.name!r}")
    for form in found.values():
        if not _MOUNT.fullmatch(form.mount) or form.mount in _OWN:
            taken = ", ".join(sorted(_OWN))
            allowed = f"allowed are a-z, 0-9, - and _, but none of {taken}"
            raise ValueError(f"format {form.name!r} has the mount {form.mount!r}: {allowed}")
    return tuple(found.values())


def formats_in(text: str) -> tuple[Format, ...]:
    """Return the formats that a text names, separated by commas; raises ``ValueError`` as ``find_formats`` does."""
    return find_formats(name.strip() for name in text.split(",") if name.strip())


def _named(name: object) -> tuple[Format, ...]:
    if not isinstance(name, str):
        raise ValueError(f"{name!r} is no format: allowed are a Format and the name of one")  # noqa: TRY004 - a value
    if ":" in name:
        return (_imported(name),)
    known = built_in()
    found = [form for form in known.values() if name in {form.name, form.mount, ALL}]
    if not found:
        allowed = ", ".join(sorted({form.mount for form in known.values()} | known.keys()))
        raise ValueError(f"there is no format {name!r}: allowed are {allowed}, {ALL} and package.module:NAME")
    return tuple(found)


def _imported(place: str) -> Format:
    module, _, name = place.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"the format {place!r} cannot be imported: {error}") from None
    if not isinstance(found, Format):
        raise ValueError(f"{place!r} is no Format")  # noqa: TRY004 - a value
    return found


def _formats_of(module: ModuleType) -> list[Format]:
    return [value for value in vars(module).values() if isinstance(value, Format)]
