"""Who is asking: HTTP Basic authentication (RFC 7617) in UTF-8, answered before a request's body is read."""

import binascii
import hashlib
import hmac
import unicodedata
from collections.abc import Callable, Mapping
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from translation_server.problems import respond

_CHALLENGE: Final = {"WWW-Authenticate": 'Basic realm="translation", charset="UTF-8"'}
_OPEN: Final = ("/health", "/docs", "/openapi.json", "/static-offline-docs")
_LONGEST_HEADER: Final = 8192  # bytes; no credentials anyone types are longer, and longer ones are not worth hashing
_MOST_REMEMBERED: Final = 1024
_MALFORMED: Final = (":", "")  # no user name holds a colon


class Accounts:
    """The users and their passwords. Two spellings of one text (NFC, NFD) are the same user, the same password.

    Args:
        mapping: password by user name.
    """

    __slots__ = ("_digests", "_remembered")

    def __init__(self, mapping: Mapping[str, str]) -> None:
        self._digests = {_normal(user): _digest(password) for user, password in mapping.items()}
        # Headers that were right, so that the usual request costs one look-up. It tells an attacker nothing: two
        # headers are compared byte by byte only once their 64-bit hashes, keyed by a secret of this process, are equal.
        self._remembered: dict[bytes, str] = {}

    def __repr__(self) -> str:
        return f"Accounts({len(self._digests)} users)"

    def verify(self, authorization: bytes | None) -> str | None:
        """Return the user whose name and password the header holds, else None, whatever its bytes are.

        It takes the same time for a wrong password as for an unknown user.
        """
        if authorization is None:
            return None
        user = self._remembered.get(authorization)
        return user if user is not None else self._check(authorization)

    def _check(self, authorization: bytes) -> str | None:
        user, password = _credentials(authorization)
        known = self._digests.get(user)
        equal = hmac.compare_digest(_digest(password), _NOBODY if known is None else known)
        if known is None or not equal:
            return None
        if len(self._remembered) >= _MOST_REMEMBERED:  # one password has many spellings in base64 and Unicode
            self._remembered.clear()
        self._remembered[authorization] = user
        return user


def is_open_path(path: str) -> bool:
    """Whether a path is open to everyone: the health checks, the API's documentation and what that page loads."""
    return any(path == one or path.startswith(one + "/") for one in _OPEN)


class BasicAuth:
    """Pure ASGI middleware: sets `scope["user"]` to the user's name, or answers 401 without reading the body.

    Args:
        app: the application behind it.
        accounts: who may come in.
        is_open: whether a path (without the root path) needs no credentials.
    """

    def __init__(self, app: ASGIApp, accounts: Accounts, *, is_open: Callable[[str], bool] = is_open_path) -> None:
        self._app = app
        self._accounts = accounts
        self._is_open = is_open

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] in {"http", "websocket"}:
            user = self._accounts.verify(_authorization(scope))
            if user is not None:
                scope["user"] = user
            elif not self._is_open(scope["path"].removeprefix(scope.get("root_path", ""))):
                return await _refuse(scope, receive, send)
        return await self._app(scope, receive, send)


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
        return
    given = any(name == b"authorization" for name, _ in scope["headers"])
    detail = "The user name or the password is wrong." if given else "Give a user name and a password (HTTP Basic)."
    await respond(401, detail, headers=_CHALLENGE)(scope, receive, send)


def _authorization(scope: Scope) -> bytes | None:
    """Return the header's value; several of them are ambiguous, and count as none."""
    found: bytes | None = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            if found is not None:
                return None
            found = value
    return found


def _credentials(authorization: bytes) -> tuple[str, str]:
    """Return user name and password (RFC 7617, section 2); of a malformed header a name nobody can have."""
    scheme, _, token = authorization.partition(b" ")
    if scheme.lower() != b"basic" or len(authorization) > _LONGEST_HEADER:
        return _MALFORMED
    try:
        decoded = binascii.a2b_base64(token.strip(b" \t"), strict_mode=True)
    except binascii.Error:
        return _MALFORMED
    user, colon, password = _decoded(decoded).partition(":")
    return (_normal(user), password) if colon else _MALFORMED


def _decoded(octets: bytes) -> str:
    """Read UTF-8, or else Latin-1: it is what `requests` sends for `auth=("admin", "pässword")`."""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("latin-1")


def _normal(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _digest(password: str) -> bytes:
    """Make passwords of any length equally long, for a comparison that takes equally long."""
    return hashlib.sha256(_normal(password).encode()).digest()


_NOBODY: Final = hashlib.sha256(b"of no account").digest()
