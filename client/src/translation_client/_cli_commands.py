"""What the commands do."""

from __future__ import annotations

import getpass
import os
import sys
import time
from typing import TYPE_CHECKING

from translation_client._cli_display import open_display
from translation_client._cli_errors import explain, interruption
from translation_client._cli_log import log
from translation_client._cli_many import as_ended
from translation_client._cli_messages import (
    COMPLETED,
    REFUSED,
    exit_status,
    job_table,
    json_line,
    outcome_line,
    printable,
    status_line,
    totals_line,
    worst,
)
from translation_client._cli_progress import Board
from translation_client._client import TranslationStatusClient
from translation_client._errors import TranslationClientError
from translation_client._models import Job, JobStatus
from translation_client._version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from translation_client._cli_arguments import Options
    from translation_client._cli_output import Output

_PATIENCE = 15.0  # seconds one request, a start among them, is tried for


class UsageError(Exception):
    """The command line cannot be followed; says why."""


class Run:
    """One run of the command line.

    Args:
        options: What the user asked for.
        prog: What the user typed to get here.
        output: Where to say what.
    """

    def __init__(self, options: Options, prog: str, output: Output) -> None:
        self.options = options
        self.prog = prog
        self.output = output
        self._began = time.monotonic()
        self._deadline = self._began + options.timeout
        self._patience = min(options.timeout, _PATIENCE)
        self._display = open_display(options, output, Board(max(len(options.job_ids), options.jobs), self._began))
        self._starting = False
        # What an interrupted user needs to know: the jobs that go on, in order.
        self._unended = dict.fromkeys(options.job_ids if options.command == "wait" else ())

    def run(self) -> int:
        """Do what was asked for, and return the exit status.

        Raises:
            UsageError: A value the client does not take, or no credentials.
            TranslationClientError: What kept it from being done.
            BrokenPipeError: Nobody reads the results.
        """
        commands: Mapping[str, Callable[[TranslationStatusClient], int]] = {
            "run": self._run,
            "start": self._start,
            "wait": self._wait,
            "status": self._status,
            "list": self._list,
            "cancel": self._cancel,
        }
        with self._client() as client:
            log.info("translation-client %s: %s", __version__, self.options)
            return commands[self.options.command](client)

    def say(self, text: str) -> None:
        """Tell the user in one line what went wrong."""
        name = self.prog.split("/")[-1].split()[-1]
        self.output.note(f"{name}: {printable(text)}")
        log.info("%s", text, extra={"told": True})

    def failed(self, failure: Exception) -> None:
        """Show a failure that the client rides out."""
        limit = "" if self._unended else f" for up to {self._patience:g} s"
        self._display.trouble(f"{printable(str(failure))}; trying again{limit}")

    def interrupted(self) -> str:
        """What to say when the user interrupts."""
        return interruption(list(self._unended), self.options, self.prog, starting=self._starting)

    # ── commands ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _run(self, client: TranslationStatusClient) -> int:
        with self._display:
            job_ids, errors = self._start_all(client)
            errors += self._results(client, job_ids)
        return self._tell(job_ids, errors)

    def _wait(self, client: TranslationStatusClient) -> int:
        with self._display:
            errors = self._results(client, self.options.job_ids)
        return self._tell(self.options.job_ids, errors)

    def _start(self, client: TranslationStatusClient) -> int:
        (job_id,), _ = self._start_all(client)
        self.output.result(json_line(_as_told(client, job_id)) if self.options.json else printable(job_id))
        return COMPLETED

    def _status(self, client: TranslationStatusClient) -> int:
        jobs = [client.get_job(job_id) for job_id in self.options.job_ids] or client.list_jobs(limit=1)
        if not jobs:
            self.say(f"there is no job of this user at {self.options.base_url} yet: start one with '{self.prog} start'")
            return REFUSED
        return self._tell_one(jobs[0])

    def _list(self, client: TranslationStatusClient) -> int:
        jobs = client.list_jobs(self.options.status, limit=self.options.limit)
        for line in map(json_line, jobs) if self.options.json else job_table(jobs, self.output.width):
            self.output.result(line)
        if not jobs:
            self._display.note("no jobs")
        return COMPLETED

    def _cancel(self, client: TranslationStatusClient) -> int:
        return self._tell_one(client.cancel_job(self.options.job_ids[0]))

    # ── their parts ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _client(self) -> TranslationStatusClient:
        options = self.options
        try:
            return TranslationStatusClient(options.base_url, options.username, self._password(), timeout=self._patience)
        except ValueError as error:  # it names the argument and what is allowed
            raise UsageError(str(error)) from None

    def _password(self) -> str | None:
        """The password; None if the client finds it in the environment."""
        username = self.options.username or os.environ.get("API_USERNAME")
        if not username:
            raise UsageError("no username: give --username, or set API_USERNAME")
        if self.options.password:
            return self.options.password
        if os.environ.get("API_PASSWORD"):
            return None
        if sys.stdin is None or not sys.stdin.isatty():
            raise UsageError("no password: give --password, or set API_PASSWORD")
        try:
            return getpass.getpass(f"Password of {printable(username)}: ")
        except EOFError:
            raise UsageError("no password was given") from None

    def _start_all(self, client: TranslationStatusClient) -> tuple[list[str], list[TranslationClientError]]:
        """The jobs started, and what kept the rest from it; raises that if there is none at all."""
        job_ids: list[str] = []
        for _ in range(self.options.jobs):
            self._starting = True
            left = min(self._patience, max(self._deadline - time.monotonic(), 0.0))
            try:
                job_id = client.start_job(video_length=self.options.video_length, timeout=left)
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
            if self.options.json and not self.output.result_is_seen:  # on a terminal it would cross the bar
                self.output.result(json_line(result))
        return errors

    def _tell(self, job_ids: Sequence[str], errors: Sequence[TranslationClientError]) -> int:
        last = {job.job_id: job for job in self._display.board.jobs}
        jobs = [last[job_id] for job_id in job_ids if job_id in last]
        if self.options.json:
            for job in jobs:
                if self.output.result_is_seen or job.job_id in self._unended:
                    self.output.result(json_line(job))
        else:
            self._print_outcomes(jobs, len(job_ids))
        explained = [explain(error, self.options, self.prog) for error in errors]
        for line in dict.fromkeys(line for _, line in explained):
            self.say(line)
        return worst([*(status for status, _ in explained), *map(exit_status, jobs)])

    def _print_outcomes(self, jobs: Sequence[Job], asked: int) -> None:
        if asked == 1:
            for job in jobs:
                if job.status.is_terminal:
                    self.output.result(outcome_line(job, self.output.marks), job.status)
        elif jobs:
            head, *lines = job_table(jobs, self.output.width)
            self.output.result(head)
            for job, line in zip(jobs, lines, strict=True):
                self.output.result(line, job.status)
            self.output.result(totals_line(jobs, asked, time.monotonic() - self._began))

    def _tell_one(self, job: Job) -> int:
        if self.options.json:
            self.output.result(json_line(job))
        else:
            self.output.result(status_line(job), job.status)
        return COMPLETED


def _as_told(client: TranslationStatusClient, job_id: str) -> Job:
    """The job just started; a failure to ask must not look like a failure to start."""
    try:
        return client.get_job(job_id)
    except TranslationClientError:
        return Job(job_id, JobStatus.PENDING)
