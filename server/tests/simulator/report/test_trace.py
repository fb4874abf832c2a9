"""The trace: text that is the same in every run."""

import pytest
from server.tests.exchanges import Story

from translation_server.simulator.recording.exchange import Kind
from translation_server.simulator.report.trace import trace


@pytest.fixture
def story():
    return Story()


def text(story, *, timed=False):
    return trace(story.log.requests(), story.log.jobs(), timed=timed)


def test_each_job_is_a_block(story):
    """Its fate, then its requests. Hints of answers with a status depend on the time, and are left out."""
    story.start(duration=20.0, key="k", status=None, fault="lost_answer")
    story.start(key="k")
    story.poll(status=503, told=None, poll_after=None, retry_after=1.0, fault="503")
    story.poll(held=30.0)
    story.start(user="bob", accepted=False, status=422, told=None, poll_after=None, retry_after=None)
    assert text(story) == (
        "alice job 1 takes 20.00 s, completed\n"
        "  start #1 with a key -> fault: lost_answer\n"
        "  start #2 with a key -> 202, pending\n"
        "  poll #1 -> 503, Retry-After: 1, fault: 503\n"
        "  poll #2 wait=30 -> 200, completed\n"
        "bob job 1\n"
        "  start #1 without a key -> 422\n"
    )


def test_times_count_from_the_jobs_start(story):
    """In seconds of the server's clock: if only the test moves it, they are the same in every run."""
    story.step(5.0)
    story.start(duration=20.0)
    story.step(1.5)
    story.poll(held=30.0)
    assert text(story, timed=True) == (
        "alice job 1 takes 20.00 s, completed\n"
        "  start #1 without a key +0.000 -> 202, pending, Retry-After: 2, poll_after: 2, +0.000\n"
        "  poll #1 wait=30 +1.500 -> 200, completed, +20.000\n"
    )


def test_requests_about_no_job_come_first(story):
    """A stream lists the jobs whose end it reported, by their numbers."""
    story.start()
    stream = story.stream()
    story.report_end(stream)
    story.log.begin(Kind.OTHER, "GET", "/nowhere", user="alice", status=404, over=1.0)
    story.log.begin(Kind.LIST, "GET", "/jobs", user="alice", over=1.0, left=True)
    assert text(story).splitlines()[:4] == [
        "alice other requests",
        "  events #1 -> ended: job 1",
        "  list #1 -> left",
        "  other #1 GET /nowhere -> 404",
    ]


def test_the_order_of_arrival_does_not_matter():
    """Requests of concurrent clients arrive in any order."""

    def told(users):
        story = Story()
        for user in users:
            story.start(user=user)
        for user in reversed(users):
            story.poll(user=user, held=30.0)
        return text(story)

    assert told(["alice", "bob", "eve"]) == told(["eve", "alice", "bob"])


def test_it_has_no_ids(story):
    """They differ from run to run."""
    story.start()
    story.poll()
    assert "alice-1" not in text(story)


def test_requests_under_way_are_marked(story):
    """They have no answer yet."""
    story.start()
    story.begin()
    gone = story.begin()
    story.lose(gone)
    assert text(story).splitlines()[2:] == ["  poll #1 -> under way", "  poll #2 -> no answer"]
