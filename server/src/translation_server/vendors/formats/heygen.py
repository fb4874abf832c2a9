"""HeyGen: video translations of API version 3, and of version 2 for tests of a migration. Pure.

One start makes one job for each output language. Version 2 ended on 2026-10-31.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from translation_server.vendors.format import (
    BEARER,
    CANCELLED,
    COMPLETED,
    DELETE,
    ERROR,
    LIST,
    OTHER,
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
    of_first,
    unix,
)
from translation_server.vendors.ids import HEX, Ids

_LENGTH: Final = 12.3  # seconds of every video, once it is translated
_MOST_LANGUAGES: Final = 200  # of one start; more than there are
_KEY: Final = re.compile(r"[A-Za-z0-9_:.-]{1,255}")
_MOST_IDS: Final = 100  # of one query
_LANGUAGES: Final = {"languages": ["English", "French (France)", "German (Germany)", "Spanish (Spain)"]}
_CODES: Final = {
    401: "authentication_failed",
    402: "insufficient_credit",
    404: "video_translation_not_found",
    409: "request_in_progress",
    429: "rate_limit_exceeded",
}
_SERVER_ERROR: Final = 500
_HEX: Final = Ids(alphabet=HEX, length=32)
_KEYS: Final = (("x-api-key", "(.+)"), BEARER)
_ENVIRONMENT: Final = {"HEYGEN_API_BASE": "{base}", "HEYGEN_ALLOW_HTTP": "1", "HEYGEN_API_KEY": "{key}"}

_Text = Annotated[str, Field(min_length=1)]


class _Source(BaseModel):
    """Where the video is; the member that ``type`` names is required."""

    type: Literal["url", "asset_id"]
    url: _Text | None = Field(default=None, validate_default=True)
    asset_id: _Text | None = Field(default=None, validate_default=True)

    @field_validator("url", "asset_id")
    @classmethod
    def _is_given(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("type") == info.field_name:
            raise ValueError("it is required for this type")
        return value


class _Start(BaseModel):
    """The body of a start; fields that are unknown here are ignored."""

    video: _Source
    output_languages: list[_Text] = Field(min_length=1, max_length=_MOST_LANGUAGES)
    title: str | None = None
    mode: Literal["speed", "precision"] = "speed"
    input_language: str | None = None
    callback_url: str | None = None
    callback_id: str | None = None
    enable_caption: bool = False
    translate_audio_only: bool = False


class _StartV2(BaseModel):
    video_url: _Text
    output_language: _Text


def _translation(view: JobView) -> Json:
    has_caption = view.completed and bool(view.input.get("enable_caption"))
    audio_only = bool(view.input.get("translate_audio_only"))
    return {
        "id": view.id,
        "status": view.word,
        "title": view.input.get("title"),
        "input_language": view.input.get("input_language") or "en",
        "output_language": view.input["output_languages"][view.number],
        "duration": _LENGTH if view.completed else None,
        "created_at": unix(view.created),
        "callback_id": view.input.get("callback_id"),
        "translate_audio_only": audio_only,
        "video_url": view.file("mp4") if view.completed and not audio_only else None,
        "audio_url": view.file("mp3") if view.completed else None,
        "srt_caption_url": view.file("srt") if has_caption else None,
        "vtt_caption_url": view.file("vtt") if has_caption else None,
        "failure_message": view.error,
    }


def _page(jobs: Jobs) -> Json:
    return {
        "data": [_translation(view) for view in jobs.views],
        "has_more": jobs.more,
        "next_token": jobs.views[-1].id if jobs.more else None,
    }


def _ids(request: ApiRequest) -> list[str]:
    return [one for one in request.query.get("video_translation_ids", "").split(",") if one]


def _statuses(jobs: Jobs) -> Json:
    known = {view.id: view for view in jobs.views}
    return {"data": [_status(one, known.get(one)) for one in _ids(jobs.request)], "has_more": False, "next_token": None}


def _status(asked: str, view: JobView | None) -> Json:
    failure = {"code": "translation_failed", "message": view.error} if view is not None and view.error else None
    return {
        "video_id": asked,
        "status": "not_found" if view is None else view.word,
        "batch_id": None,
        "item_index": None,
        "error": failure,
    }


def _caption(view: JobView) -> Json | Reply:
    if view.completed and view.input.get("enable_caption"):
        return {"data": {"caption_url": view.file(view.request.query["format"])}}
    return Reply(_error(Problem(404, "This translation has no captions, or is not completed.")), 404)


def _check_key(request: ApiRequest) -> list[Invalid]:
    is_key = _KEY.fullmatch(request.headers.get("idempotency-key", "none"))
    return [] if is_key else [Invalid(("header", "Idempotency-Key"), "1 to 255 of A-Za-z0-9_:.-", "value_error")]


def _check_ids(request: ApiRequest) -> list[Invalid]:
    is_right = 1 <= len(_ids(request)) <= _MOST_IDS
    return [] if is_right else [Invalid(("query", "video_translation_ids"), "1 to 100 are allowed", "value_error")]


def _check_kind(request: ApiRequest) -> list[Invalid]:
    is_right = request.query.get("format") in {"srt", "vtt"}
    return [] if is_right else [Invalid(("query", "format"), "srt and vtt are allowed", "value_error")]


def _error(problem: Problem) -> Json:
    wrong = problem.invalid[0] if problem.invalid else None
    param = ".".join(str(part) for part in wrong.loc[1:]) if wrong else None
    usual = "internal_error" if problem.status >= _SERVER_ERROR else "invalid_parameter"
    return {
        "error": {
            "code": _CODES.get(problem.status, usual),
            "message": wrong.msg.removeprefix("Value error, ") if wrong else problem.detail,
            "param": param or None,
            "doc_url": None,  # there it links to its documentation; here no host of a service is named
        }
    }


def _translation_v2(view: JobView) -> Json:
    data = {
        "video_translate_id": view.id,
        "title": view.input.get("title"),
        "output_language": view.input["output_language"],
        "status": view.word,
        "url": view.file("mp4") if view.completed else None,
        "message": view.error,
        "callback_id": view.input.get("callback_id"),
    }
    return {"error": None, "data": data}


def _error_v2(problem: Problem) -> Json:
    error = _error(problem)["error"]
    return {"error": {"code": error["code"], "message": error["message"]}, "data": None}


HEYGEN: Final = Format(
    name="heygen",
    title="HeyGen video translation (v3)",
    keys=_KEYS,
    words={0: "pending", 0.1: "running", COMPLETED: "completed", ERROR: "failed", CANCELLED: "failed"},
    ids=_HEX,
    invalid=400,
    status_at="data.status",
    error=_error,
    idempotency="idempotency-key",
    how_many=lambda request: len(request.body["output_languages"]),
    environment=_ENVIRONMENT,
    routes=(
        Route(
            "POST",
            "/v3/video-translations",
            START,
            lambda jobs: {"data": {"video_translation_ids": [view.id for view in jobs.views]}},
            accepts=_Start,
            check=_check_key,
        ),
        Route("GET", "/v3/video-translations", LIST, _page, page=Page(size="limit", after="token", default=10)),
        Route("GET", "/v3/video-translations/statuses", QUERY, _statuses, job=_ids, check=_check_ids),
        Route("GET", "/v3/video-translations/languages", OTHER, lambda _: {"data": _LANGUAGES}),
        Route("GET", "/v3/video-translations/{id}", POLL, lambda view: {"data": _translation(view)}),
        Route("GET", "/v3/video-translations/{id}/caption", RESULT, _caption, check=_check_kind),
        Route("DELETE", "/v3/video-translations/{id}", DELETE, lambda view: {"data": {"id": view.id}}),
    ),
)

HEYGEN_V2: Final = Format(
    name="heygen-v2",
    mount="heygen",
    title="HeyGen video translation (v2, ended)",
    keys=_KEYS,
    words={0: "pending", 0.1: "running", COMPLETED: "success", ERROR: "failed", CANCELLED: "failed"},
    ids=_HEX,
    invalid=400,
    status_at="data.status",
    error=_error_v2,
    environment=_ENVIRONMENT,
    routes=(
        Route(
            "POST",
            "/v2/video_translate",
            START,
            of_first(lambda view: {"error": None, "data": {"video_translate_id": view.id}}),
            accepts=_StartV2,
        ),
        Route("GET", "/v2/video_translate/target_languages", OTHER, lambda _: {"error": None, "data": _LANGUAGES}),
        Route("GET", "/v2/video_translate/{id}", POLL, _translation_v2),
    ),
)
