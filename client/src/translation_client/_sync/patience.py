"""Waiting that a signal always ends: what the main thread, the one that runs signal handlers, has to heed.

CPython looks for signals before it enters a blocking call. One that comes between that look and the call itself does
not interrupt the call, and Ctrl-C would have to wait for a held answer. So the main thread never blocks for long: it
waits in slices.

What a handler raises is lost while CPython clears up behind an object, as it does behind each ``Thread``. So nobody
keeps one: it goes where it ran.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MAIN = 0.04  # seconds; Ctrl-C is promised to end a wait within 0.05
_OTHERS = 3600.0  # seconds; what a lock can wait for, and a sleep, is bounded


def run_aside(target: Callable[[], None], name: str) -> None:
    """Run it on a daemon thread that nobody joins."""
    threading.Thread(target=target, name=name, daemon=True).start()


def slices(until: float) -> Iterator[float]:
    """The timeouts to wait with, one after the other, until the moment (on ``time.monotonic()``); at least one."""
    longest = _MAIN if threading.current_thread() is threading.main_thread() else _OTHERS
    left = until - time.monotonic()
    while True:
        yield min(max(left, 0.0), longest)
        left = until - time.monotonic()
        if left <= 0:
            return
