"""Replicate, which runs models of many owners, as its SDKs ``replicate`` (Python and npm) speak to it. Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import BaseModel, ConfigDict

from translation_server.vendors.format import (
    BEARER,
    CANCEL,
    EVENTS,
    LIST,
    OTHER,
    POLL,
    START,
    ApiRequest,
    Event,
    Format,
    Jobs,
    JobView,
    Json,
    Page,
    Problem,
    Reply,
    Route,
    iso,
)
from translation_server.vendors.ids import BASE32, Ids

if TYPE_CHECKING:
    from collections.abc import Sequence

_PREDICTIONS: Final = "/v1/predictions"
_MODEL: Final = "acme/translate"
_VERSION: Final = "5" * 64
_STARTING: Final = "starting"
_LONGEST_WAIT: Final = 60
_WAIT: Final = re.compile(r"(?:^|,)\s*wait(?:\s*=\s*\"?(\d{1,9})\"?)?\s*(?:[,;]|$)", re.IGNORECASE)
_TITLES: Final = {401: "Unauthenticated", 422: "Input validation failed"}


class _Start(BaseModel):
    model_config = ConfigDict(extra="allow")

    input: dict[str, Any]
    stream: bool = False
    webhook: str | None = None
    webhook_events_filter: list[Literal["start", "output", "logs", "completed"]] | None = None


class _VersionStart(_Start):
    version: str


def _prediction(view: JobView) -> Json:
    percent = int(100 * view.progress)
    begun = None if view.word == _STARTING else view.created
    model, version = _model(view)
    here = f"{view.base}{_PREDICTIONS}/{view.id}"
    return {
        "id": view.id,
        "model": model,
        "version": version,
        "input": view.input["input"],
        "logs": f"{percent}%|####| {percent // 10}/10 [00:01<00:01]\n",
        "output": view.file("mp4") if view.completed else None,
        "data_removed": False,
        "error": view.error if view.failed else None,
        "source": "api",
        "status": view.word,
        "created_at": iso(view.created),
        "started_at": iso(begun),
        "completed_at": iso(view.ended),
        "metrics": {} if view.ended is None else {"predict_time": round(view.ended - view.created, 3)},
        "urls": {
            "cancel": f"{here}/cancel",
            "get": here,
            "stream": f"{view.base}/v1/stream/{view.id}",
            "web": f"{view.base}/p/{view.id}",
        },
    }


def _model(view: JobView) -> tuple[str, str]:
    """Return the model and the version that a start asked for: by its path, ``owner/name:version`` or the version."""
    if view.params:
        return f"{view.params['owner']}/{view.params['name']}", _VERSION
    model, _, version = view.input["version"].rpartition(":")
    return model or _MODEL, version


def _wait(request: ApiRequest) -> float | None:
    """Return for how long ``Prefer: wait=SECONDS`` (RFC 7240, section 4.3) asks to hold the answer."""
    found = _WAIT.search(request.headers.get("prefer", ""))
    if found is None:
        return None
    return min(float(found[1] or _LONGEST_WAIT), _LONGEST_WAIT)


def _started(jobs: Jobs) -> Json | Reply:
    view = jobs.first
    if view.ending is not None or _wait(jobs.request) is None:
        return _prediction(view)
    # Of a start that was held in vain the service says "starting" even if it is further; `replicate.run` relies on it.
    return Reply(_prediction(replace(view, word=_STARTING)), 202)


def _list(jobs: Jobs) -> Json:
    further = f"{jobs.request.base}{_PREDICTIONS}?cursor={jobs.views[-1].id}" if jobs.more and jobs.views else None
    return {"previous": None, "next": further, "results": [_prediction(view) for view in jobs.views]}


def _streamed(view: JobView) -> Sequence[Event]:
    if view.ending is None:
        return []
    if view.completed:
        return [Event("output", "translated", "0:0"), Event("done", {}, "1:0")]
    if view.cancelled:
        return [Event("done", {"reason": "canceled"}, "0:0")]
    return [Event("error", {"detail": view.error}, "0:0"), Event("done", {"reason": "error"}, "1:0")]


def _passed(request: ApiRequest) -> int:
    """Return how many events a client has that connects again."""
    last = re.fullmatch(r"(\d{1,9}):\d+", request.headers.get("last-event-id", ""))
    return int(last[1]) + 1 if last else 0


def _shown_model(request: ApiRequest) -> Json:
    owner, name = request.params["owner"], request.params["name"]
    return {
        "url": f"{request.base}/{owner}/{name}",
        "owner": owner,
        "name": name,
        "description": None,
        "visibility": "public",
        "github_url": None,
        "paper_url": None,
        "license_url": None,
        "run_count": 0,
        "cover_image_url": None,
        "default_example": None,
        "latest_version": _version(_VERSION),
    }


def _version(version: str) -> Json:
    schemas = {"Output": {"type": "string", "format": "uri", "title": "Output"}}
    document = {"openapi": "3.0.2", "components": {"schemas": schemas}}
    return {"id": version, "created_at": "2026-01-01T00:00:00.000Z", "cog_version": "0.9.4", "openapi_schema": document}


def _error(problem: Problem) -> Json:
    named = problem.status in HTTPStatus.__members__.values()
    title = _TITLES.get(problem.status) or (HTTPStatus(problem.status).phrase.capitalize() if named else "Error")
    told = {"title": title, "detail": problem.detail, "status": problem.status}
    if not problem.invalid:
        return told
    fields = [
        {"type": one.type, "field": ".".join(map(str, one.loc[1:])), "description": one.msg} for one in problem.invalid
    ]
    lines = "".join(f"- {one['field']}: {one['description']}\n" for one in fields)
    return told | {"detail": lines, "invalid_fields": fields}


REPLICATE = Format(
    name="replicate",
    title="Replicate",
    keys=(BEARER, ("authorization", r"(?i:token) +(.+)")),
    words={0: _STARTING, 0.15: "processing", "completed": "succeeded", "error": "failed", "cancelled": "canceled"},
    ids=Ids(alphabet=BASE32, length=26),
    routes=(
        Route("POST", _PREDICTIONS, START, _started, 201, accepts=_VersionStart, wait=_wait),
        Route("POST", "/v1/models/{owner}/{name}/predictions", START, _started, 201, accepts=_Start, wait=_wait),
        Route("POST", "/v1/deployments/{owner}/{name}/predictions", START, _started, 201, accepts=_Start, wait=_wait),
        Route("GET", _PREDICTIONS, LIST, _list, page=Page(after="cursor", default=100)),
        Route("GET", f"{_PREDICTIONS}/{{id}}", POLL, _prediction),
        Route("POST", f"{_PREDICTIONS}/{{id}}/cancel", CANCEL, _prediction),
        Route("GET", "/v1/stream/{id}", EVENTS, events=_streamed, skip=_passed),
        Route("GET", "/v1/models/{owner}/{name}", OTHER, _shown_model),
        Route(
            "GET", "/v1/models/{owner}/{name}/versions/{version}", OTHER, lambda one: _version(one.params["version"])
        ),
    ),
    error=_error,
    environment={"REPLICATE_BASE_URL": "{base}", "REPLICATE_API_TOKEN": "{key}"},
)
