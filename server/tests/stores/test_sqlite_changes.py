"""What a process knows of its own transactions, and that it knows nothing of others'."""

import pytest

from translation_server.stores.sqlite import changes as changes_module
from translation_server.stores.sqlite.changes import Changes


@pytest.fixture
def changes():
    """Those that counted from 3 to 4, to 6, and from 7 to 9; from 6 to 7 another process did."""
    found = Changes()
    for before, after, job_ids in ((3, 4, ["a"]), (4, 6, ["b", "c"]), (7, 9, ["a", "d"])):
        found.note(before, after, job_ids)
    return found


@pytest.mark.parametrize(
    ("seen", "now", "expected"),
    [
        (3, 4, ["a"]),
        (3, 6, ["a", "b", "c"]),
        (4, 6, ["b", "c"]),
        (7, 9, ["a", "d"]),
        (5, 5, []),
        (2, 4, None),
        (3, 5, None),
        (3, 9, None),
        (9, 10, None),
        (9, 4, None),
        (-1, 10**9, None),
    ],
)
def test_what_was_changed_between_two_looks(changes, seen, now, expected):
    """It is known if all transactions between them are one's own."""
    assert changes.since(seen, now) == expected


def test_what_was_told_is_forgotten(changes):
    """Nobody looks at the same transactions twice."""
    assert changes.since(3, 6) is not None
    assert changes.since(3, 6) is None
    assert changes.since(7, 9) is not None


def test_a_transaction_that_was_none_leaves_nothing(changes):
    """Another process may count what it did not."""
    changes.take_back()
    assert changes.since(7, 9) is None


def test_a_transaction_that_changed_nothing_is_none(changes):
    """And what is looked for comes to an end."""
    changes.note(9, 9, ["a"])
    assert changes.since(9, 10) is None
    assert changes.since(7, 9) == ["a", "d"]


def test_there_is_a_most_of_it(monkeypatch):
    """While nobody looks, not every transaction is kept; whoever then looks reads everything again."""
    monkeypatch.setattr(changes_module, "_MOST_KEPT", 3)
    changes = Changes()
    for number in range(7):
        changes.note(number, number + 1, ["a"])
        assert len(changes._made) <= 3
    assert changes.since(0, 7) is None
    changes.note(7, 8, ["b"])
    assert changes.since(7, 8) == ["b"]
