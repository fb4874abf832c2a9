"""A video translation job service that simulates its jobs.

```python
from translation_server import TranslationServer
```

What is named here is looked up when it is first used: importing the package itself takes no time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

from translation_server._version import __version__

if TYPE_CHECKING:
    from translation_server.jobs.delays import Fixed, LogNormal, Proportional, Uniform
    from translation_server.simulator.clocks import ScaledClock, SteppedClock
    from translation_server.simulator.recording.exchange import Exchange, Requests
    from translation_server.simulator.report.politeness import Politeness
    from translation_server.simulator.report.report import Report
    from translation_server.testing.server import TranslationServer

__all__ = [
    "Exchange",
    "Fixed",
    "LogNormal",
    "Politeness",
    "Proportional",
    "Report",
    "Requests",
    "ScaledClock",
    "SteppedClock",
    "TranslationServer",
    "Uniform",
    "__version__",
]

_HOMES: Final = {
    **dict.fromkeys(("Fixed", "LogNormal", "Proportional", "Uniform"), "jobs.delays"),
    **dict.fromkeys(("ScaledClock", "SteppedClock"), "simulator.clocks"),
    **dict.fromkeys(("Exchange", "Requests"), "simulator.recording.exchange"),
    "Politeness": "simulator.report.politeness",
    "Report": "simulator.report.report",
    "TranslationServer": "testing.server",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
