"""The delay models: durations, progress and hints of each."""

import math
import random
from itertools import pairwise

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from translation_server.jobs.delays import Fixed, LogNormal, Proportional, Uniform, parse_model
from translation_server.jobs.stages import Staged, parse_stages

uniform = st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)).map(lambda pair: Uniform(*sorted(pair)))
fixed = st.floats(0, 1e9).map(Fixed)
lognormal = st.builds(
    lambda median, ratio: LogNormal(median, median * ratio), st.floats(0.001, 1e5), st.floats(1.1, 1e4)
)
proportional = st.builds(Proportional, st.floats(1e-3, 1e3), st.floats(0, 1), st.floats(1, 1e5))
plain = uniform | fixed | lognormal | proportional
stages = st.sampled_from(["a:0.2,b:0.6,c:0.2", "a,b;steps", "only:1"]).map(parse_stages)
models = plain | st.builds(Staged, plain, stages)
seconds = st.floats(0, 1e7)


def lucky(luck):
    """A random number generator that returns one number."""
    rng = random.Random()  # noqa: S311 - no secret
    rng.random = lambda: luck
    return rng


@given(models)
def test_a_model_is_its_text(model):
    """The text form of a model is complete."""
    assert parse_model(str(model)) == model


@pytest.mark.parametrize(
    ("text", "model"),
    [
        ("uniform:3:7", Uniform(3, 7)),
        ("fixed:0", Fixed(0)),
        ("lognormal:60:180", LogNormal(60, 180)),
        ("proportional:0.5", Proportional(0.5)),
        ("proportional:2:0.25", Proportional(2, 0.25)),
        ("proportional:2:0.25:90", Proportional(2, 0.25, 90)),
        (" fixed:1.5e3 ", Fixed(1500)),
    ],
)
def test_people_write_models_plainly(text, model):
    """Whole numbers are accepted, and values with a default may be left out."""
    assert parse_model(text) == model


@pytest.mark.parametrize(
    "text",
    [
        *("", "uniform", "uniform:1", "uniform:2:1", "uniform:-1:1", "uniform:0:inf", "uniform:0:1e10", "gamma:1"),
        *("fixed", "fixed:", "fixed:x", "fixed:nan", "fixed:1:2", "fixed:1_0", "fixed:-1", "fixed:2e9"),
        *("lognormal:60", "lognormal:60:60", "lognormal:60:30", "lognormal:0:30", "lognormal:1:2:3"),
        *("proportional", "proportional:0", "proportional:1:2", "proportional:1:0:0", "proportional:1e9:0:60"),
        *("fixed:1;", "fixed:1;a:0", "fixed:1;a,a", "fixed:1;a:1;often", "fixed:1;a b"),
    ],
)
def test_no_other_text_is_a_model(text):
    """Any other text is refused, and the message has the forms."""
    if text == "fixed:1;":
        assert parse_model(text) == Fixed(1)
        return
    with pytest.raises(ValueError, match=r"uniform:|fixed:|lognormal:|proportional:|take|stages"):
        parse_model(text)


@given(models, st.integers())
def test_a_duration_is_a_time_a_job_can_take(model, seed):
    """It is not below 0 and within the calendar; the same random numbers give the same duration."""
    first, second = (model.draw(random.Random(seed)) for _ in range(2))  # noqa: S311 - no secret
    assert 0 <= first <= 1e9
    assert first == second


@given(models, st.integers())
def test_every_model_draws_once(model, seed):
    """The draw after the duration does not depend on the model."""
    rng, other = random.Random(seed), random.Random(seed)  # noqa: S311 - no secret
    model.draw(rng)
    other.random()
    assert rng.random() == other.random()


@given(uniform, st.integers())
def test_uniform_durations_stay_between_the_two(model, seed):
    """No duration is shorter than the shortest or longer than the longest."""
    assert model.shortest <= model.draw(random.Random(seed)) <= model.longest  # noqa: S311 - no secret


@pytest.mark.parametrize(("luck", "duration"), [(0.5, 60), (0.95, 180)])
def test_lognormal_durations_are_as_configured(luck, duration):
    """Half of the jobs end within the median, 95 of 100 within the p95."""
    assert LogNormal(60, 180).draw(lucky(luck)) == pytest.approx(duration)


@pytest.mark.parametrize("luck", [0.0, 1 - 2**-53])
def test_the_worst_luck_gives_a_duration(luck):
    """Even though a normal distribution has no limit."""
    assert 0 < LogNormal(1, 1e6).draw(lucky(luck)) <= 1e9


