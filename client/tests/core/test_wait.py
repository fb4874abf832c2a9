"""How a wait chooses its next poll, in virtual time."""

from __future__ import annotations

import math

import pytest

from client.tests.virtual import BEGIN, Server, gaps, ok, status, wait
from translation_client import Job, JobStatus
from translation_client._core.flow import Event
from translation_client._core.schedule import Experience


def experienced(server_holds):
    """What earlier waits have learnt of the server."""
    experience = Experience()
    experience.server_holds = server_holds
    return experience


def test_long_poll_takes_one_request_and_no_delay():
    """A wait of up to 30 s on a server that holds requests is one request, told a round trip after the end."""
    run = wait(Server(ends=20.0, long_poll=True))
    assert (len(run.moments), run.job.status) == (1, "completed")
    assert run.over == pytest.approx(20.0, abs=0.01)
    assert run.job.wait_stats.learnt_by == "long poll"


def test_long_poll_renews_at_once():
    """A hold that ran out is renewed without a pause: one request per 30 s."""
    run = wait(Server(ends=100.0, long_poll=True))
    assert len(run.moments) == 4
    assert run.over == pytest.approx(100.0, abs=0.01)


def test_shorter_limit_of_the_server_is_taken():
    """A server that holds for 10 s at most is asked again after those."""
    run = wait(Server(ends=25.0, long_poll=True, max_wait=10.0))
    assert len(run.moments) == 3


def test_confirmation_without_holding_is_no_tight_loop():
    """A server that confirms the wait but answers at once is polled by the schedule."""
    server = Server(ends=60.0)
    server.faults = [(0, 60, lambda _r, t: (ok(server.job(t), **{"preference-applied": "wait=30"}), 0.001))]
    assert len(wait(server).moments) < 20


def test_a_promise_to_hold_for_a_moment_is_no_tight_loop():
    """A server that holds for a hundredth of a second is polled by the schedule, not a hundred times a second."""
    assert len(wait(Server(ends=60.0, long_poll=True, max_wait=0.02)).moments) < 20


@pytest.mark.parametrize("started_here", [True, False])
def test_a_server_whose_clock_runs_fast_holds_as_long_as_it_says(started_here):
    """Thirty seconds of a clock sixty times as fast are over in half a second, and were held nevertheless."""
    known = {"known": (Job("j1", JobStatus.PENDING), BEGIN)} if started_here else {}
    run = wait(Server(ends=4.0, long_poll=True, speed=60.0, hint=2.0), facts=known)
    assert len(run.moments) == 8
    assert run.over == pytest.approx(4.0, abs=0.01)
    assert run.job.wait_stats.learnt_by == "long poll"
    assert run.job.wait_stats.detection_delay is None, "two clocks that go differently cannot be compared"


def test_hint_is_a_floor():
    """No poll comes before the server's poll_after is over."""
    run = wait(Server(ends=30.0, hint=4.0))
    assert min(gaps(run)) >= 4.0


def test_wrong_hint_is_capped():
    """A hint of an hour for a job of 10 s costs max_delay, not an hour."""
    run = wait(Server(ends=10.0, hint=3600.0), max_delay=20.0)
    assert run.over <= 20.0 * 1.05 + 0.1


def test_hint_of_nothing_is_no_tight_loop():
    """A server that always says "come at once" is not polled more than about ten times as often as blind."""
    blind = len(wait(Server(ends=60.0)).moments)
    assert len(wait(Server(ends=60.0, hint=0.0)).moments) <= 12 * blind


def test_retry_after_of_a_pending_answer_is_never_undercut():
    """Where Retry-After is the only hint, it is obeyed to the second, even beyond max_delay."""
    server = Server(ends=100.0)
    server.faults = [(0, 100, lambda _r, t: (ok(server.job(t), **{"retry-after": "45"}), 0.001))]
    assert min(gaps(wait(server, max_delay=10.0))) >= 45.0


def test_blind_interval_grows_with_the_age_of_the_job():
    """A resumed wait for an old job does not begin fast again."""
    run = wait(Server(ends=math.inf, extra={"elapsed_time": 400.0}), timeout=100.0, jitter=0.0)
    assert run.moments[1] - run.moments[0] == pytest.approx(20.0, abs=0.1)


