"""Requests that arrive in one round of the event loop are begun in the next, and answered together."""

import asyncio
import gc
import weakref

from translation_server.arrivals import Arrivals, arrivals_of
from translation_server.outbox import outbox_of


class Transport:
    """Notes what is written, and how many were expected to write then."""

    def __init__(self, outbox):
        self.outbox = outbox
        self.written = []

    def is_closing(self):
        return False

    def write(self, data):
        self.written.append((data, self.outbox._expected))


async def rounds(number):
    for _ in range(number):
        await asyncio.sleep(0)


async def test_those_of_one_round_are_begun_together():
    """In their order, and each once; what comes meanwhile is the next round's."""
    loop, begun = asyncio.get_running_loop(), []
    arrivals = arrivals_of(loop)

    def first():
        begun.append("first")
        arrivals.add(lambda: bool(begun.append("late")), loop)
        return True

    arrivals.add(first, loop)
    arrivals.add(lambda: bool(begun.append("second")), loop)
    assert begun == []
    await rounds(1)
    assert begun == ["first", "second"]
    await rounds(3)
    assert begun == ["first", "second", "late"]
    assert outbox_of(loop)._expected == 0


async def test_answers_go_out_when_all_are_begun():
    """Those that are there then, and those of the first steps of tasks."""
    loop = asyncio.get_running_loop()
    arrivals, outbox = arrivals_of(loop), outbox_of(loop)
    transport = Transport(outbox)

    def at_once():
        outbox.write(transport, b"at once")
        return True

    async def later():
        outbox.write(transport, b"in a task")

    tasks = []
    for _ in range(3):
        arrivals.add(at_once, loop)
        arrivals.add(lambda: bool(tasks.append(loop.create_task(later()))), loop)
    await rounds(1)
    assert transport.written == []
    await rounds(2)
    assert transport.written == [(b"at once", 0)] * 3 + [(b"in a task", 0)] * 3

    transport.written.clear()
    for _ in range(3):
        arrivals.add(at_once, loop)
    await rounds(1)
    assert transport.written == [(b"at once", 0)] * 3


async def test_one_that_fails_does_not_keep_the_answers_of_others():
    """The outbox is left as it was."""
    loop = asyncio.get_running_loop()
    arrivals, outbox = Arrivals(outbox_of(loop)), outbox_of(loop)
    transport, seen = Transport(outbox), []
    loop.set_exception_handler(lambda _, context: seen.append(context["exception"]))

    def at_once():
        outbox.write(transport, b"a")
        return True

    error = RuntimeError("why")

    def fails():
        raise error

    arrivals.add(at_once, loop)
    arrivals.add(fails, loop)
    await rounds(3)
    assert seen == [error]
    assert [data for data, _ in transport.written] == [b"a"]
    assert outbox._expected == 0


def test_a_loop_is_not_kept():
    """Its arrivals go with it."""

    async def mine():
        loop = asyncio.get_running_loop()
        assert arrivals_of(loop) is arrivals_of(loop)
        arrivals_of(loop).add(lambda: True, loop)
        await rounds(1)
        return weakref.ref(loop)

    kept = asyncio.run(mine())
    gc.collect()
    assert kept() is None
