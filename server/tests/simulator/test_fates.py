"""What a tester decides about jobs: in Python, as JSON, as text, and inside a request."""

import contextlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translation_server.jobs.model import Draft, Fate, Status
from translation_server.simulator import fates as module
from translation_server.simulator.fates import (
    ActiveFate,
    FateRule,
    Fates,
    parse_directive,
    parse_fates,
    parse_header,
)
from translation_server.simulator.faults.fields import RuleError

WORD = st.text(st.characters(exclude_categories=["C", "Z"], include_characters=" "), min_size=1, max_size=200)
COUNT = st.integers(1, 10**9)
RULES = st.builds(
    FateRule,
    outcome=st.sampled_from(["error", "cancelled", "expired", "aborted", "a.b-c_9"]),
    duration=st.none() | st.floats(0, 1e9),
    message=st.none() | WORD,
    times=st.none() | COUNT,
    format=st.none() | WORD,
    user=st.none() | WORD,
    job=st.none() | COUNT,
)
ERROR = Fate(outcome="error")


def refusal(make, *arguments, **named):
    """Return the text of the refusal."""
    with pytest.raises(RuleError) as caught:
        make(*arguments, **named)
    return str(caught.value)


@given(RULES)
def test_all_ways_to_write_a_fate_are_equivalent(rule):
    """The text and the JSON of a fate stand for the same fate."""
    assert parse_fates(str(rule)) == (rule,)
    assert FateRule.from_json(json.loads(json.dumps(rule.as_json()))) == rule
    assert Fates().add(**{name: getattr(rule, name) for name in module.FATE_FIELDS}).rule == rule
    assert Fates().add(rule).rule == rule


def test_a_fate_is_written_as_text():
    """The word in front may be left out, and what is given by name as well wins."""
    fates = Fates()
    assert str(fates) == "no fates"
    fates.add("outcome=error duration=2 times=3")
    fates.add('fate outcome=expired message="Nobody came."', job=4)
    fates.add("outcome=error times=3", times=5)
    assert str(fates).splitlines() == [
        "1. fate outcome=error duration=2 times=3 (given 0 times)",
        '2. fate outcome=expired message="Nobody came." job=4 (given 0 times)',
        "3. fate outcome=error times=5 (given 0 times)",
    ]


def test_several_fates_in_one_text():
    """Semicolons and lines separate them."""
    assert parse_fates("fate outcome=error; duration=2\noutcome=expired job=3;") == (
        FateRule("error"),
        FateRule(duration=2),
        FateRule("expired", job=3),
    )
    assert parse_fates(" ; ") == ()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "outcome: is missing, and so is duration: a fate needs one of them, or both"),
        ({"times": 3, "message": "no"}, "outcome: is missing"),
        (
            {"outcome": "a b"},
            "outcome: is 'a b': allowed is completed, error, cancelled, expired, or another word of 1 ",
        ),
        ({"outcome": ""}, "outcome: is ''"),
        ({"outcome": "x" * 51}, "outcome: is 'xxx"),
        ({"outcome": "abgebrochen\n"}, "outcome: is 'abgebrochen\\n'"),
        ({"outcome": True}, "outcome: is True"),
        ({"duration": -0.1}, "duration: is -0.1: allowed is a number of seconds from 0 to 1000000000"),
        ({"duration": float("nan")}, "duration: is nan"),
        ({"duration": True}, "duration: is True"),
        ({"duration": 2e9}, "duration: is 2000000000.0"),
        ({"outcome": "error", "times": 0}, "times: is 0: allowed is a whole number from 1 to 1000000000"),
        ({"outcome": "error", "times": 1.5}, "times: is 1.5"),
        ({"outcome": "error", "job": 0}, "job: is 0"),
        ({"outcome": "error", "user": ""}, "user: is '': allowed is a user's name"),
        ({"outcome": "error", "format": 5}, "format: is 5: allowed is the name of a format or of its mount"),
        ({"outcome": "error", "message": "a\nb"}, "message: is 'a\\nb': allowed is printable text of 1 to 200 "),
        ({"outcome": "completed", "message": "fine"}, "message: is what an error says"),
    ],
)
def test_values_refused(given, words):
    """A wrong value is refused with its name and what is allowed, in Python and in JSON alike; nothing is added."""
    fates = Fates()
    assert refusal(fates.add, **given).startswith(words)
    assert refusal(FateRule.from_json, given).startswith(words)
    assert fates.list() == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "fates: are 0 in this text: allowed is one, such as outcome=error duration=2"),
        ("outcome=error; outcome=expired", "fates: are 2 in this text"),
        ("fate", "outcome: is missing"),
        ("error", "rules: cannot have 'error' there: allowed is name=value"),
        ("fate error", "rules: cannot have 'error' there"),
        ("outcome=error fate", "rules: cannot have 'fate' there"),
        ("outcome=error outcome=expired", "outcome: is given twice"),
        ("outcome=error rate=0.5", "rate: is not a name here: allowed are outcome, duration, message, times, format, "),
        ('outcome=error message="no', "rules: cannot be read from '=\"no' on"),
        ("duration=soon", "duration: is 'soon': allowed is a number of seconds"),
        (5, "rules: are 5: allowed is a FateRule, or the text of one"),
    ],
)
def test_texts_refused(text, words):
    """A text that is no fate is refused, with what is wrong in it."""
    assert refusal(Fates().add, text).startswith(words)


