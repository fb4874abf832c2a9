"""Where the formats of a server are, and the environment variables by which official SDKs find them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from translation_server.vendors.overview import environment

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from translation_server.vendors.format import Format

_TRUST: Final = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
"""What OpenSSL (so Python's ``ssl``, httpx, aiohttp), requests (so azure-core), botocore and Node.js trust."""


def mount_url(form: Format, base_url: str) -> str:
    """Return the URL of a format's mount, without a slash at its end."""
    return f"{base_url}/{form.mount}"


def called(name: str, mounted: Iterable[Format]) -> Sequence[Format]:
    """Return the mounted format of this name, or all formats of the mount of this name.

    Raises:
        ValueError: There is none; the message names those there are.
    """
    forms = tuple(mounted)
    found = [form for form in forms if form.name == name] or [form for form in forms if form.mount == name]
    if not found:
        there = ", ".join(dict.fromkeys(part for form in forms for part in (form.mount, form.name)))
        raise ValueError(
            f"no format {name!r} is mounted, " + (f"but {there}" if there else "and no other: formats=[…]")
        )
    return found


def environment_variables(
    forms: Iterable[Format], *, base_url: str, username: str, password: str, ca_file: str | None = None
) -> dict[str, str]:
    """Return the variables of these formats, with what is true of one server filled in.

    Args:
        forms: The formats; where two have one variable, the last one counts.
        base_url: The server's URL, without a slash at its end.
        username: The user's name.
        password: The user's password.
        ca_file: The path of the authority that clients of the server are to trust, if it speaks https.
    """
    found: dict[str, str] = {}
    for form in forms:
        found |= environment(form.environment, mount_url(form, base_url), username, password)
    return found if ca_file is None else found | dict.fromkeys(_TRUST, ca_file)
