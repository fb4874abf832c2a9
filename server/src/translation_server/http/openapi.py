"""What the OpenAPI document says beyond the code: parameters, headers, and every answer's meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pydantic.json_schema import models_json_schema

from translation_server.http import parameters, schemas

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import FastAPI

    from translation_server.http.parameters import QueryParameter

_Json = dict[str, Any]

DESCRIPTION: Final = """\
Translates videos, or rather simulates it: jobs take a random time and end as `completed` or as `error`.

A job is started, then asked about until it has ended: best by long polls (`Prefer: wait=30`), or for many jobs through
one event stream (`GET /events`); otherwise no sooner than `poll_after` says. Errors are problems (RFC 9457). Another
user's job looks exactly like an unknown one. Paths below `/jobs` and their twins `/start`, `/status` are the same.
"""
_REFERENCE: Final = "#/components/schemas/{model}"
_MODELS: Final = (schemas.NewJob, schemas.JobQuery, schemas.Job, schemas.JobList, schemas.Health, schemas.Problem)
_SECURITY: Final = {"basic": {"type": "http", "scheme": "basic", "description": "RFC 7617, in UTF-8."}}


def _reference(model: str) -> _Json:
    return {"$ref": _REFERENCE.format(model=model)}


def _header(description: str, **schema: object) -> _Json:
    return {"description": description, "schema": {"type": "string", **schema}}


_SECONDS: Final = {"type": "integer", "minimum": 0}
_RETRY_AFTER: Final = _header("Whole seconds after which to come again, rounded up.", **_SECONDS)
_LOCATION: Final = _header("The job's own address.")
_REPLAYED: Final = _header("`true` if the key was known, and this is the job it stands for.", enum=["true"])
_APPLIED: Final = _header("`wait=N`: the server held the request, for up to N seconds.", pattern="^wait=[0-9.]+$")
_ETAG: Final = _header("Weak; it changes when the status does.")
_ALLOW: Final = _header("The methods this address answers to.")
_CHALLENGE: Final = _header("Basic authentication, in UTF-8.")
_STATUS_HEADERS: Final = {"Retry-After": _RETRY_AFTER, "Preference-Applied": _APPLIED, "ETag": _ETAG}


def answer(model: str, description: str, headers: _Json | None = None) -> _Json:
    """A successful answer in JSON."""
    content = {"application/json": {"schema": _reference(model)}}
    return {"description": description, "headers": headers or {}, "content": content}


def problem(description: str, headers: _Json | None = None) -> _Json:
    """An error."""
    content = {"application/problem+json": {"schema": _reference("Problem")}}
    return {"description": description, "headers": headers or {}, "content": content}


_LATER: Final = {"Retry-After": _RETRY_AFTER}
_LIMITED: Final = _LATER | {
    "RateLimit-Policy": _header("The limit that was reached (draft-ietf-httpapi-ratelimit-headers)."),
    "RateLimit": _header("What is left of it, and seconds until there is more."),
}
_COMMON: Final = {
    401: problem("Credentials are missing or wrong.", {"WWW-Authenticate": _CHALLENGE}),
    405: problem("Not a method of this address.", {"Allow": _ALLOW}),
    422: problem("A parameter, header or field is not as documented; `errors` names each."),
    429: problem("Too many requests, or too many failed logins.", _LIMITED),
    503: problem("The store does not work at the moment. Nothing was changed.", _LATER),
}
_BODY: Final = {
    400: problem("The body is not JSON."),
    403: problem("A page of another site made the browser send this."),
    408: problem("The body did not arrive in time."),
    413: problem("The body is too large."),
    415: problem("The body is not declared as JSON in UTF-8."),
}
_UNKNOWN: Final = {404: problem("The user has no such job.")}
_WAITERS: Final = {429: problem("Too many requests, or too many that are held, or too many failed logins.", _LIMITED)}
_STATUS: Final = {
    200: answer("Job", "The job.", _STATUS_HEADERS),
    304: {"description": "The status is still what `If-None-Match` names.", "headers": _STATUS_HEADERS},
    **_UNKNOWN,
    **_COMMON,
    **_WAITERS,
}


def _parameter(where: str, name: str, description: str, schema: _Json) -> _Json:
    return {"in": where, "name": name, "description": description, "required": False, "schema": schema}


def query_parameter(parameter: QueryParameter[Any]) -> _Json:
    """Return how the document describes a query parameter."""
    return _parameter("query", parameter.name, parameter.description, dict(parameter.schema))


_TEXT: Final = {"type": "string"}
_HOLD: Final = (
    query_parameter(parameters.WAIT),
    _parameter("header", "Prefer", "`wait=N`: the same, in whole seconds (RFC 7240).", _TEXT),
    _parameter("header", "If-None-Match", "Entity tags; with one that still holds, a 304.", _TEXT),
)
_OF_LISTS: Final[tuple[QueryParameter[Any], ...]] = (parameters.STATUS, parameters.LIMIT, parameters.CURSOR)
_PAGE: Final = tuple(query_parameter(one) for one in _OF_LISTS)
_KEY: Final = _parameter(
    "header",
    "Idempotency-Key",
    "The same key and body gives the same job: safe to repeat. 1 to 255 characters, quoted or bare.",
    {"type": "string", "minLength": 1},
)
_EVENTS: Final = (
    _parameter("header", "Last-Event-ID", "Goes on after this event: nothing missed, nothing twice.", _TEXT),
    query_parameter(parameters.SINCE),
    query_parameter(parameters.JOB_ID),
)


def _body(model: str, *, required: bool) -> _Json:
    return {"required": required, "content": {"application/json": {"schema": _reference(model)}}}


def _operation(responses: Mapping[int, _Json], *parameters_: _Json, **extra: object) -> _Json:
    """What a route's decorator is given, beside its path."""
    document = {"parameters": list(parameters_), **extra}
    return {"responses": responses, "openapi_extra": document, "response_model": None}


