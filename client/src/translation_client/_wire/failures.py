"""Failures worth retrying, in plain words instead of the libraries' own; the same for both clients. Pure."""

from __future__ import annotations

import os
from typing import NamedTuple

MAX_BODY = 16 * 1024 * 1024
"""The most bytes of an answer that are read; a longer answer is a transient failure and does not fill the memory."""

UNRESOLVED = "the server's name could not be resolved"
TIMED_OUT = "no answer in time"
CLOSED = "the server closed the connection without an answer"
BROKEN_OFF = "the answer broke off"
NO_HTTP = "the answer was no HTTP"
UNPACKABLE = "the answer could not be decompressed"


class Transient(NamedTuple):
    """A failure worth retrying.

    Attributes:
        error: What went wrong.
        retry_after: Seconds before which the server wants no request; None if it did not say.
        maybe_received: False if the server certainly did not act on the request.
    """

    error: Exception
    retry_after: float | None = None
    maybe_received: bool = True


def as_failure(result: object) -> Transient:
    """Return the failure in a driver's reply that holds no response."""
    return result if isinstance(result, Transient) else Transient(ConnectionError("no answer"))


def failed(cause: BaseException, words: str = "", *, sent: bool = True) -> Transient:
    """Return the failure whose innermost reason is ``cause``.

    Args:
        cause: Stays reachable as the cause of the error, but alone: the frames of its traceback, and the errors a
            library wraps around it, hold the headers that were sent, and those the credentials.
        words: The message; empty: the system's or the error's own.
        sent: False if the request certainly never left.
    """
    kind = TimeoutError if words == TIMED_OUT else ConnectionError
    plain = kind(words or _own_words(cause))
    cause.__cause__ = cause.__context__ = None
    plain.__cause__ = cause.with_traceback(None)
    return Transient(plain, maybe_received=sent)


def out_of_time(seconds: float, *, sent: bool = True) -> Transient:
    """Return the failure of a request given up after so many seconds; not sent, if there was no connection yet."""
    words = "answer" if sent else "connection"
    return Transient(TimeoutError(f"no {words} within {seconds:.3g} s"), maybe_received=sent)


def too_long() -> Transient:
    """Return the failure of an answer that would fill the memory."""
    return Transient(ConnectionError(f"the answer is longer than {MAX_BODY} bytes"))


def _own_words(cause: BaseException) -> str:
    if refusal := getattr(cause, "verify_message", ""):  # an ssl.SSLCertVerificationError
        return f"the server's certificate was not accepted: {refusal}"
    if isinstance(cause, OSError) and cause.errno and not hasattr(cause, "library"):  # an ssl.SSLError counts otherwise
        return os.strerror(cause.errno).lower()
    return str(cause) or type(cause).__name__
