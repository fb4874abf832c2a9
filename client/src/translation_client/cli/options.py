"""The options of the command line: what each is called, what it takes, and for which commands it is."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING

from translation_client._core.schedule import PollingConfig
from translation_client._models import JobStatus
from translation_client.cli.values import (
    MOST_JOBS,
    Metadata,
    count,
    fate,
    idempotency_key,
    number_or_text,
    positive_seconds,
    status,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DEFAULT_BASE_URL = "http://127.0.0.1:8000"
DEFAULT_TIMEOUT = 600.0
POLLING = ("initial_delay", "max_delay", "backoff_factor", "jitter", "max_retries", "max_polls")


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for; None where it was left to the environment or a default."""

    command: str = "run"
    job_ids: tuple[str, ...] = ()
    base_url: str = DEFAULT_BASE_URL
    base_url_given: bool = field(default=False, repr=False, compare=False)
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    timeout: float = DEFAULT_TIMEOUT
    polling: PollingConfig = PollingConfig()  # noqa: RUF009 - it is frozen
    video_length: float | None = None
    metadata: Mapping[str, object] | None = field(default=None, repr=False)  # the user's own, and none of a log's
    simulate: Mapping[str, object] | None = None
    idempotency_key: str | None = None
    jobs: int = 1
    status: JobStatus | None = None
    limit: int | None = None
    log_file: Path | None = None

    def __str__(self) -> str:
        """What differs from the defaults, without the password and the metadata."""
        shown = [each for each in fields(self) if each.repr and each.name != "command"]
        given = {each.name: getattr(self, each.name) for each in shown if getattr(self, each.name) != each.default}
        return " ".join([self.command, *(f"{name}={value}" for name, value in given.items())])


@dataclass(frozen=True, slots=True)
class Option:
    """One option: its names, what it does, and how its value is read; without ``metavar`` it takes none."""

    names: tuple[str, ...]
    help: str
    metavar: str = ""
    read: Callable[[str], object] = str
    choices: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The long name, which says most."""
        return self.names[-1]

    @property
    def key(self) -> str:
        """The name among the values that argparse gives."""
        return self.name.removeprefix("--").replace("-", "_")


@dataclass(frozen=True, slots=True)
class Group:
    """Options that belong together.

    Attributes:
        title: The heading over them in ``--help``.
        purpose: What they are for, for users who give one to another command.
        commands: Those that take them; empty: all.
        options: The options.
    """

    title: str
    purpose: str
    commands: tuple[str, ...]
    options: tuple[Option, ...]

    def is_for(self, command: str) -> bool:
        """Whether the command takes them."""
        return not self.commands or command in self.commands


def groups() -> tuple[Group, ...]:
    """All options; made anew for each command line, because ``--metadata`` gathers what it is given."""
    defaults = PollingConfig()
    return (
        Group("many jobs", "starting jobs", ("run",), (
            Option(("-n", "--jobs"), "start N jobs and wait for all of them (default 1)", "N", count),
        )),
        Group("the job to start", "starting jobs", ("run", "start"), (
            Option(("-l", "--video-length"), "of the video to be translated", "SECONDS", positive_seconds),
            Option(("-m", "--metadata"), "kept with the job: KEY=TEXT, KEY:=JSON, a JSON object, or @FILE"
                   " with one; can be repeated", "ENTRY", Metadata()),
            Option(("-s", "--simulate"), "its fate, where the server is a simulator: duration=5,outcome=error,"
                   " one of the two, a JSON object, or @FILE with one", "FATE", fate),
            Option(("-k", "--idempotency-key"), "the same key starts the same job once, however often it is sent"
                   " (default: a new one)", "KEY", idempotency_key),
        )),
        Group("waiting", "waiting", ("run", "wait"), (
            Option(("--initial-delay",), "the shortest interval between polls, where the server gives no help"
                   f" (default {defaults.initial_delay:g})", "SECONDS", number_or_text),
            Option(("--max-delay",), f"the longest (default {defaults.max_delay:g})", "SECONDS", number_or_text),
            Option(("--backoff-factor",), "each interval is this many times the one before, at least 1"
                   " (default: the square root of the job's age)", "FACTOR", number_or_text),
            Option(("--jitter",), "how far an interval may be off, 0 to 1 of it"
                   f" (default {defaults.jitter:g})", "FRACTION", number_or_text),
            Option(("--max-retries",), "failures in a row to ride out (default: any number)", "N", number_or_text),
            Option(("--max-polls",), "status requests to make for a job (default: any number)", "N", number_or_text),
        )),
        Group("which jobs", "listing jobs", ("list",), (
            Option(("--status",), f"only these: {', '.join(JobStatus)}", "STATUS", status, tuple(JobStatus)),
            Option(("--limit",), f"at most N jobs, 1 to {MOST_JOBS}", "N", count),
        )),
        Group("the server", "", (), (
            Option(("-b", "--base-url"), f"default: the environment's API_BASE_URL, else {DEFAULT_BASE_URL}", "URL"),
            Option(("-u", "--username"), "default: the environment's API_USERNAME", "NAME"),
            Option(("-p", "--password"), "default: the environment's API_PASSWORD, else it is asked for", "PASSWORD"),
            Option(("-t", "--timeout"), "what it may take in all, the start included"
                   f" (default {DEFAULT_TIMEOUT:g})", "SECONDS", positive_seconds),
        )),
        Group("what is printed", "", (), (
            Option(("-j", "--json"), "print each job as one line of JSON"),
            Option(("-q", "--quiet"), "print the result and errors only"),
            Option(("-v", "--verbose"), "say on standard error all that is logged"),
            Option(("--log-file",), "where to log (default: see below)", "FILE", Path),
        )),
    )  # fmt: skip
