"""Which polls are polite, and which cause a complaint."""

import pytest
from server.tests.exchanges import Story

from translation_server.simulator.report.politeness import Offence, Politeness

FAILED = {"told": None, "poll_after": None, "retry_after": None}


@pytest.fixture
def story():
    return Story()


def offences(story, **arguments):
    return [one.offence for one in story.report(**arguments).complaints]


def texts(story):
    return [one.text for one in story.report().complaints]


# ── polite clients ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_long_polls_are_polite(story):
    """One directly after the other: each replaces many polls, and none is wasted."""
    story.start(duration=70.0)
    for _ in range(3):
        story.poll(held=30.0)
    report = story.report()
    report.assert_clean()
    report.assert_detected_within(0.01)
    [job] = report.jobs
    assert (job.polls, job.held, job.wasted, job.outcome, job.detection_delay) == (3, 3, 0, "completed", 0.0)


def test_following_the_hints_is_polite(story):
    """Some polls are wasted, which is the price of polling and not an offence."""
    story.start(duration=5.0)
    for _ in range(3):
        story.sleep(2.0)
        story.poll()
    report = story.report()
    report.assert_clean()
    assert (report.polls, report.wasted, report.detection_delays) == (3, 2, (1.0,))


def test_a_stream_is_polite(story):
    """Its events count like answers, and a client that listens has not given up."""
    story.start(duration=5.0)
    stream = story.stream()
    story.sleep(5.5)
    assert not story.report().jobs[0].given_up
    story.report_end(stream)
    report = story.report()
    report.assert_clean()
    assert (report.polls, report.detection_delays, report.requests["events"]) == (0, (0.5,), 1)


def test_a_pause_may_be_short_by_a_timers_error(story):
    """By a tenth, and never by more than 50 ms."""
    story.start()
    story.poll(held=3.0, poll_after=0.1)
    story.sleep(0.091)
    story.poll(poll_after=10.0)
    story.sleep(9.951)
    story.poll()
    assert offences(story) == []


def test_the_first_poll_is_free(story):
    """Its sender need not be the one who started the job. The hint of its answer must be followed."""
    story.start()
    story.poll()
    assert offences(story) == []
    story.sleep(1.0)
    story.poll()
    assert offences(story) == [Offence.EARLY]


def test_a_hint_need_not_be_followed_for_longer_than_half_a_minute(story):
    """A bad hint must not cost minutes."""
    story.start(duration=1000.0)
    story.poll(poll_after=300.0)
    story.sleep(30.0)
    story.poll()
    assert offences(story) == []
    assert offences(story, limits=Politeness(longest_hint=300.0)) == [Offence.EARLY]


def test_one_poll_after_the_end_is_allowed(story):
    """It fetches the result."""
    story.start(duration=1.0)
    story.poll(held=30.0)
    story.sleep(0.1)
    story.poll()
    assert offences(story) == []
    assert story.report().after_end == 1
    assert offences(story, limits=Politeness(after_end=0)) == [Offence.AFTER_END]


def test_the_end_in_the_answer_to_a_start_does_not_count(story):
    """Most clients only keep the id of that answer, and a poll that failed has to be repeated."""
    story.start(duration=1.0, key="k", status=None, fault="lost_answer")
    story.sleep(2.0)
    story.start(key="k", told="completed", poll_after=None, retry_after=None)
    story.sleep(0.1)
    story.poll(status=500, **FAILED)
    story.sleep(0.1)
    story.poll()
    report = story.report()
    report.assert_clean()
    assert (report.after_end, report.detection_delays) == (0, (1.0,))


def test_a_failed_poll_may_be_repeated_at_once(story):
    """It has no hint of its own; the hint of the answer before it stays in force."""
    story.start(duration=100.0)
    story.sleep(2.0)
    story.poll(status=500, **FAILED)
    story.sleep(0.1)
    story.poll(status=None, fault="reset")
    story.sleep(0.1)
    story.poll()
    report = story.report()
    report.assert_clean()
    assert (report.polls, report.jobs[0].failed, report.wasted) == (3, 2, 1)


def test_a_repetition_after_retry_after_is_polite(story):
    """A client that was refused and waits as long as it should is polite."""
    story.start()
    story.sleep(2.0)
    story.poll(status=503, told=None, poll_after=None, retry_after=1.0)
    story.sleep(1.0)
    story.poll()
    assert offences(story) == []


def test_a_stepped_clock_makes_a_poll_fair(story):
    """The hint was two seconds, and two seconds have passed on the server."""
    story.start()
    story.poll()
    story.step(2.0)
    story.poll()
    assert offences(story) == []


