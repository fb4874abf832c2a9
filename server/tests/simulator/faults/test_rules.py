"""Rules in Python, as JSON and as text, which are equivalent."""

import contextlib
import json
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translation_server.simulator.faults.fields import INSTEAD, PER, RuleError, Span
from translation_server.simulator.faults.model import (
    FAULTS,
    Close,
    CutLongPoll,
    Drip,
    Latency,
    LostAnswer,
    Reset,
    Status,
)
from translation_server.simulator.faults.rules import CONDITIONS, Rule, parse_rules, to_rule
from translation_server.simulator.recording.exchange import Kind

SECONDS = st.floats(0, 86_400)
COUNT = st.integers(1, 10**9)
SHARE = st.floats(0, 1)
WORD = st.text(st.characters(exclude_categories=["C", "Z"], include_characters=" "), min_size=1, max_size=200)
SPAN = st.one_of(
    st.integers(1, 99),
    st.tuples(st.integers(1, 9), st.one_of(st.none(), st.integers(9, 99))),
    st.builds("{}-{}".format, st.integers(1, 9), st.integers(9, 99)),
    st.builds(range, st.integers(1, 9), st.integers(10, 99)),
)
VALUES = {
    "seconds": SECONDS,
    "code": st.integers(400, 599),
    "retry_after": st.none() | st.integers(0, 86_400),
    "share": SHARE,
    "bytes_per_second": st.floats(1e-9, 1e9),
    "status": WORD,
    "instead": st.sampled_from(INSTEAD),
    "kind": st.lists(st.sampled_from(Kind), min_size=1).map(tuple),
    "on_poll": SPAN,
    "user": WORD,
    "job": COUNT,
    "after": SECONDS,
    "within": st.floats(1e-9, 86_400),
    "rate": SHARE,
    "times": COUNT,
    "per": st.sampled_from(PER),
}


@st.composite
def rules(draw):
    kind = draw(st.sampled_from(list(FAULTS.values())))
    fault = kind(**{field.name: draw(VALUES[field.name]) for field in fields(kind)})
    when = {name: draw(VALUES[name]) for name in CONDITIONS if draw(st.booleans())}
    if when.get("after", 0) > when.get("within", 86_400):
        del when["after"]
    return Rule(fault, **when)


@given(st.lists(rules(), max_size=3), st.sampled_from([";", "\n", " ; ", "\r\n\n", ";;"]))
def test_text(many, separator):
    """Every rule can be written as text, and is the same when parsed."""
    assert parse_rules(separator.join(map(str, many))) == tuple(many)


@given(rules())
def test_json(rule):
    """Every rule can be written as JSON, and is the same when parsed."""
    assert Rule.from_json(json.loads(json.dumps(rule.as_json()))) == rule


@given(st.text())
def test_any_text(text):
    """Any other text is refused with a message."""
    with contextlib.suppress(RuleError):
        assert all(isinstance(rule, Rule) for rule in parse_rules(text))


