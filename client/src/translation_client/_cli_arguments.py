"""The command line's arguments: declared, checked, and told apart from each other. Reads no environment."""

from __future__ import annotations

import argparse
import difflib
import math
import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from translation_client._models import JobStatus
from translation_client._protocol import check_job_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

DEFAULT_BASE_URL = "http://127.0.0.1:8000"
DEFAULT_TIMEOUT = 600.0
MOST_JOBS = 10_000
USAGE = 2
"""The exit status of a wrong command line."""

_EPILOG = """\
exit status:
  0    the job completed (start, status, list, cancel: done as asked)
  1    the job ended in error
  2    the command line is wrong
  3    the deadline (--timeout) passed; the job may still end
  4    refused by the server: the credentials, an unknown job, the request itself
  5    the server cannot be reached, or gives no usable answer
  70   the client itself failed; the details are in its log
  130  interrupted by Ctrl-C (143: by SIGTERM); the job goes on, and how to resume is printed
With many jobs it is the worst of theirs, in the order 4, 5, 3, 1, 0.

Results go to standard output; progress, notes and errors go to standard error.
"""


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for; None where it was left to the environment or a default."""

    command: str = "run"
    job_ids: tuple[str, ...] = ()
    base_url: str = DEFAULT_BASE_URL
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    timeout: float = DEFAULT_TIMEOUT
    video_length: float | None = None
    jobs: int = 1
    status: JobStatus | None = None
    limit: int | None = None
    log_file: Path | None = None

    def __str__(self) -> str:
        """What differs from the defaults, without the password."""
        shown = [each for each in fields(self) if each.repr and each.name != "command"]
        given = {each.name: getattr(self, each.name) for each in shown if getattr(self, each.name) != each.default}
        return " ".join([self.command, *(f"{name}={value}" for name, value in given.items())])


def parse(argv: Sequence[str], *, prog: str, version: str) -> Options:
    """The options in the arguments.

    Raises:
        SystemExit: 2, after one line on standard error, if they are wrong; 0 after ``--help`` or ``--version``.
    """
    parser = _parser(prog, version)
    unknown = _unknown_option(argv)
    if unknown:
        parser.error(unknown)
    values = vars(parser.parse_args(argv))
    ids = values.pop("job_ids", None) or ()
    options = Options(job_ids=tuple(dict.fromkeys([ids] if isinstance(ids, str) else ids)), **values)
    if options.command not in {"run", "start"} and (options.jobs != 1 or options.video_length is not None):
        parser.error(f"--jobs and --video-length are for starting jobs, not for '{options.command}'")
    if options.command == "start" and options.jobs != 1:
        parser.error("'start' starts one job; without a command, --jobs N starts N and waits for them")
    if options.quiet and options.verbose:
        parser.error("--quiet and --verbose contradict each other")
    return options


def positive_seconds(text: str) -> float:
    """A finite number above 0."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0.0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"must be a finite number of seconds above 0, not {text[:40]!r}")
    return seconds


def count(text: str) -> int:
    """A whole number from 1 to ``MOST_JOBS``."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(MOST_JOBS)) else 0
    if not 1 <= number <= MOST_JOBS:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to {MOST_JOBS}, not {text[:40]!r}")
    return number


def _described(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """The reader, its ``ValueError`` turned into the parser's message."""

    def wrapped(text: str) -> object:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return wrapped


def _status(text: str) -> JobStatus:
    if text not in list(JobStatus):
        raise ValueError(f"must be one of {', '.join(JobStatus)}, not {text[:40]!r}")
    return JobStatus(text)


