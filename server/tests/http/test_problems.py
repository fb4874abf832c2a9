"""Errors as problems (RFC 9457)."""

import json
import logging

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException

from translation_server.http.problems import ProblemError, install, respond

NOT_FOUND = {"type": "about:blank", "title": "Not Found", "status": 404}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=())), inner),
)


async def call(app: FastAPI, method: str, path: str) -> httpx.Response:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
        return await client.request(method, path)


def app_raising(error: Exception) -> FastAPI:
    app = FastAPI()
    install(app)

    @app.get("/job/{number}")
    async def fail(number: int) -> None:
        assert number
        raise error

    return app


def test_members():
    """A problem has the five members of the standard that apply, and the extensions it was given."""
    answer = respond(404, "There is no such job.", headers={"Retry-After": "1"}, job_id="a")
    assert json.loads(answer.body) == NOT_FOUND | {"detail": "There is no such job.", "job_id": "a"}
    assert answer.status == 404
    assert [*answer.headers] == [(b"content-type", b"application/problem+json"), (b"retry-after", b"1")]


@pytest.mark.parametrize(
    ("status", "title"),
    [
        (401, "Unauthorized"),
        (409, "Conflict"),
        (413, "Content Too Large"),
        (422, "Unprocessable Content"),
        (429, "Too Many Requests"),
        (503, "Service Unavailable"),
        (599, "Error"),
    ],
)
def test_titles(status, title):
    """The title is the status code's name in RFC 9110, in every version of Python."""
    assert json.loads(respond(status, "x").body)["title"] == title


@given(detail=st.text(st.characters(exclude_categories=())), value=ANYTHING)
def test_any_text(detail, value):
    """Whatever is in a problem, its body is JSON that every parser takes."""
    body = respond(400, detail, value=value).body

    def refuse(constant):
        raise AssertionError(constant)

    found = json.loads(body.decode("utf-8"), parse_constant=refuse)
    assert found["status"] == 400
    assert json.dumps(found, ensure_ascii=False).encode("utf-8")


@pytest.mark.parametrize("value", [object(), {1: "\ud800"}, ("\udfff", 10**400), float("nan")])
def test_odd_values(value):
    """A value JSON has no word for is replaced, never an error."""
    assert json.loads(respond(400, "x", value=value).body)["status"] == 400


async def test_raised_problem():
    """A problem raised below the app is its answer, with headers and extensions."""
    error = ProblemError(404, "There is no such job.", headers={"Retry-After": "2"}, job_id="7")
    answer = await call(app_raising(error), "GET", "/job/7")
    assert answer.json() == NOT_FOUND | {"detail": "There is no such job.", "job_id": "7"}
    assert answer.headers["retry-after"] == "2"


async def test_unknown_address():
    """An address that does not exist is answered with a problem."""
    answer = await call(app_raising(ValueError()), "GET", "/nowhere")
    assert answer.json() == NOT_FOUND | {"detail": "There is nothing at this address."}


async def test_wrong_method():
    """A method that an address does not answer to is refused with the ones it does in Allow."""
    answer = await call(app_raising(ValueError()), "PUT", "/job/1")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_http_exception_keeps_its_detail():
    """An HTTPException of a library is answered in its own words."""
    answer = await call(app_raising(HTTPException(418, "short and stout")), "GET", "/job/1")
    assert (answer.status_code, answer.json()["detail"]) == (418, "short and stout")


async def test_validation_error_names_fields():
    """What FastAPI refuses is told field by field, without repeating the value."""
    answer = await call(app_raising(ValueError()), "GET", "/job/canary")
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["path.number"]
    assert "canary" not in answer.text


async def test_unexpected_error_tells_nothing(caplog):
    """An unexpected error is a 500 without internals; the log has the traceback."""
    with caplog.at_level(logging.ERROR):
        answer = await call(app_raising(RuntimeError("canary")), "GET", "/job/1")
    assert (answer.status_code, answer.json()["title"]) == (500, "Internal Server Error")
    assert "canary" not in answer.text
    assert any(record.exc_info for record in caplog.records)
