"""The command line's arguments, read and checked: options out, or one line that says what is wrong."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from translation_client._core.schedule import PollingConfig
from translation_client.cli.installation import Place
from translation_client.cli.options import DEFAULT_BASE_URL, POLLING, Options, groups
from translation_client.cli.parser import GENERAL, Parser, build

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from translation_client.cli.options import Group


def parse(argv: Sequence[str], *, place: Place, version: str, environment: Mapping[str, str] = os.environ) -> Options:
    """The options in the arguments.

    Args:
        argv: The arguments.
        place: Where the command line runs from.
        version: Its version.
        environment: Where ``API_BASE_URL`` may be.

    Raises:
        SystemExit: 2, after one line on standard error, if they are wrong; 0 after ``--help`` or ``--version``.
    """
    known = groups()
    parser = build(place, version, known)
    _refuse(parser, _unknown_option(argv, known))
    values = vars(parser.parse_args(argv))
    _refuse(parser, *_misplaced(values, known))
    ids = values.pop("job_ids", None) or ()
    values["job_ids"] = tuple(dict.fromkeys([ids] if isinstance(ids, str) else ids))
    values["base_url_given"] = "base_url" in values
    values.setdefault("base_url", environment.get("API_BASE_URL") or DEFAULT_BASE_URL)
    try:
        values["polling"] = PollingConfig(**{name: values.pop(name) for name in POLLING if name in values})
    except ValueError as error:
        parser.error(as_options(str(error), POLLING))
    options = Options(**values)
    _refuse(parser, *_contradictions(options))
    return options


def as_options(message: str, arguments: Iterable[str], called: Mapping[str, str] | None = None) -> str:
    """The client's message about its arguments, with the names that users of the command line know.

    Args:
        message: It may end in ``, not VALUE``, which is left alone.
        arguments: The arguments that are options.
        called: The names of those that have another name than their option.
    """
    names = {name: f"--{name.replace('_', '-')}" for name in arguments} | dict(called or {})
    said, sign, value = message.replace(", or None", "").partition(", not ")
    return re.sub(rf"\b({'|'.join(names)})\b", lambda match: names[match[0]], said) + sign + value


def _parser(prog: str, version: str) -> Parser:
    """The parser as documentation shows it: the log where it is on Linux, and no path of this machine."""
    return build(Place(prog, Path("~/.local/state/translation-client/client.log")), version, groups())


def _refuse(parser: Parser, *complaints: str) -> None:
    for complaint in complaints:
        if complaint:
            parser.error(complaint)


def _misplaced(values: Mapping[str, object], known: Sequence[Group]) -> Iterator[str]:
    """What is wrong with options that were given to a command that does not take them."""
    command = str(values["command"])
    for group in known:
        for option in group.options:
            if option.key not in values or group.is_for(command):
                continue
            if (command, option.key) == ("start", "jobs"):
                if values["jobs"] != 1:
                    yield "'start' starts one job; without a command, --jobs N starts N and waits for them"
            else:
                hint = f"the command '{group.commands[0]}'" if command == "run" else f"not for '{command}'"
                yield f"{option.name} is for {group.purpose}, {hint}"


def _contradictions(options: Options) -> Iterator[str]:
    if options.quiet and options.verbose:
        yield "--quiet and --verbose contradict each other"
    if options.idempotency_key is not None and options.jobs != 1:
        yield "--idempotency-key is for one job, not for --jobs N: the same key would start the same job N times"


def _unknown_option(argv: Sequence[str], known: Sequence[Group]) -> str:
    """What is wrong with the first unknown option; never repeats what follows it, which may be the password."""
    takes = {name: bool(option.metavar) for group in known for option in group.options for name in option.names}
    takes |= dict.fromkeys(GENERAL, False) | {GENERAL[-1]: True}
    value_expected = False
    for argument in argv:
        if value_expected:
            value_expected = False
        elif argument == "--":
            break
        elif argument.startswith("--"):
            name, equals, _ = argument.partition("=")
            if name not in takes:
                return _no_such_option(name, takes)
            value_expected = takes[name] and not equals
        elif argument.startswith("-") and len(argument) > 1:
            name, rest = _last_of(argument, takes)
            if name not in takes:
                return _no_such_option(name, takes)
            value_expected = takes[name] and not rest
    return ""


def _last_of(letters: str, takes: Mapping[str, bool]) -> tuple[str, str]:
    """The short option in ``-qvt5`` that is unknown or takes a value, else the last one; and what follows it."""
    flags = 1
    while flags < len(letters) - 1 and not takes.get(f"-{letters[flags]}", True):
        flags += 1
    return f"-{letters[flags]}", letters[flags + 1 :]


def _no_such_option(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1) if name.startswith("--") else []
    return f"there is no option {name[:40]}" + (f"; did you mean {close[0]}?" if close else "")
