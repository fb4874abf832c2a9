"""What depends on how the command line was installed: its log file, and the commands its advice tells to type."""

from __future__ import annotations

import importlib
import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_USUAL_PORT = 8000


@dataclass(frozen=True, slots=True)
class Place:
    """Where the command line runs from.

    Attributes:
        prog: What the user typed to get here.
        log_file: Where the log is kept by default; None: nowhere.
        serve: The command that starts a server on this machine.
        needs: The command that installs what the command line can use.
    """

    prog: str
    log_file: Path | None = None
    serve: str = "translation-server serve"
    needs: str = "pip install 'translation-client[cli]'"

    def serve_at(self, url: str) -> str:
        """The command that starts a server at the address; empty if that is on another machine."""
        parts = urlsplit(url)
        if parts.hostname not in _LOOPBACK:
            return ""
        return self.serve if parts.port in (None, _USUAL_PORT) else f"{self.serve} --port {parts.port}"


def installed(prog: str) -> Place:
    """The place of an installed command: its log is in the user's state folder, if platformdirs can tell which."""
    try:
        platformdirs = importlib.import_module("platformdirs")
    except ImportError:  # it is an extra
        return Place(prog)
    folder: Path = platformdirs.user_state_path("translation-client", appauthor=False)
    return Place(prog, folder / "client.log")


def checkout(prog: str, folder: Path) -> Place:
    """The place of the script in a checkout, whose log is in its own folder; ``folder`` is that of the script."""
    server, needed = _from_here(folder.parent / "server"), _from_here(folder / "requirements.txt")
    return Place(
        prog,
        folder / "logs" / "client.log",
        f"cd {shlex.quote(server)} && uvicorn main:app",
        f"pip install -r {shlex.quote(needed)}",
    )


def shown(path: Path) -> str:
    """The path as a person would write it: from the current folder, or from the home folder, where it is in these."""
    short = _from_here(path)
    if not short.startswith(os.pardir) and not Path(short).is_absolute():
        return short
    try:
        return f"~{os.sep}{path.relative_to(Path.home())}"
    except (ValueError, RuntimeError):  # it is elsewhere, or there is no home
        return str(path)


def _from_here(path: Path) -> str:
    """The path from the current folder, unless that is longer to read than the whole path."""
    try:
        short = os.path.relpath(path)
    except (ValueError, OSError):  # another drive, or the current folder is gone
        return str(path)
    return str(path) if short.count(os.pardir) > 1 else short
