"""The polling arguments: what they allow, and the numbers they make."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translation_client import PollingConfig
from translation_client._core.schedule import Experience

chance = st.floats(0, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"initial_delay": 0}, "initial_delay must be a finite number, above 0, not 0"),
        ({"initial_delay": -1}, "initial_delay must be a finite number, above 0, not -1"),
        ({"initial_delay": math.nan}, "initial_delay must be a finite number, above 0, not nan"),
        ({"initial_delay": "1"}, "initial_delay must be a finite number, above 0, not '1'"),
        ({"initial_delay": True}, "initial_delay must be a finite number, above 0, not True"),
        ({"initial_delay": None}, "initial_delay must be a finite number, above 0, not None"),
        ({"max_delay": math.inf}, "max_delay must be a finite number, above 0, not inf"),
        ({"max_delay": 0.1}, "max_delay must be at least initial_delay (0.5), not 0.1"),
        ({"max_delay": 10**400}, "max_delay must be a finite number, above 0, not 1000"),
        ({"backoff_factor": 0.5}, "backoff_factor must be a finite number, at least 1, not 0.5"),
        ({"backoff_factor": "2"}, "backoff_factor must be a finite number, at least 1, not '2'"),
        ({"jitter": -0.1}, "jitter must be a finite number, at least 0 and at most 1, not -0.1"),
        ({"jitter": 1.1}, "jitter must be a finite number, at least 0 and at most 1, not 1.1"),
        ({"timeout": -1}, "timeout must be a finite number of seconds, at least 0, not -1"),
        ({"timeout": math.inf}, "timeout must be a finite number of seconds, at least 0, not inf"),
        ({"timeout": "10"}, "timeout must be a finite number of seconds, at least 0, not '10'"),
        ({"max_retries": -1}, "max_retries must be a whole number, at least 0, or None, not -1"),
        ({"max_retries": 1.5}, "max_retries must be a whole number, at least 0, or None, not 1.5"),
        ({"max_polls": 0}, "max_polls must be a whole number, at least 1, or None, not 0"),
        ({"max_polls": True}, "max_polls must be a whole number, at least 1, or None, not True"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    """A bad polling argument raises an error that names it, its value and what is allowed."""
    with pytest.raises((TypeError, ValueError), match="^" + message.replace("(", r"\(").replace(")", r"\)")):
        PollingConfig(**arguments)


def test_polling_can_be_given_whole_or_in_parts_but_not_both():
    """PollingConfig and single polling arguments exclude each other, by name."""
    whole = PollingConfig(initial_delay=2.0)
    assert PollingConfig.of(whole, {}) is whole
    assert PollingConfig.of(None, {"jitter": 0.5}) == PollingConfig(jitter=0.5)
    with pytest.raises(ValueError, match="give jitter, timeout in polling, or without polling, not both"):
        PollingConfig.of(whole, {"jitter": 0.5, "timeout": None})
    with pytest.raises(TypeError, match="polling must be a PollingConfig"):
        PollingConfig.of({"jitter": 0.5}, {})


@given(age=st.floats(-10, 1e12), polls=st.integers(1, 10**9), factor=st.none() | st.floats(1, 100), chance=chance)
def test_blind_interval_stays_between_its_limits(age, polls, factor, chance):
    """Whatever the age and the number of polls, the interval is within its limits and finite."""
    config = PollingConfig(initial_delay=0.5, max_delay=30.0, backoff_factor=factor)
    assert 0.5 * 0.75 <= config.blind_interval(age, polls, Experience(), lambda: chance) <= 30.0


@given(age=st.floats(0.25, 900))
def test_blind_interval_is_the_square_root_of_the_age(age):
    """Without a backoff factor the interval is the square root of the job's age."""
    config = PollingConfig(jitter=0.0)
    assert config.blind_interval(age, 1, Experience(), lambda: 0.5) == pytest.approx(math.sqrt(age))


@given(hint=st.floats(0, 1e9), age=st.floats(0, 1e6), polls=st.integers(1, 1000), chance=chance)
def test_hint_is_a_floor_and_capped(hint, age, polls, chance):
    """A hint is never undercut up to max_delay, and never costs more than a little over it."""
    interval = PollingConfig().hinted_interval(hint, age, polls, lambda: chance)
    assert min(hint, 30.0) <= interval <= 30.0 * 1.05
    assert interval >= 0.05


@given(failures=st.integers(1, 10**6), chance=chance)
def test_retries_use_full_jitter(failures, chance):
    """The pause after a failure lies anywhere between nothing and a ceiling that doubles up to 10 s."""
    config = PollingConfig()
    assert config.retry_delay(failures, lambda: chance) == pytest.approx(
        chance * min(0.5 * 2 ** min(failures - 1, 60), 10.0)
    )
    assert PollingConfig(max_delay=2.0).retry_delay(failures, lambda: chance) <= 2.0