_COMMON: Mapping[str, Mapping[str, Any]] = {
    "--base-url": {"metavar": "URL", "help": f"the server (default {DEFAULT_BASE_URL})"},
    "--username": {"metavar": "NAME", "help": "default: the environment's API_USERNAME"},
    "--password": {
        "metavar": "PASSWORD",
        "help": "default: the environment's API_PASSWORD, else it is asked for",
    },
    "--timeout": {
        "metavar": "SECONDS",
        "type": positive_seconds,
        "help": f"what it may take in all, the start included (default {DEFAULT_TIMEOUT:g})",
    },
    "--json": {"action": "store_true", "help": "print each job as one line of JSON"},
    "--quiet": {"action": "store_true", "help": "print the result and errors only"},
    "--verbose": {"action": "store_true", "help": "say on standard error all that is logged"},
    "--log-file": {"metavar": "FILE", "type": Path, "help": "default: logs/client.log"},
}
_STARTING: Mapping[str, Mapping[str, Any]] = {
    "--video-length": {"metavar": "SECONDS", "type": positive_seconds, "help": "of the video to be translated"},
}
_RUNNING: Mapping[str, Mapping[str, Any]] = {
    "--jobs": {"metavar": "N", "type": count, "help": "start N jobs and wait for all of them (default 1)"},
}
_LISTING: Mapping[str, Mapping[str, Any]] = {
    "--status": {"metavar": "STATUS", "type": _described(_status), "help": f"only these: {', '.join(JobStatus)}"},
    "--limit": {"metavar": "N", "type": count, "help": "at most N jobs"},
}
_ALL = {**_COMMON, **_STARTING, **_RUNNING, **_LISTING}


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line; the usage is for --help."""

    def error(self, message: str) -> NoReturn:
        words = _without_choices(" ".join(message.split()))
        self.exit(USAGE, f"{self.prog}: {words}{'' if words.endswith('?') else '.'} Try '{self.prog} --help'.\n")


def _parser(prog: str, version: str) -> _Parser:
    parser = _Parser(
        prog=prog,
        usage=f"{prog} [COMMAND] [OPTION ...]",
        description="Starts a video translation job, waits for it and prints how it ended.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"translation-client {version}")
    parser.set_defaults(command="run")
    _declare(parser, _RUNNING, _STARTING, _COMMON)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", prog=prog, parser_class=_Parser)
    _declare_commands(commands)
    return parser


def _declare_commands(commands: argparse._SubParsersAction[_Parser]) -> None:
    def add(name: str, text: str, *options: Mapping[str, Mapping[str, Any]]) -> _Parser:
        parser = commands.add_parser(name, help=text, description=f"{text.capitalize()}.", allow_abbrev=False)
        parser.set_defaults(command=name)
        _declare(parser, *options, _COMMON)
        for group in (_STARTING, _RUNNING):
            if group not in options:  # understood nevertheless, to say what they are for
                _declare(parser, {name: {**details, "help": argparse.SUPPRESS} for name, details in group.items()})
        return parser

    job_id = _described(check_job_id)
    add("start", "start a job and print its id, without waiting", _STARTING)
    add("wait", "wait for jobs and print how they ended").add_argument(
        "job_ids", nargs="+", metavar="JOB_ID", type=job_id
    )
    add("status", "print the status of a job, or of the latest one").add_argument(
        "job_ids", nargs="?", metavar="JOB_ID", type=job_id
    )
    add("list", "list the jobs, newest first", _LISTING)
    add("cancel", "cancel a job, which ends it in error").add_argument("job_ids", metavar="JOB_ID", type=job_id)


def _declare(parser: _Parser, *options: Mapping[str, Mapping[str, Any]]) -> None:
    for group in options:
        for name, arguments in group.items():
            # Suppressed: what is not given leaves no trace, so it cannot undo what stood before the command.
            parser.add_argument(name, default=argparse.SUPPRESS, **arguments)


def _without_choices(message: str) -> str:
    """The message, with the command that was meant in place of all there are."""
    wrong = re.fullmatch(r"argument COMMAND: invalid choice: '(.*)' \(choose from (.*)\)", message)
    if wrong is None:
        return message
    close = difflib.get_close_matches(wrong[1], re.findall(r"\w+", wrong[2]), n=1)
    return f"there is no command {wrong[1][:40]}" + (f"; did you mean {close[0]}?" if close else "")


def _unknown_option(argv: Sequence[str]) -> str | None:
    """What is wrong with the first unknown option; never repeats what follows it, which may be the password."""
    value_expected = False
    for argument in argv:
        name, equals, _ = argument.partition("=")
        if argument == "--":
            return None
        if not value_expected and name.startswith("-") and name not in {*_ALL, "--help", "-h", "--version"}:
            close = difflib.get_close_matches(name, _ALL, n=1)
            return f"there is no option {name[:40]}" + (f"; did you mean {close[0]}?" if close else "")
        value_expected = not equals and "action" not in _ALL.get(name, {"action": ""})
    return None