def test_backoff_factor_and_limits_of_the_user_are_obeyed():
    """initial_delay, backoff_factor and max_delay make exactly the schedule they name."""
    run = wait(Server(ends=30.0), initial_delay=1.0, backoff_factor=2.0, max_delay=8.0, jitter=0.0)
    assert [round(gap, 2) for gap in gaps(run)][:5] == [1.0, 2.0, 4.0, 8.0, 8.0]


@pytest.mark.parametrize("cut_after", [1.5, 3.0, 10.0, 25.0])
def test_cut_holds_are_shortened_then_ended(cut_after):
    """A proxy that cuts held requests costs a few retries, not the promptness: the hold shrinks below the cut."""
    run = wait(Server(ends=200.0, long_poll=True, cut_after=cut_after, hint=2.0))
    assert run.job.status == "completed"
    assert run.over <= 200.0 + 3.0
    cut = [r for t, r in run.server.requests if r.hold > cut_after]
    assert 1 <= len(cut) <= 4
    assert run.job.wait_stats.learnt_by == ("long poll" if cut_after >= 3.0 else "poll")


def test_a_cut_hold_is_not_counted_as_a_failure_of_the_server():
    """Even max_retries=0 survives a proxy that cuts the first long poll."""
    run = wait(Server(ends=20.0, long_poll=True, cut_after=10.0), max_retries=0)
    assert run.job.status == "completed"


def test_a_server_that_learns_to_hold_is_used():
    """Long poll is asked for again on later polls, so a server upgraded meanwhile is used at once."""
    server = Server(ends=60.0, long_poll=True)
    server.faults = [(0, 10, lambda _r, t: (ok(server.job(t)), 0.001))]
    run = wait(server)
    assert run.over == pytest.approx(60.0, abs=0.01)


def test_callbacks_come_at_first_sight_at_changes_and_at_the_end():
    """The status is told at first sight and when it changes; the completion once."""
    run = wait(Server(ends=0.9, long_poll=True), facts={"look_first": True})
    assert [(event, word) for event, word, _ in run.told if event is not Event.POLL] == [
        (Event.CHANGE, "pending"),
        (Event.CHANGE, "completed"),
        (Event.COMPLETION, "completed"),
    ]
    assert run.told[0][2] <= 0.01, "first sight is after a round trip, although the server holds requests"


def test_a_status_is_told_once_however_often_it_is_seen():
    """Many polls that find the job pending are one change, and its end another."""
    run = wait(Server(ends=9.0), facts={"look_first": True})
    assert [event for event, _, _ in run.told].count(Event.POLL) > 3
    assert [status for event, status, _ in run.told if event is Event.CHANGE] == ["pending", "completed"]


@pytest.mark.parametrize("hint", [None, 2.0])
@pytest.mark.parametrize("job_id", ["j1", None])
def test_first_sight_costs_one_request(job_id, hint):
    """The immediate look is one request more, whose confirmation lets the long poll follow at once."""
    run = wait(Server(ends=20.0, long_poll=True, hint=hint), job_id=job_id, facts={"look_first": True})
    assert [request.headers.get("Prefer") for _, request in run.server.requests] == ["wait=0", "wait=30"]
    assert run.moments[1] <= 0.01
    assert run.over == pytest.approx(20.0, abs=0.01)
    assert run.job.wait_stats.learnt_by == "long poll"


def test_first_sight_of_an_ended_job_is_its_end():
    """A job that has ended is told by the look, which is all that is asked."""
    run = wait(Server(ends=0.0, long_poll=True), facts={"look_first": True})
    assert (len(run.moments), run.job.wait_stats.learnt_by) == (1, "poll")


@pytest.mark.parametrize("hint", [None, 2.0])
def test_first_sight_costs_nothing_where_no_request_is_held(hint):
    """A client that knows the server never holds, or cannot afford it, asks as often with a callback as without."""
    for may_hold, server_holds in ((True, False), (False, None)):
        runs = [
            wait(
                Server(ends=9.0, hint=hint),
                facts={"look_first": look, "may_hold": may_hold, "experience": experienced(server_holds)},
            )
            for look in (True, False)
        ]
        assert runs[0].moments == runs[1].moments


