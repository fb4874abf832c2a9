"""The log lines of a store that fails: one when it begins to fail and one when it works again."""

from __future__ import annotations

import logging
from typing import Final

_LOGGER: Final = logging.getLogger(__name__)


class Outage:
    """Whether a store fails at the moment; logs each change, and not each request that meets it."""

    def __init__(self) -> None:
        self._is_on = False

    def begin(self, error: BaseException) -> None:
        """Record that an operation failed."""
        if not self._is_on:
            _LOGGER.warning("the database does not work: %s: %s", type(error).__name__, error)
        self._is_on = True

    def end(self) -> None:
        """Record that an operation succeeded."""
        if self._is_on:
            _LOGGER.warning("the database works again")
        self._is_on = False
