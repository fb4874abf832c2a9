"""The event-stream decoder: bytes in, events out."""

from __future__ import annotations

import contextlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from translation_client._wire.events import MAX_EVENT, EventDecoder, ServerEvent

STREAM = (
    b"\xef\xbb\xbf: hello\nretry: 1500\nid: 0\n\n"
    b'event: job\nid: 1\ndata: {"a":\ndata:  1}\n\n'
    b"data: \xc3\xa9\r\ndata: e\r\n\r\n"
    b"event: job\rid: 2\rdata: x\r\r"
    b": heartbeat\n\n"
    b"unknown: field\nid: a\0b\ndata\ndata\n\n"
    b"event: job\ndata: never completed"
)
EVENTS = [
    ServerEvent("message", "", "0"),
    ServerEvent("job", '{"a":\n 1}', "1"),
    ServerEvent("message", "é\ne", "1"),
    ServerEvent("job", "x", "2"),
    ServerEvent("message", "\n", "2"),
]


def decode(*chunks):
    decoder = EventDecoder()
    return [event for chunk in chunks for event in decoder.feed(chunk)]


def test_stream_is_read_as_the_standard_says():
    """Line ends of all three kinds, comments, several data lines, a byte order mark, unknown fields, NUL in an id."""
    assert decode(STREAM) == EVENTS


@pytest.mark.parametrize("cut", range(len(STREAM)))
def test_a_cut_anywhere_gives_the_same_events(cut):
    """Not even in the middle of a character or of a line's end."""
    assert decode(STREAM[:cut], STREAM[cut:]) == EVENTS


@given(st.lists(st.integers(0, len(STREAM)), max_size=40))
def test_chunks_of_any_size_give_the_same_events(cuts):
    """Where the network cuts the stream does not matter."""
    edges = [0, *sorted(cuts), len(STREAM)]
    assert decode(*(STREAM[a:b] for a, b in itertools.pairwise(edges))) == EVENTS


def test_retry_is_read_in_seconds():
    """The pause the server wants between connections is kept, in seconds."""
    decoder = EventDecoder()
    decoder.feed(b"retry: 1500\nretry: soon\nretry: -5\n\n")
    assert decoder.retry == 1.5


def test_endless_event_is_broken_off():
    """An event without end is an error, not a full memory."""
    decoder = EventDecoder()
    for _ in range(MAX_EVENT // 1000):
        decoder.feed(b"data: " + b"x" * 1000 + b"\n")
    with pytest.raises(ValueError, match="longer than"):
        decoder.feed(b"data: " + b"x" * 1000 + b"\n")


def test_bytes_that_are_no_text_are_an_error():
    """A stream that is not UTF-8 is an error."""
    with pytest.raises(ValueError, match="utf-8"):
        EventDecoder().feed(b"data: \xff\n\n")


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(chunk):
    """No bytes break the decoder in any other way."""
    with contextlib.suppress(ValueError):
        EventDecoder().feed(chunk)
