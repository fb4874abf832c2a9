"""The options of the command line: their names, the values they take, and the commands that take them."""

from __future__ import annotations

import json
import math
import re
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from translation_client import JobStatus, PollingConfig
from translation_client._wire.arguments import check_idempotency_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


MOST_JOBS = 10_000
_SHOWN = 40  # characters of a wrong value that are repeated
_PAIR = re.compile(r"([^=:]+)(:?=)(.*)", re.DOTALL)
_FATES = ("duration", "outcome", "delay_model")
_OUTCOMES = (JobStatus.COMPLETED, JobStatus.ERROR)


def positive_seconds(text: str) -> float:
    """Return a finite number above 0."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0.0 < seconds < math.inf:
        raise ValueError(f"must be a finite number of seconds above 0, not {text[:_SHOWN]!r}")
    return seconds


def count(text: str) -> int:
    """Return a whole number from 1 to ``MOST_JOBS``."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(MOST_JOBS)) else 0
    if not 1 <= number <= MOST_JOBS:
        raise ValueError(f"must be a whole number from 1 to {MOST_JOBS}, not {text[:_SHOWN]!r}")
    return number


def number_or_text(text: str) -> float | str:
    """Return the number, or the text which ``PollingConfig`` refuses with what is allowed."""
    try:
        return int(text) if text.isascii() and text.isdigit() else float(text)
    except ValueError:
        return text[:_SHOWN]


def status(text: str) -> JobStatus:
    """Return one of the three statuses."""
    if text not in list(JobStatus):
        raise ValueError(f"must be one of {', '.join(JobStatus)}, not {text[:_SHOWN]!r}")
    return JobStatus(text)


def idempotency_key(text: str) -> str:
    """Return a key that can be sent."""
    try:
        check_idempotency_key(text)
    except ValueError:
        allowed = "1 to 255 visible ASCII characters without quote and backslash"
        raise ValueError(f"must be {allowed}, not {text[:_SHOWN]!r}") from None
    return text


class Metadata:
    """Reads ``--metadata``, which may be given several times: each call returns all that was read so far."""

    def __init__(self) -> None:
        self._read: dict[str, object] = {}

    def __call__(self, text: str) -> Mapping[str, object]:
        """Return the entries, those of ``text`` added: a JSON object, ``@FILE``, ``KEY=TEXT`` or ``KEY:=JSON``."""
        if text.startswith(("{", "@")):
            self._read |= _object(text)
        elif pair := _PAIR.fullmatch(text):
            key, sign, value = pair.groups()
            self._read[key] = _json(value) if sign == ":=" else value
        else:
            raise ValueError(f"must be KEY=TEXT, KEY:=JSON, a JSON object or @FILE, not {text[:_SHOWN]!r}")
        return dict(self._read)


def fate(text: str) -> Mapping[str, object]:
    """Return the fate of a simulated job: ``duration=5,outcome=error``, a JSON object or ``@FILE``."""
    if text.startswith(("{", "@")):
        said = _object(text)
    else:
        pairs = [part.partition("=") for part in re.split(r",(?=\w+=)", text)]
        if not all(equals for _, equals, _ in pairs):
            raise ValueError(f"must be like duration=5,outcome=error, a JSON object or @FILE, not {text[:_SHOWN]!r}")
        said = {
            name.strip(): number_or_text(value) if name.strip() == "duration" else value for name, _, value in pairs
        }
    for name, value in said.items():
        _check_fate(name, value)
    return said


def _check_fate(name: str, value: object) -> None:
    if name not in _FATES:
        raise ValueError(f"knows {', '.join(_FATES)}, not {name[:_SHOWN]!r}")
    if name == "duration":
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (is_number and 0 <= float(str(value)) < math.inf):
            raise ValueError(f"duration must be a finite number of seconds, at least 0, not {value!r:.40}")
    elif name == "outcome" and value not in _OUTCOMES:
        raise ValueError(f"outcome must be one of {', '.join(_OUTCOMES)}, not {value!r:.40}")
    elif not isinstance(value, str):
        raise ValueError(f"{name} must be text, not {value!r:.40}")


