"""The report card, made from the record."""

import json

import pytest
from server.tests.exchanges import Story

FAILED = {"told": None, "poll_after": None, "retry_after": None}


@pytest.fixture
def story():
    return Story()


def texts(story):
    return [one.text for one in story.report().complaints]


# ── waits ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_client_that_left_before_the_end_gave_up(story):
    """Its job ended, and it did not ask again."""
    story.start(duration=10.0)
    poll = story.begin()
    story.sleep(1.0)
    story.lose(poll, left=True)
    assert not story.report().jobs[0].given_up
    story.sleep(20.0)
    report = story.report()
    assert (report.given_up, report.jobs[0].left) == (1, 1)
    with pytest.raises(AssertionError, match=r"job 1: ended 11\.00 s ago, and the client gave up"):
        report.assert_detected_within(1.0)


def test_a_client_that_still_asks_has_not_given_up(story):
    """A request is under way."""
    story.start(duration=1.0)
    story.begin()
    story.sleep(5.0)
    assert story.report().given_up == 0


def test_a_client_that_never_asked_has_not_given_up(story):
    """It started a job and never polled it."""
    story.start(duration=1.0)
    story.sleep(5.0)
    report = story.report()
    assert report.given_up == 0
    with pytest.raises(AssertionError, match="and nobody asked"):
        report.assert_detected_within(1.0)


def test_an_answer_that_was_lost_reports_nothing(story):
    """The detection delay lasts until an answer is sent whole."""
    story.start(duration=10.0)
    story.sleep(11.0)
    story.poll(status=None, fault="reset")
    story.sleep(1.0)
    story.poll()
    assert story.report().detection_delays == (2.0,)


def test_a_late_detection_is_named(story):
    """The message has the job and the delay."""
    story.start(duration=1.0)
    story.sleep(3.0)
    story.poll()
    with pytest.raises(AssertionError, match=r"not detected within 1 s:\n  job 1: detected 2\.00 s after its end"):
        story.report().assert_detected_within(1.0)


def test_a_job_that_ended_just_now_is_not_late_yet(story):
    """Its end was not reported yet, but there is time left."""
    story.start(duration=1.0)
    story.sleep(1.5)
    story.report().assert_detected_within(1.0)


def test_without_an_end_the_assertion_fails(story):
    """An assertion that could not have failed does not pass."""
    story.start()
    with pytest.raises(AssertionError, match="no job has ended"):
        story.report().assert_detected_within(1.0)


# ── starts ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_start_repeated_with_its_key_is_one_job(story):
    """However many answers were lost."""
    for _ in range(3):
        story.start(key="k", status=None, fault="lost")
    story.start(key="k")
    story.report().assert_no_double_charges()
    assert (len(story.report().jobs), story.report().jobs[0].starts) == (1, 4)


def test_a_start_repeated_without_a_key_is_charged_twice(story):
    """The first was accepted, which the client could not know."""
    story.start(status=None, fault="lost")
    story.sleep(0.5)
    story.start()
    report = story.report()
    assert (report.repeated_starts, report.duplicates) == (1, 1)
    with pytest.raises(AssertionError) as failure:
        report.assert_no_double_charges()
    assert str(failure.value) == (
        "the client may pay twice:\n  job 2: start #1 repeats job 1's, whose answer was lost, "
        "0.50 s later without an idempotency key: charged twice"
    )


def test_a_new_key_for_the_same_start_is_as_bad(story):
    """A key has to be made once, outside the retries."""
    story.start(key="a", status=None, fault="lost")
    story.start(key="b")
    assert "with a new idempotency key" in texts(story)[0]


def test_after_a_server_error_nobody_knows_whether_it_was_accepted(story):
    """This time it was not accepted."""
    story.start(accepted=False, status=502, **FAILED)
    story.start()
    assert story.report().duplicates == 0
    assert texts(story)[0] == (
        "job 2: start #1 repeats job 1's, which was answered 502, 0.00 s later without an idempotency key: "
        "it might have been charged twice"
    )


def test_a_start_whose_answer_cannot_be_read_is_lost(story):
    """It was accepted, but half an answer does not name the job."""
    story.start(told=None, poll_after=None)
    story.start()
    assert "whose answer was lost" in texts(story)[0]
    assert story.report().duplicates == 1


