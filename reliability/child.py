"""What runs in a server's process: a production server, with a bug or a wrong clock where the commands ask for one.

    python reliability/child.py serve --port 8000        as `translation-server serve`
    python reliability/child.py uvicorn --port 8000      as `uvicorn main:app`

The settings come from the environment, as users give them; `BUG` and `WALL_OFFSET` are this folder's own. The worker
processes of `serve` import this file before they load the application, as spawned processes import the script that
started them: there, and nowhere else, the bug is planted.
"""

from __future__ import annotations

import mmap
import os
import sys
import time
from functools import partialmethod
from pathlib import Path

BUG = "RELIABILITY_BUG"
"""The environment variable with a name of `server_bugs.BUGS`."""
WALL_OFFSET = "RELIABILITY_WALL_OFFSET"
"""The environment variable with a file as `shared_offset` takes it."""

_GRACE = 7  # seconds, as the server's own command gives


def shared_offset(file: Path) -> memoryview[float]:
    """Return the number in a file of eight bytes: the seconds by which a wall clock is wrong, for all who ask."""
    with file.open("r+b") as opened:
        return memoryview(mmap.mmap(opened.fileno(), 8)).cast("d")


def prepare() -> None:
    """Plant the bug, and set the clock wrong, in the process that serves."""
    if bug := os.environ.get(BUG):
        import server_bugs  # noqa: PLC0415 - imports the server, which takes time

        server_bugs.plant(bug)
    if file := os.environ.get(WALL_OFFSET):
        from translation_server.service.clock import SystemClock  # noqa: PLC0415 - as above

        offset = shared_offset(Path(file))
        wrong = partialmethod(SystemClock.__init__, lambda: time.time() + offset[0])
        SystemClock.__init__ = wrong  # type: ignore[method-assign, assignment]


def _serve_on_uvicorn(port: int) -> None:
    import uvicorn  # noqa: PLC0415 - the other server does not need it

    from translation_server.asgi import configured_app  # noqa: PLC0415 - as above

    prepare()
    app = configured_app(None)
    uvicorn.run(
        app,
        port=port,
        http="h11",
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        backlog=4096,
        timeout_graceful_shutdown=_GRACE,
    )


def main() -> int:
    """Serve until told to stop, and return the exit status."""
    server, *options = sys.argv[1:]
    if server == "uvicorn":
        _serve_on_uvicorn(int(options[1]))
        return 0
    from translation_server import cli  # noqa: PLC0415 - a worker has no command line

    return cli.main([server, *options])


if __name__ == "__mp_main__":  # a worker
    prepare()
if __name__ == "__main__":
    sys.exit(main())