def test_the_first_fate_that_fits_is_given():
    """In the order of addition; every condition must be met."""
    fates = Fates()
    fates.add(outcome="a", user="alice", job=2)
    fates.add(outcome="b", user="alice", format="heygen")
    fates.add(outcome="c", job=3)
    fates.add(duration=5)
    assert fates.decide("alice", 1).outcome is None
    assert fates.decide("alice", 2) == Fate(outcome="a")
    assert fates.decide("bob", 2) == Fate(duration=5)
    assert fates.decide("alice", 3, {"heygen"}) == Fate(outcome="b")
    assert fates.decide("bob", 3, {"heygen"}) == Fate(outcome="c")
    assert fates.decide("alice", None) is None
    assert [one.given for one in fates.list()] == [1, 1, 1, 2]


@pytest.mark.parametrize(
    ("wanted", "formats", "is_for"),
    [
        (None, frozenset(), True),
        (None, {"heygen"}, True),
        ("heygen", frozenset(), False),
        ("heygen", {"heygen-v3", "heygen"}, True),
        ("heygen", {"replicate"}, False),
    ],
)
def test_a_fate_for_one_api(wanted, formats, is_for):
    """It is named by its format or its mount, and never means the native API."""
    fates = Fates()
    fates.add(outcome="error", format=wanted)
    assert (fates.decide("alice", 1, formats) is not None) is is_for


def test_times_counts_the_jobs_of_each_user():
    """The next jobs, whatever their numbers; those of another user are counted by themselves."""
    fates = Fates()
    for job in range(1, 5):
        assert fates.decide("alice", job) is None
    fates.add(outcome="error", times=2)
    assert [fates.decide("alice", job) for job in range(5, 9)] == [ERROR, ERROR, None, None]
    assert [fates.decide("bob", job) for job in range(1, 4)] == [ERROR, ERROR, None]
    assert fates.list()[0].given == 4


def test_a_repeated_start_gets_the_same_again():
    """It is about the same job, and uses up nothing: neither if the job has a fate, nor if it has none."""
    fates = Fates()
    assert fates.decide("alice", 1) is None
    fates.add(outcome="error", times=1)
    assert [fates.decide("alice", job) for job in (1, 2, 1, 2, 2, 3)] == [None, ERROR, None, ERROR, ERROR, None]
    fates.clear()
    assert fates.decide("alice", 2) == ERROR
    assert fates.decide("alice", 4) is None


def test_after_the_first_is_used_up_comes_the_next():
    """One fate for the next job, another for the one after it."""
    fates = Fates()
    for outcome in ("error", "expired"):
        fates.add(outcome=outcome, times=1)
    assert [fate and fate.outcome for fate in map(fates.decide, "aaa", (1, 2, 3))] == ["error", "expired", None]


@given(st.lists(st.integers(1, 12)), st.integers(1, 5))
def test_exactly_so_many_jobs_get_it(arrivals, times):
    """Whatever the order and the repetitions in which starts arrive, and the same job always the same."""
    fates = Fates()
    fates.add(outcome="error", times=times)
    decided = [(job, fates.decide("alice", job)) for job in arrivals]
    assert len(set(decided)) == len(set(arrivals))
    assert sum(fate is not None for _, fate in set(decided)) == min(times, len(set(arrivals)))


def test_fates_are_removed():
    """One by its number or itself, or all; what is not there cannot be."""
    fates = Fates()
    first, second, third = (fates.add(outcome=one) for one in ("error", "expired", "aborted"))
    assert fates.decide("alice", 1) == ERROR
    fates.remove(first.number)
    fates.remove(second)
    assert fates.list() == (ActiveFate(3, FateRule("aborted")),)
    assert third == fates.list()[0]
    with pytest.raises(LookupError, match="there is no fate number 1"):
        fates.remove(1)
    fates.clear()
    assert fates.list() == ()
    assert fates.add(outcome="error").number == 4


def test_a_reset_restores_the_first_fates():
    """And forgets which jobs have got which: they are numbered from 1 again."""
    fates = Fates(["outcome=error times=1", FateRule(duration=9, job=2)])
    fates.add(outcome="expired")
    assert [fates.decide("alice", job) for job in (1, 2, 3)] == [ERROR, Fate(9), Fate(outcome="expired")]
    fates.reset()
    assert [str(one) for one in fates.list()] == [
        "1. fate outcome=error times=1 (given 0 times)",
        "2. fate duration=9 job=2 (given 0 times)",
    ]
    assert [fates.decide("alice", job) for job in (3, 2, 1)] == [ERROR, Fate(9), None]


