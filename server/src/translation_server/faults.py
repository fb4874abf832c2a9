"""The faults and the rules that tests import.

```python
from translation_server.faults import Reset, Status

server.faults.add(Status(429, retry_after=2), times=1)
server.faults.add(Reset(), rate=0.1, kind="poll")
```
"""

from translation_server.simulator.faults.fields import RuleError
from translation_server.simulator.faults.model import (
    BadGateway,
    BrokenJson,
    Close,
    CutLongPoll,
    Drip,
    Fault,
    HtmlPage,
    Latency,
    LostAnswer,
    NotFound,
    Reset,
    Restart,
    Status,
    Truncate,
    UnknownStatus,
)
from translation_server.simulator.faults.rules import Rule

__all__ = [
    "BadGateway",
    "BrokenJson",
    "Close",
    "CutLongPoll",
    "Drip",
    "Fault",
    "HtmlPage",
    "Latency",
    "LostAnswer",
    "NotFound",
    "Reset",
    "Restart",
    "Rule",
    "RuleError",
    "Status",
    "Truncate",
    "UnknownStatus",
]
