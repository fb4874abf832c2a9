"""What mounted formats cost: a status read of our own API without formats and with all of them, and one below a mount.

The application is called in this process, as a web server calls it, so that only its own work is measured. They take
turns in small rounds, and the medians of the rounds are compared. A second application without formats shows how much
of a difference is noise.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.path[1:1] = [str(ROOT / "client/src"), str(ROOT / "server/src")]

from benchmarks.tables import markdown, say  # noqa: E402 - runs from a checkout
from translation_server.app import Application, create_app  # noqa: E402 - likewise
from translation_server.config.settings import Settings  # noqa: E402 - likewise

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Read = Callable[[], Awaitable[int]]

ALLOWED = 1.05  # times as long, for our own API beside mounted formats; unmounted there is nothing to measure
_KEY = "admin:password-of-the-benchmark"
_LUMA = "/luma/dream-machine/v1/generations"
_OK = 200


def main() -> int:
    """Run the command and give its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200, help="of each (default: %(default)s)")
    parser.add_argument("--reads", type=int, default=100, help="in one round (default: %(default)s)")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a figure is not what it must be")
    options = parser.parse_args()
    took = asyncio.run(_measure(options.rounds, options.reads))
    first = took["without formats"]
    rows = [[name, f"{found * 1e6:.1f} µs", f"{found / first:.3f}"] for name, found in took.items()]
    say(markdown(["status read", "median", "ratio"], rows))
    ratio = took["all formats mounted"] / first
    say(f"\nOur own API beside mounted formats takes at most {ALLOWED:g} times as long: {ratio:.3f}.")
    say(f"{options.rounds} rounds of {options.reads} reads each.")
    return 0 if ratio <= ALLOWED or not options.check else 1


async def _measure(rounds: int, reads: int) -> dict[str, float]:
    async with AsyncExitStack() as stack:
        plain, again, mounted = [await stack.enter_async_context(_running(one)) for one in ((), (), ("all",))]
        ways: dict[str, Read] = {
            "without formats": await _own(plain),
            "the same again": await _own(again),
            "all formats mounted": await _own(mounted),
            "a poll below a mount": await _below_a_mount(mounted),
        }
        found: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, read in ways.items():
                began = time.perf_counter()
                for _ in range(reads):
                    await read()
                found[name].append((time.perf_counter() - began) / reads)
        return {name: median(values) for name, values in found.items()}


class _running:  # noqa: N801 - a context, used as a function
    def __init__(self, formats: tuple[str, ...]) -> None:
        name, _, password = _KEY.partition(":")
        given: dict[str, Any] = {"api_username": name, "api_password": password, "rate_limit": 0}
        settings = Settings(**given, database_url="sqlite:///:memory:", delay_model="fixed:100000")
        self._app = create_app(settings, formats=formats)
        self._run = self._app.running()

    async def __aenter__(self) -> Application:
        await self._run.__aenter__()
        return self._app

    async def __aexit__(self, *error: object) -> None:
        await self._run.__aexit__(None, None, None)


async def _own(app: Application) -> Read:
    credentials = b"Basic " + base64.b64encode(_KEY.encode())
    _, body = await _ask(app, "POST", "/start", credentials)
    path = f"/status/{json.loads(body)['job_id']}"
    return _reader(app, path, credentials)


async def _below_a_mount(app: Application) -> Read:
    key = f"Bearer {_KEY}".encode()
    _, body = await _ask(app, "POST", f"{_LUMA}/video", key, b'{"prompt":"x","model":"ray-2"}')
    return _reader(app, f"{_LUMA}/{json.loads(body)['id']}", key)


def _reader(app: Application, path: str, credentials: bytes) -> Read:
    async def read() -> int:
        status, _ = await _ask(app, "GET", path, credentials)
        if status != _OK:
            raise RuntimeError(f"{path} was answered {status}")
        return status

    return read


async def _ask(app: Application, method: str, path: str, credentials: bytes, body: bytes = b"") -> tuple[int, bytes]:
    headers = [(b"host", b"127.0.0.1"), (b"authorization", credentials), (b"content-type", b"application/json")]
    scope = {
        "type": "http",
        "http_version": "1.1",
        "scheme": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [*headers, (b"content-length", b"%d" % len(body))],
        "client": ("127.0.0.1", 1),
    }
    told: list[Any] = []

    async def receive() -> Any:  # noqa: ANN401 - a message of ASGI
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:  # noqa: ANN401 - likewise
        told.append(message)

    await app(scope, receive, send)
    return told[0]["status"], b"".join(one.get("body", b"") for one in told)


if __name__ == "__main__":
    sys.exit(main())
