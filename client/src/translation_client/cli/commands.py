"""The commands: what each does with the client, and what it prints."""

from __future__ import annotations

import getpass
import os
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from translation_client import (
    Job,
    JobNotFoundError,
    JobStatus,
    TranslationClientError,
    TranslationStatusClient,
    __version__,
)
from translation_client.cli.advice import explain, interruption
from translation_client.cli.arguments import as_options
from translation_client.cli.display import Board, open_display
from translation_client.cli.log import log
from translation_client.cli.messages import (
    COMPLETED,
    REFUSED,
    Line,
    exit_status,
    job_table,
    json_line,
    outcome_line,
    printable,
    status_line,
    totals_line,
    worst,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from translation_client.cli.advice import Place
    from translation_client.cli.options import Options
    from translation_client.cli.output import Output


class UsageError(Exception):
    """The command line is wrong; the message says why."""


def connected(options: Options, timeout: float) -> TranslationStatusClient:
    """Return a client with the user's options.

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
    except (TypeError, ValueError) as error:  # it names the argument and what is allowed
        given = {"base_url": options.base_url_given, "username": options.username, "password": options.password}
        variables = {name: f"API_{name.upper()}" for name, value in given.items() if not value}
        raise UsageError(as_options(str(error), given, variables)) from None


def _password(options: Options) -> str | None:
    """Return the password; None if the client finds it in the environment."""
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


def as_ended(
    client: TranslationStatusClient, job_ids: Sequence[str], deadline: float, on_update: Callable[[Job], object]
) -> Iterator[Job | TranslationClientError]:
    """Give each job as it ends, and each error that ends the wait for one of them, or for all that are left.

    Args:
        client: The client to wait with.
        job_ids: The jobs, each once.
        deadline: When the wait must be over, on ``time.monotonic()``.
        on_update: Called with each answer about a job, from any thread.
    """
    left = dict.fromkeys(job_ids)
    while left:
        try:
            for job in _wait_for(client, list(left), deadline, on_update):
                del left[job.job_id]
                yield job
        except TranslationClientError as error:
            yield error
            if not isinstance(error, JobNotFoundError) or error.job_id not in left:
                return
            del left[error.job_id]  # the wait for the others goes on


def _wait_for(
    client: TranslationStatusClient, job_ids: Sequence[str], deadline: float, on_update: Callable[[Job], object]
) -> Iterator[Job]:
    timeout = max(deadline - time.monotonic(), 0.0)
    if len(job_ids) == 1:  # a wait for one job shows its progress, too
        yield client.wait(job_ids[0], timeout=timeout, on_status_change=on_update, on_poll=on_update)
    else:
        yield from client.as_completed(job_ids, timeout=timeout, on_status_change=on_update)


_REQUEST_TIMEOUT = 15.0  # seconds one request, a start among them, is tried for


class Run:
    """One run of the command line.

    Args:
        options: What the user asked for.
        place: Where the command line runs from.
        output: Where to print.
    """

    def __init__(self, options: Options, place: Place, output: Output) -> None:
        self.options = options
        self.place = place
        self.output = output
        self._began = time.monotonic()
        self._deadline = self._began + options.timeout
        self._request_timeout = min(options.timeout, _REQUEST_TIMEOUT)
        self._display = open_display(options, output, Board(max(len(options.job_ids), options.jobs), self._began))
        self._starting = False
        self._printed: set[str] = set()  # the jobs whose result was printed while others went on
        # The jobs that go on if the user interrupts, in order.
        self._unended = dict.fromkeys(options.job_ids if options.command == "wait" else ())

    def run(self) -> int:
        """Do what was asked for, and return the exit status.

        Raises:
            UsageError: A value the client does not take, or no credentials.
            TranslationClientError: What kept it from being done.
            BrokenPipeError: The results are no longer read.
        """
        commands: Mapping[str, Callable[[TranslationStatusClient], int]] = {
            "run": self._run,
            "start": self._start,
            "wait": self._wait,
            "status": self._status,
            "list": self._list,
            "cancel": self._cancel,
        }
        with connected(self.options, self._request_timeout) as client:
            log.info("translation-client %s: %s", __version__, self.options)
            return commands[self.options.command](client)

    def report(self, text: str) -> None:
        """Report to the user in one line what went wrong."""
        name = self.place.prog.split("/")[-1].split()[-1]
        self.output.print_note(f"{name}: {printable(text)}")
        log.info("%s", text, extra={"shown": True})

    def failed(self, failure: Exception) -> None:
        """Show a failure that the client rides out."""
        limit = "" if self._unended else f" for up to {self._request_timeout:g} s"
        self._display.show_failure(f"{printable(str(failure))}; trying again{limit}")

    def interrupted(self) -> str:
        """Return the message for a user who interrupts."""
        return interruption(list(self._unended), self.options, self.place, starting=self._starting)

    # ── commands ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _run(self, client: TranslationStatusClient) -> int:
        with self._display:
            job_ids, errors = self._start_all(client)
            errors += self._results(client, job_ids)
        return self._print_results(job_ids, errors)

    def _wait(self, client: TranslationStatusClient) -> int:
        with self._display:
            job_ids = self.options.job_ids or self._latest(client)
            errors = self._results(client, job_ids) if job_ids else []
        return self._print_results(job_ids, errors) if job_ids else self._no_job()

    def _start(self, client: TranslationStatusClient) -> int:
        (job_id,), _ = self._start_all(client)
        self.output.result(json_line(_poll_started(client, job_id)) if self.options.json else printable(job_id))
        return COMPLETED

    def _status(self, client: TranslationStatusClient) -> int:
        jobs = [client.get_job(job_id) for job_id in self.options.job_ids] or client.list_jobs(limit=1)
        return self._print_job(jobs[0]) if jobs else self._no_job()

    def _list(self, client: TranslationStatusClient) -> int:
        jobs = client.list_jobs(self.options.status, limit=self.options.limit)
        as_json = (Line(json_line(job)) for job in jobs)
        for text, status in as_json if self.options.json else job_table(jobs, self.output.width, created=True):
            self.output.result(text, status)
        if not jobs:
            self._display.show_note("no jobs")
        return COMPLETED

    def _cancel(self, client: TranslationStatusClient) -> int:
        return self._print_job(client.cancel_job(self.options.job_ids[0]))

    # ── their parts ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _latest(self, client: TranslationStatusClient) -> Sequence[str]:
        """Return the id of the user's latest job and show it; empty if there is none."""
        job_ids = [job.job_id for job in client.list_jobs(limit=1)]
        for job_id in job_ids:
            self._unended[job_id] = None
            self._display.show_latest(job_id)
            log.info("job %s: the latest job, which is waited for", job_id)
        return job_ids

    def _no_job(self) -> int:
        start = f"start one with '{self.place.prog} start'"
        self.report(f"there is no job of this user at {self.options.base_url} yet: {start}")
        return REFUSED

    def _start_all(self, client: TranslationStatusClient) -> tuple[list[str], list[TranslationClientError]]:
        """Start the jobs; return their ids, and the error that stopped the rest. Raises it if no job was started."""
        job_ids: list[str] = []
        for _ in range(self.options.jobs):
            self._starting = True
            left = min(self._request_timeout, max(self._deadline - time.monotonic(), 0.0))
            try:
                job_id = client.start_job(
                    video_length=self.options.video_length,
                    metadata=self.options.metadata,
                    simulate=self.options.simulate,
                    idempotency_key=self.options.idempotency_key,
                    timeout=left,
                )
            except TranslationClientError as error:
                if not job_ids:
                    raise
                self._starting = False
                return job_ids, [error]
            job_ids.append(job_id)
            self._unended[job_id] = None
            self._starting = False
        return job_ids, []

    def _results(self, client: TranslationStatusClient, job_ids: Sequence[str]) -> list[TranslationClientError]:
        """Wait for the jobs and return what went wrong; jobs as JSON are printed as they end."""
        errors = []
        for result in as_ended(client, job_ids, self._deadline, self._display.update):
            if not isinstance(result, Job):
                errors.append(result)
                continue
            self._display.update(result)
            self._unended.pop(result.job_id, None)
            if self.options.json and self._display.board.expected > 1:
                with self._display.hidden():
                    self.output.result(json_line(result))
                self._printed.add(result.job_id)
        return errors

    def _print_results(self, job_ids: Sequence[str], errors: Sequence[TranslationClientError]) -> int:
        last = {job.job_id: job for job in self._display.board.jobs}
        jobs = [last[job_id] for job_id in job_ids if job_id in last]
        if self.options.json:
            for job in jobs:
                if job.job_id not in self._printed:
                    self.output.result(json_line(job))
        else:
            self._print_outcomes(jobs, len(job_ids))
        explained = [explain(error, self.options, self.place) for error in errors]
        for line in dict.fromkeys(line for _, line in explained):
            self.report(line)
        return worst([*(status for status, _ in explained), *map(exit_status, jobs)])

    def _print_outcomes(self, jobs: Sequence[Job], asked: int) -> None:
        if asked == 1:
            named = self.options.quiet or not self.output.result_is_seen
            for job in jobs:
                if job.status.is_terminal:
                    self.output.result(outcome_line(job, self.output.marks, named=named), job.status)
        elif jobs:
            for text, status in job_table(jobs, self.output.width):
                self.output.result(text, status)
            self.output.result(totals_line(jobs, asked, time.monotonic() - self._began))

    def _print_job(self, job: Job) -> int:
        if self.options.json:
            self.output.result(json_line(job))
        else:
            self.output.result(status_line(job), job.status)
        return COMPLETED


def _poll_started(client: TranslationStatusClient, job_id: str) -> Job:
    """Return the job just started; a failed poll must not look like a failed start."""
    try:
        return client.get_job(job_id)
    except TranslationClientError:
        return Job(job_id, JobStatus.PENDING)
