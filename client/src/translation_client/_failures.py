"""What went wrong on the way to the server, in plain words instead of the libraries' own."""

from __future__ import annotations

import os
import socket

import requests
from urllib3.exceptions import NameResolutionError, NewConnectionError

from translation_client._protocol import Transient


def as_transient(error: Exception) -> Transient:
    """The failure, worth retrying; the libraries' error stays reachable as its cause."""
    root = _root(error)
    never_sent = isinstance(root, NewConnectionError) or isinstance(error, requests.ConnectTimeout)
    plain: Exception
    if isinstance(root, NameResolutionError):
        plain, never_sent = ConnectionError("the server's name could not be resolved"), True
    elif isinstance(error, requests.Timeout) or isinstance(root, TimeoutError):
        plain = TimeoutError("no answer in time")
    else:
        plain = ConnectionError(_words(root))
    plain.__cause__ = error
    return Transient(plain, maybe_received=not never_sent)


def _root(error: BaseException) -> BaseException:
    """The innermost of the errors that requests and urllib3 wrap around each other."""
    for inner in (getattr(error, "reason", None), *error.args):
        if isinstance(inner, BaseException):
            return error if isinstance(error, NewConnectionError) else _root(inner)
    return error


def _words(error: BaseException) -> str:
    cause = error.__cause__ if isinstance(error, NewConnectionError) else error
    if isinstance(cause, socket.gaierror):
        return "the server's name could not be resolved"
    if isinstance(cause, OSError) and cause.errno:
        return (cause.strerror or os.strerror(cause.errno)).lower()
    return str(error) or type(error).__name__