@given(st.dictionaries(st.sampled_from(["fault", *VALUES]), st.none() | st.integers() | st.floats() | st.text()))
def test_any_json(said):
    """Any other JSON is refused with a message."""
    with contextlib.suppress(RuleError):
        assert isinstance(Rule.from_json({"fault": "status", **said}), Rule)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("reset", Rule(Reset())),
        ("503", Rule(Status(503))),
        ("429 retry_after=2 times=3", Rule(Status(429, retry_after=2), times=3)),
        ("status 500 rate=0.1", Rule(Status(500), rate=0.1)),
        ("latency .5 kind=poll,start", Rule(Latency(0.5), kind=("start", "poll"))),
        ("drip bytes_per_second=5 on_poll=2-", Rule(Drip(5), on_poll=(2, None))),
        ("cut_long_poll 2 instead=504", Rule(CutLongPoll(2.0, "504"))),
        ("lost_answer reset job=7 per=server", Rule(LostAnswer("reset"), job=7, per="server")),
        ('close user="Zoë; \\"x\\" = y" after=1 within=2', Rule(Close(), user='Zoë; "x" = y', after=1, within=2)),
    ],
)
def test_written_rules(text, rule):
    """Rules can be typed in their short forms."""
    assert parse_rules(text) == (rule,)
    assert to_rule(text) == rule


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("resett", "fault: is 'resett': allowed is one of latency, status"),
        ("rate=0.1", "fault: is missing before rate=0.1"),
        ("reset rate=2", "rate: is '2': allowed is a number from 0 to 1"),
        ("reset rate=nan", "rate: is 'nan': allowed is a number"),
        ("reset times=0", "times: is '0': allowed is a whole number from 1"),
        ("reset on_poll=3-2", "on_poll: is '3-2': allowed is a number from 1, or a range"),
        ("reset kind=polls", "kind: is 'polls': allowed is one or several of start, poll"),
        ("reset often=yes", "often: is not a name here: allowed are kind, on_poll"),
        ("reset 5", "rules: cannot have '5' there: allowed is name=value"),
        ("503 5", "rules: cannot have '5' there"),
        ("200", "code: is '200': allowed is a whole number from 400 to 599"),
        ("latency", "seconds: is missing: latency needs it"),
        ("latency -1", "seconds: is '-1': allowed is a number of seconds from 0"),
        ("reset rate=0.1 rate=0.2", "rate: is given twice"),
        ("reset after=2 within=1", "after: is 2, and within is 1"),
        ('reset user="x', "rules: cannot be read from '=\"x' on"),
        ("lost_answer instead=500", "instead: is '500': allowed is close, reset, 502 or 504"),
    ],
)
def test_refused_rules(text, words):
    """The message has the name of the wrong value and the allowed values."""
    with pytest.raises(RuleError) as caught:
        parse_rules(text)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({}, "fault"),
        ({"fault": ["reset"]}, "fault"),
        ({"fault": "reset", "rate": True}, "rate"),
        ({"fault": "reset", "times": 1.5}, "times"),
        ({"fault": "reset", "times": True}, "times"),
        ({"fault": "reset", "kind": []}, "kind"),
        ({"fault": "reset", "kind": 5}, "kind"),
        ({"fault": "reset", "user": "a\nb"}, "user"),
        ({"fault": "reset", "user": "x" * 201}, "user"),
        ({"fault": "latency", "seconds": 1e999}, "seconds"),
        ({"fault": "drip", "bytes_per_second": 0}, "bytes_per_second"),
        ({"fault": "unknown_status", "status": ""}, "status"),
        ({"fault": "status", "seconds": 1}, "seconds"),
        ({"fault": "reset", "on_poll": [1]}, "on_poll"),
    ],
)
def test_refused_json(said, field):
    """A member that is wrong is named."""
    with pytest.raises(RuleError) as caught:
        Rule.from_json(said)
    assert caught.value.field == field


def test_incidents_in_text():
    """If incidents are given, a text may name them among its rules."""
    known = {"two": parse_rules("reset; close"), "one": parse_rules("503")}
    assert parse_rules("latency 1; incident two; incident one", known) == parse_rules("latency 1; reset; close; 503")
    with pytest.raises(RuleError, match="incident: is 'three': allowed is one of two, one"):
        parse_rules("incident three", known)
    with pytest.raises(RuleError, match="fault: is 'incident'"):
        parse_rules("incident one")


def test_a_long_value_is_shortened():
    """A message stays within a line, however long the value is."""
    with pytest.raises(RuleError) as caught:
        Rule(Reset(), user="x" * 1000)
    assert len(str(caught.value)) < 250


def test_ranges():
    """A range contains its ends, and may have no last number."""
    assert [number for number in range(1, 9) if Span(2, 5).includes(number)] == [2, 3, 4, 5]
    assert Span(7, None).includes(10**9)
    assert not Span(7, None).includes(6)


@pytest.mark.parametrize("wrong", [5, None, Reset, "reset; close", ""])
def test_no_rule(wrong):
    """Anything that is not one rule is refused."""
    with pytest.raises(RuleError, match=r"fault: is|rules: are"):
        to_rule(wrong)


def test_further_conditions():
    """Conditions can be added to a fault, a rule or a text; unknown ones are refused."""
    wanted = Rule(Reset(), rate=0.5, times=2)
    assert to_rule("reset rate=0.5", times=2) == to_rule(Rule(Reset(), rate=0.5), times=2) == wanted
    assert to_rule(Reset(), rate=0.5, times=2) == wanted
    with pytest.raises(RuleError, match="often: is not a name here"):
        to_rule(Reset(), often=2)
