"""``translation-server report``: print the report card of a running simulator.

Exit status: 0; 1 with ``--check`` if there is a complaint; 2 for a wrong option; 4 if the server refuses (wrong
credentials, or not a simulator); 5 if it does not answer.
"""

from __future__ import annotations

import base64
import getpass
import json
import os
import sys
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import argparse
    from urllib.parse import SplitResult

CLEAN: Final = 0
COMPLAINTS: Final = 1
WRONG_OPTION: Final = 2
REFUSED: Final = 4
UNREACHABLE: Final = 5
_USUAL_URL: Final = "http://127.0.0.1:8000"
_TIMEOUT: Final = 10.0  # seconds
_CONTENT: Final = {False: "text/plain", True: "application/json"}


class _Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    text: str


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's options."""
    report = commands.add_parser("report", help="print how well the clients of a running simulator behaved")
    report.add_argument("--base-url", default=_USUAL_URL, metavar="URL", help="default: %(default)s")
    report.add_argument("--username", help="default: API_USERNAME; the password is API_PASSWORD, or asked for")
    report.add_argument("--json", action="store_true", help="print JSON")
    report.add_argument("--check", action="store_true", help="exit with 1 if there is a complaint")


def run(options: argparse.Namespace) -> int:
    """Run the command and return its exit status."""
    url = _address(options.base_url)
    username = options.username or os.environ.get("API_USERNAME")
    if url is None:
        return _fail(WRONG_OPTION, f"--base-url must be an address such as {_USUAL_URL}, not {options.base_url!r}")
    if not username:
        return _fail(WRONG_OPTION, "--username is missing, and API_USERNAME as well")
    password = os.environ.get("API_PASSWORD") or getpass.getpass(f"Password of {username}: ")
    try:
        reply = _fetch(url, username, password, _CONTENT[options.json])
    except (OSError, HTTPException) as error:
        return _fail(UNREACHABLE, f"{_origin(url)} does not answer: {error}")
    if reply.status != 200:  # noqa: PLR2004 - OK
        return _fail(REFUSED, f"{_origin(url)} answers {reply.status}: {_reason(reply)}")
    print(reply.text.rstrip())  # noqa: T201 - that is what it is for
    return COMPLAINTS if options.check and reply.headers.get("x-report-clean") == "false" else CLEAN


def _address(text: str) -> SplitResult | None:
    try:
        url = urlsplit(text)
        is_whole = url.scheme in {"http", "https"} and url.hostname and url.port != 0
    except ValueError:
        return None
    return url if is_whole else None


def _fetch(url: SplitResult, username: str, password: str, accept: str) -> _Reply:
    """Send one request straight to that address, so that no proxy and no redirect sees the password."""
    kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
    connection = kind(url.hostname or "", url.port, timeout=_TIMEOUT)
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
        return "it is not a simulator, or its CONTROL_API is off"
    try:
        return str(json.loads(reply.text)["detail"])
    except (ValueError, KeyError, TypeError):
        return "it gave no reason"


def _origin(url: SplitResult) -> str:
    """Return the address without any credentials in it."""
    return f"{url.scheme}://{url.hostname}" + (f":{url.port}" if url.port else "")


def _fail(status: int, line: str) -> int:
    print(line, file=sys.stderr)  # noqa: T201 - likewise
    return status
