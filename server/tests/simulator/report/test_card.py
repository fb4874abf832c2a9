"""The section about the server in the report of a failed test."""

import pytest
from server.tests.exchanges import Story

from translation_server.simulator.report.card import describe_failure


@pytest.fixture
def story():
    return Story()


def lines_of(story):
    return describe_failure(story.log.requests(), story.report(), "TranslationServer(seed=7)").splitlines()


def test_it_says_how_to_see_it_again_and_what_happened(story):
    """The line that makes the same server, the report card, the requests."""
    story.start(duration=1.0)
    story.sleep(2.0)
    story.poll()
    lines = lines_of(story)
    assert lines[0] == "To see it again: TranslationServer(seed=7)"
    assert "No complaints." in lines
    assert lines[-3:] == [
        "The last requests:",
        "  #1 job 1: start #1 POST /start without a key → 202, pending, Retry-After: 2 after 0.000 s",
        "  #2 job 1: poll #1 GET /status/alice-1 → 200, completed after 0.000 s",
    ]


def test_it_shows_the_last_twenty_requests(story):
    """And counts those before."""
    for _ in range(25):
        story.start()
    lines = lines_of(story)
    assert "The last requests (and 5 before them):" in lines
    assert lines[-20].startswith("  #6 ")
    assert lines[-1].startswith("  #25 ")


def test_it_says_when_nothing_arrived(story):
    """This is often the mistake."""
    assert lines_of(story)[-2:] == ["The last requests:", "  nothing arrived"]
