"""What is drawn for a job, and what can be observed while it runs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translation_server.jobs.delays import Fixed, LogNormal, Proportional, Uniform
from translation_server.jobs.model import Draft, Fate, Status
from translation_server.jobs.simulation import Simulation, seen_at
from translation_server.jobs.stages import Staged, parse_stages


def accept(ordinal=1, *, seed=1, errors=0.5, model=Uniform(3, 7), owner="admin", **draft):  # noqa: B008 - a value
    return Simulation(model, errors, seed).accept(Draft(owner, 1000.0, **draft), ordinal)


@given(st.integers(1, 10**9), st.integers())
def test_the_same_seed_gives_the_same_job(ordinal, seed):
    """With a seed, the n-th job always has the same duration and outcome."""
    first, second = accept(ordinal, seed=seed), accept(ordinal, seed=seed)
    assert (first.ends_at, first.outcome) == (second.ends_at, second.outcome)


def test_another_ordinal_gives_another_job():
    """Jobs of one seed differ."""
    assert len({accept(ordinal).ends_at for ordinal in range(1, 101)}) > 90


def test_without_a_seed_every_run_differs():
    """Two runs without a seed have hardly any duration in common."""
    runs = [{accept(ordinal, seed=None).ends_at for ordinal in range(1, 101)} for _ in range(2)]
    assert len(runs[0] & runs[1]) < 30


@pytest.mark.parametrize(("probability", "low", "high"), [(0, 0, 0), (0.3, 250, 350), (1, 1000, 1000)])
def test_errors_are_as_frequent_as_configured(probability, low, high):
    """This share of a thousand jobs ends in error, and only these have an error."""
    jobs = [accept(ordinal, errors=probability) for ordinal in range(1, 1001)]
    failed = [job for job in jobs if job.outcome is Status.ERROR]
    assert low <= len(failed) <= high
    assert all(job.error_code and job.error_message for job in failed)
    assert all(job.error_code is None for job in jobs if job.outcome is Status.COMPLETED)


@pytest.mark.parametrize("outcome", [Status.COMPLETED, Status.ERROR])
def test_a_script_decides_instead(outcome):
    """A scripted job has the given duration and outcome; its hints do not depend on them."""
    job = accept(duration=60.0, outcome=outcome)
    assert job.ends_at - job.created_at == 60
    assert job.outcome is outcome
    assert seen_at(job, 1001.0).poll_after == Uniform(3, 7).poll_after(1.0)


def test_a_script_for_one_thing_leaves_the_other_to_chance():
    """A scripted duration does not change the outcome that is drawn."""
    assert accept(7, duration=60.0).outcome is accept(7).outcome
    assert accept(7, outcome=Status.ERROR).ends_at == accept(7).ends_at


@given(st.lists(st.floats(0, 100), min_size=2), st.sampled_from([Status.COMPLETED, Status.ERROR]))
def test_progress_of_a_job_never_falls_and_is_1_only_when_completed(moments, outcome):
    """Progress rises while a job runs, and is frozen if the job fails."""
    job = accept(outcome=outcome)
    told = [seen_at(job, 1000 + moment).progress for moment in sorted(moments)]
    assert told == sorted(told)
    done = [1000 + moment >= job.ends_at and outcome is Status.COMPLETED for moment in sorted(moments)]
    assert [progress == 1 for progress in told] == done


def test_there_is_no_hint_once_the_job_has_ended():
    """A job that has ended has no poll_after."""
    job = accept()
    assert seen_at(job, job.ends_at).poll_after is None


@pytest.mark.parametrize("model", [Fixed(60), LogNormal(60, 180), Proportional(2, 0.5)])
@given(ordinal=st.integers(1, 1000))
def test_the_model_does_not_change_who_fails(model, ordinal):
    """With one seed, the same jobs end in error, however long they take."""
    assert accept(ordinal, model=model).outcome is accept(ordinal).outcome


def test_a_job_may_have_a_model_of_its_own():
    """Its duration and its hints come from that model; other jobs' do not."""
    job = accept(delay_model="fixed:5400.0")
    assert job.ends_at - job.created_at == 5400
    assert seen_at(job, 1000.0).poll_after == Fixed(5400).poll_after(0)
    assert accept().ends_at - accept().created_at <= 7


def test_a_longer_video_takes_longer():
    """In proportion to its length; a video without a length counts as a minute."""
    lengths = [10.0, 600.0, None]
    durations = [accept(model=Proportional(2), video_length=length).ends_at - 1000 for length in lengths]
    assert durations == [20, 1200, 120]


def test_hints_go_by_the_length_of_the_video():
    """The hints for a long video are long, and the record has the whole model."""
    job = accept(model=Proportional(2), video_length=600.0)
    assert 1200 <= seen_at(job, 1000.0).poll_after <= 1200.1


def test_a_job_that_is_counted_has_a_fate_of_its_own():
    """The n-th job of a user is the same in any order of acceptance; other users have other jobs."""
    first, second = accept(5, number=1), accept(9, number=1)
    assert (first.ends_at, first.outcome) == (second.ends_at, second.outcome)
    others = [accept(5, number=2), accept(5, number=1, owner="eve"), accept(5, number=1, seed=2)]
    assert len({job.ends_at for job in (first, *others)}) == 4


