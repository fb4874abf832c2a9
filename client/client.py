"""The client in a checkout: a script (``python3 client.py --help``), and a module with ``translation_client``'s names.

Both come from ``src/``; nothing is defined here twice, so a class imported from here is the one imported from there.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

_FOLDER = Path(__file__).resolve().parent
if str(_FOLDER / "src") not in sys.path:
    sys.path.insert(0, str(_FOLDER / "src"))

try:
    import translation_client
except ImportError as error:
    if __name__ != "__main__":
        raise
    needs = f"it needs Python 3.11 or newer, and: pip install -r {_FOLDER / 'requirements.txt'}"
    sys.stderr.write(f"client.py: {error}; {needs}\n")
    sys.exit(70)  # as for everything that is neither the job's fault nor the user's

if TYPE_CHECKING:
    from collections.abc import Sequence

    from translation_client import *  # noqa: F403 - for type checkers; at run time see __getattr__

__all__ = [*translation_client.__all__, "main"]  # noqa: PLE0604 - all of them are text


def __getattr__(name: str) -> object:
    """Every public name of ``translation_client``, looked up when used: some of them import an extra."""
    return getattr(translation_client, name)


def main(argv: Sequence[str] | None = None, *, prog: str = "python3 client.py") -> int:
    """Run the command line; returns the exit status."""
    from translation_client.cli.main import main as run  # noqa: PLC0415 - those who import the names need no parser

    return run(argv, prog=prog, folder=_FOLDER)


if __name__ == "__main__":
    sys.exit(main(prog=f"python3 {shlex.quote(sys.argv[0])}"))
