"""Explanations of errors, and the commands to type next, which depend on how the command line was installed."""

from __future__ import annotations

import importlib
import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from translation_client import (
    ApiError,
    AuthenticationError,
    JobNotFoundError,
    ProtocolError,
    RateLimitError,
    StartError,
    StatusUnavailableError,
    WaitTimeoutError,
)
from translation_client.cli.messages import DEADLINE, REFUSED, UNREACHABLE, duration
from translation_client.cli.options import DEFAULT_BASE_URL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from translation_client import TranslationClientError
    from translation_client.cli.options import Options


_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_USUAL_PORT = 8000


@dataclass(frozen=True, slots=True)
class Place:
    """Where the command line runs from.

    Attributes:
        prog: What the user typed to get here.
        log_file: Where the log is kept by default; None: no log is kept.
        serve: The command that starts a server on this machine.
        needs: The command that installs the command line's optional packages.
    """

    prog: str
    log_file: Path | None = None
    serve: str = "translation-server serve"
    needs: str = "pip install 'translation-client[cli]'"

    def serve_at(self, url: str) -> str:
        """Return the command that starts a server at the address; empty if it is on another machine."""
        parts = urlsplit(url)
        if parts.hostname not in _LOOPBACK:
            return ""
        return self.serve if parts.port in (None, _USUAL_PORT) else f"{self.serve} --port {parts.port}"


def installed(prog: str) -> Place:
    """Return the place of an installed command: its log is in the user's state folder, if platformdirs is installed."""
    try:
        platformdirs = importlib.import_module("platformdirs")
    except ImportError:  # it is an extra
        return Place(prog)
    folder: Path = platformdirs.user_state_path("translation-client", appauthor=False)
    return Place(prog, folder / "client.log")


def checkout(prog: str, folder: Path) -> Place:
    """Return the place of the script in a checkout; ``folder`` is the script's, where its log is kept."""
    server, needed = _from_here(folder.parent / "server"), _from_here(folder / "requirements.txt")
    return Place(
        prog,
        folder / "logs" / "client.log",
        f"cd {shlex.quote(server)} && uvicorn main:app",
        f"pip install -r {shlex.quote(needed)}",
    )


def short_path(path: Path) -> str:
    """Return the path as a person would write it: relative to the current folder or the home folder, if inside."""
    short = _from_here(path)
    if not short.startswith(os.pardir) and not Path(short).is_absolute():
        return short
    try:
        return f"~{os.sep}{path.relative_to(Path.home())}"
    except (ValueError, RuntimeError):  # it is elsewhere, or there is no home
        return str(path)


def _from_here(path: Path) -> str:
    """Return the path relative to the current folder, unless the absolute path is easier to read."""
    try:
        short = os.path.relpath(path)
    except (ValueError, OSError):  # another drive, or the current folder is gone
        return str(path)
    return str(path) if short.count(os.pardir) > 1 else short


_MOST_IDS = 20  # in one command to copy


def explain(error: TranslationClientError, options: Options, place: Place) -> tuple[int, str]:
    """Return the exit status, and one line for the user."""
    url = options.base_url
    status = UNREACHABLE
    match error:
        case AuthenticationError():
            hint = "check --username and --password, or API_USERNAME and API_PASSWORD"
            status, text = REFUSED, f"{url} refused the credentials ({error.status_code}): {hint}"
        case JobNotFoundError(job_id=str()):
            status, text = (
                REFUSED,
                f"there is no job {error.job_id} of this user at {url}: see '{_command('list', [], options, place)}'",
            )
        case ProtocolError() | JobNotFoundError():  # something else than a job was not found
            text = f"{url} does not answer like a translation server: {error}; check --base-url"
        case ApiError() if error.status_code < 500 and not isinstance(error, RateLimitError):  # noqa: PLR2004 - RFC 9110, 15.6
            status, text = REFUSED, str(error)
        case WaitTimeoutError():
            status, text = DEADLINE, _still_pending(error, options, place)
        case StatusUnavailableError(job_id=str(job_id)) if options.command in {"run", "wait"}:
            text = f"{_no_answer(error, options, place)}; {resume_hint([job_id], options, place)}"
        case _:
            text = _no_answer(error, options, place)
    return status, text


def interruption(job_ids: Sequence[str], options: Options, place: Place, *, starting: bool) -> str:
    """Return the message for a user who interrupts: which jobs go on, and how to wait for them again."""
    unsure = f" while starting a job; it may go on, see '{_command('list', [], options, place)}'" if starting else ""
    if not job_ids:
        return f"interrupted{unsure}"
    goes_on = "the job goes on" if len(job_ids) == 1 else f"{len(job_ids)} jobs go on"
    return f"interrupted{unsure}; {goes_on}; {resume_hint(job_ids, options, place)}"


def resume_hint(job_ids: Sequence[str], options: Options, place: Place) -> str:
    """Return the command that resumes the wait, without the password."""
    if len(job_ids) > _MOST_IDS:
        return f"see them with: {_command('list', ['--status', 'pending'], options, place)}"
    return f"resume with: {_command('wait', job_ids, options, place)}"


def _command(name: str, arguments: Sequence[str], options: Options, place: Place) -> str:
    words = [name, *arguments]
    if options.base_url_given or options.base_url != DEFAULT_BASE_URL:
        words += ["--base-url", options.base_url]
    if options.username is not None:
        words += ["--username", options.username]
    return f"{place.prog} {shlex.join(words)}"


def _still_pending(error: WaitTimeoutError, options: Options, place: Place) -> str:
    job_ids = error.pending or (str(error.job_id),)
    if len(job_ids) > 1:
        state = f"{len(job_ids)} jobs have not ended"
    elif error.last_job or error.job_id is None:
        state = f"job {job_ids[0]} is still pending"
    else:
        state = f"the status of job {job_ids[0]} is not known"
    trouble = f" (last failure: {error.last_error})" if error.last_error else ""
    return f"{state} after {duration(error.elapsed)}{trouble}; {resume_hint(job_ids, options, place)}"


def _no_answer(error: TranslationClientError, options: Options, place: Place) -> str:
    url = options.base_url
    failure = error if isinstance(error, ApiError) else error.__cause__
    unsure = ""
    if isinstance(error, StartError) and error.maybe_created:
        again = f"repeat the same start with --idempotency-key {shlex.quote(error.idempotency_key)}"
        unsure = f"; a job may have been started, see '{_command('list', [], options, place)}'; {again}"
    if isinstance(failure, ApiError):
        pause = getattr(failure, "retry_after", None)
        moment = "later" if pause is None else f"in {duration(pause)}"
        return f"{url} is there but fails: {failure}; try again {moment}{unsure}"
    if isinstance(error, StartError) or isinstance(failure, OSError):
        serve = place.serve_at(url)
        advice = (
            f"Is the server running? Start it with '{serve}'"
            if serve
            else "Is the server running, and is its address right?"
        )
        return f"cannot reach {url}: {failure or error}. {advice}{unsure}"
    return str(error)
