"""Learning early that the server is about to stop.

A web server that is told to stop waits for the requests under way before it tells the application, and a held request
waits for the job: so the application listens to the same signals.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType


@contextmanager
def on_stop_signal(callback: Callable[[], None]) -> Iterator[None]:
    """Call ``callback`` in the running loop when SIGTERM or SIGINT arrives, beside what the signal does anyway.

    Signals nobody handles, and servers in other threads than the main one, are left alone.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    undo = [_listen(number, loop, callback) for number in (signal.SIGTERM, signal.SIGINT)]
    try:
        yield
    finally:
        for restore in undo:
            restore()


def _listen(number: int, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> Callable[[], None]:
    before: Any = signal.getsignal(number)
    if not callable(before):
        return lambda: None

    def handle(signal_number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(callback)
        before(signal_number, frame)

    def restore() -> None:
        if signal.getsignal(number) is handle:
            signal.signal(number, before)

    signal.signal(number, handle)
    return restore