def test_the_jobs_of_one_start_go_differently():
    """Each has a fate of its own, the same in any order of acceptance; the first one that of a start of one job."""
    runs = [[accept(ordinal + part, number=3, part=part) for part in range(20)] for ordinal in (1, 500)]
    drawn = [[(job.ends_at, job.outcome) for job in run] for run in runs]
    assert drawn[0] == drawn[1]
    assert len({ends_at for ends_at, _ in drawn[0]}) > 18
    assert {outcome for _, outcome in drawn[0]} == {Status.COMPLETED, Status.ERROR}
    alone, later = accept(number=3), [accept(number=number) for number in (30, 31, 32, 33)]
    assert drawn[0][0] == (alone.ends_at, alone.outcome)
    assert not {job.ends_at for job in later} & {ends_at for ends_at, _ in drawn[0]}


def test_parts_of_a_start_that_is_not_counted_go_by_acceptance():
    """Without a number, a job's place in the order of acceptance alone decides."""
    assert accept(7, part=2).ends_at == accept(7).ends_at != accept(8, part=2).ends_at


def test_a_counted_job_has_the_same_id_in_every_run():
    """A second run with the same seed has the same ids, and no two ids of a run are equal."""
    runs = [[accept(ordinal, number=1 + ordinal % 5).job_id for ordinal in range(10)] for _ in range(2)]
    assert runs[0] == runs[1]
    assert len(set(runs[0])) == 10


def test_without_a_seed_ids_cannot_be_guessed():
    """Counted or not, such jobs are independent."""
    assert accept(1, number=1, seed=None).job_id != accept(1, number=1, seed=None).job_id


STAGED = Staged(Fixed(10), parse_stages("transcribing:0.2,translating:0.6,rendering:0.2"))


@pytest.mark.parametrize(
    ("outcome", "stages"),
    [
        ("completed", ["transcribing", "translating", "rendering", None]),
        ("error", ["transcribing", "translating", "rendering", "rendering"]),
    ],
)
def test_a_job_tells_its_stage(outcome, stages):
    """The current stage; none once it is completed, and the last one if it failed."""
    job = accept(model=STAGED, outcome=Status(outcome))
    assert [seen_at(job, 1000.0 + elapsed).stage["stage"] for elapsed in (0, 5, 9, 10)] == stages


def test_stages_stay_when_a_job_has_a_model_of_its_own():
    """The stages do not depend on the delay model."""
    job = accept(model=STAGED, delay_model="fixed:100")
    assert seen_at(job, 1050.0).stage == {"stage": "translating"}


def test_a_job_without_stages_tells_none():
    """The member is missing."""
    assert seen_at(accept(), 1001.0).stage == {}


@pytest.mark.parametrize(
    ("fate", "status", "code", "message"),
    [
        (Fate(outcome="completed"), Status.COMPLETED, None, None),
        (Fate(outcome="error"), Status.ERROR, "translation_failed", "The video could not be translated."),
        (Fate(outcome="error", message="No sound."), Status.ERROR, "translation_failed", "No sound."),
        (Fate(outcome="cancelled"), Status.ERROR, "cancelled", "The job was cancelled."),
        (Fate(outcome="expired"), Status.ERROR, "expired", "The job expired before it was done."),
        (Fate(outcome="aborted"), Status.ERROR, "aborted", "The job ended: aborted."),
        (Fate(outcome="aborted", message="No sound."), Status.ERROR, "aborted", "No sound."),
    ],
)
@pytest.mark.parametrize("errors", [0, 1])
def test_a_fate_decides_how_a_job_ends(fate, status, code, message, errors):
    """Whatever the share of errors; every word but `completed` and `error` is the code of the job's error."""
    job = Simulation(Uniform(3, 7), errors, 1).accept(fate.apply(Draft("admin", 1000.0)), 1)
    assert (job.outcome, job.error_code, job.error_message) == (status, code, message)


@given(st.integers(1, 10**9), st.sampled_from([Fate(2.0), Fate(outcome="error"), Fate(0.0, "expired")]))
def test_what_a_fate_leaves_out_is_drawn_as_without_it(ordinal, fate):
    """It changes what it names, and nothing else."""
    drawn = accept(ordinal, number=ordinal)
    job = Simulation(Uniform(3, 7), 0.5, 1).accept(fate.apply(Draft("admin", 1000.0, number=ordinal)), ordinal)
    assert job.job_id == drawn.job_id
    assert fate.duration is not None or job.ends_at == drawn.ends_at
    assert fate.outcome is not None or (job.outcome, job.error_message) == (drawn.outcome, drawn.error_message)


def test_a_message_is_for_an_error_that_is_drawn_as_well():
    """Without an outcome of its own a fate's message is said if the job ends in error, and only then."""
    draft = Fate(2.0, message="No sound.").apply(Draft("admin", 1000.0))
    jobs = [Simulation(Uniform(3, 7), errors, 1).accept(draft, 1) for errors in (0, 1)]
    assert [job.error_message for job in jobs] == [None, "No sound."]
