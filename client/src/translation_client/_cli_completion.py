"""Shell completion, made by shtab from the parser itself."""

from __future__ import annotations

import argparse
import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_FILES = ("log_file",)


class PrintCompletion(argparse.Action):
    """Prints the completion script of a shell, and exits.

    Args:
        make: Makes the parser of the installed command, which is the one a shell can complete.
        needs: The command that installs shtab.
        keywords: What every action of argparse takes.
    """

    def __init__(self, *, make: Callable[[], argparse.ArgumentParser], needs: str, **keywords: Any) -> None:  # noqa: ANN401 - argparse's own
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
        """Print it; without shtab, say what to install."""
        try:
            shtab = importlib.import_module("shtab")
        except ImportError:  # it is an extra
            parser.error(f"{option_string} needs the package shtab: {self._needs}")
        if values not in shtab.SUPPORTED_SHELLS:
            parser.error(f"argument {option_string}: must be one of {', '.join(shtab.SUPPORTED_SHELLS)}")
        completed = self._make()
        _mark_files(completed, shtab.FILE)
        sys.stdout.write(shtab.complete(completed, values) + "\n")
        parser.exit()


def _mark_files(parser: argparse.ArgumentParser, files: object) -> None:
    """Tell shtab, by the attribute it looks for, which options take a file."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no public way to its actions, and shtab goes it too
        if action.dest in _FILES:
            action.complete = files  # type: ignore[attr-defined]
        if isinstance(action.choices, dict):
            for command in action.choices.values():
                _mark_files(command, files)
