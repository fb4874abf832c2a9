"""How services write the ids of jobs: ours and theirs can be made from each other, so that nothing is stored. Pure."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import Final

_CANONICAL: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DIGITS: Final = "0123456789"
_LOWER: Final = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Ids:
    """A way to write the 128 bits of an id.

    Attributes:
        prefix: What each of them begins with: ``resp_``.
        alphabet: The digits, each of the same value at any place; empty: a UUID as RFC 9562 writes it.
        length: The number of digits, enough for 128 bits.
    """

    prefix: str = ""
    alphabet: str = ""
    length: int = 0

    def encode(self, job_id: str) -> str:
        """Return the id of a job as the service writes it."""
        if not self.alphabet:
            return self.prefix + job_id
        number, digits = uuid.UUID(job_id).int, []
        for _ in range(self.length):
            number, digit = divmod(number, len(self.alphabet))
            digits.append(self.alphabet[digit])
        return self.prefix + "".join(reversed(digits))

    def decode(self, text: str) -> str | None:
        """Return the id of the job that the service would write so; None if there can be none."""
        if not text.startswith(self.prefix):
            return None
        digits = text[len(self.prefix) :]
        if not self.alphabet:
            return digits if _CANONICAL.fullmatch(digits) else None
        if len(digits) != self.length or not set(digits) <= set(self.alphabet):
            return None
        number = 0
        for digit in digits:
            number = number * len(self.alphabet) + self.alphabet.index(digit)
        return str(uuid.UUID(int=number)) if number < 2**128 else None


UUID: Final = Ids()
HEX: Final = _DIGITS + "abcdef"
"""Digits for `Ids`, of which 32 make an id."""
BASE32: Final = _DIGITS + "abcdefghjkmnpqrstvwxyz"
"""Crockford's digits, of which 26 make an id."""
BASE62: Final = _DIGITS + _LOWER.upper() + _LOWER
"""Letters and digits, of which 22 make an id."""
