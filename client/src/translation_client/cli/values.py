"""Reads the values of options: text in, a checked value out. Each raises ``ValueError`` saying what is allowed."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from translation_client._models import JobStatus
from translation_client._wire.requests import start_request

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_JOBS = 10_000
_SHOWN = 40  # characters of a wrong value that are repeated
_PAIR = re.compile(r"([^=:]+)(:?=)(.*)", re.DOTALL)
_FATES = ("duration", "outcome", "delay_model")
_OUTCOMES = (JobStatus.COMPLETED, JobStatus.ERROR)


def positive_seconds(text: str) -> float:
    """Return a finite number above 0."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0.0 < seconds < math.inf:
        raise ValueError(f"must be a finite number of seconds above 0, not {text[:_SHOWN]!r}")
    return seconds


def count(text: str) -> int:
    """Return a whole number from 1 to ``MOST_JOBS``."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(MOST_JOBS)) else 0
    if not 1 <= number <= MOST_JOBS:
        raise ValueError(f"must be a whole number from 1 to {MOST_JOBS}, not {text[:_SHOWN]!r}")
    return number


def number_or_text(text: str) -> float | str:
    """Return the number, or the text for ``PollingConfig`` to refuse: it knows what is allowed."""
    try:
        return int(text) if text.isascii() and text.isdigit() else float(text)
    except ValueError:
        return text[:_SHOWN]


def status(text: str) -> JobStatus:
    """Return a status of the three."""
    if text not in list(JobStatus):
        raise ValueError(f"must be one of {', '.join(JobStatus)}, not {text[:_SHOWN]!r}")
    return JobStatus(text)


def idempotency_key(text: str) -> str:
    """Return a key that can be sent."""
    try:
        start_request(idempotency_key=text)
    except ValueError:
        allowed = "1 to 255 visible ASCII characters without quote and backslash"
        raise ValueError(f"must be {allowed}, not {text[:_SHOWN]!r}") from None
    return text


class Metadata:
    """Reads ``--metadata``, which may be given several times: each call returns all that was read so far."""

    def __init__(self) -> None:
        self._read: dict[str, object] = {}

    def __call__(self, text: str) -> Mapping[str, object]:
        """Return the entries, those of ``text`` added: a JSON object, ``@FILE``, ``KEY=TEXT`` or ``KEY:=JSON``."""
        if text.startswith(("{", "@")):
            self._read |= _object(text)
        elif pair := _PAIR.fullmatch(text):
            key, sign, value = pair.groups()
            self._read[key] = _json(value) if sign == ":=" else value
        else:
            raise ValueError(f"must be KEY=TEXT, KEY:=JSON, a JSON object or @FILE, not {text[:_SHOWN]!r}")
        return dict(self._read)


def fate(text: str) -> Mapping[str, object]:
    """Return the fate of a simulated job: ``duration=5,outcome=error``, a JSON object or ``@FILE``."""
    if text.startswith(("{", "@")):
        said = _object(text)
    else:
        pairs = [part.partition("=") for part in re.split(r",(?=\w+=)", text)]
        if not all(equals for _, equals, _ in pairs):
            raise ValueError(f"must be like duration=5,outcome=error, a JSON object or @FILE, not {text[:_SHOWN]!r}")
        said = {
            name.strip(): number_or_text(value) if name.strip() == "duration" else value for name, _, value in pairs
        }
    for name, value in said.items():
        _check_fate(name, value)
    return said


def _check_fate(name: str, value: object) -> None:
    if name not in _FATES:
        raise ValueError(f"knows {', '.join(_FATES)}, not {name[:_SHOWN]!r}")
    if name == "duration":
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (is_number and 0 <= float(str(value)) < math.inf):
            raise ValueError(f"duration must be a finite number of seconds, at least 0, not {value!r:.40}")
    elif name == "outcome" and value not in _OUTCOMES:
        raise ValueError(f"outcome must be one of {', '.join(_OUTCOMES)}, not {value!r:.40}")
    elif not isinstance(value, str):
        raise ValueError(f"{name} must be text, not {value!r:.40}")


def _object(text: str) -> dict[str, object]:
    """Return the JSON object in the text, or in the file that ``@FILE`` names."""
    where = "a JSON object"
    if text.startswith("@"):
        where = f"a JSON object in {text[1:]}"
        try:
            text = Path(text[1:]).read_text("utf-8")
        except OSError as error:
            raise ValueError(f"cannot read {text[1:]} ({(error.strerror or str(error)).lower()})") from None
        except UnicodeDecodeError:
            raise ValueError(f"must be {where}, which is no UTF-8") from None
    read = _json(text, where)
    if not isinstance(read, dict):
        raise ValueError(f"must be {where}, not {text[:_SHOWN]!r}")  # noqa: TRY004 - one class for bad values
    return read


def _json(text: str, where: str = "JSON after ':='") -> object:
    try:
        read: object = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise ValueError(f"must be {where}, not {text[:_SHOWN]!r}") from None
    return read


def _refuse(constant: str) -> NoReturn:
    """Refuse NaN and Infinity, which Python reads but JSON does not have."""
    raise ValueError(constant)
