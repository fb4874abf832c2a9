"""`translation-server report`: the report card of a simulator that runs somewhere, in a terminal.

Exit status: 0; with `--check` 1, if there is something to complain of; 2 for an option that is wrong; 4 refused (wrong
credentials, or no simulator there); 5 unreachable.
"""

from __future__ import annotations

import base64
import getpass
import json
import os
import sys
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Final, NamedTuple, TextIO
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import argparse
    from urllib.parse import SplitResult

CLEAN: Final = 0
COMPLAINTS: Final = 1
WRONG_OPTION: Final = 2
REFUSED: Final = 4
UNREACHABLE: Final = 5
_EXAMPLE: Final = "http://127.0.0.1:8000"
_PATIENCE: Final = 10.0  # seconds
_CONTENT: Final = {False: "text/plain", True: "application/json"}


class _Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    text: str


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's options."""
    report = commands.add_parser("report", help="show how well the clients of a running simulator behaved")
    report.add_argument("--base-url", default=_EXAMPLE, metavar="URL", help="default: %(default)s")
    report.add_argument("--username", help="default: API_USERNAME; the password is API_PASSWORD, or asked for")
    report.add_argument("--json", action="store_true", help="for programs")
    report.add_argument("--check", action="store_true", help="exit with 1 if there is something to complain of")


def run(options: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    url = _address(options.base_url)
    username = options.username or os.environ.get("API_USERNAME")
    if url is None:
        return _fail(WRONG_OPTION, f"--base-url must be an address such as {_EXAMPLE}, not {options.base_url!r}")
    if not username:
        return _fail(WRONG_OPTION, "--username is missing, and API_USERNAME as well")
    password = os.environ.get("API_PASSWORD") or getpass.getpass(f"Password of {username}: ")
    try:
        reply = _ask(url, username, password, _CONTENT[options.json])
    except (OSError, HTTPException) as error:
        return _fail(UNREACHABLE, f"{_origin(url)} does not answer: {error}")
    if reply.status != 200:  # noqa: PLR2004 - OK
        return _fail(REFUSED, f"{_origin(url)} answers {reply.status}: {_reason(reply)}")
    _say(reply.text.rstrip(), sys.stdout)
    return COMPLAINTS if options.check and reply.headers.get("x-report-clean") == "false" else CLEAN


def _address(text: str) -> SplitResult | None:
    try:
        url = urlsplit(text)
        is_whole = url.scheme in {"http", "https"} and url.hostname and url.port != 0
    except ValueError:
        return None
    return url if is_whole else None


def _ask(url: SplitResult, username: str, password: str, accept: str) -> _Reply:
    """One request, straight to that address: no proxy and no redirect gets to see the password."""
    kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
    connection = kind(url.hostname or "", url.port, timeout=_PATIENCE)
    credentials = base64.b64encode(f"{username}:{password}".encode()).decode()
    try:
        path = f"{url.path.rstrip('/')}/simulator/report"
        connection.request("GET", path, headers={"Authorization": f"Basic {credentials}", "Accept": accept})
        answer = connection.getresponse()
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return _Reply(answer.status, headers, answer.read().decode(errors="replace"))
    finally:
        connection.close()


def _reason(reply: _Reply) -> str:
    if reply.status == 404:  # noqa: PLR2004 - not found
        return "it is no simulator, or its CONTROL_API is off"
    try:
        return str(json.loads(reply.text)["detail"])
    except (ValueError, KeyError, TypeError):
        return "it did not say why"


def _origin(url: SplitResult) -> str:
    """The address without credentials, which somebody may have put into it."""
    return f"{url.scheme}://{url.hostname}" + (f":{url.port}" if url.port else "")


def _fail(status: int, line: str) -> int:
    _say(line, sys.stderr)
    return status


def _say(text: str, where: TextIO) -> None:
    print(text, file=where)
