"""What holds for every test: nothing it starts outlives it."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
import uuid
from typing import TYPE_CHECKING

import pytest

try:
    import psutil
except ImportError:  # test_integration.py needs no more than pytest; everything else runs with requirements-dev.lock
    psutil = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 5.0
MARK = "TRANSLATION_TEST_RUN"


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Declares the settings of a plugin that is not there, as pyproject.toml has them and --strict-config insists."""
    if not pluginmanager.has_plugin("asyncio"):
        for name in ("asyncio_mode", "asyncio_default_fixture_loop_scope"):
            parser.addini(name, "Of pytest-asyncio, which is not installed.")


def pytest_configure() -> None:
    """Marks the run, and lets SIGTERM end it as Ctrl-C does, so that what the tests started is taken down.

    A run in the background of a script ignores SIGINT, and so would all programs that the tests start and interrupt.
    """
    os.environ[MARK] = uuid.uuid4().hex
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """Fails the run if a process, a thread or a socket is left when the last test is over.

    Without psutil only threads are found.
    """
    before = set(leftovers())
    yield
    deadline = time.monotonic() + PATIENCE
    while (left := set(leftovers()) - before) and time.monotonic() < deadline:
        time.sleep(0.05)
    if left:
        pytest.fail(f"The tests left behind: {', '.join(sorted(left))}")


def leftovers() -> Iterator[str]:
    """All that would have to be cleaned up, in words."""
    yield from (f"thread {thread.name}" for thread in threading.enumerate())
    if psutil is None:
        return
    this = psutil.Process()
    yield from (f"process {other.pid} ({other.name()})" for other in processes_of_this_run() if other != this)
    yield from (f"socket {socket.laddr} {socket.status}" for socket in this.net_connections("inet"))


def processes_of_this_run() -> Iterator[psutil.Process]:
    """Whatever inherited the mark, also where its parent has gone."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == os.environ[MARK] and process.status() != psutil.STATUS_ZOMBIE:
                yield process
