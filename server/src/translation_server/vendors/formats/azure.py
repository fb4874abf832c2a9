"""Azure AI: Video Translation 2026-03-01 and Document Translation. Pure.

Both are long-running operations as Azure's REST guidelines have them: ``Operation-Location`` tells where to ask. For a
video the client chooses all names, so that a repeated start makes no second job.
"""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Callable, Mapping, Sequence  # noqa: TC003 - pydantic reads some
from http import HTTPStatus
from typing import Final, Literal
from urllib.parse import quote, urlencode

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from translation_server.vendors.format import (
    BEARER,
    CANCEL,
    DELETE,
    LIST,
    POLL,
    QUERY,
    RESULT,
    START,
    ApiRequest,
    Format,
    Invalid,
    Jobs,
    JobView,
    Json,
    Page,
    Problem,
    Reply,
    Route,
    iso,
)
from translation_server.vendors.ids import Ids

_KEYS: Final = (("ocp-apim-subscription-key", "(.+)"), BEARER)
_NAME: Final = re.compile(r"[a-zA-Z0-9._-]{3,64}")
_FIRST_ITERATION: Final = "it-1"  # the one that a translation makes on its own
_TRANSLATIONS: Final = "/videotranslation/translations"
_TRANSLATION: Final = _TRANSLATIONS + "/{translationId}"
_ITERATIONS: Final = _TRANSLATION + "/iterations"
_ITERATION: Final = _ITERATIONS + "/{iterationId}"
_BATCHES: Final = "/translator/document/batches"
_BATCH: Final = _BATCHES + "/{id}"
_RESULTS: Final = {
    "translatedVideoFileUrl": "mp4",
    "sourceLocaleSubtitleWebvttFileUrl": "source.vtt",
    "targetLocaleSubtitleWebvttFileUrl": "target.vtt",
    "metadataJsonWebvttFileUrl": "json",
}
_PAGE: Final = Page(size="maxpagesize", after="$skipToken", default=100)
_CODES: Final = {one.value: one.phrase.replace(" ", "") for one in HTTPStatus} | {400: "InvalidRequest"}


class _Body(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True, alias_generator=to_camel)


class _TranslationInput(_Body):
    target_locale: str = Field(min_length=2)
    voice_kind: Literal["PlatformVoice", "PersonalVoice"]
    video_file_url: str | None = None
    audio_file_url: str | None = None
    speaker_count: int | None = Field(None, ge=0)
    auto_create_first_iteration: bool | None = None

    @model_validator(mode="after")
    def _has_media(self) -> _TranslationInput:
        if not self.video_file_url and not self.audio_file_url:
            raise ValueError("videoFileUrl or audioFileUrl is required")
        return self


class _TranslationBody(_Body):
    input: _TranslationInput


class _IterationBody(_Body):
    input: Mapping[str, Json]


class _Source(_Body):
    source_url: str = Field(min_length=1)


class _Target(_Body):
    target_url: str = Field(min_length=1)
    language: str = Field(min_length=1)


class _BatchInput(_Body):
    source: _Source
    targets: list[_Target] = Field(min_length=1)


class _BatchBody(_Body):
    inputs: list[_BatchInput] = Field(min_length=1)


def _error(problem: Problem) -> Reply:
    code = _CODES.get(problem.status, "InternalServerError")
    if any(one.loc[-1] == "api-version" for one in problem.invalid):
        code = "MissingApiVersionParameter"
    return Reply({"error": {"code": code, "message": problem.detail}}, headers={"x-ms-error-code": code})


def _versioned(request: ApiRequest) -> Sequence[Invalid]:
    if request.query.get("api-version"):
        return ()
    return (Invalid(("query", "api-version"), "The query parameter api-version is required", "missing"),)


def _named(request: ApiRequest) -> Sequence[Invalid]:
    names = {("header", "Operation-Id"): request.headers.get("operation-id", "")}
    names |= {("path", name): value for name, value in request.params.items()}
    wrong = [place for place, name in names.items() if not _NAME.fullmatch(name)]
    text = "3 to 64 letters, digits, dots, hyphens and underscores are required"
    return [*_versioned(request), *(Invalid(place, text, "string_pattern_mismatch") for place in wrong)]


