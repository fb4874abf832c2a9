"""The command line's arguments, read and checked: options out, or one line that says what is wrong.

The parser is made from the declared options; its help and the shell completion are made from the parser.
"""

from __future__ import annotations

import argparse
import difflib
import functools
import importlib
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from translation_client import PollingConfig
from translation_client._wire.arguments import check_job_id
from translation_client.cli.advice import Place, short_path
from translation_client.cli.options import DEFAULT_BASE_URL, POLLING, Options, groups

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from translation_client.cli.options import Group, Option


def parse(argv: Sequence[str], *, place: Place, version: str, environment: Mapping[str, str] = os.environ) -> Options:
    """Return the options in the arguments.

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
    except (TypeError, ValueError) as error:
        parser.error(as_options(str(error), POLLING))
    options = Options(**values)
    _refuse(parser, *_contradictions(options))
    return options


def as_options(message: str, arguments: Iterable[str], called: Mapping[str, str] | None = None) -> str:
    """Return the client's message about its arguments, with the names of the options.

    Args:
        message: It may end in ``, not VALUE``, which is left alone.
        arguments: The arguments that are options.
        called: The names of those that have another name than their option.
    """
    names = {name: f"--{name.replace('_', '-')}" for name in arguments} | dict(called or {})
    said, sign, value = message.replace(", or None", "").partition(", not ")
    return re.sub(rf"\b({'|'.join(names)})\b", lambda match: names[match[0]], said) + sign + value


def _parser(prog: str, version: str) -> Parser:
    """Return the parser as documentation shows it: with the log's path on Linux, and no path of this machine."""
    return build(Place(prog, Path("~/.local/state/translation-client/client.log")), version, groups())


def _refuse(parser: Parser, *complaints: str) -> None:
    for complaint in complaints:
        if complaint:
            parser.error(complaint)


def _misplaced(values: Mapping[str, object], known: Sequence[Group]) -> Iterator[str]:
    """Give a complaint for each option that the command does not take."""
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
    """Return a complaint about the first unknown option; without what follows it, which may be the password."""
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
    """Return the short option in ``-qvt5`` that is unknown or takes a value, else the last one; and what follows it."""
    flags = 1
    while flags < len(letters) - 1 and not takes.get(f"-{letters[flags]}", True):
        flags += 1
    return f"-{letters[flags]}", letters[flags + 1 :]


def _no_such_option(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1) if name.startswith("--") else []
    return f"there is no option {name[:40]}" + (f"; did you mean {close[0]}?" if close else "")


USAGE = 2
"""The exit status of a wrong command line."""

GENERAL = ("-h", "--help", "-V", "--version", "--print-completion")
"""Options that print something and exit; the last one takes a value."""

COMMANDS: Mapping[str, str] = {
    "start": "start a job and print its id, without waiting",
    "wait": "wait for jobs, or for the latest one, and print how they ended",
    "status": "print the status of a job, or of the latest one",
    "list": "list the jobs, newest first",
    "cancel": "cancel a job, which ends it in error",
}
_JOB_IDS = {"wait": ("*", "[JOB_ID ...]"), "status": ("?", "[JOB_ID]"), "cancel": (None, "JOB_ID")}
_EXIT_STATUSES = """\
exit status:
  0    the job completed (start, status, list, cancel: done as asked)
  1    the job ended in error
  2    the command line is wrong
  3    the deadline (--timeout) passed; the job may still end
  4    refused: the credentials, an unknown job, the request itself
  5    the server cannot be reached, or gives no usable answer
  70   the client itself failed; the details are in its log
  130  interrupted by Ctrl-C (143: by SIGTERM); the job goes on, and how to
       resume is printed
With many jobs it is the worst of theirs, in the order 4, 5, 3, 1, 0.

Results go to standard output; progress, notes and errors go to standard error.
"""


class Parser(argparse.ArgumentParser):
    """A parser that reports an error in one line; the usage is for --help."""

    def error(self, message: str) -> NoReturn:
        """Print the message on standard error, and exit with status 2."""
        words = _without_choices(" ".join(message.split()))
        self.exit(USAGE, f"{self.prog}: {words}{'' if words.endswith('?') else '.'} Try '{self.prog} --help'.\n")