def test_a_hint_is_a_floor_after_the_look_as_well():
    """Where nothing tells whether the server can hold, the request that tries it does not come before the hint."""
    run = wait(Server(ends=30.0, hint=4.0), facts={"look_first": True})
    assert min(gaps(run)) >= 4.0
    assert len(run.moments) == len(wait(Server(ends=30.0, hint=4.0)).moments)


@pytest.mark.parametrize(("hint", "holds"), [(None, None), (4.0, True)])
def test_a_server_that_does_not_confirm_the_look_is_asked_to_hold_nevertheless(hint, holds):
    """Without a confirmation the long poll follows at once if there is no hint to obey, or it has held before."""
    server = Server(ends=20.0, long_poll=True, confirms_looks=False, hint=hint)
    run = wait(server, facts={"look_first": True, "experience": experienced(holds)})
    assert (len(run.moments), run.job.wait_stats.learnt_by) == (2, "long poll")


def test_a_look_that_fails_is_repeated():
    """First sight comes with the first answer: until then every request is a look."""
    run = wait(Server(ends=9.0, long_poll=True, faults=[(0, 2, status(503))]), facts={"look_first": True})
    first = run.told[0][2]
    assert [request.hold for t, request in run.server.requests if t < first] == [0.0] * (len(run.moments) - 1)
    assert first < 9.0


def test_a_status_that_was_told_before_is_not_told_again():
    """A wait that goes on for a job whose first sight was told tells the next status, and asks for no look."""
    run = wait(Server(ends=5.0, long_poll=True), facts={"look_first": True, "told": True})
    assert [status for event, status, _ in run.told if event is Event.CHANGE] == ["completed"]
    assert len(run.moments) == 1


def test_job_started_here_is_told_without_a_request():
    """The answer to the start is the first sight: it costs no request."""
    known = (Job("j1", JobStatus.PENDING), BEGIN)
    run = wait(Server(ends=5.0, long_poll=True), facts={"known": known, "look_first": True})
    assert run.told[0] == (Event.CHANGE, JobStatus.PENDING, 0.0)
    assert len(run.moments) == 1


def test_a_job_that_ended_at_once_is_told_once_and_without_a_request():
    """Where the answer to the start tells the end, nothing need be asked, and the completion is told once."""
    known = (Job("j1", JobStatus.COMPLETED), BEGIN)
    run = wait(Server(ends=0.0), facts={"known": known, "look_first": True})
    assert [event for event, _, _ in run.told] == [Event.CHANGE, Event.COMPLETION]
    assert (run.moments, run.job.status, run.job.wait_stats.learnt_by) == ([], "completed", "start")


def test_latest_job_is_waited_for_by_the_id_of_its_first_answer():
    """Without an id the first answer names the job, and a later job does not take its place."""
    run = wait(Server(ends=5.0), job_id=None)
    paths = [request.path for _, request in run.server.requests]
    assert paths[0] == "/status"
    assert set(paths[1:]) == {"/status/j1"}


@pytest.mark.parametrize(("ends", "holds"), [(0.5, [1.0]), (5.0, [1.0, 30.0])])
def test_the_latest_job_is_named_within_a_second(ends, holds):
    """Without an id and without a callback the first request is held for a second at most, and may tell the end."""
    run = wait(Server(ends=ends, long_poll=True), job_id=None)
    assert [request.hold for _, request in run.server.requests] == holds


def test_figures_say_what_the_wait_did():
    """Polls, held ones, failures and the detection delay stand in the job that is returned."""
    run = wait(Server(ends=10.0, hint=1.0, faults=[(2, 4, status(500))]))
    stats = run.job.wait_stats
    assert stats.polls == len(run.moments)
    assert stats.failures >= 1
    assert stats.learnt_by == "poll"
    assert stats.detection_delay == pytest.approx(run.over - 10.0, abs=0.01)


def test_the_end_is_logged_in_one_line(caplog):
    """Every wait logs one line at its end: polls, held, how it learnt, detection delay."""
    caplog.set_level("INFO", "translation_client")
    wait(Server(ends=5.0, long_poll=True))
    lines = [r.getMessage() for r in caplog.records if "detection delay" in r.getMessage()]
    assert len(lines) == 1
    assert "polls: 1 (1 held, 0 failed), learnt by long poll" in lines[0]
