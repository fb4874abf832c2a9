"""What is read from queries and headers, and what is refused."""

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translation_server.http import parameters
from translation_server.http.parameters import CURSOR, LIMIT, SINCE, STATUS, WAIT, QueryParameter
from translation_server.http.problems import ProblemError
from translation_server.jobs.model import Status

NUMBERS = QueryParameter("b", "", {}, str, "", repeated=True)
NUMBER = QueryParameter("a", "", {}, str, "")


def scope(query=b"", prefer=()):
    """A request with this query and these headers."""
    return {"query_string": query, "headers": [(b"prefer", value.encode("latin-1", "replace")) for value in prefer]}


def value(parameter, text):
    """What a text means for a parameter; None: it was not given."""
    return parameter.value({} if text is None else {parameter.name: [text]})


def refusal(read, *arguments) -> tuple[int, str]:
    """Status and field of what this raises."""
    with pytest.raises(ProblemError) as caught:
        read(*arguments)
    (error,) = caught.value.extensions["errors"]
    assert error["message"]
    return caught.value.status, error["field"]


@pytest.mark.parametrize(
    ("text", "prefer", "seconds"),
    [
        (None, [], None),
        ("30", [], 30),
        ("2.5", [], 2.5),
        ("0", ["wait=9"], 0),
        (None, ["wait=30"], 30),
        (None, ["respond-async, wait=10"], 10),
        (None, ["respond-async", 'WAIT = "20" ; foo=bar'], 20),
        (None, ["wait=1, wait=2"], 1),
        (None, ["wait"], None),
        (None, ["wait=-1"], None),
        (None, ["wait=1.5"], None),
        (None, ["wait=nan"], None),
        (None, ["wait=\u0661"], None),
        (None, ["wait=9999999999"], None),
        (None, ["await=5", "x=wait=5"], None),
        (None, ["\x00\xff,;="], None),
    ],
)
def test_the_time_to_hold_a_request(text, prefer, seconds):
    """The parameter goes before the header; a header that makes no sense is no preference."""
    assert parameters.wait_seconds(scope(b"" if text is None else f"wait={text}".encode(), prefer)) == seconds


@pytest.mark.parametrize("text", ["", "-1", "nan", "inf", "1e9", "1_0", " 1", "1.", ".5", "x", "\u0663", "9" * 5000])
def test_a_wait_that_is_no_number_of_seconds_is_refused(text):
    """A query is written by a program: what it cannot mean is an error."""
    assert refusal(value, WAIT, text) == (422, "wait")


@pytest.mark.parametrize(
    ("seconds", "text"), [(30, "wait=30"), (0, "wait=0"), (2.5, "wait=2.5"), (86400.25, "wait=86400.25")]
)
def test_what_was_applied(seconds, text):
    """The answer names the seconds as they were written."""
    assert parameters.applied(float(seconds)) == text


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (b"", {}),
        (b"a=1&b=x&b=y", {"a": ["1"], "b": ["x", "y"]}),
        (b"a=%00%FF%ED", {"a": ["\x00\ufffd\ufffd"]}),
        (b"a=", {"a": [""]}),
    ],
)
def test_a_query_is_read_by_name(query, expected):
    """Known parameters are read, whatever bytes they hold."""
    assert parameters.read_query(scope(query), NUMBER, NUMBERS) == expected


@pytest.mark.parametrize(
    ("query", "field"),
    [
        (b"c=1", "c"),
        (b"a=1&a=1", "a"),
        (b"A=1", "A"),
        (b"=1", ""),
        (b"&".join([b"b=1"] * 1001), "query"),
        (b"\xff=1", "ÿ"),
    ],
)
def test_a_query_with_anything_else_is_refused(query, field):
    """A parameter that is unknown, or given twice where that has no meaning, is named."""
    assert refusal(lambda: parameters.read_query(scope(query), NUMBER, NUMBERS)) == (422, field)


@pytest.mark.parametrize(("text", "number"), [(None, 100), ("1", 1), ("1000", 1000)])
def test_the_size_of_a_page(text, number):
    """From 1 to 1000, and 100 unless said otherwise."""
    assert value(LIMIT, text) == number


@pytest.mark.parametrize("text", ["0", "1001", "-1", "1.5", "", "x", "9" * 5000])
def test_other_sizes_are_refused(text):
    """No page is empty or endless."""
    assert refusal(value, LIMIT, text) == (422, "limit")


