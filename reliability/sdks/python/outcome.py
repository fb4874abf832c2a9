"""What each of these programs prints: one line of JSON about how its job ended."""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Outcome(NamedTuple):
    """How a job ended, in the words of the service.

    Attributes:
        status: The last word about it.
        result: A URL, or the text itself; None: there is none.
        message: Why it failed, if it did.
    """

    status: object
    result: object = None
    message: object = None


def report(program: Callable[[str, str, str, str], Outcome | Awaitable[Outcome]]) -> None:
    """Run a program with the arguments of the command line, and print its outcome or what it raised.

    The arguments are the URL of the mount, the API key, the text that says how the job goes, and the action: ``wait``
    until it has ended, or ``cancel`` it and look once.
    """
    try:
        outcome = asyncio.run(_run(program)) if inspect.iscoroutinefunction(program) else program(*sys.argv[1:5])
        _print(outcome)  # type: ignore[arg-type]
    except Exception as error:  # noqa: BLE001 - the name of whatever the SDK raises is what is asked
        print(json.dumps({"status": None, "error": type(error).__name__, "message": str(error)[:500], "result": None}))


async def _run(program: Callable[..., Any]) -> Outcome:
    outcome: Outcome = await program(*sys.argv[1:5])
    return outcome


def _print(outcome: Outcome) -> None:
    texts = {name: None if one is None else str(getattr(one, "value", one)) for name, one in outcome._asdict().items()}
    print(
        json.dumps({"status": texts["status"], "error": None, "message": texts["message"], "result": texts["result"]})
    )
