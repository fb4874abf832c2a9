"""What the commands do."""

from __future__ import annotations

import getpass
import os
import sys
import time
from typing import TYPE_CHECKING

from translation_client._cli_display import open_display
from translation_client._cli_errors import explain, explain_all, interruption
from translation_client._cli_log import log
from translation_client._cli_many import as_ended
from translation_client._cli_messages import (
    COMPLETED,
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
from translation_client._errors import JobNotFound, TranslationClientError
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
        self._unended: list[str] = []

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

    def failed(self, failure: Exception) -> None:
        """Show a failure that the client rides out."""
        limit = "" if self._unended else f" for up to {self._patience:g} s"
        self._display.trouble(f"{printable(str(failure))}; trying again{limit}")

    def interrupted(self) -> str:
        """What to say when the user interrupts."""
        return interruption(self._unended, self.options, self.prog, starting=self._starting)

    # ── commands ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _run(self, client: TranslationStatusClient) -> int:
        with self._display:
            job_ids, refusal = self._start_all(client)
            results = self._results(client, job_ids)
        return self._tell(job_ids, results, refusal)

    def _wait(self, client: TranslationStatusClient) -> int:
        with self._display:
            results = self._results(client, self.options.job_ids)
        return self._tell(self.options.job_ids, results)

    def _start(self, client: TranslationStatusClient) -> int:
        (job_id,), _ = self._start_all(client)
        self.output.result(json_line(_as_told(client, job_id)) if self.options.json else printable(job_id))
        return COMPLETED

    def _status(self, client: TranslationStatusClient) -> int:
        jobs = [client.get_job(job_id) for job_id in self.options.job_ids] or client.list_jobs(limit=1)
        if not jobs:
            raise JobNotFound("there is no job yet", status_code=404)
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

    def _start_all(self, client: TranslationStatusClient) -> tuple[list[str], TranslationClientError | None]:
        """The jobs started, and what kept the rest from it; raises that if there is none at all."""
        job_ids: list[str] = []
        for _ in range(self.options.jobs):
            self._starting = True
            left = min(self._patience, max(self._deadline - time.monotonic(), 0.0))
            try:
                job_ids.append(client.start_job(video_length=self.options.video_length, timeout=left))
            except TranslationClientError as error:
                if not job_ids:
                    raise
                return job_ids, error
            finally:
                self._unended = job_ids.copy()
            self._starting = False
        return job_ids, None

    def _results(self, client: TranslationStatusClient, job_ids: Sequence[str]) -> list[Job | TranslationClientError]:
        """What became of each job; as JSON it is printed as it becomes known, where that does not cross the bar."""
        self._starting, self._unended = False, list(job_ids)
        results = []
        for result in as_ended(client, job_ids, self._deadline, self._display.update):
            results.append(result)
            if isinstance(result, Job):
                self._unended.remove(result.job_id)
            if self.options.json and not self.output.result_is_seen:
                self._print_json([result])
        return results

    def _tell(
        self,
        job_ids: Sequence[str],
        results: Sequence[Job | TranslationClientError],
        refusal: TranslationClientError | None = None,
    ) -> int:
        if not self.options.json:
            self._print_outcomes(job_ids, results)
        elif self.output.result_is_seen:
            self._print_json(results)
        errors = [result for result in (*results, refusal) if isinstance(result, TranslationClientError)]
        for line in explain_all(errors, self.options, self.prog):
            self.say(line)
        statuses = [exit_status(result) for result in results if isinstance(result, Job)]
        return worst([*statuses, *(explain(error, self.options, self.prog)[0] for error in errors)])

    def _print_json(self, results: Sequence[Job | TranslationClientError]) -> None:
        for result in results:
            job = _job_of(result)
            if job is not None:
                self.output.result(json_line(job))

    def _print_outcomes(self, job_ids: Sequence[str], results: Sequence[Job | TranslationClientError]) -> None:
        known = {job.job_id: job for job in map(_job_of, results) if job}
        jobs = [known[job_id] for job_id in job_ids if job_id in known]
        if len(job_ids) == 1 and isinstance(results[0], Job):
            self.output.result(outcome_line(results[0], self.output.marks), results[0].status)
        elif len(job_ids) > 1 and jobs:
            head, *lines = job_table(jobs, self.output.width)
            self.output.result(head)
            for job, line in zip(jobs, lines, strict=True):
                self.output.result(line, job.status)
            self.output.result(totals_line(jobs, len(job_ids), time.monotonic() - self._began))

    def _tell_one(self, job: Job) -> int:
        self.output.result(json_line(job) if self.options.json else status_line(job), job.status)
        return COMPLETED


def _job_of(result: Job | TranslationClientError) -> Job | None:
    """The last that is known of a job."""
    return result if isinstance(result, Job) else result.last_job


def _as_told(client: TranslationStatusClient, job_id: str) -> Job:
    """The job just started; a failure to ask must not look like a failure to start."""
    try:
        return client.get_job(job_id)
    except TranslationClientError:
        return Job(job_id, JobStatus.PENDING)
