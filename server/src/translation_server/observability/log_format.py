"""The format of log lines: text for people, or JSON for programs (one object per line); both have the request id."""

import json
import logging
import os
import re
import time
from contextvars import ContextVar
from functools import lru_cache
from typing import Final, NamedTuple

import orjson

REQUEST_ID: Final = ContextVar("request id", default="")
"""The id of the request that is handled in this context; empty outside of requests."""

_UNSAFE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_PLAIN: Final = re.compile(r"[\w.@:+-]+")


class RequestLine(NamedTuple):
    """What is logged about a request: the message of its log record.

    Attributes:
        method: The HTTP method.
        path: The path, without the query.
        status: The HTTP status of the answer.
        ms: Its duration in milliseconds.
        user: The name of the user; empty without a login.
        client: The address of the client, if it is known.
        request_id: The request id.
    """

    method: str
    path: str
    status: int
    ms: float
    user: str
    client: str
    request_id: str

    def __str__(self) -> str:
        return (
            f"{self.method} {self.path} {self.status} {self.ms:.3f} ms"
            f" user={_quoted(self.user)} client={_quoted(self.client)} request={self.request_id}"
        )


_LOGGER_OF_REQUESTS: Final = "translation_server.middleware.access"
_RECORD: Final = logging.LogRecord(_LOGGER_OF_REQUESTS, logging.INFO, "", 0, "", (), None).__dict__


def request_record(line: RequestLine, moment: float) -> logging.LogRecord:
    """Return the log record of a request that was answered at ``moment``, at a fraction of the usual cost."""
    record = logging.LogRecord.__new__(logging.LogRecord)
    record.__dict__.update(_RECORD, msg=line, created=moment, msecs=moment % 1 * 1000, process=os.getpid())
    return record


class LineFormatter(logging.Formatter):
    """UTC time (ISO 8601, milliseconds), level, process id, logger, message; a traceback follows indented.

    Characters that start a new line, move the cursor or are not text are escaped as in a Python literal.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its line feed."""
        level, message = record.levelname, _escape(record.getMessage())
        line = f"{_time(record.created)} {level} {record.process} {record.name} {message}"
        if not isinstance(record.msg, RequestLine) and (request_id := REQUEST_ID.get()):
            line = f"{line} request={request_id}"
        if not record.exc_info:
            return line
        return "\n    | ".join([line, *map(_escape, self.formatException(record.exc_info).split("\n"))])

    def request(self, line: RequestLine, moment: float, process: int) -> str:
        """Return the line of a request that was answered at ``moment``, at a fraction of the cost."""
        return f"{_time(moment)} INFO {process} {_LOGGER_OF_REQUESTS} {_escape(str(line))}"


class JsonFormatter(logging.Formatter):
    """A JSON object: ``time``, ``level``, ``process``, ``logger``, ``message``, ``request_id``, ``traceback``.

    The line of a request has ``method``, ``path``, ``status``, ``ms``, ``user`` and ``client`` as well. Unknown values
    are left out.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its line feed."""
        fields: dict[str, object] = {
            "time": _time(record.created),
            "level": record.levelname,
            "process": record.process,
            "logger": record.name,
        }
        if isinstance(record.msg, RequestLine):
            line = record.msg
            fields |= {"message": f"{line.method} {line.path} {line.status}", **line._asdict(), "ms": round(line.ms, 3)}
        else:
            fields |= {"message": record.getMessage(), "request_id": REQUEST_ID.get()}
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return _to_json({name: value for name, value in fields.items() if value != ""})


def _to_json(fields: dict[str, object]) -> str:
    try:
        text = orjson.dumps(fields).decode()
    except TypeError:  # a lone surrogate, which UTF-8 cannot hold
        return json.dumps(fields)
    if text.isprintable():
        return text
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)  # what is left of these is inside strings


def _time(moment: float) -> str:
    milliseconds = int(moment * 1000)
    return f"{_moment(milliseconds // 1000)}.{milliseconds % 1000:03d}Z"


@lru_cache(maxsize=2)
def _moment(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _escape(text: str) -> str:
    if text.isprintable():
        return text
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


@lru_cache(maxsize=1024)
def _quoted(user: str) -> str:
    if not user:
        return "-"
    return user if _PLAIN.fullmatch(user) else json.dumps(user, ensure_ascii=False)
