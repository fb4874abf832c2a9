"""AssemblyAI, which transcribes, as its SDK ``assemblyai`` speaks to it. Pure."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict

from translation_server.vendors.format import (
    DELETE,
    LIST,
    OTHER,
    POLL,
    START,
    Format,
    Jobs,
    JobView,
    Json,
    Page,
    Problem,
    Route,
    iso,
    of_first,
)

_TRANSCRIPTS: Final = "/v2/transcript"
_DIGITS: Final = 10  # of a number that is too long to be meant
_PAGE: Final = Page(after="before_id", default=10)
_SECRET: Final = {"webhook_auth_header_name", "webhook_auth_header_value"}


class _Start(BaseModel):
    model_config = ConfigDict(extra="allow")

    audio_url: str


def _transcript(view: JobView) -> Json:
    asked = {name: value for name, value in view.input.items() if name not in _SECRET}
    return {
        "language_code": "en_us",
        "punctuate": True,
        "format_text": True,
        "webhook_url": None,
        "speech_model": None,
        "acoustic_model": "assemblyai_default",
        "language_model": "assemblyai_default",
        **asked,
        "id": view.id,
        "status": view.word,
        "text": "hello" if view.completed else None,
        "words": [] if view.completed else None,
        "utterances": None,
        "confidence": 0.9 if view.completed else None,
        "audio_duration": 12 if view.completed else None,
        "webhook_auth": "webhook_auth_header_name" in view.input,
        "error": view.error,
    }


def _deleted(view: JobView) -> Json:
    status = "error" if view.ending is None else view.word
    gone = {"words": None, "confidence": None, "audio_duration": None, "error": None}
    return (
        _transcript(view) | gone | {"status": status, "audio_url": "http://deleted_by_user", "text": "Deleted by user."}
    )


def _list(jobs: Jobs) -> Json:
    request, here = jobs.request, jobs.request.base + _TRANSCRIPTS
    limit = request.query.get("limit", "")
    size = int(limit) if limit.isdecimal() and len(limit) < _DIGITS else _PAGE.default
    older = f"{here}?limit={size}&before_id={jobs.views[-1].id}" if jobs.more and jobs.views else None
    query = "&".join(f"{name}={value}" for name, value in request.query.items())
    return {
        "page_details": {
            "limit": size,
            "result_count": len(jobs.views),
            "current_url": f"{here}?{query}" if query else here,
            "prev_url": older,
            "next_url": None,
        },
        "transcripts": [_item(view) for view in jobs.views],
    }


def _item(view: JobView) -> Json:
    return {
        "id": view.id,
        "resource_url": f"{view.base}{_TRANSCRIPTS}/{view.id}",
        "status": view.word,
        "created": iso(view.created),
        "completed": iso(view.ended) if view.completed else None,
        "audio_url": view.input["audio_url"],
        "error": view.error,
    }


def _error(problem: Problem) -> Json:
    return {"error": problem.detail}


ASSEMBLYAI = Format(
    name="assemblyai",
    title="AssemblyAI transcripts",
    keys=(("authorization", r"(?:(?i:bearer) +)?(.+)"),),
    words={0: "queued", 0.15: "processing", "completed": "completed", "error": "error", "cancelled": "error"},
    routes=(
        Route("POST", _TRANSCRIPTS, START, of_first(_transcript), accepts=_Start),
        Route("GET", _TRANSCRIPTS, LIST, _list, page=_PAGE),
        Route("GET", f"{_TRANSCRIPTS}/{{id}}", POLL, _transcript),
        Route("DELETE", f"{_TRANSCRIPTS}/{{id}}", DELETE, _deleted),
        Route("POST", "/v2/upload", OTHER, lambda request: {"upload_url": f"{request.base}/files/upload"}),
    ),
    error=_error,
    invalid=400,
    environment={"ASSEMBLYAI_BASE_URL": "{base}", "ASSEMBLYAI_API_KEY": "{key}"},
)
