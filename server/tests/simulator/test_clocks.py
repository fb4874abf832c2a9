"""Clocks that a test moves."""

import asyncio
import math
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translation_server.simulator.clocks import START, ScaledClock, SteppedClock, clock_of_speed


class Machine:
    """A machine whose monotonic time is set by the test."""

    def __init__(self) -> None:
        self.monotonic = 5.0

    def __call__(self) -> float:
        return self.monotonic


async def settled() -> None:
    """Let the event loop run what is due."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_a_stepped_clock_stands_still():
    """It begins at the same moment in every run, and moves only when it is advanced."""
    clock = SteppedClock()
    assert clock.now() == START == SteppedClock().now()
    clock.advance(5400)
    clock.advance(0)
    assert clock.now() == START + 5400


@given(st.lists(st.integers(0, 10**6), max_size=20))
def test_many_small_steps_are_one_large_one(milliseconds):
    """After ten steps of a tenth of a second, exactly one second has passed."""
    clock, other = SteppedClock(), SteppedClock()
    for step in milliseconds:
        clock.advance(step / 1000)
    other.advance(sum(milliseconds) / 1000)
    assert clock.now() == other.now() == round(START + sum(milliseconds) / 1000, 3)


@pytest.mark.parametrize("seconds", [-1, -1e-9, math.inf, math.nan, 1e12])
@pytest.mark.parametrize("clock", [SteppedClock(), ScaledClock(60)], ids=["stepped", "scaled"])
def test_no_clock_goes_back_or_leaves_the_calendar(clock, seconds):
    """The call is refused, and the clock stays."""
    with pytest.raises(ValueError, match="0 seconds or more"):
        clock.advance(seconds)
    assert clock.now() < 1e11


@pytest.mark.parametrize(("speed", "passed"), [(1.0, 2.0), (60.0, 120.0), (1000.0, 2000.0)])
def test_a_scaled_clock_goes_faster(speed, passed):
    """It runs at its speed, and can be advanced as well."""
    machine = Machine()
    clock = ScaledClock(speed, start=1000.0, monotonic=machine)
    machine.monotonic += 2
    assert clock.now() == 1000 + passed
    clock.advance(500)
    assert clock.now() == 1500 + passed
    assert clock.speed == speed


@pytest.mark.parametrize("speed", [0, -1, 1e7, math.nan])
def test_the_speed_is_limited(speed):
    """A speed out of range is refused."""
    with pytest.raises(ValueError, match="as fast"):
        ScaledClock(speed)


def test_a_scaled_clock_begins_with_the_machines_time():
    """Its first dates are those of the machine."""
    assert abs(ScaledClock(60).now() - time.time()) < 60 * 60


def test_a_speed_names_a_clock():
    """0 is a speed as well: the clock stands still, and hints are not scaled."""
    assert clock_of_speed(60).speed == 60
    assert isinstance(clock_of_speed(0), SteppedClock)
    assert clock_of_speed(0).speed == 1.0


async def test_calls_when_it_is_advanced_to_the_moment_and_not_before():
    """Advancing to exactly that moment is enough."""
    clock, called = SteppedClock(), []
    clock.call_at(START + 10, lambda: called.append(clock.now()))
    clock.advance(9.999)
    await settled()
    assert not called
    clock.advance(0.001)
    await settled()
    assert called == [START + 10]
    clock.advance(10)
    await settled()
    assert len(called) == 1


async def test_calls_at_once_for_what_is_past_but_not_before_it_has_said_so():
    """The timer is returned before the call, even if the moment has passed."""
    clock, called = SteppedClock(), []
    clock.call_at(START - 1, lambda: called.append(1))
    assert not called
    await settled()
    assert called == [1]


async def test_a_cancelled_call_is_not_made():
    """Even if it is cancelled after the clock has reached the moment and before the loop runs; or twice."""
    clock, called = SteppedClock(), []
    timer = clock.call_at(START + 1, lambda: called.append(1))
    clock.advance(1)
    timer.cancel()
    timer.cancel()
    await settled()
    assert not called


async def test_a_scaled_clock_calls_in_time():
    """A call that is due in 20 seconds comes after 20 milliseconds at speed 1000, not before."""
    clock, called = ScaledClock(1000), asyncio.get_running_loop().create_future()
    moment = clock.now() + 20
    clock.call_at(moment, lambda: called.set_result(clock.now()))
    assert moment <= await asyncio.wait_for(called, 5) < moment + 5000


async def test_a_clock_that_goes_can_be_advanced_to_a_moment():
    """A call that is due in an hour is made at once."""
    clock, called = ScaledClock(), asyncio.Event()
    clock.call_at(clock.now() + 3600, called.set)
    clock.advance(3599)
    await settled()
    assert not called.is_set()
    clock.advance(3600)
    await asyncio.wait_for(called.wait(), 5)


def test_any_thread_may_advance_and_calls_come_in_their_own_loop():
    """One thread moves the clock a thousand times, and the loop of another is called each time."""
    clock, moments, threads = SteppedClock(), [], set()

    async def wait_for_all() -> None:
        done = asyncio.Event()

        def called() -> None:
            moments.append(clock.now())
            threads.add(threading.get_ident())
            if len(moments) < 1000:
                clock.call_at(START + len(moments) + 1, called)
            else:
                done.set()

        clock.call_at(START + 1, called)
        await asyncio.wait_for(done.wait(), 20)

    waiting = threading.Thread(target=lambda: asyncio.run(wait_for_all()))
    waiting.start()
    for _ in range(1000):
        clock.advance(1)
    waiting.join()
    assert len(moments) == 1000
    assert all(moment >= START + number for number, moment in enumerate(moments, start=1))
    assert threads == {waiting.ident}


async def test_advances_to_the_next_event():
    """To the earliest of its timers and of its servers' job ends; it returns the seconds that passed."""
    clock, called = SteppedClock(), []
    clock.call_at(START + 30, lambda: called.append("held"))
    ends = [START + 5400]
    stop = clock.add_source(lambda: min(ends, default=None))
    assert clock.advance_to_next_event() == 30
    await settled()
    assert called == ["held"]
    assert clock.advance_to_next_event() == 5370
    assert clock.now() == START + 5400
    stop()
    ends[0] += 100
    with pytest.raises(LookupError, match="no job is pending"):
        clock.advance_to_next_event()


async def test_the_next_end_can_be_given():
    """A server that moves the clock in its own loop cannot wait for itself."""
    clock = SteppedClock()
    clock.add_source(lambda: pytest.fail("it was asked"))
    assert clock.advance_to_next_event(lambda: START + 0.0000005) < 0.00001
    assert clock.now() >= START + 0.0000005


async def test_housekeeping_is_not_an_event():
    """Neither is a timer that is never due."""
    clock, called = SteppedClock(), []
    clock.call_at(START + 10, lambda: called.append(1), event=False)
    clock.call_at(math.inf, lambda: called.append(2))
    with pytest.raises(LookupError):
        clock.advance_to_next_event()
    clock.advance(10)
    await settled()
    assert called == [1]


def test_timers_of_a_closed_loop_are_ignored():
    """Its timer is not called, and is not an event."""
    clock = SteppedClock()

    async def leave() -> None:
        clock.call_at(START + 10, lambda: pytest.fail("nobody is there"))

    asyncio.run(leave())
    with pytest.raises(LookupError):
        clock.advance_to_next_event()
    clock.advance(10)


def test_the_representation_has_the_time():
    """For people who look at it in a debugger."""
    assert repr(SteppedClock()) == "SteppedClock(now=1767225600.000)"
