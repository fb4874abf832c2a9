"""ElevenLabs: dubbing, and dubbing projects, of which each language is a job. Pure.

A project is ready while its language is still being dubbed: clients wait for the language.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Final

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from translation_server.vendors.format import (
    CANCELLED,
    COMPLETED,
    DELETE,
    ERROR,
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
    is_named,
    iso,
    of_first,
)
from translation_server.vendors.ids import BASE62, Ids

_LENGTH: Final = 12.3  # seconds of every video
_MEDIA: Final = {"filename": None, "duration_s": _LENGTH, "has_video": True, "mime_type": None}
_QUEUED: Final = 0.1  # of the progress; then the video of a project is prepared, and then its language is dubbed
_READY: Final = 0.3
_CODES: Final = {
    401: "invalid_api_key",
    404: "dubbing_not_found",
    425: "dubbing_not_dubbed",
    429: "too_many_concurrent_requests",
    503: "service_unavailable",
}
_SERVER_ERROR: Final = 500
_PAGE: Final = Page(size="page_size", after="cursor", default=100)
_SUFFIX: Final = "_l"  # from the id of a job to that of its language

_Text = Annotated[str, Field(min_length=1)]


class _Upload(BaseModel):
    """What starts have in common: a video, by its address or as a file."""

    file: _Text | None = None
    source_url: _Text | None = Field(default=None, validate_default=True)

    @field_validator("source_url")
    @classmethod
    def _one_is_given(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("file") is None:
            raise ValueError("source_url or file is required")
        return value


class _Dubbing(_Upload):
    target_lang: _Text
    source_lang: str | None = None
    name: str | None = None


class _Project(_Upload):
    target_language: _Text | None = None
    source_language: str | None = None
    reference: str | None = None


class _Language(BaseModel):
    target_language: _Text


def _dubbing(view: JobView) -> Json:
    return {
        "dubbing_id": view.id,
        "name": view.input.get("name") or "",
        "status": view.word,
        "source_language": (view.input.get("source_lang") or "en") if view.completed else None,
        "target_languages": [view.input["target_lang"]],
        "editable": False,
        "created_at": iso(view.created),
        "media_metadata": {"content_type": "video/mp4", "duration": _LENGTH},
        "error": view.error,
    }


def _dubbings(jobs: Jobs) -> Json:
    wanted = jobs.request.query.get("dubbing_status")
    views = [view for view in jobs.views if wanted in {None, view.word}]
    return {"dubs": [_dubbing(view) for view in views], "next_cursor": _cursor(jobs), "has_more": jobs.more}


def _cursor(jobs: Jobs) -> str | None:
    return jobs.views[-1].id if jobs.more else None


def _audio(view: JobView) -> Reply:
    if view.request.params["language"] != view.input["target_lang"]:
        return _refuse(404, "This video is not dubbed into this language.")
    if not view.completed:
        return _refuse(425, "This video is not dubbed yet, or could not be.")
    return Reply(bytes(64), headers={"content-type": "video/mp4"})


def _project(view: JobView) -> Json:
    word = _project_word(view)
    return {
        "project_id": view.id,
        "status": word,
        "reference": view.input.get("reference"),
        "source_language": view.input.get("source_language") or "en",
        "model_id": "dubbing_v2",
        "media": _MEDIA if word == "ready" else None,
        "language_ids": [view.id + _SUFFIX] if view.input.get("target_language") else [],
        "webhook_ids": [],
        "revision": 0,
        "error": _failure(view) if word == "failed" else None,
        "warnings": [],
        "created_at": iso(view.created),
        "updated_at": iso(view.now),
    }


def _project_word(view: JobView) -> str:
    if view.completed or (view.progress >= _READY and view.input.get("target_language")):
        return "ready"
    if view.ending is not None:
        return "failed"
    return "queued" if view.progress < _QUEUED else "preparing"


def _projects(jobs: Jobs) -> Json:
    projects = [_project(view) | {"language_ids": []} for view in jobs.views]
    wanted = jobs.request.query.get("status")
    return {"projects": [one for one in projects if wanted in {None, one["status"]}], "next_cursor": _cursor(jobs)}


def _language(view: JobView) -> Json | Reply:
    project = view.params.get("id", view.id)
    if view.request.params.get("id", project) != project or not view.input.get("target_language"):
        return _refuse(404, "This project has no such language.")
    return {
        "language_id": view.id + _SUFFIX,
        "project_id": project,
        "target_language": view.input["target_language"],
        "status": view.word,
        "model_id": "dubbing_v2",
        "voice_settings": None,
        "outputs": {"lossless_audio": view.file("flac"), "subtitles": None} if view.completed else None,
        "revision": 0,
        "output_revision": 0 if view.completed else None,
        "error": _failure(view),
        "warnings": [],
        "created_at": iso(view.created),
        "updated_at": iso(view.now),
    }


def _languages(jobs: Jobs) -> Json | Reply:
    if not jobs.views:
        return _refuse(404, "There is no such project.")
    languages = [_language(view) for view in jobs.views if view.input.get("target_language")]
    return {"languages": languages, "next_cursor": None}


def _is_project(view: JobView, _: ApiRequest) -> bool:
    return not view.params  # a language that was added to a project is a job as well, with the project in its path


def _is_of_project(view: JobView, request: ApiRequest) -> bool:
    return request.params["id"] in {view.id, view.params.get("id")}


def _failure(view: JobView) -> Json:
    return {"code": "internal_error", "message": view.error, "retryable": True} if view.error else None


def _error(problem: Problem) -> Json:
    if problem.invalid:
        return {"detail": [_mistake(one) for one in problem.invalid]}
    usual = "internal_server_error" if problem.status >= _SERVER_ERROR else "invalid_request"
    return {"detail": {"status": _CODES.get(problem.status, usual), "message": problem.detail}}


def _mistake(invalid: Invalid) -> Json:
    return {"loc": [*invalid.loc], "msg": invalid.msg.removeprefix("Value error, "), "type": invalid.type}


def _refuse(status: int, message: str) -> Reply:
    return Reply(_error(Problem(status, message)), status)


ELEVENLABS: Final = Format(
    name="elevenlabs",
    title="ElevenLabs dubbing",
    keys=(("xi-api-key", "(.+)"),),
    words={0: "dubbing", COMPLETED: "dubbed", ERROR: "failed", CANCELLED: "failed"},
    ids=Ids(alphabet=BASE62, length=22),
    error=_error,
    routes=(
        Route(
            "POST",
            "/v1/dubbing",
            START,
            of_first(lambda view: {"dubbing_id": view.id, "expected_duration_sec": _LENGTH}),
            accepts=_Dubbing,
        ),
        Route("GET", "/v1/dubbing", LIST, _dubbings, page=_PAGE),
        Route("GET", "/v1/dubbing/{id}", POLL, _dubbing),
        Route("DELETE", "/v1/dubbing/{id}", DELETE, lambda _: {"status": "ok"}),
        Route("GET", "/v1/dubbing/{id}/audio/{language}", RESULT, _audio),
    ),
)

ELEVENLABS_PROJECTS: Final = replace(
    ELEVENLABS,
    name="elevenlabs-projects",
    title="ElevenLabs dubbing projects",
    words={0: "queued", _QUEUED: "processing", COMPLETED: "completed", ERROR: "failed", CANCELLED: "failed"},
    ids=Ids("dub_", BASE62, 22),
    routes=(
        Route("POST", "/v1/dubbing/project", START, of_first(_project), accepts=_Project),
        Route("GET", "/v1/dubbing/project", LIST, _projects, page=_PAGE, match=_is_project),
        Route("GET", "/v1/dubbing/project/{id}", POLL, _project),
        Route("DELETE", "/v1/dubbing/project/{id}", DELETE, status=204, match=_is_of_project),
        Route(
            "POST",
            "/v1/dubbing/project/{id}/language",
            START,
            of_first(_language),
            accepts=_Language,
            requires=is_named,
        ),
        Route("GET", "/v1/dubbing/project/{id}/language", QUERY, _languages, match=_is_of_project),
        Route(
            "GET",
            f"/v1/dubbing/project/{{id}}/language/{{language}}{_SUFFIX}",
            POLL,
            _language,
            job=lambda request: request.params["language"],
        ),
    ),
)