def build(place: Place, version: str, groups: Sequence[Group], *, files: object = None) -> Parser:
    """Make the parser with all its commands.

    Args:
        place: How the program was called, and where its log is.
        version: For ``--version``.
        groups: The declared options.
        files: The ``complete`` attribute by which shtab recognises an option that takes a file.
    """
    log_file = short_path(place.log_file) if place.log_file else "none unless --log-file names one"
    log_line = f"Log file: {log_file}\n"
    parser = Parser(
        prog=place.prog,
        description="Starts a video translation job, waits for it and prints how it ended.",
        epilog=_EXIT_STATUSES + log_line,
        **_form(place, "[COMMAND] [OPTION ...]"),
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", prog=place.prog, parser_class=Parser)
    _declare(parser, groups, "run", files)
    installed = functools.partial(_build_installed, version, groups)
    _declare_general(parser, place, version, installed)
    for name, text in COMMANDS.items():
        nargs, written = _JOB_IDS.get(name, (None, ""))
        command = commands.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            epilog=log_line,
            **_form(place, f"{name} [OPTION ...] {written}".rstrip()),
        )
        if written:
            command.add_argument("job_ids", nargs=nargs, metavar="JOB_ID", type=_reporting(check_job_id))
        _declare(command, groups, name, files)
        command.add_argument_group("help").add_argument("-h", "--help", action="help", help="show this, and exit")
    return parser


def _form(place: Place, usage: str) -> dict[str, Any]:
    return {
        "usage": f"{place.prog} {usage}".replace("%", "%%"),
        "formatter_class": argparse.RawDescriptionHelpFormatter,
        "allow_abbrev": False,
        "add_help": False,  # it has a group of its own
    }


def _build_installed(version: str, groups: Sequence[Group], files: object) -> Parser:
    return build(Place("translation-client"), version, groups, files=files)


def _declare(parser: Parser, groups: Sequence[Group], command: str, files: object) -> None:
    parser.set_defaults(command=command)
    for group in groups:
        taken = group.is_for(command)
        into = parser.add_argument_group(group.title) if taken else parser
        for option in group.options:
            # Options of other commands are parsed as well, so that the complaint can name their purpose.
            action = into.add_argument(*option.names, **_details(option, option.help if taken else argparse.SUPPRESS))
            if option.read is Path:
                action.complete = files  # type: ignore[attr-defined] # what shtab looks for


def _details(option: Option, text: str) -> dict[str, Any]:
    # Suppressed: what is not given leaves no trace, so it cannot undo what stood before the command.
    common = {"default": argparse.SUPPRESS, "help": text.replace("%", "%%") if text != argparse.SUPPRESS else text}
    if not option.metavar:
        return {**common, "action": "store_true"}
    return {**common, "metavar": option.metavar, "type": _reporting(option.read), "choices": option.choices or None}


def _declare_general(parser: Parser, place: Place, version: str, make: Callable[[object], Parser]) -> None:
    general = parser.add_argument_group("help")
    general.add_argument("-h", "--help", action="help", help="show this, and exit; each command has its own")
    general.add_argument(
        "-V", "--version", action="version", version=f"translation-client {version}", help="show the version, and exit"
    )
    general.add_argument(
        "--print-completion",
        metavar="SHELL",
        default=argparse.SUPPRESS,
        action=PrintCompletion,
        make=make,  # of the installed command: no shell completes what follows python3
        needs=place.needs,
        help="print what lets a shell complete translation-client: bash, zsh or tcsh",
    )


def _reporting(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return the reader, with its errors turned into the parser's messages."""

    def wrapped(text: str) -> object:
        try:
            return read(text)
        except (TypeError, ValueError) as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return wrapped


def _without_choices(message: str) -> str:
    """Return the message, with the command that was probably meant in place of the list of all."""
    wrong = re.fullmatch(r"argument COMMAND: invalid choice: '(.*)' \(choose from (.*)\)", message)
    if wrong is None:
        return message
    close = difflib.get_close_matches(wrong[1], COMMANDS, n=1)
    return f"there is no command {wrong[1][:40]}" + (f"; did you mean {close[0]}?" if close else "")


class PrintCompletion(argparse.Action):
    """Prints the completion script of a shell, and exits.

    Args:
        make: Makes the parser of the installed command, which is the one a shell can complete; it is given shtab's
            mark of an option that takes a file.
        needs: The command that installs shtab.
        keywords: What every action of argparse takes.
    """

    def __init__(self, *, make: Callable[[object], argparse.ArgumentParser], needs: str, **keywords: Any) -> None:  # noqa: ANN401 - argparse's own
        super().__init__(**keywords)
        self._make = make
        self._needs = needs

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,  # noqa: ARG002 - the base's
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Print the script; without shtab, report what to install."""
        try:
            shtab = importlib.import_module("shtab")
        except ImportError:  # it is an extra
            parser.error(f"{option_string} needs the package shtab: {self._needs}")
        if values not in shtab.SUPPORTED_SHELLS:
            parser.error(f"argument {option_string}: must be one of {', '.join(shtab.SUPPORTED_SHELLS)}")
        sys.stdout.write(shtab.complete(self._make(shtab.FILE), values) + "\n")
        parser.exit()
