"""What the operator can set: every variable is declared once, in `Settings`, and everything else follows from there.

Values come from the environment and from a `.env` file; the environment wins. Whatever is wrong is refused at the
start, all of it at once, each with one line that names the variable, its value (never a secret's) and what is allowed.
"""

import difflib
import re
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import PydanticCustomError

from translation_server import env_file

_SAMPLE: Final = "secretpassword"
_NUMBER: Final = re.compile(r"[+-]?(\d{1,20}(\.\d{0,20})?|\.\d{1,20})([eE][+-]?\d{1,3})?", re.ASCII)
_WHOLE: Final = re.compile(r"[+-]?\d{1,18}", re.ASCII)
_DATABASE: Final = re.compile(r"sqlite:///[^?#]+|postgresql://.+")
_URL_PASSWORD: Final = re.compile(r"^(\w*://)?([^:]*):.*@", re.DOTALL)
_QUERY_PASSWORD: Final = re.compile(r"([?&]\w*password=)[^&]*", re.IGNORECASE)
_SECONDS: Final = "a number of seconds from 0 to 1000000000"
_COUNT: Final = "a whole number from 1 to 1000000000"


class SettingsError(ValueError):
    """The configuration is refused.

    Attributes:
        problems: one line for each thing that is wrong; no line holds a secret.
    """

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(self.problems)


def mask_url(url: str) -> str:
    """Return the URL with its password hidden; one that is malformed loses rather too much than too little."""
    masked = _URL_PASSWORD.sub(lambda found: f"{found[1] or ''}{found[2]}:***@", url)
    return _QUERY_PASSWORD.sub(r"\1***", masked)


def _number(value: object) -> object:
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return float(value)
    if type(value) in {int, float}:
        return value
    raise ValueError


def _whole(value: object) -> object:
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value)
    if type(value) is int:
        return value
    raise ValueError


def _printable(value: str) -> str:
    value.encode()  # a lone surrogate stands for bytes that were not UTF-8; its UnicodeError is a ValueError
    if not value or any(unicodedata.category(character) == "Cc" for character in value):
        raise ValueError
    return value


def _user_name(value: str) -> str:
    if ":" in value:
        raise ValueError
    return _printable(value)


def _password(value: SecretStr) -> SecretStr:
    _printable(value.get_secret_value())
    return value


def _database(value: str) -> str:
    if not _DATABASE.fullmatch(_printable(value.strip())):
        raise ValueError
    return value.strip()


def _file(value: object) -> object:
    return Path(_printable(value.strip())) if isinstance(value, str) else value


def _level(value: object) -> object:
    return value.strip().upper() if isinstance(value, str) else value


def _variable(default: object, about: str, *, allowed: str) -> Any:  # noqa: ANN401 - as pydantic's own Field
    return Field(default, description=about, json_schema_extra={"allowed": allowed})


_Number = Annotated[float, BeforeValidator(_number), AfterValidator(lambda number: number + 0.0)]  # -0.0 becomes 0.0
_Seconds = Annotated[_Number, Field(ge=0, le=1e9, allow_inf_nan=False)]  # at most 31 years: no end leaves the calendar
_Count = Annotated[int, BeforeValidator(_whole), Field(ge=1, le=10**9)]


