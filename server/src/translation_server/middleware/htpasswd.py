"""Users from a htpasswd file: names and bcrypt hashes, as `htpasswd -B` and most servers' tools write them.

Of the libraries there are, `bcrypt` is the one that does no more than is needed and is kept up. passlib reads whole
files, but its last release is of 2020, and it stumbles over today's `bcrypt`; a file of two columns needs no library.
"""

from __future__ import annotations

import logging
import os
import re
import stat
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

import bcrypt

from translation_server.config.settings import SettingsError
from translation_server.middleware.credentials import normal

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

_LOGGER: Final = logging.getLogger(__name__)
_BCRYPT: Final = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")
_COSTS: Final = range(4, 16)  # each step doubles the time; 15 takes seconds
_OTHER_KINDS: Final = (
    ("$apr1$", "MD5 (apr1)"),
    ("$1$", "MD5"),
    ("$2", "a damaged bcrypt hash, or one that is not $2a$, $2b$ or $2y$"),
    ("$5$", "SHA-256 (crypt)"),
    ("$6$", "SHA-512 (crypt)"),
    ("$y$", "yescrypt"),
    ("$argon2", "Argon2"),
    ("$scrypt$", "scrypt"),
    ("{SHA}", "SHA-1"),
    ("{SSHA}", "salted SHA-1"),
)
_CRYPT: Final = re.compile(r"[./A-Za-z0-9]{13}")
_INTERVAL: Final = 1.0  # seconds between two looks at the file
_SIGNIFICANT: Final = 72  # bytes of a password that bcrypt, and so htpasswd, looks at


def parse(text: str, taken: Collection[str] = ()) -> dict[str, bytes]:
    """Return the hash of each user in a htpasswd file's text; empty lines and lines that begin with # are skipped.

    Args:
        text: the file's text.
        taken: names that the file may not hold, as they have their password elsewhere.

    Raises:
        SettingsError: a line for each thing that is wrong, none of which holds a hash.
    """
    found: dict[str, bytes] = {}
    problems = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            name, _, rest = line.partition(":")
            user, hashed = normal(name), rest.partition(":")[0].strip()
            problem = _problem(user, hashed, found, taken)
            if problem:
                problems.append(f"line {number}: {problem}")
            else:
                found[user] = hashed.encode()
    if problems or not found:
        raise SettingsError(tuple(problems) or ("it holds no user",))
    return found


def _problem(user: str, hashed: str, found: Collection[str], taken: Collection[str]) -> str | None:
    shown = repr(user[:80])
    if not user or not hashed:
        return "it is not of the form name:hash"
    if not user.isprintable():
        return f"{shown} holds a control character"
    if user in found:
        return f"{shown} is there twice"
    if user in taken:
        return f"{shown} is API_USERNAME as well; a name stands in one place only"
    kind = _kind(hashed)
    if kind is None:
        return None
    return f"the password of {shown} is {kind}; only bcrypt is taken: htpasswd -B makes it"


def _kind(hashed: str) -> str | None:
    """Return what a hash is that is not taken; None: it is taken."""
    found = _BCRYPT.fullmatch(hashed)
    if found is not None:
        costs = f"bcrypt of the cost {found[1]}, and {_COSTS[0]} to {_COSTS[-1]} are allowed"
        return None if int(found[1]) in _COSTS else costs
    named = next((name for start, name in _OTHER_KINDS if hashed.startswith(start)), None)
    return named or ("DES (crypt)" if _CRYPT.fullmatch(hashed) else "plain text or of an unknown kind")


def matches(password: str, hashed: bytes) -> bool:
    """Return whether the password is the one that was hashed; takes up to seconds, by intention."""
    return bcrypt.checkpw(password.encode()[:_SIGNIFICANT], hashed)


def decoy(hashes: Collection[bytes]) -> bytes:
    """Return a hash no password has, that takes as long to compare as most of these."""
    [(cost, _)] = Counter(hashed[4:6] for hashed in hashes).most_common(1)
    return bcrypt.gensalt(int(cost)) + b"." * 31


class HtpasswdFile:
    """A htpasswd file, read again when it has changed. A new version that is wrong is logged, and the old one kept.

    Args:
        path: the file.
        taken: names that the file may not hold.
        monotonic: seconds of any origin; never goes back.

    Raises:
        SettingsError: the file cannot be read, or is wrong.
    """

    def __init__(
        self, path: Path, taken: Collection[str] = (), *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = path
        self._taken = taken
        self._monotonic = monotonic
        self._looked_at = monotonic()
        self._version = self._version_now()
        self._hashes = self._read()
        self.decoy = decoy(self._hashes.values())

    def __repr__(self) -> str:
        return f"HtpasswdFile({str(self._path)!r}, {len(self._hashes)} users)"

    def hashes(self) -> Mapping[str, bytes]:
        """Return each user's hash; a new object if the file has changed. Looks at the file once a second at most."""
        now = self._monotonic()
        if now - self._looked_at >= _INTERVAL:
            self._looked_at = now
            self._reload_if_changed()
        return self._hashes

    def _reload_if_changed(self) -> None:
        version = self._version_now()
        if version == self._version:
            return
        self._version = version
        try:
            self._hashes = self._read()
        except SettingsError as error:
            _LOGGER.error("the users stay as they were: %s", "; ".join(error.problems))  # noqa: TRY400 - the operator's mistake
        else:
            self.decoy = decoy(self._hashes.values())
            _LOGGER.info("HTPASSWD_FILE has changed: %d users", len(self._hashes))

    def _version_now(self) -> tuple[int, ...] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns

    def _read(self) -> Mapping[str, bytes]:
        try:
            with self._path.open(encoding="utf-8-sig") as file:
                mode = os.fstat(file.fileno()).st_mode
                hashes = parse(file.read(), self._taken)
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise SettingsError((f"HTPASSWD_FILE is {str(self._path)!r}, which cannot be read: {reason}",)) from None
        except SettingsError as error:
            where = f"HTPASSWD_FILE is {str(self._path)!r}"
            raise SettingsError(tuple(f"{where}, {problem}" for problem in error.problems)) from None
        if mode & stat.S_IRWXO:
            _LOGGER.warning("HTPASSWD_FILE can be read by every user of this machine; chmod 640 prevents it")
        return hashes
