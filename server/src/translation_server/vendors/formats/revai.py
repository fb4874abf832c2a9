"""Rev.ai, which transcribes, as its SDK ``rev_ai`` speaks to it. Pure."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic import Json as JsonText

from translation_server.vendors.format import (
    BEARER,
    DELETE,
    LIST,
    POLL,
    RESULT,
    START,
    Format,
    Jobs,
    JobView,
    Json,
    Page,
    Problem,
    Reply,
    Route,
    iso,
    of_first,
)
from translation_server.vendors.ids import BASE62, Ids

if TYPE_CHECKING:
    from collections.abc import Mapping

_JOBS: Final = "/speechtotext/v1/jobs"
_SECONDS: Final = 12.3
_TRANSCRIPT: Final = "application/vnd.rev.transcript.v1.0+json"
_REPEATED: Final = (
    "metadata",
    "callback_url",
    "delete_after_seconds",
    "skip_diarization",
    "skip_punctuation",
    "remove_disfluencies",
    "filter_profanity",
    "custom_vocabulary_id",
    "speaker_channels_count",
    "transcriber",
    "remove_atmospherics",
    "speakers_count",
    "diarization_type",
)
"""The options that a job repeats if the start had them."""


class _Source(BaseModel):
    model_config = ConfigDict(extra="allow")

    url: str


class _Start(BaseModel):
    """A start in JSON, or in a form that has a file and the options as JSON."""

    model_config = ConfigDict(extra="allow")

    media_url: str
    source_config: _Source | None = None
    media: str | None = None
    options: JsonText[dict[str, Any]] | None = None

    @model_validator(mode="before")
    @classmethod
    def accept_another_source(cls, given: dict[str, Any]) -> dict[str, Any]:
        """Do not ask for the URL if the media comes otherwise."""
        return {"media_url": ""} | given if given.keys() & {"source_config", "media"} else given


def _options(view: JobView) -> Mapping[str, Any]:
    options = json.loads(view.input.get("options", "{}")) if "media" in view.input else view.input
    return options if isinstance(options, dict) else {}


def _job(view: JobView) -> Json:
    options = _options(view)
    job = {
        "id": view.id,
        "created_on": iso(view.created),
        "status": view.word,
        "type": "async",
        "language": options.get("language", "en"),
        **{name: options[name] for name in _REPEATED if name in options},
    }
    if "media" in view.input:
        job["name"] = view.input["media"].removeprefix("<").rpartition(",")[0]
    if view.ending is not None:
        job["completed_on"] = iso(view.ended)
    if view.completed:
        job["duration_seconds"] = _SECONDS
    elif view.ending is not None:
        job |= {"failure": "internal_processing", "failure_detail": view.error}
    return job


def _transcript(view: JobView) -> Reply:
    if not view.completed:
        return Reply(
            {
                "allowed_values": ["transcribed"],
                "current_value": view.word,
                "title": "Job is in invalid state",
                "detail": "Job is in invalid state to obtain the transcript",
                "status": 409,
            },
            409,
        )
    if "text/plain" in view.request.headers.get("accept", ""):
        return Reply(b"Speaker 0    00:00:00    hello\n", headers={"content-type": "text/plain; charset=utf-8"})
    word = {"type": "text", "value": "hello", "ts": 0.5, "end_ts": 1.0, "confidence": 0.9}
    return Reply({"monologues": [{"speaker": 0, "elements": [word]}]}, headers={"content-type": _TRANSCRIPT})


def _list(jobs: Jobs) -> Json:
    return [_job(view) for view in jobs.views]


def _error(problem: Problem) -> Json:
    if problem.invalid:
        parameters: dict[str, list[str]] = {}
        for one in problem.invalid:
            parameters.setdefault(".".join(map(str, one.loc[1:])), []).append(one.msg)
        return {"parameters": parameters, "title": "Your request parameters didn't validate", "status": problem.status}
    title = "could not find job" if problem.status == HTTPStatus.NOT_FOUND else problem.detail
    return {"title": title, "detail": problem.detail, "status": problem.status}


REVAI = Format(
    name="revai",
    title="Rev.ai transcripts",
    keys=(BEARER,),
    words={0: "in_progress", "completed": "transcribed", "error": "failed", "cancelled": "failed"},
    ids=Ids(alphabet=BASE62, length=22),
    routes=(
        Route("POST", _JOBS, START, of_first(_job), accepts=_Start),
        Route("GET", _JOBS, LIST, _list, page=Page(after="starting_after", default=100)),
        Route("GET", f"{_JOBS}/{{id}}", POLL, _job),
        Route("GET", f"{_JOBS}/{{id}}/transcript", RESULT, _transcript),
        Route("DELETE", f"{_JOBS}/{{id}}", DELETE, status=204),
    ),
    error=_error,
    invalid=400,
)
