"""What stands in for uvicorn's larger parts does what they do."""

import asyncio
import sys
import tracemalloc
from collections import deque

import pytest
from uvicorn.protocols.http.flow_control import FlowControl

from translation_server.lean import LeanEvent, LeanFlow, LeanQueue


class Transport:
    """Notes whether it was told to read."""

    def __init__(self):
        self.did = []

    def pause_reading(self):
        self.did.append("paused")

    def resume_reading(self):
        self.did.append("resumed")


@pytest.mark.parametrize("kind", [FlowControl, LeanFlow])
async def test_who_writes_waits_for_who_reads(kind):
    """A pause holds up all who write until it is over, and the next one does so again."""
    flow = kind(Transport())
    await flow.drain()
    for _ in range(2):
        flow.pause_writing()
        flow.pause_writing()
        writing = [asyncio.create_task(flow.drain()) for _ in range(2)]
        await asyncio.sleep(0.01)
        assert (flow.write_paused, [task.done() for task in writing]) == (True, [False, False])
        flow.resume_writing()
        flow.resume_writing()
        await asyncio.wait_for(asyncio.gather(*writing), 5)
        assert not flow.write_paused


@pytest.mark.parametrize("kind", [FlowControl, LeanFlow])
def test_reading_is_paused_once(kind):
    """The connection is told when that changes, and not otherwise."""
    transport = Transport()
    flow = kind(transport)
    for act in (flow.resume_reading, flow.pause_reading, flow.pause_reading, flow.resume_reading):
        act()
    assert transport.did == ["paused", "resumed"]


@pytest.mark.parametrize("kind", [asyncio.Event, LeanEvent])
async def test_an_event_lets_all_go_on(kind):
    """Those who wait, those who come while it is set, and not those who come once it is cleared; some give up."""
    event = kind()
    for _ in range(2):
        waiting = [asyncio.create_task(event.wait()) for _ in range(3)]
        await asyncio.sleep(0.01)
        assert not any(task.done() for task in waiting)
        waiting.pop().cancel()
        event.set()
        event.set()
        await asyncio.wait_for(asyncio.gather(*waiting), 5)
        await asyncio.wait_for(event.wait(), 5)
        event.clear()


async def test_an_event_takes_little_while_somebody_waits():
    """Ten thousand held requests have one each."""

    def memory(kind):
        """Of a hundred, each with one who waits, beyond what is kept of a first such hundred."""
        for _ in range(2):
            tracemalloc.start()
            before = tracemalloc.get_traced_memory()[0]
            waiting = [kind().wait() for _ in range(100)]
            for one in waiting:
                one.send(None)
            taken = tracemalloc.get_traced_memory()[0] - before
            tracemalloc.stop()
            for one in waiting:
                one.close()
        return taken

    assert memory(LeanEvent) * 3 < memory(asyncio.Event) * 2  # both with the coroutine that waits


@pytest.mark.parametrize("kind", [deque, LeanQueue])
def test_requests_take_their_turn(kind):
    """Who came first goes first."""
    queue = kind()
    assert not queue
    for item in "abc":
        queue.appendleft(item)
    assert (len(queue), [queue.pop() for _ in range(3)], len(queue)) == (3, ["a", "b", "c"], 0)


def test_an_empty_queue_takes_little():
    """A fraction of what a deque does, which is why it is there."""
    assert sys.getsizeof(LeanQueue()) * 6 < sys.getsizeof(deque())
