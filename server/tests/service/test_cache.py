"""Answers that are given again for a second."""

import pytest
from server.tests.steady import Steady

from translation_server.service.cache import Cache

MOST = 100


@pytest.fixture
def steady():
    return Steady()


@pytest.fixture
def recent(steady):
    return Cache(MOST, monotonic=steady)


def test_an_answer_is_kept_for_a_second(recent, steady):
    """It is given again within a second, and not after."""
    assert recent.get("admin", "id-1") is None
    recent.put("admin", "id-1", "answer")
    steady.now += 0.99
    assert recent.get("admin", "id-1") == "answer"
    steady.now += 0.02
    assert recent.get("admin", "id-1") is None


def test_an_answer_is_its_owners(recent):
    """Nobody else is given it."""
    recent.put("admin", "id-1", "answer")
    assert recent.get("eve", "id-1") is None


def test_there_is_a_most_of_it(recent):
    """What comes when there is no more room is not kept; nothing is lost for it."""
    for number in range(MOST + 1):
        assert recent.get("admin", f"id-{number}") is None
        recent.put("admin", f"id-{number}", "answer")
    assert (recent.get("admin", "id-99"), recent.get("admin", "id-100")) == ("answer", None)


def test_what_is_dropped_is_not_given_again(recent):
    """Whoever changes what it is about says so."""
    recent.put("admin", 7, "answer")
    recent.clear()
    assert recent.get("admin", 7) is None
