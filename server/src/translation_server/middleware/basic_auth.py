"""Who is asking: HTTP Basic authentication (RFC 7617) in UTF-8, answered before a request's body is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from translation_server.http.answers import deliver
from translation_server.http.parameters import header_values, headers_by_name, path_of
from translation_server.http.problems import ProblemError, answer_to
from translation_server.middleware.logins import Logins

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from translation_server.http.answers import Handled, Handler
    from translation_server.middleware.logins import Users

_OPEN: Final = ("/health", "/docs", "/openapi.json", "/static-offline-docs")


def is_open_path(path: str) -> bool:
    """Whether a path is open to everyone: the health checks, the API's documentation and what that page loads."""
    return any(path == one or path.startswith(one + "/") for one in _OPEN)


class BasicAuth:
    """A layer: sets `scope["user"]` to the user's name, or answers 401 or 429 without reading the body.

    At an open address credentials are not checked, so that it is no place to guess them; a user who has logged in
    elsewhere is recognised.

    Args:
        handler: what is behind it.
        accounts: who may come in.
        is_open: whether a path (without the root path) needs no credentials.
    """

    def __init__(
        self, handler: Handler, accounts: Users | Logins, *, is_open: Callable[[str], bool] = is_open_path
    ) -> None:
        self._handler = handler
        self._logins = accounts if isinstance(accounts, Logins) else Logins(accounts)
        self._recall = self._logins.recall
        self._is_open = is_open

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Handled:
        """Handle one request; without a coroutine for users that are known already, as held requests would keep one."""
        if scope["type"] == "http":
            authorization = _authorization(scope)
            user = self._recall(authorization) if authorization is not None else None
            if user is not None:
                scope["user"] = user
            elif not self._is_open(path_of(scope)):
                return self._log_in(authorization, scope, receive, send)
        return self._handler(scope, receive, send)

    async def _log_in(self, authorization: bytes | None, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            scope["user"] = await self._logins.log_in(authorization, scope.get("client"))
        except ProblemError as problem:
            handled: Handled = answer_to(problem)
        else:
            handled = self._handler(scope, receive, send)
        await deliver(handled, scope, receive, send)


def _authorization(scope: Scope) -> bytes | None:
    """Return the header's value; several of them are ambiguous, and count as one that is malformed."""
    headers = headers_by_name(scope)
    if len(headers) < len(scope["headers"]) and len(header_values(scope, b"authorization")) > 1:
        return b""
    return headers.get(b"authorization")
