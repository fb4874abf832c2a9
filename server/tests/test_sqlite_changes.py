"""What a process knows of its own transactions, and that it knows nothing of others'."""

import pytest

from translation_server.stores import sqlite_changes
from translation_server.stores.sqlite_changes import Changes


@pytest.fixture
def changes():
    """Those of the transactions 4, 5 and 7; 6 was another's."""
    found = Changes()
    for number, job_ids in ((4, ["a"]), (5, ["b", "c"]), (7, ["a", "d"])):
        found.note(number, job_ids)
    return found


@pytest.mark.parametrize(
    ("seen", "now", "expected"),
    [
        (3, 4, ["a"]),
        (3, 5, ["a", "b", "c"]),
        (4, 5, ["b", "c"]),
        (6, 7, ["a", "d"]),
        (5, 5, []),
        (2, 4, None),
        (3, 7, None),
        (7, 8, None),
        (7, 4, None),
        (-1, 10**9, None),
    ],
)
def test_what_was_changed_between_two_looks(changes, seen, now, expected):
    """It is known if all transactions between them are one's own."""
    assert changes.since(seen, now) == expected


def test_what_was_told_is_forgotten(changes):
    """Nobody looks at the same transactions twice."""
    assert changes.since(3, 5) is not None
    assert changes.since(3, 5) is None
    assert changes.since(6, 7) is not None


def test_a_transaction_that_was_none_leaves_nothing(changes):
    """Its number may be another's."""
    changes.take_back()
    assert changes.since(6, 7) is None


def test_there_is_a_most_of_it(monkeypatch):
    """While nobody looks, not every transaction is kept; whoever then looks reads everything again."""
    monkeypatch.setattr(sqlite_changes, "_MOST_KEPT", 3)
    changes = Changes()
    for number in range(1, 8):
        changes.note(number, ["a"])
        assert len(changes._changed) <= 3
    assert changes.since(0, 7) is None
    changes.note(8, ["b"])
    assert changes.since(7, 8) == ["b"]
