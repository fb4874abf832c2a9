"""Which rule applies to a request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translation_server.simulator.faults.active_rules import Faults
from translation_server.simulator.faults.fields import RuleError
from translation_server.simulator.faults.matching import ActiveRule, find_match
from translation_server.simulator.faults.model import Close, CutLongPoll, LostAnswer, NotFound, Reset, UnknownStatus
from translation_server.simulator.faults.rules import Rule
from translation_server.simulator.recording.exchange import Exchange, Kind


def poll(job=1, attempt=1, **more):
    values = {"user": "admin", "job_id": f"id-{job}", "job": job, "attempt": attempt, **more}
    return Exchange(1, Kind.POLL, "GET", "/status/x", **values)


def start(job=1, attempt=1, **more):
    return Exchange(1, Kind.START, "POST", "/start", user="admin", job=job, attempt=attempt, **more)


def request(kind, **more):
    return Exchange(1, kind, "GET", "/x", user="admin", **more)


def strikes(rule, exchange, *, age=None, seed=1):
    return find_match([ActiveRule(1, rule)], exchange, seed, {}, age) is not None


@pytest.mark.parametrize(
    ("rule", "struck", "spared"),
    [
        (Rule(Reset()), [poll(), start(), request(Kind.EVENTS)], [request(Kind.OTHER)]),
        (Rule(Reset(), kind="other"), [request(Kind.OTHER)], [poll()]),
        (Rule(Reset(), kind=("poll", "list")), [poll(), request(Kind.LIST)], [start()]),
        (Rule(LostAnswer()), [start()], [poll(), request(Kind.CANCEL)]),
        (Rule(LostAnswer(), kind="cancel"), [request(Kind.CANCEL)], [start()]),
        (Rule(NotFound()), [poll(), request(Kind.CANCEL)], [start()]),
        (Rule(UnknownStatus()), [poll(), request(Kind.LATEST)], [start()]),
        (Rule(Reset(), on_poll=2), [poll(attempt=2)], [poll(attempt=1), poll(attempt=3), start(attempt=2)]),
        (Rule(Reset(), on_poll="2-"), [poll(attempt=2), poll(attempt=9)], [poll()]),
        (Rule(Reset(), on_poll=2, kind="start"), [], [start(attempt=2), poll(attempt=2)]),
        (Rule(Reset(), user="eve"), [poll(user="eve")], [poll()]),
        (Rule(Reset(), job=2), [poll(job=2), start(job=2)], [poll(), request(Kind.LIST)]),
        (Rule(Reset(), rate=0), [], [poll(), start()]),
        (Rule(Reset(), rate=1), [poll(), start()], []),
        (Rule(CutLongPoll(2)), [poll(wait=3.0), request(Kind.EVENTS)], [poll(), poll(wait=2.0), start()]),
    ],
)
def test_conditions(rule, struck, spared):
    """A rule applies to the requests that meet all of its conditions."""
    assert [strikes(rule, one) for one in struck] == [True] * len(struck)
    assert [strikes(rule, one) for one in spared] == [False] * len(spared)


@pytest.mark.parametrize(
    ("when", "age", "struck"),
    [
        ({"within": 5.0}, 0.0, True),
        ({"within": 5.0}, 5.0, True),
        ({"within": 5.0}, 5.1, False),
        ({"within": 5.0}, None, False),
        ({"after": 5.0}, 4.9, False),
        ({"after": 5.0}, 5.0, True),
        ({"after": 2.0, "within": 5.0}, 3.0, True),
        ({"after": 2.0, "within": 5.0}, 1.0, False),
        ({"after": 2.0}, None, False),
    ],
)
def test_age_of_the_job(when, age, struck):
    """A rule can select the first moments of a job, or later ones; it does not apply to unknown jobs."""
    assert strikes(Rule(Reset(), **when), poll(), age=age) == struck


def test_the_first_rule_that_applies_strikes():
    """Rules are tried in order, and a request has one fault at most."""
    rules = [ActiveRule(1, Rule(Reset(), on_poll=2)), ActiveRule(2, Rule(Close()))]
    assert [find_match(rules, poll(attempt=attempt), 1, {}, None).number for attempt in (1, 2, 3)] == [2, 1, 2]


@given(st.integers(), st.floats(0.05, 0.95), st.randoms())
def test_concurrency_changes_nothing(seed, rate, shuffler):
    """The same polls of the same jobs are affected, in whatever order they arrive."""
    polls = [poll(job, attempt) for job in range(1, 11) for attempt in range(1, 11)]
    seen = []
    for _ in range(2):
        faults = Faults(seed, [Rule(Reset(), rate=rate), Rule(Close(), on_poll=(2, 6), times=2)])
        struck = {(one.job, one.attempt): faults.strike(one) for one in polls if one.attempt <= 2}
        rest = [one for one in polls if one.attempt > 2]
        shuffler.shuffle(rest)
        rest.sort(key=lambda one: one.attempt)  # each job's polls are in order; the jobs are not
        struck |= {(one.job, one.attempt): faults.strike(one) for one in rest}
        seen.append({key: placed and placed.number for key, placed in struck.items()})
    assert seen[0] == seen[1]


def test_rate():
    """A rate is met in the long run, and another seed affects other requests."""
    polls = [poll(job, attempt) for job in range(1, 101) for attempt in range(1, 21)]
    first, second = ([strikes(Rule(Reset(), rate=0.1), one, seed=seed) for one in polls] for seed in (1, 2))
    assert 140 < sum(first) < 260
    assert first != second


def test_two_rules_draw_for_themselves():
    """Two rules with the same rate do not always affect the same requests."""
    polls = [poll(job) for job in range(100)]
    rules = [ActiveRule(number, Rule(Reset(), rate=0.5)) for number in (1, 2)]
    draws = [[find_match([rule], one, 1, {}, None) for one in polls] for rule in rules]
    assert [bool(one) for one in draws[0]] != [bool(one) for one in draws[1]]


def test_times_are_counted_per_job():
    """By default `times` counts per job, so that the order of arrival does not matter."""
    faults = Faults(1, ["reset times=2"])
    struck = [bool(faults.strike(poll(job, attempt))) for attempt in (1, 2, 3) for job in (1, 2)]
    assert struck == [True] * 4 + [False] * 2
    assert bool(faults.strike(request(Kind.LIST)))  # about no job: counted by itself


@pytest.mark.parametrize(("per", "total"), [("server", 2), ("user", 4), ("job", 8)])
def test_times_can_be_counted_otherwise(per, total):
    """`times` can also count per user, or for the whole server."""
    faults = Faults(1)
    standing = faults.add(Reset(), times=2, per=per)
    for attempt in (1, 2, 3):
        for user in ("admin", "eve"):
            for job in (1, 2):
                faults.strike(poll(job, attempt, user=user))
    assert faults.list() == (standing._replace(struck=total),)


def test_a_fault_that_found_nothing_to_do_is_not_counted():
    """Its count is undone."""
    faults = Faults(1, ["broken_json times=1"])
    faults.spare(faults.strike(poll()), poll())
    assert faults.list()[0].struck == 0
    assert faults.strike(poll(attempt=2)) is not None


def test_a_strike_is_not_taken_back_from_another_rule():
    """A request that was under way during a reset does not change the counts after it."""
    faults = Faults(1, ["reset times=1"])
    placed = faults.strike(poll())
    faults.reset()
    faults.strike(poll())
    faults.spare(placed, poll())
    assert faults.list()[0].struck == 1


def test_age_counts_from_the_last_attempt_to_start():
    """After a repeated start, the age counts from the attempt that succeeded."""
    faults = Faults(1, ["not_found within=2"])
    assert faults.strike(poll(arrived=10.0)) is None
    for moment in (10.0, 13.0):
        faults.strike(start(arrived=moment))
    assert faults.strike(poll(arrived=14.5)) is not None
    assert faults.strike(poll(arrived=15.5)) is None


def test_faults_come_and_go():
    """Rules are added, listed, removed and cleared on a running server; a reset restores the first ones."""
    faults = Faults(1, [Reset()])
    added = faults.add("503", times=1)
    assert str(faults) == "1. reset (struck 0 times)\n2. status code=503 times=1 (struck 0 times)"
    faults.remove(1)
    assert [one.number for one in faults.list()] == [2]
    faults.remove(added)
    with pytest.raises(LookupError, match="no fault number 2"):
        faults.remove(added)
    assert str(faults) == "no faults"
    faults.add("close")
    faults.clear()
    assert faults.list() == ()
    faults.reset()
    assert [str(one.rule) for one in faults.list()] == ["reset"]


def test_rules_have_a_bound():
    """The number of rules is limited."""
    faults = Faults(1)
    for _ in range(1000):
        faults.add("reset")
    with pytest.raises(RuleError, match="rules: are too many: allowed are 1000"):
        faults.add("reset")


def test_what_is_remembered_has_a_bound(monkeypatch):
    """The oldest jobs and counts are dropped."""
    monkeypatch.setattr("translation_server.simulator.faults.active_rules._MOST_KEPT", 10)
    faults = Faults(1, ["reset times=1"])
    for job in range(1, 30):
        faults.strike(start(job))
    assert len(faults._started) == len(faults._counts) == 10