def test_the_three_statuses():
    """There are exactly three, and no other spelling of them."""
    assert [value(STATUS, text) for text in (None, "pending", "completed", "error")] == [None, *Status]
    assert refusal(value, STATUS, "PENDING") == (422, "status")


@pytest.mark.parametrize(
    "text", ["", "1", "x" * 36, "f" * 35, "f" * 37, "F" * 36, "f" * 36 + "\n", "ü" * 36, "\x00" * 36, "f" * 9999]
)
def test_a_cursor_of_ones_own_making_is_refused(text):
    """Only what an answer gave is a cursor."""
    assert refusal(value, CURSOR, text) == (422, "cursor")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("0", 0),
        ("1769860800.123", 1769860800.123),
        ("2026-01-31T12:00:00Z", 1769860800),
        ("2026-01-31t12:00:00.123z", 1769860800.123),
        ("2026-01-31T13:00:00+01:00", 1769860800),
        ("2026-01-31T13:00:00 01:00", 1769860800),
        ("2026-01-31T07:00:00-05:00", 1769860800),
        (None, None),
    ],
)
def test_moments(text, moment):
    """Seconds since 1970, or date and time with their offset, a plus sign escaped or not."""
    assert value(SINCE, text) == moment


@given(st.datetimes(min_value=datetime(1970, 1, 2), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis adds the zone
def test_every_moment_that_is_told_can_be_asked_for(moment):
    """A timestamp of an answer is a moment to replay from."""
    text = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert math.isclose(value(SINCE, text), moment.timestamp(), abs_tol=0.001)


@pytest.mark.parametrize(
    "text", ["", "now", "2026-01-31", "2026-01-31T12:00:00", "2026-02-30T12:00:00Z", "-1", "nan", "999999999999"]
)
def test_no_other_text_is_a_moment(text):
    """A moment without its offset, or one that does not exist, is refused."""
    assert refusal(value, SINCE, text) == (422, "since")


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ([], None),
        (['"abc"'], "abc"),
        (["abc"], "abc"),
        ([" abc "], "abc"),
        (['"a b"'], "a b"),
        (['"a\\"b\\\\c"'], 'a"b\\c'),
        (["8e03978e-40d5-43e8-bc93-6894a57f9324"], "8e03978e-40d5-43e8-bc93-6894a57f9324"),
        (["x" * 255], "x" * 255),
        (['"' + "x" * 255 + '"'], "x" * 255),
    ],
)
def test_an_idempotency_key(values, key):
    """Quoted or bare, a key is the same key."""
    assert parameters.idempotency_key(values) == key


@pytest.mark.parametrize(
    "values",
    [
        [""],
        ['""'],
        ["x" * 256],
        ['"' + "x" * 256 + '"'],
        ["a b"],
        ['"a'],
        ['a" b'],
        ['"a";p=1'],
        ["é"],
        ["a\tb"],
        ["a", "a"],
        ['"a\\x"'],
    ],
)
def test_no_other_text_is_an_idempotency_key(values):
    """A key that is empty, too long, ambiguous or malformed is refused."""
    assert refusal(parameters.idempotency_key, values) == (422, "Idempotency-Key")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], False),
        (['W/"a"'], True),
        (['"a"'], True),
        (['"x", W/"a"'], True),
        (["*"], True),
        (['"b"'], False),
        (["a"], False),
    ],
)
def test_entity_tags_are_compared_weakly(values, expected):
    """One of several tags suffices, weak or strong."""
    assert parameters.matches(values, 'W/"a"') is expected


@pytest.mark.parametrize(
    ("values", "position"), [([], None), ([""], None), (["0a1b2c3d-17"], 17), (["0a1b2c3d-0"], 0), (["ffffffff-17"], 0)]
)
def test_where_a_stream_goes_on(values, position):
    """After the event named; an event of another store says nothing about this one's."""
    assert parameters.last_event_id(values, "0a1b2c3d") == position
    assert parameters.last_event_id([parameters.to_event_id("0a1b2c3d", 5)], "0a1b2c3d") == 5


@pytest.mark.parametrize("text", ["17", "0a1b2c3d", "0a1b2c3d-", "0a1b2c3d--1", "x", "0a1b2c3d-" + "9" * 30])
def test_no_other_text_is_an_events_id(text):
    """What no stream of ours sent is refused."""
    assert refusal(parameters.last_event_id, [text], "0a1b2c3d") == (422, "Last-Event-ID")
