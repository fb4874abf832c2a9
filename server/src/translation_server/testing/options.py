"""What a tester says in few words, as the service understands it: how long jobs take, what time it is, who comes in."""

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

USUAL_USER: Final = "tester"
"""Always the same, for what a seed decides is decided by user."""


_NAMES: Final = {"ERROR_PROBABILITY": "error_rate", "RANDOM_SEED": "seed", "API_USERNAME": "username"}
_VARIABLE: Final = re.compile(r"[A-Z_]{4,}")


def settings_of(arguments: Mapping[str, object], known: Collection[str], **given: object) -> Settings:
    """The settings.

    Args:
        arguments: What was given beyond the named arguments.
        known: The names of those.
        given: Variables by name; None: not given.

    Raises:
        TypeError: There is no such argument.
        ValueError: One makes no sense; the message names it as the tester does.
    """
    for name in arguments.keys() - Settings.model_fields.keys():
        near = difflib.get_close_matches(name, [*known, *Settings.model_fields], n=1)
        raise TypeError(f"there is no setting {name!r}" + (f": did you mean {near[0]!r}?" if near else ""))
    try:
        return Settings(**arguments, **{name: value for name, value in given.items() if value is not None})
    except SettingsError as error:
        raise ValueError("\n".join(_VARIABLE.sub(_name, line) for line in error.problems)) from None


def _name(variable: re.Match[str]) -> str:
    """What the tester calls a variable; other words in capitals stay as they are."""
    if variable[0].lower() not in Settings.model_fields:
        return variable[0]
    return _NAMES.get(variable[0], variable[0].lower())


def delays_of(
    completion_time: float | tuple[float, float] | None, delay_model: DelayModel | str | None
) -> dict[str, str]:
    """The setting, if one was chosen.

    Raises:
        ValueError: It makes no sense.
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


def clock_of(clock: Clock | str | float | None) -> MovableClock:
    """The clock that was chosen.

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
    return cast("MovableClock", clock)  # or one of the tester's own, who knows what it can do


def users_of(username: str | None, password: str | None, users: Mapping[str, str] | None) -> dict[str, str]:
    """Passwords by name; the usual user is the first."""
    found = dict(users or {})
    if username is None and password is None and found:
        return found
    name = username if username is not None else USUAL_USER
    first = {name: password if password is not None else found.get(name) or secrets.token_urlsafe(12)}
    return first | {other: theirs for other, theirs in found.items() if other != name}
