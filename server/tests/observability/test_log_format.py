"""The log as JSON, and the request id of a line."""

import json
import logging
import os

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from translation_server.observability import log_file
from translation_server.observability.log_file import LogFile
from translation_server.observability.log_format import (
    REQUEST_ID,
    JsonFormatter,
    LineFormatter,
    RequestLine,
    request_record,
)

NAME = "translation_server.jobs.model"
LINE = RequestLine("GET", "/status/1", 200, 1.23456, "zoë", "127.0.0.1", "r1")


def record(message, *arguments, level=logging.INFO, error=None):
    info = (type(error), error, None) if error else None
    made = logging.LogRecord(NAME, level, "", 0, message, arguments, info)
    made.created, made.process = 1_769_860_800.1239, 42
    return made


@pytest.fixture
def in_a_request():
    token = REQUEST_ID.set("r7")
    yield
    REQUEST_ID.reset(token)


def test_a_request_as_json():
    """Each value of a request is a field of its own; the user is not quoted."""
    assert json.loads(JsonFormatter().format(record(LINE))) == {
        "time": "2026-01-31T12:00:00.123Z",
        "level": "INFO",
        "process": 42,
        "logger": NAME,
        "message": "GET /status/1 200",
        "method": "GET",
        "path": "/status/1",
        "status": 200,
        "ms": 1.235,
        "user": "zoë",
        "client": "127.0.0.1",
        "request_id": "r1",
    }


def test_what_is_not_known_is_left_out():
    """Without a login and an address, these fields are missing."""
    found = json.loads(JsonFormatter().format(record(LINE._replace(user="", client=""))))
    assert not found.keys() & {"user", "client"}
    assert "request_id" not in json.loads(JsonFormatter().format(record("started")))


@pytest.mark.usefixtures("in_a_request")
def test_an_error_as_json():
    """An error's line has its traceback, and the request during which it happened."""
    found = json.loads(JsonFormatter().format(record("%s failed", "it", level=logging.ERROR, error=KeyError("x"))))
    assert (found["message"], found["request_id"], found["level"]) == ("it failed", "r7", "ERROR")
    assert found["traceback"].endswith("KeyError: 'x'")


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_is_one_object_on_one_line(text):
    """Any text survives, on one line for every reader."""
    line = JsonFormatter().format(record("%s", text))
    assert len(line.splitlines()) == 1
    assert line.encode()
    assert json.loads(line).get("message", "") == text


@pytest.mark.usefixtures("in_a_request")
def test_any_line_names_its_request():
    """In text, a line written during a request ends with its id; the line of the request itself has the id once."""
    assert LineFormatter().format(record("a problem")).endswith(f" {NAME} a problem request=r7")
    assert LineFormatter().format(record(LINE)).endswith("user=zoë client=127.0.0.1 request=r1")


def test_lost_lines_are_counted(tmp_path, monkeypatch):
    """The count of lost lines stays after writing works again."""
    file = LogFile(tmp_path / "server.log")
    write = file._file.write
    monkeypatch.setattr(logging.getLogger(), "handlers", [file])

    def fail(_):
        raise OSError

    file._file.write = fail
    for _ in range(2):
        file.handle(record("lost", level=logging.WARNING))
    file._file.write = write
    file.handle(record("kept", level=logging.WARNING))
    assert log_file.lines_lost() == 2
    file.close()


async def test_the_answer_to_our_own_fault_names_the_request(open_api, monkeypatch):
    """A 500 carries the request's id as a member of the problem, so that a report of it leads to the log's line."""
    api = await open_api()

    async def fail(*_):
        raise RuntimeError

    monkeypatch.setattr(api.service, "latest", fail)
    transport = httpx.ASGITransport(api.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", auth=("admin", "secret")) as client:
        answer = await client.get("/status", headers={"X-Request-ID": "mine"})
    assert (answer.status_code, answer.json()["request_id"]) == (500, "mine")
    assert "request_id" not in (await api.admin.get("/nothing")).json()


@given(st.text(max_size=20), st.text(max_size=20), st.floats(0, 4e9))
def test_the_line_of_a_request_needs_no_record(path, user, moment):
    """Both ways give the same text, on one line."""
    line = LINE._replace(path=path, user=user)
    assert LineFormatter().request(line, moment, os.getpid()) == LineFormatter().format(request_record(line, moment))
    assert len(LineFormatter().request(line, moment, os.getpid()).splitlines()) == 1