def _hints(view: JobView) -> Mapping[str, str]:
    return {} if view.poll_after is None else {"retry-after": str(max(1, math.ceil(view.poll_after)))}


def _location(view: JobView, path: str) -> str:
    version = urlencode({"api-version": view.request.query.get("api-version", "")})
    return f"{view.base}{path}/{quote(view.id)}?{version}"


def _page(tell: Callable[[JobView], Json], link: str = "nextLink") -> Callable[[Jobs], Json]:
    def answer(jobs: Jobs) -> Json:
        told = {"value": [*map(tell, jobs.views)]}
        if not jobs.more:
            return told
        query = urlencode({**jobs.request.query, _PAGE.after: jobs.views[-1].id})
        return {**told, link: f"{jobs.request.base}{jobs.request.path}?{query}"}

    return answer


def _iteration_id(view: JobView) -> str | None:
    """Return the name of the iteration that a job is; None: it only makes a translation to have iterations."""
    is_first = view.input["input"].get("autoCreateFirstIteration") is True
    return view.params.get("iterationId") or (_FIRST_ITERATION if is_first else None)


def _is_of_translation(view: JobView, request: ApiRequest) -> bool:
    return view.params["translationId"] == request.params["translationId"]


def _is_translation(view: JobView, request: ApiRequest) -> bool:
    """Return whether a job made the translation that a request names, or any if it names none."""
    return "iterationId" not in view.params and request.params.items() <= view.params.items()


def _is_iteration(view: JobView, request: ApiRequest) -> bool:
    """Return whether a job is the iteration that a request names, or any of the translation if it names none."""
    own = _iteration_id(view)
    return own is not None and _is_of_translation(view, request) and request.params.get("iterationId", own) == own


def _iteration(view: JobView) -> Json:
    return {
        "id": _iteration_id(view),
        "description": view.input.get("description") if "iterationId" in view.params else None,
        "status": view.word,
        "createdDateTime": iso(view.created),
        "lastActionDateTime": iso(view.now),
        "input": view.input["input"],
        "failureReason": view.error,
    } | ({"result": {name: view.file(kind) for name, kind in _RESULTS.items()}} if view.completed else {})


def _translation(views: Sequence[JobView]) -> Json:
    """Return a translation, from the jobs that it has, the newest first."""
    made = next(view for view in views if "iterationId" not in view.params)
    iterations = [view for view in views if _iteration_id(view)]
    latest = {"latestIteration": iterations, "latestSucceededIteration": [one for one in iterations if one.completed]}
    return {
        "id": made.params["translationId"],
        "displayName": made.input.get("displayName"),
        "description": made.input.get("description"),
        "input": made.input["input"],
        "createdDateTime": iso(made.created),
    } | {name: _iteration(found[0]) for name, found in latest.items() if found}


def _new(view: JobView) -> Json:
    return _translation([view])


def _operation(view: JobView) -> Json:
    return {"id": view.id, "status": view.word}


def _started(jobs: Jobs) -> Reply:
    view = jobs.first
    location = _location(view, "/videotranslation/operations")
    told = _iteration(view) if "iterationId" in jobs.request.params else _new(view)
    return Reply(told, 200 if jobs.existing else 201, {"operation-location": location, "operation-id": view.id})


def _read_translation(jobs: Jobs) -> Json | Reply:
    if any("iterationId" not in view.params for view in jobs.views):
        return _translation(jobs.views)
    return _error(Problem(404, "There is no such translation."))._replace(status=404)


def _accepted(jobs: Jobs) -> Reply:
    return Reply(None, headers={"operation-location": _location(jobs.first, _BATCHES)})


