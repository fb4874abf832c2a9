"""The application hears the signals that stop the server, and takes nothing from anyone."""

import asyncio
import signal

import pytest

from translation_server.shutdown import on_stop_signal


@pytest.fixture
def handled():
    """A server's own handling of both signals, as it was before the test afterwards."""
    seen = []
    before = {number: signal.signal(number, lambda n, _: seen.append(n)) for number in (signal.SIGTERM, signal.SIGINT)}
    yield seen
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_is_heard_by_both(handled, number):
    """The application is called, and so is whoever handled the signal before."""
    called = asyncio.Event()
    with on_stop_signal(called.set):
        signal.raise_signal(number)
        await asyncio.wait_for(called.wait(), 5)
    assert handled == [number]


async def test_afterwards_all_is_as_before(handled):
    """Once the application has stopped, the signal is the server's alone again."""
    called = asyncio.Event()
    with on_stop_signal(called.set):
        pass
    signal.raise_signal(signal.SIGTERM)
    await asyncio.sleep(0)
    assert (handled, called.is_set()) == ([signal.SIGTERM], False)


async def test_a_later_handler_is_left_in_place(handled):
    """A handler that somebody set meanwhile is not undone."""
    with on_stop_signal(lambda: None):
        signal.signal(signal.SIGTERM, lambda n, _: handled.append(-n))
    signal.raise_signal(signal.SIGTERM)
    assert handled == [-signal.SIGTERM]


async def test_a_signal_nobody_handles_is_left_alone(handled):
    """The application does not turn an end into a survival."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with on_stop_signal(lambda: None):
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    assert handled == []


async def test_in_another_thread_there_are_no_signals(handled):
    """A server in a thread starts and stops as well; its owner stops it otherwise."""

    async def run() -> bool:
        with on_stop_signal(lambda: None):
            return True

    assert await asyncio.to_thread(asyncio.run, run())
    assert handled == []
