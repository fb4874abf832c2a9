"""Numbers in text, as settings, options, fault rules, delay models and query parameters have them. Pure.

Stricter than ``float`` and ``int``: ASCII digits only, no underscores, no spaces, a bounded length, never ``nan`` or
``inf``. Which numbers are allowed is checked by the caller.
"""

from __future__ import annotations

import math
import re
from typing import Final

_NUMBER: Final = re.compile(r"[+-]?(\d{1,20}(\.\d{0,30})?|\.\d{1,30})(e[+-]?\d{1,3})?", re.ASCII | re.IGNORECASE)
_DECIMAL: Final = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")
_WHOLE: Final = re.compile(r"[+-]?\d{1,18}", re.ASCII)


def to_number(value: object) -> float:
    """Return the finite number that a text, an integer or a float stands for; ``-0`` becomes 0.

    Raises:
        ValueError: It stands for none.
    """
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        raise ValueError(f"{value[:40]!r} is not a number")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{type(value).__name__} is not a number")  # noqa: TRY004 - refused like any other value
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError("the number is too large")
    return number + 0.0


def to_whole(value: object) -> int:
    """Return the whole number that a text of at most 18 digits, or an integer, stands for.

    Raises:
        ValueError: It stands for none.
    """
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{str(value)[:40]!r} is not a whole number")  # noqa: TRY004 - refused like any other value
    return int(value)


def to_decimal(text: str) -> float:
    """Return the number that digits stand for, with a point between them or none: no sign, no exponent.

    Raises:
        ValueError: The text is no such number, or has more than twelve digits before or behind the point.
    """
    if not _DECIMAL.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not a decimal number")
    return float(text)


def to_count(text: str, least: int, most: int) -> int:
    """Return the whole number that digits stand for, no more of them than ``most`` has.

    Raises:
        ValueError: The text holds anything else, or the number is below ``least`` or above ``most``.
    """
    are_digits = text.isascii() and text.isdigit() and len(text) <= len(str(most))
    if not (are_digits and least <= int(text) <= most):
        raise ValueError(f"{text[:40]!r} is not a whole number from {least} to {most}")
    return int(text)
