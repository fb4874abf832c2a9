"""Whoever has a moment is called at it: all by one timer, and nobody who no longer waits."""

import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from server.tests.conftest import START, SteppedClock

from translation_server.service.timer_heap import TimerHeap


@dataclass(eq=False)
class Sleeper:
    moment: float


class InstantClock(SteppedClock):
    """Calls back at once, so that no event loop is needed."""

    def call_at(self, moment, callback, *, event=True):  # noqa: ARG002 - as all clocks
        alarm = Alarm(moment, callback)
        self.alarms.append(alarm)
        return alarm

    def advance(self, seconds):
        self.moment += seconds
        while due := [alarm for alarm in self.alarms if alarm.moment <= self.moment]:
            self.alarms.remove(due[0])
            due[0].callback()
        self.alarms = [alarm for alarm in self.alarms if alarm.moment < math.inf]


@dataclass(eq=False)
class Alarm:
    moment: float
    callback: object

    def cancel(self):
        self.moment = math.inf


def made():
    """A clock, an timers by it, and those who were called."""
    clock, come = InstantClock(), []
    return clock, TimerHeap(clock, come.extend), come


@pytest.mark.parametrize("seconds", [0.0, 4.999])
def test_nobody_is_called_early(seconds):
    """Before its moment nothing is heard of a sleeper."""
    clock, timers, come = made()
    timers.add(Sleeper(START + 5))
    clock.advance(seconds)
    assert not come
    assert len(clock.alarms) == 1


def test_all_of_one_moment_come_together():
    """A thousand who wait for the same moment are one call and one timer."""
    clock, timers, come = made()
    sleepers = [Sleeper(START + 5) for _ in range(1000)]
    for sleeper in sleepers:
        timers.add(sleeper)
    assert len(clock.alarms) == 1
    clock.advance(5)
    assert come == sleepers
    assert not clock.alarms


def test_who_does_not_wait_any_more_is_not_called():
    """Another moment crosses the earlier one off."""
    clock, timers, come = made()
    sleeper = Sleeper(START + 5)
    timers.add(sleeper)
    sleeper.moment = START + 9
    timers.add(sleeper)
    clock.advance(5)
    assert not come
    clock.advance(4)
    assert come == [sleeper]


def test_who_never_is_to_be_woken_sets_no_timer():
    """An infinite moment is none."""
    clock, timers, _ = made()
    timers.add(Sleeper(math.inf))
    assert not clock.alarms


def test_what_is_crossed_off_is_forgotten():
    """Thousands who came and went leave no entry and no timer, and of one who slept often one entry stays."""
    clock, timers, come = made()
    often = Sleeper(START + 7)
    for _ in range(5000):
        gone = Sleeper(START + 5)
        timers.add(gone)
        gone.moment = math.inf
        timers.add(often)
        timers.compact(1)
    assert len(timers._entries) <= 102
    clock.advance(7)
    assert set(come) == {often}
    timers.compact(0)
    assert not timers._entries
    assert not [alarm for alarm in clock.alarms if alarm.moment < math.inf]


@given(st.lists(st.tuples(st.sampled_from(["add", "tidy", "wait", "change"]), st.integers(0, 20)), max_size=200))
def test_everyone_is_called_at_their_last_moment(steps):
    """Whatever the order of coming, changing one's mind, tidying and time, nobody is missed."""
    clock, come = InstantClock(), []
    timers = TimerHeap(clock, lambda sleepers: come.extend((sleeper, clock.now()) for sleeper in sleepers))
    sleepers = []
    for step, number in steps:
        if step == "add":
            sleepers.append(Sleeper(clock.now() + number))
            timers.add(sleepers[-1])
        elif step == "change" and sleepers:
            sleeper = sleepers[number % len(sleepers)]
            sleeper.moment = clock.now() + number
            timers.add(sleeper)
        elif step == "tidy":
            timers.compact(number % 2)
        elif step == "wait":
            clock.advance(number)
    clock.advance(100)
    for sleeper in sleepers:
        calls = [at for called, at in come if called is sleeper]
        assert calls, "somebody was missed"
        assert calls[-1] >= sleeper.moment
