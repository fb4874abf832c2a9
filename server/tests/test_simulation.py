"""What is drawn for a job, and what is said while it runs."""

import math
import random
from itertools import pairwise

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from translation_server.jobs import Draft, Status
from translation_server.simulation import Simulation, Uniform, parse_model, poll_after_at, progress_at

delays = st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)).map(lambda pair: Uniform(*sorted(pair)))
seconds = st.floats(0, 1e7)


def accept(ordinal=1, *, seed=1, errors=0.5, **draft):
    return Simulation(Uniform(3, 7), errors, seed).accept(Draft("admin", 1000.0, **draft), ordinal)


@given(delays)
def test_a_model_is_its_text(model):
    """The text form says all of a model."""
    assert parse_model(str(model)) == model


@pytest.mark.parametrize(
    "text", ["", "uniform", "uniform:1", "uniform:2:1", "uniform:-1:1", "uniform:0:inf", "gamma:1"]
)
def test_no_other_text_is_a_model(text):
    """What is no model is refused."""
    with pytest.raises(ValueError, match="not a delay model"):
        parse_model(text)


@given(delays, st.integers())
def test_durations_stay_between_the_two(model, seed):
    """No duration is shorter than the shortest or longer than the longest."""
    assert model.shortest <= model.draw(random.Random(seed)) <= model.longest  # noqa: S311 - no secret


@given(delays, seconds, seconds)
@example(Uniform(0, 5e-324), 0.0, 0.0)
def test_progress_never_falls(model, first, later):
    """Later is further, and never at the end."""
    first, later = sorted((first, later))
    assert 0 <= model.progress(first) <= model.progress(later) <= 0.99


@given(delays, seconds)
def test_hints_are_positive_and_finite(model, elapsed):
    """There is always a time to ask again, and it is worth waiting for."""
    assert 0.05 <= model.poll_after(elapsed) < math.inf


@given(delays, st.floats(0, 1))
def test_nobody_is_asked_back_before_a_job_can_have_ended(model, share):
    """Before the shortest duration is over, the hint points behind it."""
    elapsed = share * model.shortest
    assert elapsed + model.poll_after(elapsed) >= model.shortest


@given(delays, seconds)
def test_following_hints_costs_little_delay(model, elapsed):
    """A hint points at most 0.05 seconds behind the longest duration, so nobody sleeps long beyond the end."""
    assume(elapsed < model.longest)
    assert elapsed + model.poll_after(elapsed) <= model.longest + 0.05 + 1e-6


def test_hints_are_near_the_best_possible():
    """Followed for jobs of 3 to 7 seconds, they cost about 2.6 requests and 0.45 seconds of delay."""
    model, rng = Uniform(3, 7), random.Random(7)  # noqa: S311 - no secret
    requests, delay = 0, 0.0
    for _ in range(5000):
        end, elapsed = model.draw(rng), 0.0
        while elapsed < end:
            elapsed += model.poll_after(elapsed)
            requests += 1
        delay += elapsed - end
    assert requests / 5000 * 0.2 + delay / 5000 < 1.05


def test_hints_for_a_job_that_outlives_all_expectation_grow():
    """A scripted job of ten minutes is not polled twenty times a second."""
    model = Uniform(3, 7)
    intervals = [model.poll_after(elapsed) for elapsed in (8, 30, 600)]
    assert all(first < second for first, second in pairwise(intervals))
    assert 10 < intervals[-1] < 20


@given(st.integers(1, 10**9), st.integers())
def test_the_same_seed_gives_the_same_job(ordinal, seed):
    """The n-th job of a seed has one duration and one outcome, whoever asks and whenever."""
    first, second = accept(ordinal, seed=seed), accept(ordinal, seed=seed)
    assert (first.ends_at, first.outcome) == (second.ends_at, second.outcome)


def test_another_ordinal_gives_another_job():
    """With one seed, jobs differ."""
    assert len({accept(ordinal).ends_at for ordinal in range(1, 101)}) > 90


def test_without_a_seed_every_run_differs():
    """Two runs without a seed have hardly a duration in common."""
    runs = [{accept(ordinal, seed=None).ends_at for ordinal in range(1, 101)} for _ in range(2)]
    assert len(runs[0] & runs[1]) < 30


@pytest.mark.parametrize(("probability", "low", "high"), [(0, 0, 0), (0.3, 250, 350), (1, 1000, 1000)])
def test_errors_are_as_frequent_as_configured(probability, low, high):
    """Of a thousand jobs, so many end in error, and those say why."""
    jobs = [accept(ordinal, errors=probability) for ordinal in range(1, 1001)]
    failed = [job for job in jobs if job.outcome is Status.ERROR]
    assert low <= len(failed) <= high
    assert all(job.error_code and job.error_message for job in failed)
    assert all(job.error_code is None for job in jobs if job.outcome is Status.COMPLETED)


@pytest.mark.parametrize("outcome", [Status.COMPLETED, Status.ERROR])
def test_a_script_decides_instead(outcome):
    """A scripted job takes the time and ends the way it was told to; its hints know nothing of it."""
    job = accept(duration=60.0, outcome=outcome)
    assert job.ends_at - job.created_at == 60
    assert job.outcome is outcome
    assert poll_after_at(job, 1001.0) == Uniform(3, 7).poll_after(1.0)


def test_a_script_for_one_thing_leaves_the_other_to_chance():
    """A scripted duration does not change the outcome that is drawn."""
    assert accept(7, duration=60.0).outcome is accept(7).outcome
    assert accept(7, outcome=Status.ERROR).ends_at == accept(7).ends_at


@given(st.lists(st.floats(0, 100), min_size=2), st.sampled_from([Status.COMPLETED, Status.ERROR]))
def test_progress_of_a_job_never_falls_and_is_1_only_when_completed(moments, outcome):
    """Over a job's life progress rises, and stops where it was if the job fails."""
    job = accept(outcome=outcome)
    told = [progress_at(job, 1000 + moment) for moment in sorted(moments)]
    assert told == sorted(told)
    done = [1000 + moment >= job.ends_at and outcome is Status.COMPLETED for moment in sorted(moments)]
    assert [progress == 1 for progress in told] == done


def test_there_is_no_hint_once_the_job_has_ended():
    """Nobody is asked to come again for a job that has ended."""
    job = accept()
    assert poll_after_at(job, job.ends_at) is None
