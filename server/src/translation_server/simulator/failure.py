"""What a failed test's report says about the server. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from translation_server.simulator.recording.exchange import Requests
    from translation_server.simulator.report.report import Report

_LAST: Final = 20


def what_the_server_saw(requests: Requests, report: Report, replay_line: str) -> str:
    """How to see it again, the report card, and the last requests.

    Args:
        requests: All of them.
        report: About them.
        replay_line: Makes a server with the same jobs and the same bad luck.
    """
    last = requests[-_LAST:]
    earlier = f" (and {len(requests) - len(last)} before them)" if len(requests) > len(last) else ""
    lines = [f"  {one}" for one in last] or ["  nothing arrived"]
    return "\n".join([f"To see it again: {replay_line}", "", str(report), "", f"The last requests{earlier}:", *lines])
