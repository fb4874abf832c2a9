"""What the operator can set: every variable is declared once, in `Settings`, and everything else follows from there.

Values come from the environment and from a `.env` file; the environment wins. Whatever is wrong is refused at the
start, all of it at once, each with one line that names the variable, its value (never a secret's) and what is allowed.
"""

import difflib
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Self

from dotenv.parser import Binding, parse_stream
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from translation_server.config.variables import (
    Count,
    Database,
    DelayModelText,
    File,
    Format,
    Level,
    Password,
    Probability,
    Rate,
    Seconds,
    Speed,
    StagesText,
    Switch,
    Text,
    UserName,
    Whole,
    variable,
)
from translation_server.jobs.delays import FORMS, UNIFORM, DelayModel, Uniform, parse_model
from translation_server.jobs.stages import FORM, Staged, parse_stages

_SAMPLE: Final = "secretpassword"
_URL_PASSWORD: Final = re.compile(r"^(\w*://)?([^:]*):.*@", re.DOTALL)
_QUERY_PASSWORD: Final = re.compile(r"([?&]\w*password=)[^&]*", re.IGNORECASE)
_CREDENTIALS: Final = ("api_username", "api_password")
_NO_USER: Final = "API_USERNAME and API_PASSWORD belong together: allowed is one user, an HTPASSWD_FILE, or both"
_SECONDS: Final = "a number of seconds from 0 to 1000000000"
_COUNT: Final = "a whole number from 1 to 1000000000"


class SettingsError(ValueError):
    """The configuration is refused.

    Attributes:
        problems: One line for each thing that is wrong; no line holds a secret.
    """

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(self.problems)


def mask_url(url: str) -> str:
    """Return the URL with its password hidden; from a malformed one, more than the password may be hidden."""
    masked = _URL_PASSWORD.sub(lambda found: f"{found[1] or ''}{found[2]}:***@", url)
    return _QUERY_PASSWORD.sub(r"\1***", masked)


