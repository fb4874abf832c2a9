"""What a client learns from its waits, and how the next one uses it."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.tests.virtual import BEGIN, Server, wait
from translation_client import Job, JobStatus
from translation_client._core.schedule import Experience


def taught(*durations):
    experience = Experience()
    for duration in durations:
        experience.learn(duration)
    return experience


def started(experience):
    """The facts of a wait for a job that this client has just started."""
    return {"known": (Job("j1", JobStatus.PENDING), BEGIN), "experience": experience}


@given(age=st.floats(0, 1e6), plain=st.floats(0.1, 60))
def test_without_experience_the_schedule_stays_as_it_is(age, plain):
    """A client that has seen no job end keeps to the schedule."""
    assert Experience().interval(age, plain) == pytest.approx(plain)


@given(durations=st.lists(st.floats(0.01, 1e5), max_size=60), age=st.floats(0, 1e6), plain=st.floats(0.1, 60))
def test_experience_makes_no_interval_absurd(durations, age, plain):
    """Whatever was learnt, the interval is above 0 and at most four times what the schedule says."""
    assert 0 < taught(*durations).interval(age, plain) <= 4 * plain


def test_where_no_job_ended_nobody_asks():
    """Jobs that all took 50 to 70 s are left alone at first, and asked for often when they are due."""
    experience = taught(*range(50, 70))
    assert experience.interval(10.0, 3.0) > 9.0
    assert experience.interval(62.0, 7.9) < 4.0


def test_a_job_older_than_all_before_is_polled_by_the_schedule():
    """Experience says nothing of a job that has outlived it."""
    assert taught(1.0, 2.0, 3.0).interval(100.0, 10.0) == pytest.approx(10.0)


def test_jobs_that_have_changed_are_learnt_anew():
    """The last fifty jobs count; what was before is forgotten."""
    experience = taught(*[60.0] * 50, *[5.0] * 50)
    assert experience.interval(4.0, 2.0) < 1.5


def test_waits_share_what_they_learnt():
    """A client that has waited for some jobs waits for the next ones at three quarters of the cost, or less."""
    assert mean_cost(Experience()) < 0.75 * mean_cost(None)


def mean_cost(experience):
    """Requests, at 0.2 s each, and delay, of thirty jobs after thirty others; with None each wait is the first one."""
    chance, costs = random.Random(7), []  # noqa: S311 - to be repeated
    for seed in range(60):
        server = Server(ends=chance.uniform(30, 90))
        server.job = lambda t, ends=server.ends: {"status": "completed" if t >= ends else "pending"}
        run = wait(server, seed=seed, facts=started(experience or Experience()))
        costs.append(0.2 * len(run.moments) + run.over - server.ends)
    return sum(costs[30:]) / 30


def test_a_server_known_not_to_hold_is_not_asked_right_after_the_start():
    """Where long poll was refused before, the first poll of a new job comes when the schedule says."""
    experience = Experience()
    first = wait(Server(ends=5.0), facts=started(experience))
    assert first.moments[0] == 0.0
    assert experience.server_holds is False
    assert wait(Server(ends=5.0), facts=started(experience)).moments[0] > 0.3


def test_a_server_that_holds_is_asked_at_once():
    """Where long poll works, the first request is held from the start."""
    experience = Experience()
    for _ in range(2):
        run = wait(Server(ends=5.0, long_poll=True), facts=started(experience))
        assert run.moments == [0.0]
    assert experience.server_holds is True


def test_a_backoff_factor_of_the_user_is_not_second_guessed():
    """Where the user gives a backoff factor, experience changes nothing."""
    experience = taught(*range(50, 70))
    run = wait(Server(ends=20.0), initial_delay=1.0, backoff_factor=1.0, jitter=0.0, facts={"experience": experience})
    assert run.moments[1] - run.moments[0] == pytest.approx(1.0, abs=0.01)


def test_a_resumed_wait_teaches_nothing_it_cannot_know():
    """A job whose start nobody told is no lesson in how long jobs take."""
    experience = Experience()
    server = Server(ends=5.0)
    server.job = lambda t: {"status": "completed" if t >= 5 else "pending"}
    wait(server, facts={"experience": experience})
    assert experience.interval(0.0, 3.0) == pytest.approx(3.0)
    assert math.isclose(taught(0.0).interval(0.0, 3.0), 3.0)
