"""How long a test waits for its server: from the call to the first answer, and from the call until it has stopped.

The embedded server, in a thread of this process, beside the same application in a process of its own as
``uvicorn main:app``, which is how one does it otherwise. They take turns, so that whatever else the machine does meets
both. What was imported stays imported in this process; the other imports anew each time, as it must.
"""

from __future__ import annotations

import argparse
import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.path[1:1] = [str(ROOT / "client/src"), str(ROOT / "server/src")]

from benchmarks.tables import markdown, say  # noqa: E402 - runs from a checkout
from translation_server import TranslationServer  # noqa: E402 - likewise

ALLOWED = 30.0  # milliseconds, for each of the two
_PATIENCE = 30.0


class Took(NamedTuple):
    """Milliseconds of one start and one stop."""

    start: float
    stop: float


def main() -> int:
    """Run the command and give its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20, help="of each (default: %(default)s)")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a figure is not what it must be")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        turns = [(_embedded(), _process(Path(folder))) for _ in range(options.runs + 1)]
    del turns[0]  # in which everything was imported and compiled
    ours, other = (_median([turn[place] for turn in turns]) for place in range(2))
    rows = [
        [name, f"{took.start:.1f} ms", f"{took.stop:.1f} ms"]
        for name, took in (("`TranslationServer()`", ours), ("`uvicorn main:app`", other))
    ]
    say(markdown(["median", "until it answers", "until it has stopped"], rows))
    met = max(ours) <= ALLOWED
    say(f"\n{other.start / ours.start:.0f} times as fast to start, {other.stop / ours.stop:.0f} times to stop.")
    say(f"At most {ALLOWED:g} ms for each: {'holds' if met else 'does not hold'}.")
    return 0 if met or not options.check else 1


def _embedded() -> Took:
    begun = time.perf_counter()
    with TranslationServer() as server:
        _ask(server.port)
        answered = time.perf_counter()
        stopping = time.perf_counter()
    return Took((answered - begun) * 1000, (time.perf_counter() - stopping) * 1000)


def _process(folder: Path) -> Took:
    port = _free_port()
    settings = {"API_USERNAME": "tester", "API_PASSWORD": "x", "DATABASE_URL": "sqlite:///:memory:"}
    command = [sys.executable, "-m", "uvicorn", "main:app", "--port", str(port), "--log-level", "critical"]
    begun = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603 - ours
        command,
        cwd=ROOT / "server",
        env=os.environ | settings | {"LOG_FILE": str(folder / "server.log")},
        stderr=subprocess.DEVNULL,
    )
    try:
        _ask(port)
        answered = time.perf_counter()
    finally:
        stopping = time.perf_counter()
        process.terminate()
        process.wait(_PATIENCE)
    return Took((answered - begun) * 1000, (time.perf_counter() - stopping) * 1000)


def _ask(port: int) -> None:
    """Return once the server answers; it is asked again every millisecond."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
        try:
            connection.request("GET", "/health/live")
            connection.getresponse().read()
        except ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.001)
        else:
            return
        finally:
            connection.close()


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def _median(taken: list[Took]) -> Took:
    return Took(median(took.start for took in taken), median(took.stop for took in taken))


if __name__ == "__main__":
    sys.exit(main())
