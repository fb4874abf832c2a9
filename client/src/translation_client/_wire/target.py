"""The address of the server and the user's credentials: checked, and the secret kept out of sight."""

from __future__ import annotations

import base64
import os
import re
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeAlias
from urllib.parse import urlsplit

from translation_client._version import __version__
from translation_client._wire.arguments import check_headers, refuse

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

Verify: TypeAlias = "bool | str | os.PathLike[str] | ssl.SSLContext"

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Target:
    """One origin and one user of it.

    Args:
        base_url: ``http://`` or ``https://``, a host, perhaps a port and a path; no credentials, query or fragment.
        username: Without a colon (RFC 7617, section 2); None: the environment's ``API_USERNAME``.
        password: Any Unicode text; None: the environment's ``API_PASSWORD``.

        headers: Sent with every request as well; none that the client sends itself, but for ``User-Agent``.

    Raises:
        TypeError, ValueError: Naming the argument and what is allowed; never with the password or a header's value.
    """

    def __init__(
        self,
        base_url: str,
        username: str | None,
        password: str | None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.base_url = _checked_url(base_url)
        user = _given_or_environment("username", username, "API_USERNAME")
        secret = _given_or_environment("password", password, "API_PASSWORD")
        if ":" in user:
            raise ValueError(f"username must not contain a colon (RFC 7617, section 2), not {user!r}")
        self.username = user
        self._authorization = _basic(user, secret)
        self._more_headers = check_headers(headers)

    def __repr__(self) -> str:
        return f"{self.base_url} as {self.username}"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a client cannot be pickled, because of the password in it: make one where it is needed")

    def headers(self) -> dict[str, str | bytes]:
        """Return the headers that are sent with every request."""
        own: dict[str, str | bytes] = {
            "Authorization": self._authorization,
            "Accept": "application/json, application/problem+json",
        }
        if not any(name.lower() == "user-agent" for name in self._more_headers):
            own["User-Agent"] = f"translation-client/{__version__}"
        return {**self._more_headers, **own}


def check_verify(verify: Verify) -> None:
    """Check that servers can be verified with it: a bool, the path of a CA bundle, or an ``ssl.SSLContext``."""
    if isinstance(verify, bool) or hasattr(verify, "get_ca_certs"):  # which is what makes it a context
        return
    if not isinstance(verify, str | os.PathLike):
        refuse("verify", "a bool, the path of a CA bundle, or an ssl.SSLContext", verify, wrong_type=True)
    if not Path(verify).exists():
        refuse("verify", "the path of a file or folder of CA certificates", os.fspath(verify), wrong_type=False)


def _checked_url(base_url: object) -> str:
    if not isinstance(base_url, str):
        refuse("base_url", "a string", base_url, wrong_type=True)
    try:
        parts = urlsplit(base_url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"base_url must be like http://host:port, not {_without_userinfo(base_url)!r}") from None
    if parts.username is not None or parts.password is not None:
        raise ValueError("base_url must not contain credentials; give them as username and password")
    if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment or re.search(r"\s", base_url):
        raise ValueError(f"base_url must be like http://host:port, not {_without_userinfo(base_url)!r}")
    return base_url.rstrip("/")


def _without_userinfo(url: str) -> str:
    return re.sub(r"//[^/]*@", "//…@", url)


def _given_or_environment(name: str, given: str | None, variable: str) -> str:
    value = os.environ.get(variable) if given is None else given
    if value is None:
        raise ValueError(f"{name} is missing: give it, or set {variable} in the environment")
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string")  # never shown: it may be the password in another type
    if not value:
        raise ValueError(f"{name} must not be empty")
    if _CONTROL.search(value):
        raise ValueError(f"{name} must not contain control characters (RFC 7617, section 2)")
    return value


def _basic(username: str, password: str) -> bytes:
    try:
        pair = unicodedata.normalize("NFC", f"{username}:{password}").encode()
    except UnicodeEncodeError:
        raise ValueError("username and password must be valid Unicode text (no lone surrogates)") from None
    return b"Basic " + base64.b64encode(pair)
