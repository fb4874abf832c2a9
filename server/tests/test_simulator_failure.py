"""What a failed test is told about the server."""

import pytest
from server.tests.exchanges import Story

from translation_server.simulator.clocks import SteppedClock
from translation_server.simulator.failure import what_the_server_saw
from translation_server.simulator.simulator import Simulator


@pytest.fixture
def simulator():
    return Simulator(clock=SteppedClock(), seed=7)


def test_it_says_how_to_see_it_again_and_what_happened(simulator):
    """The line that replays it, the report card, the requests."""
    story = Story(log=simulator.exchanges)
    story.start(duration=1.0)
    story.sleep(2.0)
    story.poll()
    lines = what_the_server_saw(simulator, "TranslationServer(seed=7)").splitlines()
    assert lines[0] == "To see it again: TranslationServer(seed=7)"
    assert "Nothing to complain of." in lines
    assert lines[-3:] == [
        "The last requests:",
        "  #1 job 1: start #1 POST /start without a key → 202, pending, Retry-After: 2 after 0.000 s",
        "  #2 job 1: poll #1 GET /status/alice-1 → 200, completed after 0.000 s",
    ]


def test_it_shows_the_last_twenty_requests(simulator):
    """And counts those before."""
    story = Story(log=simulator.exchanges)
    for _ in range(25):
        story.start()
    lines = what_the_server_saw(simulator, "").splitlines()
    assert "The last requests (and 5 before them):" in lines
    assert lines[-20].startswith("  #6 ")
    assert lines[-1].startswith("  #25 ")


def test_it_says_when_nothing_arrived(simulator):
    """Which is often what was wrong."""
    assert what_the_server_saw(simulator, "").splitlines()[-2:] == ["The last requests:", "  nothing arrived"]