class Settings(BaseModel):
    """The configuration of one server, frozen. A field's name in capitals is its variable's name.

    Built directly, relative paths are as seen from the current folder; `load` resolves them beside the `.env` file.

    Raises:
        SettingsError: at least one value is missing, unknown or not allowed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True)

    api_username: Annotated[str, AfterValidator(_user_name)] = _variable(
        ..., "who may use the service", allowed="text without a colon and without control characters"
    )
    api_password: Annotated[SecretStr, AfterValidator(_password)] = _variable(
        ..., "that user's password", allowed="any text without control characters"
    )
    min_delay: _Seconds = _variable(3.0, "the shortest time a job takes, in seconds", allowed=_SECONDS)
    max_delay: _Seconds = _variable(7.0, "the longest time a job takes, in seconds", allowed=_SECONDS)
    error_probability: Annotated[_Number, Field(ge=0, le=1)] = _variable(
        0.3, "how likely a job is to end in error", allowed="a number from 0 to 1"
    )
    random_seed: Annotated[int | None, BeforeValidator(lambda v: v if v is None else _whole(v))] = _variable(
        None, "the same seed gives the same jobs", allowed="a whole number of at most 18 digits"
    )
    database_url: Annotated[str, AfterValidator(_database)] = _variable(
        "sqlite:///translation.db",
        "where the jobs are stored",
        allowed="sqlite:///file.db, sqlite:////absolute/file.db, sqlite:///:memory: or postgresql://…",
    )
    max_wait: Annotated[_Seconds, Field(gt=0)] = _variable(
        60.0, "the longest long poll, in seconds", allowed="a number of seconds above 0 and up to 1000000000"
    )
    log_file: Annotated[Path, BeforeValidator(_file)] = _variable(
        Path("logs/server.log"), "the log file", allowed="the path of a file"
    )
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_level)] = _variable(
        "INFO", "the least severe lines that are logged", allowed="DEBUG, INFO, WARNING, ERROR or CRITICAL"
    )
    max_pending_jobs: _Count = _variable(10_000, "pending jobs one user may have", allowed=_COUNT)
    max_waiters: _Count = _variable(10_000, "requests of one user held at the same time", allowed=_COUNT)
    max_body_bytes: _Count = _variable(65_536, "the largest request body, in bytes", allowed=_COUNT)

    def __init__(self, **values: object) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            found = {str(one["loc"][0]): one for one in reversed(error.errors(include_url=False))}
            raise SettingsError(tuple(_line(name, one, values) for name, one in reversed(found.items()))) from None

    @field_validator("max_delay")
    @classmethod
    def _not_below_min_delay(cls, longest: float, info: ValidationInfo) -> float:
        shortest = info.data.get("min_delay", longest)
        if shortest > longest:
            line = f"MIN_DELAY is {shortest:g} and MAX_DELAY is {longest:g}: allowed is a MIN_DELAY up to MAX_DELAY"
            raise PydanticCustomError("together", "{line}", {"line": line})
        return longest

    @classmethod
    def load(cls, environ: Mapping[str, str], dotenv: Path | None) -> Self:
        """Read the settings from `environ` and from the `.env` file at `dotenv`, which need not exist; `environ` wins.

        A relative `LOG_FILE` or SQLite file is meant from that file's folder, whatever the current folder is.

        Raises:
            SettingsError: the configuration is refused.
        """
        entries, unreadable = env_file.read(dotenv) if dotenv else ([], [])
        unknown = [f"{dotenv}, line {e.line}: {_unknown(e.name)}" for e in entries if e.name not in _VARIABLES]
        values = {entry.name: entry.value for entry in entries} | dict(environ)
        problems = (*unreadable, *unknown)
        try:
            settings = cls(**{name.lower(): values[name] for name in _VARIABLES if name in values})
        except SettingsError as error:
            raise SettingsError((*problems, *error.problems)) from None
        if problems:
            raise SettingsError(problems)
        return settings._resolved(dotenv.absolute().parent if dotenv else Path.cwd())

    def _resolved(self, folder: Path) -> Self:
        found = re.fullmatch(r"sqlite:///(?!:memory:$)(.*)", self.database_url)
        url = f"sqlite:///{folder / found[1]}" if found else self.database_url
        return self.model_copy(update={"log_file": folder / self.log_file, "database_url": url})

    @property
    def has_sample_password(self) -> bool:
        """Whether the password is the one of `.env.example`, which everyone can read."""
        return self.api_password.get_secret_value() == _SAMPLE

    def effective(self) -> dict[str, str]:
        """Return every variable with the value in force, as text for a person; secrets are masked."""
        values = {name.upper(): value for name, value in self.__dict__.items() if value is not None}
        texts = {name: f"{value:g}" if isinstance(value, float) else str(value) for name, value in values.items()}
        return texts | {"API_PASSWORD": "***", "DATABASE_URL": mask_url(self.database_url)}

    def __repr_args__(self) -> Iterator[tuple[str, str]]:
        yield from ((name.lower(), value) for name, value in self.effective().items())


_VARIABLES: Final = tuple(name.upper() for name in Settings.model_fields)


def _line(name: str, error: Mapping[str, Any], values: Mapping[str, object]) -> str:
    """Say in one line what is wrong with one setting, from pydantic's error about it."""
    variable = name.upper()
    if error["type"] == "extra_forbidden":
        return _unknown(variable)
    if error["type"] == "together":
        return str(error["ctx"]["line"])
    extra = Settings.model_fields[name].json_schema_extra
    allowed = extra["allowed"] if isinstance(extra, dict) else ""
    return f"{variable} is {_shown(name, values)}: allowed is {allowed}"


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


def _unknown(variable: str) -> str:
    near = difflib.get_close_matches(variable.upper(), _VARIABLES, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(_VARIABLES)}"
    name = variable if variable.isprintable() else ascii(variable)
    return f"{name} is not a variable of this server: {hint}"
