"""The parser of the command line, made of the declared options: its help is theirs."""

from __future__ import annotations

import argparse
import difflib
import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from translation_client._wire.requests import check_job_id
from translation_client.cli.completion import PrintCompletion
from translation_client.cli.installation import Place, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from translation_client.cli.options import Group, Option

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
    """Says what is wrong in one line; the usage is for --help."""

    def error(self, message: str) -> NoReturn:
        """Say it on standard error, and exit with status 2."""
        words = _without_choices(" ".join(message.split()))
        self.exit(USAGE, f"{self.prog}: {words}{'' if words.endswith('?') else '.'} Try '{self.prog} --help'.\n")


def build(place: Place, version: str, groups: Sequence[Group], *, files: object = None) -> Parser:
    """Make the parser with all its commands.

    Args:
        place: How the program was called, and where its log is.
        version: For ``--version``.
        groups: The declared options.
        files: What shtab wants to find as ``complete`` at an option that takes a file.
    """
    log_file = shown(place.log_file) if place.log_file else "none unless --log-file names one"
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
            command.add_argument("job_ids", nargs=nargs, metavar="JOB_ID", type=_described(check_job_id))
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
            # What is for another command is understood nevertheless, to say what it is for.
            action = into.add_argument(*option.names, **_details(option, option.help if taken else argparse.SUPPRESS))
            if option.read is Path:
                action.complete = files  # type: ignore[attr-defined] # what shtab looks for


def _details(option: Option, text: str) -> dict[str, Any]:
    # Suppressed: what is not given leaves no trace, so it cannot undo what stood before the command.
    common = {"default": argparse.SUPPRESS, "help": text.replace("%", "%%") if text != argparse.SUPPRESS else text}
    if not option.metavar:
        return {**common, "action": "store_true"}
    return {**common, "metavar": option.metavar, "type": _described(option.read), "choices": option.choices or None}


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


def _described(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """The reader, its ``ValueError`` turned into the parser's message."""

    def wrapped(text: str) -> object:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return wrapped


def _without_choices(message: str) -> str:
    """The message, with the command that was meant in place of all there are."""
    wrong = re.fullmatch(r"argument COMMAND: invalid choice: '(.*)' \(choose from (.*)\)", message)
    if wrong is None:
        return message
    close = difflib.get_close_matches(wrong[1], COMMANDS, n=1)
    return f"there is no command {wrong[1][:40]}" + (f"; did you mean {close[0]}?" if close else "")
