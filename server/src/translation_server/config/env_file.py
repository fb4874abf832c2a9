"""Reads a `.env` file: which names it sets, on which line, and which lines cannot be understood."""

import io
from dataclasses import dataclass
from pathlib import Path

from dotenv.parser import Binding, parse_stream


@dataclass(frozen=True, slots=True)
class Entry:
    """One `NAME=value` of the file; `$` and `#` in a value are kept, a comment needs a space before it."""

    name: str
    value: str
    line: int


def read(path: Path) -> tuple[list[Entry], list[str]]:
    """Return the entries of the file and what is wrong with it, a line of text each; a missing file sets nothing.

    The parser is python-dotenv's, driven directly: its `dotenv_values` only warns about a line it cannot read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return [], []
    except UnicodeDecodeError:
        return [], [f"{path} cannot be read: it is not UTF-8 text"]
    except OSError as error:
        return [], [f"{path} cannot be read: {error.strerror}"]
    found = [_entry(binding) for binding in parse_stream(io.StringIO(text)) if binding.key or binding.error]
    # The text of a line that is not understood is never shown: it may be part of a password.
    bad = [f"{path}, line {line}, is not of the form NAME=value" for line in found if isinstance(line, int)]
    return [entry for entry in found if isinstance(entry, Entry)], bad


def _entry(binding: Binding) -> Entry | int:
    """Return the entry, or the number of the line that is none."""
    text = binding.original.string
    line = binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")
    if binding.key is None or binding.value is None:
        return line
    return Entry(binding.key, binding.value, line)
