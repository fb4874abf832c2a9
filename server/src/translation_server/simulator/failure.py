"""What a failed test's report says about the server. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from translation_server.simulator.simulator import Simulator

TITLE: Final = "translation server"
_LAST: Final = 20


def what_the_server_saw(simulator: Simulator, replay_line: str) -> str:
    """How to see it again, the report card, and the last requests.

    Args:
        simulator: Of the server.
        replay_line: Makes a server with the same jobs and the same bad luck.
    """
    requests = simulator.requests
    last = requests[-_LAST:]
    earlier = f" (and {len(requests) - len(last)} before them)" if len(requests) > len(last) else ""
    return "\n".join(
        [
            f"To see it again: {replay_line}",
            "",
            str(simulator.report()),
            "",
            f"The last requests{earlier}:",
            *(f"  {one}" for one in last),
            *(["  nothing arrived"] if not last else []),
        ]
    )