def test_a_client_that_really_slept_is_polite(story):
    """Even if the stepped clock stood still."""
    story.start()
    story.poll()
    story.monotonic += 2.0
    story.poll()
    assert offences(story) == []


def test_under_a_scaled_clock_the_client_is_asked_to_wait_in_its_own_time():
    """A hint of 2 s is 2 s for the client, and 120 s for the server."""
    story = Story(speed=60.0)
    story.start(duration=1000.0)
    story.sleep(2.0)
    story.poll()
    assert offences(story) == []
    story.sleep(1.0)
    story.poll()
    assert offences(story) == [Offence.EARLY]


# ── impolite ones ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_poll_before_the_hint_is_over_is_early(story):
    """The complaint names the answer before it, the pause that answer asked for, and the actual pause."""
    story.start()
    story.sleep(2.0)
    story.poll()
    story.sleep(0.5)
    story.poll()
    assert texts(story) == [
        "job 1: poll #2 came 0.50 s after the answer to poll #1, which asked for 2 s (poll_after: 2)"
    ]


def test_retry_after_counts_where_there_is_no_other_hint(story):
    """That of a refusal always counts, for long polls as well."""
    story.start()
    story.sleep(2.0)
    story.poll(status=429, told=None, poll_after=None, retry_after=2.0)
    story.sleep(0.2)
    story.poll(held=30.0)
    assert texts(story) == [
        "job 1: poll #2 came 0.20 s after the answer to poll #1, which asked for 2 s (Retry-After: 2)"
    ]


def test_a_start_repeated_before_retry_after_is_early(story):
    """It is a refusal like any other."""
    story.start(key="k", status=503, accepted=False, told=None, poll_after=None, retry_after=3.0)
    story.sleep(1.0)
    story.start(key="k")
    assert texts(story) == [
        "job 1: start #2 came 1.00 s after the answer to start #1, which asked for 3 s (Retry-After: 3)"
    ]


def test_a_failed_answer_does_not_excuse_an_early_poll(story):
    """The last hint that reached the client stays in force."""
    story.start()
    story.sleep(2.0)
    story.poll()
    story.sleep(0.5)
    story.poll(status=None, fault="reset")
    story.sleep(0.5)
    story.poll(status=500, **FAILED)
    story.sleep(0.5)
    story.poll()
    assert offences(story) == [Offence.EARLY] * 3


def test_a_short_wait_is_no_long_poll(story):
    """Otherwise a loop of short waits would count as polite."""
    story.start()
    for _ in range(3):
        story.poll(held=0.1)
        story.sleep(0.1)
    assert story.report().wasted == 3
    story.poll(poll_after=2.0)
    story.poll(held=0.1)
    assert offences(story) == [Offence.EARLY]


def test_failed_polls_without_a_pause_are_a_burst(story):
    """There was no hint, but a client must pause after failures as well."""
    story.start(duration=100.0)
    story.sleep(2.0)
    for _ in range(14):
        story.poll(status=500, **FAILED)
        story.sleep(0.08)
    assert texts(story) == ["job 1: poll #1 and 12 more failed within 1 s: a client pauses before it asks again"]


def test_many_polls_in_a_second_are_fine_where_the_server_asks_for_them(story):
    """Each answer had a short hint."""
    story.start(duration=100.0)
    story.sleep(2.0)
    for _ in range(14):
        story.poll(poll_after=0.05)
        story.sleep(0.05)
    assert offences(story) == []


def test_polls_after_the_known_end_are_an_offence(story):
    """The complaint names the answer that had reported it."""
    story.start(duration=1.0)
    story.sleep(2.0)
    for _ in range(3):
        story.poll()
        story.sleep(2.0)
    assert texts(story) == ["job 1: poll #3 came although the answer to poll #1 had reported the end"]


def test_polls_that_fail_after_the_end_are_not_counted(story):
    """The one poll that is allowed may have to be repeated."""
    story.start(duration=1.0)
    story.poll(held=30.0)
    for _ in range(3):
        story.sleep(0.2)
        story.poll(status=503, **FAILED)
    story.sleep(0.2)
    story.poll()
    assert offences(story) == []
    assert story.report().after_end == 1


def test_a_poll_under_way_when_the_end_is_reported_does_not_count(story):
    """Its client could not know the end."""
    story.start(duration=1.0)
    story.sleep(2.0)
    held = story.begin()
    story.poll()
    story.lose(held)
    assert story.report().after_end == 0


def test_a_poll_that_began_before_an_answer_is_not_judged_by_it(story):
    """Two threads may ask at the same time."""
    story.start()
    story.sleep(2.0)
    first = story.begin()
    story.poll()
    story.lose(first)
    assert offences(story) == []
