"""Makes ``from client import TranslationStatusClient`` work at the root of a checkout; never installed.

The names are those of ``translation_client`` in ``src/``, so a class imported from here is the one imported from there.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

_SOURCE = str(Path(__file__).resolve().parent / "src")
if _SOURCE not in sys.path:
    sys.path.insert(0, _SOURCE)

import translation_client  # noqa: E402 - found by the line above

if TYPE_CHECKING:
    from translation_client import *  # noqa: F403 - for type checkers; at run time see __getattr__

__all__ = list(translation_client.__all__)


def __getattr__(name: str) -> object:
    """Every public name of ``translation_client``, looked up when used: some of them import an extra."""
    return getattr(translation_client, name)