def _object(text: str) -> dict[str, object]:
    """Return the JSON object in the text, or in the file that ``@FILE`` names."""
    where = "a JSON object"
    if text.startswith("@"):
        where = f"a JSON object in {text[1:]}"
        try:
            text = Path(text[1:]).read_text("utf-8")
        except OSError as error:
            raise ValueError(f"cannot read {text[1:]} ({(error.strerror or str(error)).lower()})") from None
        except UnicodeDecodeError:
            raise ValueError(f"must be {where}, which is no UTF-8") from None
    read = _json(text, where)
    if not isinstance(read, dict):
        raise ValueError(f"must be {where}, not {text[:_SHOWN]!r}")  # noqa: TRY004 - one class for bad values
    return read


def _json(text: str, where: str = "JSON after ':='") -> object:
    try:
        read: object = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise ValueError(f"must be {where}, not {text[:_SHOWN]!r}") from None
    return read


def _refuse(constant: str) -> NoReturn:
    """Refuse NaN and Infinity, which Python accepts but JSON does not have."""
    raise ValueError(constant)


DEFAULT_BASE_URL = "http://127.0.0.1:8000"
DEFAULT_TIMEOUT = 600.0
_POLLING_FIELDS = [each for each in fields(PollingConfig) if each.name != "timeout"]  # --timeout is for all commands
POLLING = tuple(each.name for each in _POLLING_FIELDS)
_METAVARS = {"backoff_factor": "FACTOR", "jitter": "FRACTION", "max_retries": "N", "max_polls": "N"}
_WITHOUT = {"backoff_factor": "the square root of the job's age"}  # what applies where the default is None


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one run; None where the environment or a default decides."""

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
    metadata: Mapping[str, object] | None = field(default=None, repr=False)  # the user's own, which is kept out of logs
    simulate: Mapping[str, object] | None = None
    idempotency_key: str | None = None
    jobs: int = 1
    status: JobStatus | None = None
    limit: int | None = None
    log_file: Path | None = None

    def __str__(self) -> str:
        """Return the options that differ from the defaults, without the password and the metadata."""
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
        """The long name."""
        return self.names[-1]

    @property
    def key(self) -> str:
        """The name of the value in argparse's namespace."""
        return self.name.removeprefix("--").replace("-", "_")


@dataclass(frozen=True, slots=True)
class Group:
    """Options that belong together.

    Attributes:
        title: The heading over them in ``--help``.
        purpose: What they are for, shown to users who give one to another command.
        commands: The commands that take them; empty: all.
        options: The options.
    """

    title: str
    purpose: str
    commands: tuple[str, ...]
    options: tuple[Option, ...]

    def is_for(self, command: str) -> bool:
        """Return whether the command takes these options."""
        return not self.commands or command in self.commands


def _polling_option(declared: Field[Any]) -> Option:
    """Return the option of one field of ``PollingConfig``."""
    default = _WITHOUT.get(declared.name, "any number") if declared.default is None else f"{declared.default:g}"
    name, metavar = f"--{declared.name.replace('_', '-')}", _METAVARS.get(declared.name, "SECONDS")
    return Option((name,), f"{declared.metadata['help']} (default {default})", metavar, number_or_text)


def groups() -> tuple[Group, ...]:
    """Return all options; made anew for each command line, because ``--metadata`` collects its values."""
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
        Group("waiting", "waiting", ("run", "wait"), tuple(map(_polling_option, _POLLING_FIELDS))),
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
            Option(("-v", "--verbose"), "print on standard error all that is logged"),
            Option(("--log-file",), "where to log (default: see below)", "FILE", Path),
        )),
    )  # fmt: skip