def _batch(view: JobView) -> Json:
    total = sum(len(one["targets"]) for one in view.input["inputs"])
    summary = {
        "failed": view.failed,
        "success": view.completed,
        "inProgress": view.word == "Running",
        "notYetStarted": view.word == "NotStarted",
        "cancelled": view.cancelled,
    }
    return {
        "id": view.id,
        "createdDateTimeUtc": iso(view.created),
        "lastActionDateTimeUtc": iso(view.now),
        "status": view.word,
        **_error_of(view),
        "summary": {"total": total, **{name: total * so for name, so in summary.items()}, "totalCharacterCharged": 0},
    }


def _error_of(view: JobView) -> Json:
    told = {"code": "InternalServerError", "message": view.error}
    inner = {"target": "Operation", "innerError": told}  # from which the SDK takes the code
    return {"error": told | inner} if view.failed else {}


def _documents(view: JobView) -> Json:
    """Return the documents of a batch, one for each target; all lead to the one result that a job has."""
    targets = [target for one in view.input["inputs"] for target in one["targets"]]
    told = {
        "sourcePath": f"{view.base}/files/source.txt",
        "createdDateTimeUtc": iso(view.created),
        "lastActionDateTimeUtc": iso(view.now),
        "status": view.word,
        **_error_of(view),
        "progress": view.progress,
        "characterCharged": 0,
    } | ({"path": view.file("txt")} if view.completed else {})
    ids = [view.id, *(str(uuid.uuid5(uuid.UUID(view.id), str(place))) for place in range(1, len(targets)))]
    return {"value": [{**told, "to": to["language"], "id": one} for to, one in zip(targets, ids, strict=True)]}


def _words(cancelled: str) -> Mapping[float | str, str]:
    return {0: "NotStarted", 0.1: "Running", "completed": "Succeeded", "error": "Failed", "cancelled": cancelled}


VIDEO = Format(
    name="azure-video",
    mount="azure",
    title="Azure AI Video Translation 2026-03-01",
    keys=_KEYS,
    words=_words("Canceled"),
    error=_error,
    invalid=400,
    ids=Ids(":"),  # never written, as each job has a name; and no name is taken for an id, even if it is a UUID
    named=lambda request: request.headers.get("operation-id"),
    hints=_hints,
    routes=(
        Route(
            "PUT",
            _TRANSLATION,
            START,
            _started,
            201,
            accepts=_TranslationBody,
            check=_named,
            match=_is_translation,
            duration=lambda request: None if request.body["input"].get("autoCreateFirstIteration") else 0.0,
        ),
        Route(
            "PUT",
            _ITERATION,
            START,
            _started,
            201,
            accepts=_IterationBody,
            check=_named,
            match=_is_iteration,
            requires=_is_translation,
        ),
        Route("GET", "/videotranslation/operations/{id}", POLL, _operation, check=_versioned),
        Route("GET", _TRANSLATION, QUERY, _read_translation, check=_versioned, match=_is_of_translation),
        Route("GET", _ITERATION, RESULT, _iteration, check=_versioned, match=_is_iteration),
        Route("DELETE", _TRANSLATION, DELETE, status=204, check=_versioned, match=_is_of_translation),
        Route("GET", _TRANSLATIONS, LIST, _page(_new), check=_versioned, match=_is_translation, page=_PAGE),
        Route("GET", _ITERATIONS, LIST, _page(_iteration), check=_versioned, match=_is_iteration, page=_PAGE),
    ),
)

DOCUMENT = Format(
    name="azure-document",
    mount="azure",
    title="Azure AI Document Translation",
    keys=_KEYS,
    words=_words("Cancelled"),
    error=_error,
    invalid=400,
    hints=_hints,
    routes=(
        Route("POST", _BATCHES, START, _accepted, 202, accepts=_BatchBody, check=_versioned),
        Route("GET", _BATCHES, LIST, _page(_batch, "@nextLink"), check=_versioned, page=_PAGE),
        Route("GET", _BATCH, POLL, _batch, check=_versioned),
        Route("GET", _BATCH + "/documents", RESULT, _documents, check=_versioned),
        Route("DELETE", _BATCH, CANCEL, _batch, check=_versioned),
    ),
)