class Settings(BaseModel):
    """The configuration of one server, frozen. A field's name in capitals is the name of its variable.

    If it is built directly, relative paths are relative to the current folder; ``load`` resolves them beside the `.env`
    file.

    Raises:
        SettingsError: At least one value is missing, unknown or not allowed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True)

    api_username: UserName | None = variable(
        ..., "the user of the service", allowed="text without a colon and without control characters"
    )
    api_password: Password | None = variable(..., "that user's password", allowed="any text without control characters")
    htpasswd_file: File | None = variable(
        None, "a file with further users", allowed="the path of a file made by htpasswd -B"
    )
    min_delay: Seconds = variable(3.0, "the shortest time a job takes, in seconds", allowed=_SECONDS)
    max_delay: Seconds = variable(7.0, "the longest time a job takes, in seconds", allowed=_SECONDS)
    error_probability: Probability = variable(
        0.3, "how likely a job is to end in error", allowed="a number from 0 to 1"
    )
    random_seed: Whole | None = variable(
        None, "a seed: the same one gives the same jobs", allowed="a whole number of at most 18 digits"
    )
    delay_model: DelayModelText = variable(
        UNIFORM, "how long jobs take", allowed=f"uniform (from MIN_DELAY to MAX_DELAY), {FORMS}"
    )
    stages: StagesText | None = variable(None, "the stages that jobs report", allowed=FORM)
    database_url: Database = variable(
        "sqlite:///translation.db",
        "where the jobs are stored",
        allowed="sqlite:///file.db, sqlite:////absolute/file.db, sqlite:///:memory: or postgresql://…",
    )
    clock_speed: Speed = variable(
        1.0,
        "the speed of the server's clock; 0: it only moves when advanced",
        allowed="a number from 0 to 1000000",
    )
    max_wait: Annotated[Seconds, Field(gt=0)] = variable(
        60.0, "the longest long poll, in seconds", allowed="a number of seconds above 0 and up to 1000000000"
    )
    log_file: File = variable(Path("logs/server.log"), "the log file", allowed="the path of a file")
    log_level: Level = variable(
        "INFO", "the least severe lines that are logged", allowed="DEBUG, INFO, WARNING, ERROR or CRITICAL"
    )
    log_format: Format = variable("text", "the format of its lines", allowed="text or json")
    max_pending_jobs: Count = variable(10_000, "pending jobs one user may have", allowed=_COUNT)
    max_waiters: Count = variable(10_000, "requests of one user held at the same time", allowed=_COUNT)
    max_body_bytes: Count = variable(65_536, "the largest request body, in bytes", allowed=_COUNT)
    max_connections: Count = variable(20_000, "connections of one process at the same time", allowed=_COUNT)
    rate_limit: Rate = variable(
        5_000.0, "requests per second of one user; 0: unlimited", allowed="a number of requests from 0 to 1000000000"
    )
    rate_burst: Count = variable(50_000, "requests one user may send at once after a pause", allowed=_COUNT)
    retention: Seconds = variable(
        2_592_000.0, "how long jobs are kept after their end, in seconds; 0: forever", allowed=_SECONDS
    )
    control_api: Switch = variable("off", "whether faults can be injected while the server runs", allowed="on or off")
    formats: Text | None = variable(
        None,
        "other services' APIs that are mounted, each below its name",
        allowed="names such as heygen,replicate, or all, or package.module:NAME",
    )
    faults: Text | None = variable(
        None, "the faults that are injected from the start", allowed="rules such as 503 rate=0.1; reset times=2"
    )

    def __init__(self, **values: object) -> None:
        if values.get("htpasswd_file") is not None and not values.keys() & _CREDENTIALS:
            values |= dict.fromkeys(_CREDENTIALS)
        try:
            super().__init__(**values)
        except ValidationError as error:
            found = {str(one["loc"][0]): one for one in reversed(error.errors(include_url=False))}
            raise SettingsError(tuple(_line_of(name, one, values) for name, one in reversed(found.items()))) from None

    @field_validator("htpasswd_file")
    @classmethod
    def _check_that_a_user_exists(cls, file: Path | None, info: ValidationInfo) -> Path | None:
        name, password = (info.data.get(credential, "") for credential in _CREDENTIALS)
        if (name is None) != (password is None) or (file is None and name is None):
            raise PydanticCustomError("together", "{line}", {"line": _NO_USER})
        return file

    @field_validator("max_delay")
    @classmethod
    def _check_against_min_delay(cls, longest: float, info: ValidationInfo) -> float:
        shortest = info.data.get("min_delay", longest)
        if shortest > longest:
            line = f"MIN_DELAY is {shortest:g} and MAX_DELAY is {longest:g}: allowed is a MIN_DELAY up to MAX_DELAY"
            raise PydanticCustomError("together", "{line}", {"line": line})
        return longest

    @classmethod
    def load(cls, environ: Mapping[str, str], dotenv: Path | None) -> Self:
        """Read the settings from ``environ`` and from the `.env` file at ``dotenv``; ``environ`` wins.

        The file need not exist. Relative paths are relative to its folder, whatever the current folder is.

        Raises:
            SettingsError: The configuration is refused.
        """
        entries, unreadable = read_env_file(dotenv) if dotenv else ([], [])
        unknown = [f"{dotenv}, line {e.line}: {_unknown(e.name)}" for e in entries if e.name not in _VARIABLES]
        values = {entry.name: entry.value for entry in entries} | dict(environ)
        problems = (*unreadable, *unknown)
        try:
            settings = cls(**{name.lower(): values[name] for name in _VARIABLES if name in values})
        except SettingsError as error:
            raise SettingsError((*problems, *error.problems)) from None
        if problems:
            raise SettingsError(problems)
        return settings._resolve_paths(dotenv.absolute().parent if dotenv else Path.cwd())

    def _resolve_paths(self, folder: Path) -> Self:
        found = re.fullmatch(r"sqlite:///(?!:memory:$)(.*)", self.database_url)
        url = f"sqlite:///{folder / found[1]}" if found else self.database_url
        files = {name: folder / path for name in ("log_file", "htpasswd_file") if (path := getattr(self, name))}
        return self.model_copy(update=files | {"database_url": url})

    @property
    def has_sample_password(self) -> bool:
        """Whether the password is the one in `.env.example`, which is public."""
        return self.api_password is not None and self.api_password.get_secret_value() == _SAMPLE

    @property
    def test_instruments(self) -> list[str]:
        """The variables in force that are for tests, and for one process: others would have a state of their own."""
        is_used = {
            "CLOCK_SPEED": self.clock_speed != 1,
            "CONTROL_API": self.control_api == "on",
            "FAULTS": self.faults is not None,
        }
        return [name for name, is_set in is_used.items() if is_set]

    def refusal(self, name: str, reason: str | None = None) -> SettingsError:
        """Return the error for a value that only the part which uses it can judge, such as the rules in ``FAULTS``.

        Args:
            name: The name of the field.
            reason: What is wrong with its value; by default, the error names the allowed values.
        """
        return SettingsError((_line(name, self.__dict__, reason),))

    def effective(self) -> dict[str, str]:
        """Return every variable with its effective value as text; secrets are masked."""
        values = {name.upper(): value for name, value in self.__dict__.items() if value is not None}
        return {name: _text(value) for name, value in values.items()} | {"DATABASE_URL": mask_url(self.database_url)}

    def __repr_args__(self) -> Iterator[tuple[str, str]]:
        yield from ((name.lower(), value) for name, value in self.effective().items())


_VARIABLES: Final = tuple(name.upper() for name in Settings.model_fields)


@dataclass(frozen=True, slots=True)
class Entry:
    """One ``NAME=value`` of a `.env` file; ``$`` and ``#`` in a value are kept, a comment needs a space before it."""

    name: str
    value: str
    line: int


