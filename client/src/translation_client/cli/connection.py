"""Makes the client that the options and the environment describe, and asks for the password where nobody gave it."""

from __future__ import annotations

import getpass
import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from translation_client._sync.client import TranslationStatusClient
from translation_client.cli.arguments import as_options
from translation_client.cli.messages import printable

if TYPE_CHECKING:
    from translation_client.cli.options import Options


class UsageError(Exception):
    """The command line cannot be followed; says why."""


def connected(options: Options, timeout: float) -> TranslationStatusClient:
    """A client of the user's.

    Args:
        options: What the user asked for.
        timeout: The seconds each of its requests is tried for, unless told otherwise.

    Raises:
        UsageError: A value the client does not take, or no credentials.
    """
    password = _password(options)
    polling = replace(options.polling, timeout=timeout)
    try:
        return TranslationStatusClient(options.base_url, options.username, password, polling=polling)
    except ValueError as error:  # it names the argument and what is allowed
        given = {"base_url": options.base_url_given, "username": options.username, "password": options.password}
        variables = {name: f"API_{name.upper()}" for name, value in given.items() if not value}
        raise UsageError(as_options(str(error), given, variables)) from None


def _password(options: Options) -> str | None:
    """The password; None if the client finds it in the environment."""
    username = options.username or os.environ.get("API_USERNAME")
    if not username:
        raise UsageError("no username: give --username, or set API_USERNAME")
    if options.password:
        return options.password
    if os.environ.get("API_PASSWORD"):
        return None
    if sys.stdin is None or not sys.stdin.isatty():
        raise UsageError("no password: give --password, or set API_PASSWORD")
    try:
        return getpass.getpass(f"Password of {printable(username)}: ")
    except EOFError:
        raise UsageError("no password was given") from None