def test_a_client_that_does_not_wait_for_the_answer_may_pay_twice(story):
    """A timeout says nothing about whether the job was accepted."""
    first = story.start(status=None)
    first.left = True
    story.start()
    assert "for whose answer the client did not wait" in texts(story)[0]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {}),
        ({"status": 429, "accepted": False, "told": None, "retry_after": None}, {}),
        ({"status": 422, "accepted": False, "told": None, "retry_after": None}, {}),
        ({"status": None}, {"fingerprint": "other"}),
        ({"status": None}, {"user": "bob"}),
    ],
    ids=["answered", "refused for now", "refused", "another body", "another user"],
)
def test_other_starts_are_new_jobs(story, first, second):
    """A second start is not a repetition if the first was answered, or if their bodies differ."""
    story.start(**first)
    story.start(**second)
    assert story.report().repeated_starts == 0


def test_each_lost_start_is_repeated_once(story):
    """A third start with the same body is a job of its own."""
    story.start(status=None)
    story.start()
    story.start()
    assert story.report().repeated_starts == 1


def test_clients_side_by_side_with_keys_repeat_nothing(story):
    """A lost start whose key is used again is not mixed up with another client's first start."""
    story.start(key="a", status=None)
    story.start(key="b", status=None)
    story.start(key="b")
    story.start(key="a")
    assert texts(story) == []


# ── the whole ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("check", ["assert_polite", "assert_clean", "assert_no_double_charges"])
def test_nothing_is_not_polite(story, check):
    """A test whose client never called must not pass."""
    with pytest.raises(AssertionError, match="no request arrived"):
        getattr(story.report(), check)()


def test_the_number_of_polls_can_be_limited(story):
    """The limit is per job, and the message names the job."""
    story.start()
    story.poll(held=2.0)
    story.poll(held=2.0)
    story.report().assert_max_polls(2)
    with pytest.raises(AssertionError, match=r"polled more often than 1 times:\n  job 1: 2 polls"):
        story.report().assert_max_polls(1)


def test_a_message_shows_the_first_offences_of_a_kind(story):
    """The others are counted."""
    story.start(duration=100.0)
    for _ in range(8):
        story.poll()
        story.sleep(1.0)
    with pytest.raises(AssertionError) as failure:
        story.report().assert_polite()
    lines = str(failure.value).split("\n  ")
    assert (lines[0], lines[-1], len(lines)) == ("the client was not polite:", "… and 4 more like this", 5)


def test_it_is_a_table(story):
    """One line for each job, and one for all."""
    story.start(duration=3.0)
    story.start(duration=100.0, fingerprint="other")
    story.sleep(2.0)
    story.poll()
    story.sleep(2.0)
    story.poll()
    story.poll(2, held=1.0)
    assert story.report().wasted == 1
    assert str(story.report()).splitlines() == [
        "job    outcome  starts  polls  held  failed  wasted  early  after end  left  detection delay",
        "  1  completed       1      2     0       0       1      0          0     0          1.000 s",
        "  2    pending       1      1     1       0       0      0          0     0                 ",
        "all                  2      3     1       0       1      0          0     0          1.000 s",
        "",
        "No complaints.",
    ]


def test_it_distinguishes_users(story):
    """If there are several, each line has the user."""
    for user in ("alice", "bob"):
        story.start(user=user)
        story.poll(user=user)
        story.poll(user=user)
    lines = str(story.report()).splitlines()
    assert [line.split()[:2] for line in lines[:3]] == [["user", "job"], ["alice", "1"], ["bob", "1"]]
    assert lines[-1].startswith("  bob, job 1: poll #2 came 0.00 s after")


def test_a_long_table_shows_the_worst_jobs(story):
    """Twenty of them, and the number of the others."""
    for _ in range(30):
        story.start()
    story.poll(27)
    story.poll(27)
    lines = str(story.report(forgotten=3)).splitlines()
    assert any(line.startswith(" 27") for line in lines)
    assert "10 more jobs are counted but not shown" in lines
    assert "the oldest 3 requests are no longer kept, and not in this report" in lines


def test_a_job_started_before_the_log_is_in_it(story):
    """Without a number, and without the values of its record."""
    story.log.begin("poll", "GET", "/status/x", user="alice", job_id="x", told="completed", over=1.0)
    report = story.report()
    assert (report.jobs[0].name, report.jobs[0].detection_delay) == ("job x", None)
    assert str(report).splitlines()[1].split()[:2] == ["earlier", "pending"]


def test_it_is_data_too(story):
    """As JSON, for programs in any language."""
    story.start(duration=1.0)
    story.poll(held=30.0)
    told = json.loads(story.report().to_json())
    assert told["clean"] is True
    assert told["all"]["polls"] == 1
    assert told["jobs"][0]["detection_delay"] == 0.0
    assert told["requests"] == {"start": 1, "poll": 1}
