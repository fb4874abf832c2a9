"""The service's clock goes on, whatever becomes of the machine's."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from translation_server.service.clock import SystemClock


class Machine:
    """A machine whose owner changes the wall clock."""

    def __init__(self) -> None:
        self.wall = 1000.0
        self.steady = 5.0

    def clock(self) -> SystemClock:
        return SystemClock(lambda: self.wall, lambda: self.steady)

    def live(self, seconds: float, jump: float = 0.0) -> None:
        self.steady += seconds
        self.wall += seconds + jump


def test_shows_the_wall_clock():
    """Without disturbance it shows the machine's time."""
    machine = Machine()
    clock = machine.clock()
    machine.live(2.5)
    assert clock.now() == 1002.5


def test_goes_on_when_the_wall_clock_is_set_back():
    """Set back by an hour, it moves on from where it was, second by second."""
    machine = Machine()
    clock = machine.clock()
    before = clock.now()
    machine.live(1, jump=-3600)
    assert clock.now() == before + 1
    machine.live(10)
    assert clock.now() == before + 11


def test_follows_a_wall_clock_that_is_set_forward():
    """Set forward, it shows the new time, and keeps it when that is undone."""
    machine = Machine()
    clock = machine.clock()
    machine.live(0, jump=3600)
    assert clock.now() == 4600
    machine.live(0, jump=-3600)
    assert clock.now() == 4600


@given(st.lists(st.tuples(st.floats(0.001, 1e3), st.floats(-1e6, 1e6))))
def test_never_goes_back_and_never_stands_still(steps):
    """Whatever happens to the wall clock, later is later."""
    machine = Machine()
    clock = machine.clock()
    last = clock.now()
    for seconds, jump in steps:
        machine.live(seconds, jump)
        now = clock.now()
        assert now > last
        last = now


async def test_calls_once_the_moment_has_come():
    """A callback never comes before its moment."""
    clock = SystemClock()
    moment = clock.now() + 0.0123
    called = asyncio.get_running_loop().create_future()
    clock.call_at(moment, lambda: called.set_result(clock.now()))
    assert await asyncio.wait_for(called, 5) >= moment


async def test_looks_again_when_the_loop_wakes_it_early():
    """A timer that fires before the clock has come to the moment is set again."""
    machine = Machine()
    called = asyncio.Event()
    machine.clock().call_at(1000.001, called.set)
    await asyncio.sleep(0.02)
    assert not called.is_set()
    machine.live(0.002)
    await asyncio.wait_for(called.wait(), 5)


async def test_a_cancelled_call_does_not_come():
    """After cancel, nothing comes, also if it is repeated."""
    called = asyncio.Event()
    clock = SystemClock()
    timer = clock.call_at(clock.now() + 0.001, called.set)
    timer.cancel()
    timer.cancel()
    await asyncio.sleep(0.01)
    assert not called.is_set()


async def test_a_moment_beyond_all_time_is_no_error():
    """Whoever waits for nothing in particular may wait for infinity."""
    SystemClock().call_at(float("inf"), lambda: None).cancel()
