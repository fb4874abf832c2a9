"""Keeps the pauses of a server short: while Python looks for garbage, and while one thread waits for another.

With ten thousand waiters a search for garbage took a fifth of a second. And the thread that commits got its turn late,
to begin as well as to end: a busy thread may go on for five milliseconds once another one wants to.

For processes that are a server and nothing else: it changes both for the whole process.
"""

from __future__ import annotations

import gc
import sys
from typing import Final

# A young collection looks at what ten thousand allocations left, a middle one at ten times that: some milliseconds.
# A full one, which looks at everything, comes after ten million, and not while waiters come in by the thousand.
_THRESHOLDS: Final = (10_000, 10, 100)
_SWITCH_INTERVAL: Final = 0.0005  # seconds; each switch costs some hundredth of that


def shorten() -> None:
    """Leave alone what is there already, which stays for good; look for garbage less often; let threads take turns."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
    sys.setswitchinterval(_SWITCH_INTERVAL)
