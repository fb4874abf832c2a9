"""Errors in words: what happened, what to do about it, and the exit status. Pure."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from translation_client._errors import (
    ApiError,
    AuthenticationError,
    JobNotFound,
    ProtocolError,
    RateLimited,
    StartError,
    StatusUnavailable,
    WaitTimeout,
)
from translation_client.cli.messages import DEADLINE, REFUSED, UNREACHABLE, duration
from translation_client.cli.options import DEFAULT_BASE_URL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from translation_client._errors import TranslationClientError
    from translation_client.cli.installation import Place
    from translation_client.cli.options import Options

_MOST_IDS = 20  # in one command to copy


def explain(error: TranslationClientError, options: Options, place: Place) -> tuple[int, str]:
    """The exit status, and one line for the user."""
    url = options.base_url
    status = UNREACHABLE
    match error:
        case AuthenticationError():
            hint = "check --username and --password, or API_USERNAME and API_PASSWORD"
            status, text = REFUSED, f"{url} refused the credentials ({error.status_code}): {hint}"
        case JobNotFound(job_id=str()):
            status, text = (
                REFUSED,
                f"there is no job {error.job_id} of this user at {url}: see '{_command('list', [], options, place)}'",
            )
        case ProtocolError() | JobNotFound():  # something else than a job was not found
            text = f"{url} does not answer like a translation server: {error}; check --base-url"
        case ApiError() if error.status_code < 500 and not isinstance(error, RateLimited):  # noqa: PLR2004 - RFC 9110, 15.6
            status, text = REFUSED, str(error)
        case WaitTimeout():
            status, text = DEADLINE, _still_pending(error, options, place)
        case StatusUnavailable(job_id=str(job_id)) if options.command in {"run", "wait"}:
            text = f"{_no_answer(error, options, place)}; {resume_hint([job_id], options, place)}"
        case _:
            text = _no_answer(error, options, place)
    return status, text


def interruption(job_ids: Sequence[str], options: Options, place: Place, *, starting: bool) -> str:
    """What an interrupted user needs to know: which jobs go on, and how to wait for them again."""
    unsure = f" while starting a job; it may go on, see '{_command('list', [], options, place)}'" if starting else ""
    if not job_ids:
        return f"interrupted{unsure}"
    goes_on = "the job goes on" if len(job_ids) == 1 else f"{len(job_ids)} jobs go on"
    return f"interrupted{unsure}; {goes_on}; {resume_hint(job_ids, options, place)}"


def resume_hint(job_ids: Sequence[str], options: Options, place: Place) -> str:
    """What to type to wait on; without the password."""
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


def _still_pending(error: WaitTimeout, options: Options, place: Place) -> str:
    job_ids = error.pending or (str(error.job_id),)
    if len(job_ids) > 1:
        state = f"{len(job_ids)} jobs have not ended"
    elif error.last_job or error.job_id is None:
        state = f"job {job_ids[0]} is still pending"
    else:
        state = f"job {job_ids[0]} did not tell its status"
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