def read_env_file(path: Path) -> tuple[list[Entry], list[str]]:
    """Return the entries of a `.env` file and a line of text for each thing wrong with it; a missing file is empty.

    The parser is python-dotenv's, driven directly: its ``dotenv_values`` only warns about a line it cannot read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return [], []
    except UnicodeDecodeError:
        return [], [f"{path} cannot be read: it is not UTF-8 text"]
    except OSError as error:
        return [], [f"{path} cannot be read: {error.strerror}"]
    found = [_entry(binding) for binding in parse_stream(io.StringIO(text)) if binding.key or binding.error]
    # The text of a line that is not understood is never shown: it may be part of a password.
    bad = [f"{path}, line {line}, is not of the form NAME=value" for line in found if isinstance(line, int)]
    return [entry for entry in found if isinstance(entry, Entry)], bad


def _entry(binding: Binding) -> Entry | int:
    """Return the entry, or the number of a line that is not one."""
    text = binding.original.string
    line = binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")
    if binding.key is None or binding.value is None:
        return line
    return Entry(binding.key, binding.value, line)


def model_of(settings: Settings) -> DelayModel:
    """Return the delay model that the settings describe: how long jobs take, and the stages they go through."""
    if settings.delay_model == UNIFORM:
        model: DelayModel = Uniform(settings.min_delay, settings.max_delay)
    else:
        model = parse_model(settings.delay_model)
    return model if settings.stages is None else Staged(model, parse_stages(settings.stages))


def _line_of(name: str, error: Mapping[str, Any], values: Mapping[str, object]) -> str:
    """Return the line for one setting that pydantic refused."""
    if error["type"] == "extra_forbidden":
        return _unknown(name.upper())
    if error["type"] == "together":
        return str(error["ctx"]["line"])
    return _line(name, values)


def _line(name: str, values: Mapping[str, object], reason: str | None = None) -> str:
    extra = Settings.model_fields[name].json_schema_extra
    allowed = extra["allowed"] if isinstance(extra, dict) else ""
    return f"{name.upper()} is {_shown(name, values)}: {reason or f'allowed is {allowed}'}"


def _shown(name: str, values: Mapping[str, object]) -> str:
    if name not in values:
        return "missing from the environment and the .env file"
    value = values[name]
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if isinstance(value, str) and not value.strip():
        return "empty"
    if name == "api_password":
        return "refused (it is not shown)"
    text = repr(mask_url(value) if name == "database_url" and isinstance(value, str) else value)
    return text if len(text) <= 80 else f"{text[:79]}…"  # noqa: PLR2004 - about a line of a terminal


def _text(value: object) -> str:
    if isinstance(value, SecretStr):
        return "***"
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name.upper(), _VARIABLES, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(_VARIABLES)}"
    name = name if name.isprintable() else ascii(name)
    return f"{name} is not a variable of this server: {hint}"
