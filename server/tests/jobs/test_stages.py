"""The stages a job goes through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translation_server.jobs.delays import Fixed, LogNormal, Uniform, parse_model
from translation_server.jobs.stages import Staged, parse_stages

TEXT = "transcribing:0.2,translating:0.6,rendering:0.2"
models = st.sampled_from([Fixed(100), Uniform(3, 7), LogNormal(60, 180)])


@pytest.mark.parametrize("text", [TEXT, f"{TEXT};steps", "upload:1", "a:1,b:2,c:3"])
def test_stages_are_their_text(text):
    """The text form of stages is complete."""
    assert str(parse_stages(text)) == text


def test_shares_are_parts_of_their_sum():
    """They need not add up to 1, and without shares all stages take the same time."""
    assert parse_stages("a:2,b:6,c:2").ends == pytest.approx((0.2, 0.8, 1.0))
    assert parse_stages("a, b, c, d").ends == (0.25, 0.5, 0.75, 1.0)


@pytest.mark.parametrize(
    "text", ["", ",", "a:", "a:x", "a:-1", "a:0", "a:0.0", "a:1,a:2", "ä:1", "a b:1", "a:1;maybe", "a:inf", "a;steps;"]
)
def test_no_other_text_is_stages(text):
    """Any other text is refused, and the message has the form."""
    with pytest.raises(ValueError, match=r"NAME:SHARE|a name of its own"):
        parse_stages(text)


def test_there_is_an_end_to_stages():
    """Twenty are allowed, and no more."""
    parse_stages(",".join(f"s{number}" for number in range(20)))
    with pytest.raises(ValueError, match="20"):
        parse_stages(",".join(f"s{number}" for number in range(21)))


@pytest.mark.parametrize(
    ("elapsed", "stage", "progress", "steps"),
    [
        (0, "transcribing", 0.0, 0.0),
        (19, "transcribing", 0.19, 0.0),
        (20, "translating", 0.2, 0.2),
        (79, "translating", 0.79, 0.2),
        (80, "rendering", 0.8, 0.8),
        (1000, "rendering", 0.99, 0.8),
    ],
)
def test_a_stage_lasts_its_share_of_the_time(elapsed, stage, progress, steps):
    """Within a stage progress grows evenly, or not at all if it moves in steps."""
    even, stepped = (Staged(Fixed(100), parse_stages(TEXT + manner)) for manner in ("", ";steps"))
    assert even.stage(elapsed) == stepped.stage(elapsed) == stage
    assert even.progress(elapsed) == pytest.approx(progress)
    assert stepped.progress(elapsed) == pytest.approx(steps)


@given(models, st.sampled_from(["", ";steps"]), st.floats(0, 1e5), st.floats(0, 1e5))
def test_no_stage_comes_back(model, manner, first, later):
    """Stages come in their order, and progress never falls."""
    first, later = sorted((round(first, 3), round(later, 3)))
    staged = Staged(model, parse_stages(TEXT + manner))
    order = staged.stages.names.index
    assert order(staged.stage(first)) <= order(staged.stage(later))
    assert staged.progress(first) <= staged.progress(later)


@given(models, st.floats(0, 1e5))
def test_stages_change_no_hint(model, elapsed):
    """Hints do not depend on the stage."""
    staged = Staged(model, parse_stages(TEXT))
    assert staged.poll_after(elapsed) == model.poll_after(elapsed)


def test_one_text_says_model_and_stages():
    """So the record of a job has both its delay model and its stages."""
    assert parse_model(f"fixed:100;{TEXT};steps") == Staged(Fixed(100), parse_stages(f"{TEXT};steps"))