@given(models, seconds, seconds)
@example(Uniform(0, 5e-324), 0.0, 0.0)
@example(LogNormal(60, 61), 59.999, 60.0)
@example(LogNormal(60, 180), 1e-300, 1e-299)
def test_progress_never_falls(model, first, later):
    """It never falls and never reaches 1, in steps of the service's millisecond."""
    first, later = sorted((round(first, 3), round(later, 3)))
    assert 0 <= model.progress(first) <= model.progress(later) <= 0.99


@given(lognormal, st.floats(-9, 9), st.floats(0, 1e-3))
def test_progress_never_falls_where_its_formula_changes(model, deviations, step):
    """At the point where another formula computes the tail of the normal distribution."""
    moment = model.median * math.exp(model._sigma * deviations)
    assert model.progress(moment) <= model.progress(moment * (1 + step)) + 1e-12


@given(models, seconds)
def test_hints_are_positive_and_finite(model, elapsed):
    """There is always a next poll, and it is at least 0.05 seconds away."""
    assert 0.05 <= model.poll_after(elapsed) < math.inf


@given(uniform | fixed, st.floats(0, 1))
def test_nobody_is_asked_back_before_a_job_can_have_ended(model, share):
    """Before the shortest duration is over, the hint points beyond it."""
    shortest = model.draw(lucky(0.0))
    elapsed = share * shortest
    assert elapsed + model.poll_after(elapsed) >= shortest


@given(uniform | fixed, seconds)
def test_following_hints_costs_little_delay(model, elapsed):
    """A hint points at most 0.05 seconds beyond the longest duration, so no client sleeps long after the end."""
    longest = model.draw(lucky(1.0))
    assume(elapsed < longest)
    assert elapsed + model.poll_after(elapsed) <= longest + 0.05 + 1e-6


@given(lognormal, st.floats(-8, 8))
def test_hints_go_at_most_where_hardly_a_job_still_runs(model, deviations):
    """No hint points far beyond the time by which 99 of 100 running jobs have ended, however narrow the model is."""
    elapsed = model.median * math.exp(model._sigma * deviations)
    still = math.erfc(deviations / math.sqrt(2)) / 2
    after = model._z(elapsed + model.poll_after(elapsed) - 0.0501)
    assert math.erfc(after / math.sqrt(2)) / 2 >= still * 0.0099


@pytest.mark.parametrize(("model", "requests", "best"), [(Uniform(3, 7), 2.6, 0.97), (LogNormal(60, 180), 12.8, 5.08)])
def test_hints_are_near_the_best_possible(model, requests, best):
    """Clients that follow them pay as much in requests and delay as with the best schedule for the distribution."""
    rng, jobs = random.Random(7), 2000  # noqa: S311 - no secret
    polls, delay = 0, 0.0
    for _ in range(jobs):
        end, elapsed = model.draw(rng), 0.0
        while elapsed < end:
            elapsed += model.poll_after(elapsed)
            polls += 1
        delay += elapsed - end
    assert polls / jobs == pytest.approx(requests, rel=0.1)
    assert polls / jobs * 0.2 + delay / jobs < best * 1.05


@pytest.mark.parametrize("model", [Uniform(3, 7), Fixed(5), LogNormal(5, 5.1), Proportional(0.1)])
def test_hints_for_a_job_that_outlives_all_expectation_grow(model):
    """A scripted job of ten minutes is not polled twenty times a second."""
    intervals = [model.poll_after(elapsed) for elapsed in (8, 30, 600)]
    assert all(first < second for first, second in pairwise(intervals))
    assert 10 < intervals[-1] < 20


def test_what_was_drawn_is_told_by_nothing():
    """A short and a long job of one model have the same hints while both run."""
    model = LogNormal(60, 180)
    short, long = model.draw(lucky(0.4)), model.draw(lucky(0.9))
    assert short < long
    assert [model.progress(1.0), model.poll_after(1.0)] == [
        parse_model(str(model)).progress(1.0),
        model.poll_after(1.0),
    ]


def test_a_video_of_ten_hours_can_be_translated_and_one_of_a_century_not():
    """A job whose end is beyond the calendar is refused with a message."""
    assert Proportional(2).for_video(36000.0) == Uniform(72000, 72000)
    with pytest.raises(ValueError, match="would take"):
        Proportional(2).for_video(3.2e9)


@given(proportional, st.floats(1, 1e5))
def test_a_spread_is_a_share_in_both_directions(model, length):
    """Durations are around the factor times the length."""
    drawn = model.for_video(length)
    middle = model.factor * length
    assert drawn.shortest == pytest.approx(middle * (1 - model.spread))
    assert drawn.longest == pytest.approx(middle * (1 + model.spread))
