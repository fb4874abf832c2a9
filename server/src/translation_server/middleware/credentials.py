"""Reads the credentials of HTTP Basic authentication (RFC 7617) out of a request's header. Pure."""

from __future__ import annotations

import binascii
import unicodedata
from typing import Final, NamedTuple

_LONGEST_HEADER: Final = 8192  # bytes; no credentials anyone types are longer, and longer ones are not worth hashing


class Credentials(NamedTuple):
    """A user's name and password, as given. Two spellings of one text (NFC, NFD) are the same."""

    user: str
    password: str

    def __repr__(self) -> str:
        return "Credentials(***)"  # the name as well: people type a password into the wrong field


def read(authorization: bytes) -> Credentials | None:
    """Return the credentials in the header `Authorization`; None if it is malformed (RFC 7617, section 2)."""
    scheme, _, token = authorization.partition(b" ")
    if scheme.lower() != b"basic" or len(authorization) > _LONGEST_HEADER:
        return None
    try:
        decoded = binascii.a2b_base64(token.strip(b" \t"), strict_mode=True)
    except binascii.Error:
        return None
    user, colon, password = _decoded(decoded).partition(":")
    return Credentials(normal(user), normal(password)) if colon else None


def normal(text: str) -> str:
    """Return the text in one of its spellings: Unicode's composed one, NFC."""
    return unicodedata.normalize("NFC", text)


def _decoded(octets: bytes) -> str:
    """Read UTF-8, or else Latin-1: it is what `requests` sends for `auth=("admin", "pässword")`."""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("latin-1")
