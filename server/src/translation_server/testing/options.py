"""The arguments of `TranslationServer`, turned into settings, a clock and users."""

from __future__ import annotations

import difflib
import re
import secrets
from typing import TYPE_CHECKING, Final, cast

from translation_server.config.settings import Settings, SettingsError
from translation_server.jobs.delays import Fixed, Uniform
from translation_server.simulator.clocks import MovableClock, ScaledClock, SteppedClock, clock_of_speed

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from translation_server.jobs.delays import DelayModel
    from translation_server.service.clock import Clock

_DEFAULT_USER: Final = "tester"
"""Always the same, because what a seed decides depends on the user."""


_NAMES: Final = {"ERROR_PROBABILITY": "error_rate", "RANDOM_SEED": "seed", "API_USERNAME": "username"}
_VARIABLE: Final = re.compile(r"[A-Z_]{4,}")


def make_settings(arguments: Mapping[str, object], known: Collection[str], **given: object) -> Settings:
    """Return the settings.

    Args:
        arguments: Settings by name, in lower case.
        known: The names of the other arguments, for a hint at a misspelling.
        given: Further settings by name; None: the default.

    Raises:
        TypeError: There is no such setting.
        ValueError: A value is not allowed; the message names the argument.
    """
    for name in arguments.keys() - Settings.model_fields.keys():
        near = difflib.get_close_matches(name, [*known, *Settings.model_fields], n=1)
        raise TypeError(f"there is no setting {name!r}" + (f": did you mean {near[0]!r}?" if near else ""))
    try:
        return Settings(**arguments, **{name: value for name, value in given.items() if value is not None})
    except SettingsError as error:
        raise ValueError("\n".join(_VARIABLE.sub(_argument_name, line) for line in error.problems)) from None


def _argument_name(variable: re.Match[str]) -> str:
    """Return the argument for a variable of the configuration; other words in capitals stay as they are."""
    if variable[0].lower() not in Settings.model_fields:
        return variable[0]
    return _NAMES.get(variable[0], variable[0].lower())


def delay_settings(
    completion_time: float | tuple[float, float] | None, delay_model: DelayModel | str | None
) -> dict[str, str]:
    """Return the setting for how long jobs take, if one was chosen.

    Raises:
        ValueError: The value is not allowed, or both were given.
    """
    if completion_time is None:
        return {} if delay_model is None else {"delay_model": str(delay_model)}
    if delay_model is not None:
        raise ValueError("completion_time and delay_model both say how long jobs take: give one of them")
    try:
        model = Uniform(*completion_time) if isinstance(completion_time, tuple) else Fixed(completion_time)
    except (TypeError, ValueError):
        allowed = "seconds from 0 to 1000000000, or the shortest and the longest such time: (3, 7)"
        raise ValueError(f"completion_time is {completion_time!r}: allowed are {allowed}") from None
    return {"delay_model": str(model)}


def choose_clock(clock: Clock | str | float | None) -> MovableClock:
    """Return the clock that was chosen.

    Raises:
        ValueError: There is no such clock.
    """
    if clock is None or clock == "real":
        return ScaledClock()
    if clock == "stepped":
        return SteppedClock()
    if isinstance(clock, (int, float)) and not isinstance(clock, bool):
        return clock_of_speed(clock)
    if isinstance(clock, str) or not hasattr(clock, "call_at"):
        raise ValueError(f"clock is {clock!r}: allowed are 'real', 'stepped', a speed such as 60, or a clock")
    return cast("MovableClock", clock)  # or a clock of the tester's own


def choose_users(username: str | None, password: str | None, users: Mapping[str, str] | None) -> dict[str, str]:
    """Return the passwords by name, the default user's first."""
    found = dict(users or {})
    if username is None and password is None and found:
        return found
    name = username if username is not None else _DEFAULT_USER
    known = found.pop(name, None) or secrets.token_urlsafe(12)
    return {name: known if password is None else password} | found
