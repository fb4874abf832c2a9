"""Shell completion, made by shtab from the parser itself."""

from __future__ import annotations

import argparse
import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class PrintCompletion(argparse.Action):
    """Prints the completion script of a shell, and exits.

    Args:
        make: Makes the parser of the installed command, which is the one a shell can complete, given what says to
            shtab that an option takes a file.
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
        """Print it; without shtab, say what to install."""
        try:
            shtab = importlib.import_module("shtab")
        except ImportError:  # it is an extra
            parser.error(f"{option_string} needs the package shtab: {self._needs}")
        if values not in shtab.SUPPORTED_SHELLS:
            parser.error(f"argument {option_string}: must be one of {', '.join(shtab.SUPPORTED_SHELLS)}")
        sys.stdout.write(shtab.complete(self._make(shtab.FILE), values) + "\n")
        parser.exit()