START: Final = _operation(
    {
        202: answer(
            "Job", "The job.", {"Location": _LOCATION, "Retry-After": _RETRY_AFTER, "Idempotency-Replayed": _REPLAYED}
        ),
        **_BODY,
        **_COMMON,
        429: problem("Too many pending jobs, or too many requests, or too many failed logins.", _LIMITED),
    },
    _KEY,
    requestBody=_body("NewJob", required=False),
) | {"status_code": 202}
STATUS: Final = _operation(_STATUS, *_HOLD)
LATEST: Final = _operation(_STATUS, *_HOLD)
LIST: Final = _operation({200: answer("JobList", "The jobs."), **_COMMON}, *_PAGE)
QUERY: Final = _operation(
    {200: answer("JobList", "The jobs; `next_cursor` is null."), **_BODY, **_COMMON},
    requestBody=_body("JobQuery", required=True),
)
CANCEL: Final = _operation(
    {
        200: answer("Job", "The job, which ended as `error` with the code `cancelled`."),
        403: _BODY[403],
        **_UNKNOWN,
        409: problem("The job had ended otherwise."),
        **_COMMON,
    },
)
EVENTS: Final = _operation(
    {
        200: {
            "description": "Events of the type `job`, for as long as the client stays. `data` is the job.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **_COMMON,
        **_WAITERS,
    },
    *_EVENTS,
)
_FOR_EVERYONE: Final[list[object]] = []
LIVE: Final = _operation({200: answer("Health", "The server runs."), 405: _COMMON[405]}, security=_FOR_EVERYONE)
READY: Final = _operation(
    {200: answer("Health", "The server can do its work."), 405: _COMMON[405], 503: _COMMON[503]}, security=_FOR_EVERYONE
)

METRICS: Final = _operation(
    {
        200: {
            "description": "The figures of this process, in Prometheus' text format 0.0.4.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        },
        **{status: _COMMON[status] for status in (401, 405, 429)},
    }
)


def complete(app: FastAPI) -> None:
    """Let the app's OpenAPI document name its schemas and how to authenticate."""
    generate = app.openapi

    def openapi() -> _Json:
        document = generate()
        if "securitySchemes" not in document.setdefault("components", {}):
            _, definitions = models_json_schema([(model, "validation") for model in _MODELS], ref_template=_REFERENCE)
            document["components"] |= {"schemas": definitions["$defs"], "securitySchemes": _SECURITY}
            document["security"] = [{"basic": []}]
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document
