"""The types of the variables. A value that is not allowed raises ``ValueError``; ``settings`` writes the message."""

import re
import unicodedata
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from translation_server.jobs.delays import LONGEST, UNIFORM, parse_model
from translation_server.jobs.numbers import to_number, to_whole
from translation_server.jobs.stages import parse_stages

_DATABASE: Final = re.compile(r"sqlite:///[^?#]+|postgresql://.+")


def variable(default: object, about: str, *, allowed: str) -> Any:  # noqa: ANN401 - as pydantic's own Field
    """Declare a variable: its default (``...``: none), its meaning, and the allowed values in words."""
    return Field(default, description=about, json_schema_extra={"allowed": allowed})


def _stripped(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


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


def _delay_model(value: str) -> str:
    return UNIFORM if value.strip().lower() == UNIFORM else str(parse_model(value))


def _stages(value: str) -> str:
    return str(parse_stages(value))


def _text(value: str) -> str:
    if not value.strip():
        raise ValueError
    return value


def _lower(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


def _upper(value: object) -> object:
    return value.strip().upper() if isinstance(value, str) else value


def _switch(value: object) -> object:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else _lower(value)


Number = Annotated[float, BeforeValidator(lambda value: to_number(_stripped(value)))]
Seconds = Annotated[Number, Field(ge=0, le=LONGEST)]
Probability = Annotated[Number, Field(ge=0, le=1)]
Rate = Annotated[Number, Field(ge=0, le=1e9)]
Whole = Annotated[int, BeforeValidator(lambda value: to_whole(_stripped(value)))]
Count = Annotated[Whole, Field(ge=1, le=10**9)]
UserName = Annotated[str, AfterValidator(_user_name)]
Password = Annotated[SecretStr, AfterValidator(_password)]
Database = Annotated[str, AfterValidator(_database)]
File = Annotated[Path, BeforeValidator(_file)]
Level = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_upper)]
Switch = Annotated[Literal["on", "off"], BeforeValidator(_switch)]
Format = Annotated[Literal["text", "json"], BeforeValidator(_lower)]
DelayModelText = Annotated[str, AfterValidator(_delay_model)]
Text = Annotated[str, AfterValidator(_text)]
StagesText = Annotated[str, AfterValidator(_stages)]
Speed = Annotated[Number, Field(ge=0, le=1e6)]