def test_memory_is_bounded(monkeypatch):
    """The oldest decisions and counts are dropped, and there is a most of fates."""
    monkeypatch.setattr(module, "_MOST_KEPT", 10)
    monkeypatch.setattr(module, "_MOST_RULES", 2)
    fates = Fates()
    fates.add(outcome="error", times=1)
    fates.add(duration=1)
    assert refusal(fates.add, duration=2) == "rules: are too many: allowed are 2"
    for user in range(100):
        assert fates.decide(f"user {user}", 1) == ERROR
    assert fates.decide("user 99", 1) == ERROR
    assert fates.list()[0].given == 100
    assert len(fates._decided) == len(fates._counts) == 10


def test_many_threads_use_up_a_fate_exactly():
    """No count is lost, and no job gets two."""
    fates = Fates()
    fates.add(outcome="error", times=30)
    together = threading.Barrier(8)

    def start(first):
        together.wait(10)
        return [fates.decide(user, job) for job in range(first, 801, 8) for user in ("alice", "bob")]

    with ThreadPoolExecutor(8) as threads:
        found = [fate for part in threads.map(start, range(1, 9)) for fate in part]
    assert found.count(ERROR) == fates.list()[0].given == 60


@pytest.mark.parametrize(
    ("fate", "status", "code", "message"),
    [
        (Fate(), None, None, None),
        (Fate(outcome="completed"), Status.COMPLETED, None, None),
        (Fate(outcome="error", message="no"), Status.ERROR, None, "no"),
        (Fate(outcome="cancelled"), Status.ERROR, "cancelled", None),
        (Fate(outcome="aborted", message="no"), Status.ERROR, "aborted", "no"),
        (Fate(duration=2, message="no"), None, None, "no"),
    ],
)
def test_a_fate_becomes_part_of_the_draft(fate, status, code, message):
    """Its words are those of a job's error; what it leaves out stays to be drawn."""
    made = fate.apply(Draft("alice", 0.0))
    assert made == Draft("alice", 0.0, None, "{}", fate.duration, status, error_code=code, error_message=message)


def test_what_the_draft_says_itself_wins():
    """A fate fills only what is left open."""
    fate = Fate(2.0, "expired", "no")
    assert fate.apply(Draft("a", 0.0, duration=0.0)) == Draft(
        "a", 0.0, duration=0.0, outcome=Status.ERROR, error_code="expired", error_message="no"
    )
    own = Draft("a", 0.0, outcome=Status.ERROR)
    assert fate.apply(own) == own._replace(duration=2.0)


@pytest.mark.parametrize(
    ("text", "fate"),
    [
        ("My video", None),
        ("", None),
        ("[simulate]", None),
        ("[simulate outcome=error\n]", None),
        ("[simulate " + "x" * 201 + "]", None),
        ("My video [simulate outcome=error duration=2] in two parts", Fate(2.0, "error")),
        ("[simulate duration=0.5][simulate outcome=error]", Fate(0.5)),
        ('[simulate outcome=aborted message="It \\"stopped\\"."]', Fate(None, "aborted", 'It "stopped".')),
        (
            json.dumps({"prompt": 'A cat. [simulate message="It \\"stopped\\" café?" outcome=failed]'}),
            Fate(None, "failed", 'It "stopped" café?'),
        ),
    ],
)
def test_a_directive_in_a_text(text, fate):
    """The first one counts, wherever it stands; in JSON its quotes are escaped."""
    assert parse_directive(text) == fate


@given(st.text(st.sampled_from('outcme=" \\;a[é')))
def test_any_text_may_stand_in_a_directive(words):
    """It is understood, refused by name, or no directive; nothing else happens."""
    directive = f"[simulate {words}]"
    with contextlib.suppress(RuleError):
        fate = parse_directive(directive)
        assert (fate is None) is (not words)
    assert parse_directive(directive.replace("simulate", "Simulate")) is None


@pytest.mark.parametrize(
    ("words", "wrong"),
    [
        ("colour=red", "colour: is not a name here: allowed are duration, outcome, message"),
        ("outcome=error times=3", "times: is not a name here: allowed are duration, outcome, message"),
        ("outcome=a/b", "outcome: is 'a/b': allowed is completed, error, cancelled, expired, or another word"),
        ("duration=x", "duration: is 'x': allowed is a number of seconds from 0 to 1000000000"),
        ("error", "rules: cannot have 'error' there: allowed is name=value"),
        (" ", "fates: are 0 in this text: allowed is one"),
        ("outcome=error; duration=2", "fates: are 2 in this text: allowed is one"),
        ('outcome=error message=\\"', "rules: cannot be read from '="),
        ('outcome=error message=\\"\\u12"', "rules: cannot be read from '="),
    ],
)
def test_directives_refused(words, wrong):
    """The error names the directive or the header, then what is wrong in it and what is allowed."""
    assert refusal(parse_directive, f"A [simulate {words}].").startswith(f"[simulate {words}]: {wrong}")
    assert refusal(parse_header, words).startswith(f"X-Simulate: {wrong}")


def test_a_fate_in_a_header():
    """The same words as in a text."""
    assert parse_header('outcome=error duration=2 message="It stopped."') == Fate(2.0, "error", "It stopped.")
