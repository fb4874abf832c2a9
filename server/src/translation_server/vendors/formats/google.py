"""Google's long-running operations (AIP-151), as every Google Cloud API has them; any ``:verb`` starts one. Pure.

The type URLs in answers, ``type.googleapis.com/…``, are names of types that clients compare, and no addresses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from translation_server.vendors.format import (
    BEARER,
    CANCEL,
    CANCELLED,
    COMPLETED,
    DELETE,
    ERROR,
    LIST,
    POLL,
    START,
    ApiRequest,
    Format,
    Jobs,
    JobView,
    Json,
    Page,
    Problem,
    Route,
    of_first,
)
from translation_server.vendors.ids import HEX, Ids

_STRUCT: Final = "type.googleapis.com/google.protobuf.Struct"
_BAD_REQUEST: Final = "type.googleapis.com/google.rpc.BadRequest"
_OPERATION: Final = "/{version}/{parent:path}/operations/{id}"
_PARENT: Final = re.compile(r"projects/[^/:]+(/locations/[^/:]+)?")
_DURATION: Final = re.compile(r"\d{1,9}(\.\d{1,9})?s")  # as protobuf's JSON has it
_LONGEST_WAIT: Final = 60.0
_PAGE: Final = Page(size="pageSize", after="pageToken", default=100)
_CANCELLED: Final = 1  # of google.rpc.Code, as the next
_INTERNAL: Final = 13
_STATUSES: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    422: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def _error(problem: Problem) -> Json:
    told = {"code": problem.status, "message": problem.detail, "status": _STATUSES.get(problem.status, "UNKNOWN")}
    violations = [{"field": ".".join(map(str, one.loc[1:])), "description": one.msg} for one in problem.invalid]
    details = {"details": [{"@type": _BAD_REQUEST, "fieldViolations": violations}]} if violations else {}
    return {"error": told | details}


def _struct(**value: Json) -> Json:
    return {"@type": _STRUCT, "value": value}


def _operation(view: JobView) -> Json:
    parent = _PARENT.match(view.params.get("resource", ""))
    told = {
        "name": f"{parent[0] if parent else 'projects/p'}/operations/{view.id}",
        "metadata": _struct(progressPercent=int(100 * view.progress)),
        "done": view.ending is not None,
    }
    if view.completed:
        return told | {"response": _struct(uri=view.file("mp4"))}
    if view.ending is not None:
        return told | {"error": {"code": _CANCELLED if view.cancelled else _INTERNAL, "message": view.error}}
    return told


def _list(jobs: Jobs) -> Json:
    more = {"nextPageToken": jobs.views[-1].id} if jobs.more else {}
    return {"operations": [*map(_operation, jobs.views)]} | more


def _read(document: Json) -> str | None:
    if not isinstance(document, Mapping) or not isinstance(document.get("name"), str):
        return None
    if not document.get("done"):
        return "pending"
    error = document.get("error")
    if not isinstance(error, Mapping):
        return COMPLETED
    return CANCELLED if error.get("code") == _CANCELLED else ERROR


def _wait(request: ApiRequest) -> float:
    given = request.body.get("timeout")
    if isinstance(given, str) and _DURATION.fullmatch(given):
        return min(float(given[:-1]), _LONGEST_WAIT)
    return _LONGEST_WAIT


def _empty(_: JobView) -> Json:
    return {}


LRO = Format(
    name="google",
    title="Google long-running operations (AIP-151)",
    keys=(BEARER, ("x-goog-api-key", "(.+)")),
    words={0: "running", "completed": "done", "error": "error", "cancelled": "cancelled"},
    error=_error,
    invalid=400,
    ids=Ids(alphabet=HEX, length=32),
    status_at="",
    reads=_read,
    routes=(
        Route("POST", f"{_OPERATION}:cancel", CANCEL, _empty),
        Route("POST", f"{_OPERATION}:wait", POLL, _operation, wait=_wait),
        Route("GET", _OPERATION, POLL, _operation),
        Route("DELETE", _OPERATION, DELETE, _empty),
        Route("GET", "/{version}/{parent:path}/operations", LIST, _list, page=_PAGE),
        Route("POST", "/{version}/{resource:path}:{verb}", START, of_first(_operation)),
    ),
)
