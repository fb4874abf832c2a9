"""Who may come in: users whose passwords the configuration holds, and users of a htpasswd file."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from translation_server.middleware import credentials, htpasswd

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from translation_server.config.settings import Settings
    from translation_server.middleware.logins import Users

_MOST_REMEMBERED: Final = 1024
_MOST_HASHED_REMEMBERED: Final = 10_000  # a hash is a thousand times as dear


class Accounts:
    """Users whose passwords are known. Two spellings of one text (NFC, NFD) are the same user, the same password.

    Args:
        mapping: password by user name.
    """

    __slots__ = ("_digests", "_remembered")

    def __init__(self, mapping: Mapping[str, str]) -> None:
        self._digests = {credentials.normal(user): _digest(password) for user, password in mapping.items()}
        # Headers that were right, so that the usual request costs one look-up. It tells an attacker nothing: two
        # headers are compared byte by byte only once their 64-bit hashes, keyed by a secret of this process, are equal.
        self._remembered: dict[bytes, str] = {}

    def __repr__(self) -> str:
        return f"Accounts({len(self._digests)} users)"

    def recall(self, authorization: bytes) -> str | None:
        """See `Users`."""
        return self._remembered.get(authorization)

    def version_of(self, user: str) -> Hashable:
        """See `Users`."""
        return self._digests.get(user)

    async def check(self, authorization: bytes, given: credentials.Credentials) -> str | None:
        """See `Users`."""
        known = self._digests.get(given.user)
        equal = hmac.compare_digest(_digest(given.password), _NOBODY if known is None else known)
        if known is None or not equal:
            return None
        if len(self._remembered) >= _MOST_REMEMBERED:  # one password has many spellings in base64 and Unicode
            self._remembered.clear()
        self._remembered[authorization] = given.user
        return given.user


class HashedAccounts:
    """Users of a htpasswd file, beside those whose passwords are known.

    A hash takes long by intention: it is computed in a thread, and not again for a header that was right. Remembered
    is not the header but a digest of it, keyed by a secret of this process; it counts for as long as the file has the
    hash that it was compared with.

    Args:
        file: names and hashes.
        others: those whose passwords are known.
    """

    def __init__(self, file: htpasswd.HtpasswdFile, others: Users) -> None:
        self._file = file
        self._others = others
        self._secret = os.urandom(32)
        self._remembered: OrderedDict[bytes, tuple[str, bytes]] = OrderedDict()

    def __repr__(self) -> str:
        return f"HashedAccounts({self._file!r}, {self._others!r})"

    def recall(self, authorization: bytes) -> str | None:
        """See `Users`."""
        digest = self._digest(authorization)
        found = self._remembered.get(digest)
        if found is None:
            return self._others.recall(authorization)
        user, hashed = found
        if self._file.hashes().get(user) != hashed:
            del self._remembered[digest]
            return None
        self._remembered.move_to_end(digest)
        return user

    def version_of(self, user: str) -> Hashable:
        """See `Users`."""
        return self._file.hashes().get(user) or self._others.version_of(user)

    async def check(self, authorization: bytes, given: credentials.Credentials) -> str | None:
        """See `Users`."""
        user = await self._others.check(authorization, given)
        if user is not None:
            return user
        while True:  # until the file stays the same for the time of a hash
            hashed = self._file.hashes().get(given.user)
            is_right = await asyncio.to_thread(htpasswd.matches, given.password, hashed or self._file.decoy)
            if self._file.hashes().get(given.user) == hashed:
                break
        if hashed is None or not is_right:
            return None
        self._remembered[self._digest(authorization)] = given.user, hashed
        if len(self._remembered) > _MOST_HASHED_REMEMBERED:
            self._remembered.popitem(last=False)
        return given.user

    def _digest(self, authorization: bytes) -> bytes:
        return hashlib.blake2b(authorization, key=self._secret, digest_size=16).digest()


def accounts_of(settings: Settings) -> Users:
    """Return the users the settings name.

    Raises:
        SettingsError: their htpasswd file cannot be read, or is wrong.
    """
    name, password = settings.api_username, settings.api_password
    one = {name: password.get_secret_value()} if name is not None and password is not None else {}
    if settings.htpasswd_file is None:
        return Accounts(one)
    return HashedAccounts(
        htpasswd.HtpasswdFile(settings.htpasswd_file, set(map(credentials.normal, one))), Accounts(one)
    )


def _digest(password: str) -> bytes:
    """Make passwords of any length equally long, for a comparison that takes equally long."""
    return hashlib.sha256(credentials.normal(password).encode()).digest()


_NOBODY: Final = hashlib.sha256(b"of no account").digest()
