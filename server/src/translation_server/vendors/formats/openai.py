"""OpenAI: responses in the background with their streams, batches with their files, and videos. Pure.

OpenAI's own videos API ended on 2026-09-24; gateways that are compatible with it still have it.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, Field, StrictBool, ValidationInfo, field_validator

from translation_server.vendors.format import (
    BEARER,
    CANCEL,
    CANCELLED,
    COMPLETED,
    DELETE,
    ERROR,
    EVENTS,
    LIST,
    OTHER,
    POLL,
    RESULT,
    START,
    ApiRequest,
    Event,
    Format,
    Invalid,
    Jobs,
    JobView,
    Json,
    Problem,
    Reply,
    Route,
    is_named,
    of_first,
    unix,
)
from translation_server.vendors.ids import HEX, Ids

if TYPE_CHECKING:
    from collections.abc import Callable

_STARTED: Final = 0.1  # of the progress, from which on a job is no longer queued
_FINALIZING: Final = 0.9
_INCOMPLETE: Final = "incomplete"
_EXPIRED: Final = "expired"
_DAY: Final = 86_400  # seconds
_LONGEST_ANSWER: Final = 600.0  # seconds that a start is held which is not for the background
_UPLOADED: Final = 1_767_225_600  # when every file was uploaded, as nothing is kept of files
_LONGEST_NAME: Final = 60  # of a file, as it is told of later
_LONGEST_NUMBER: Final = 9  # of an event, in digits
_FILE: Final = r"(?s)^<.*, [0-9]+ bytes>$"
_TEXT: Final = "This is a simulated answer."
_CONTENT: Final = {"video": "video/mp4", "thumbnail": "image/webp", "spritesheet": "image/jpeg"}
_NO_OUTPUT: Final = "There is no such file: this batch has no output."
_CODES: Final = {401: "invalid_api_key", 429: "rate_limit_exceeded"}
_MISTAKES: Final = {"bool_type": "invalid_type", "dict_type": "invalid_type", "string_type": "invalid_type"} | {
    "missing": "missing_required_parameter",
    "value_error": "missing_required_parameter",
}
_LIMITED: Final = 429
_BUSY: Final = frozenset({_LIMITED, 503})
_SERVER_ERROR: Final = 500
_ENDED: Final[dict[float | str, str]] = {COMPLETED: "completed", ERROR: "failed", CANCELLED: "cancelled"}
_WORDS: Final = _ENDED | {_STARTED: "in_progress"}
_ENDPOINTS: Final = (
    "^/v1/(responses|chat/completions|embeddings|completions|moderations|images/(generations|edits)|videos)$"
)
_DEFAULTS: Final[dict[str, Json]] = (  # of members that a response has from its start
    dict.fromkeys(("instructions", "max_output_tokens", "previous_response_id", "user"))
    | {"parallel_tool_calls": True, "reasoning": {"effort": None, "summary": None}, "store": True, "temperature": 1.0}
    | {"text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [], "top_p": 1.0}
    | {"truncation": "disabled", "metadata": {}}
)
_USAGE: Final = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2} | {
    "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
    "output_tokens_details": {"reasoning_tokens": 0},
}
_Text = Annotated[str, Field(min_length=1)]
_Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]], Field(max_length=16)
]


class _Response(BaseModel):
    model: _Text
    prompt: dict[str, Any] | None = None
    previous_response_id: str | None = None
    conversation: str | dict[str, Any] | None = None
    input: str | list[dict[str, Any]] | None = Field(default=None, validate_default=True)
    background: StrictBool | None = None
    stream: StrictBool | None = None
    metadata: _Metadata | None = None

    @field_validator("input")
    @classmethod
    def _something_is_given(cls, value: Json, info: ValidationInfo) -> Json:
        if value is None and not any(map(info.data.get, ("prompt", "previous_response_id", "conversation"))):
            raise ValueError("one of input, previous_response_id, prompt and conversation must be provided")
        return value


class _Upload(BaseModel):
    file: str = Field(pattern=_FILE)
    purpose: Literal["assistants", "batch", "fine-tune", "vision", "user_data", "evals"]


class _Batch(BaseModel):
    input_file_id: _Text
    endpoint: str = Field(pattern=_ENDPOINTS)
    completion_window: Literal["24h"]
    metadata: _Metadata | None = None


class _Remix(BaseModel):
    prompt: _Text


class _Video(_Remix):
    model: _Text = "sora-2"
    seconds: Literal["4", "8", "12"] = "4"
    size: Literal["720x1280", "1280x720", "1024x1792", "1792x1024"] = "720x1280"


def _error(problem: Problem) -> Reply:
    wrong = problem.invalid[0] if problem.invalid else None
    server_error = "server_error" if problem.status >= _SERVER_ERROR else None
    error = {
        "message": wrong.msg.removeprefix("Value error, ") if wrong else problem.detail,
        "type": "rate_limit_error" if problem.status == _LIMITED else server_error or "invalid_request_error",
        "param": next(iter(wrong.loc[1:]), None) if wrong else None,
        "code": _MISTAKES.get(wrong.type, "invalid_value") if wrong else _CODES.get(problem.status, server_error),
    }
    after = problem.retry_after if problem.status in _BUSY else None
    return Reply({"error": error}, None, {} if after is None else {"retry-after-ms": str(round(after * 1000))})


def _refuse(status: int, message: str) -> Reply:
    return _error(Problem(status, message))._replace(status=status)


def _page(jobs: Jobs, tell: Callable[[JobView], Json]) -> Json:
    data = [tell(view) for view in jobs.views]
    ids: list[str | None] = [view.id for view in jobs.views] or [None]
    return {"object": "list", "data": data, "first_id": ids[0], "last_id": ids[-1], "has_more": jobs.more}


def _response(view: JobView) -> Json:
    is_incomplete = view.ending == _INCOMPLETE
    failure = {"code": "server_error", "message": view.error} if view.failed and not is_incomplete else None
    given = {name: view.input.get(name) for name in _DEFAULTS}
    return {
        "id": view.id,
        "object": "response",
        "created_at": unix(view.created),
        "status": view.word,
        "background": bool(view.input.get("background")),
        "completed_at": unix(view.ended) if view.completed else None,
        "error": failure,
        "incomplete_details": {"reason": "max_output_tokens"} if is_incomplete else None,
        "model": view.input["model"],
        "output": [_message(view, _TEXT)] if view.completed else [],
        "usage": _USAGE if view.completed else None,
        **{name: _DEFAULTS[name] if value is None else value for name, value in given.items()},
    }


def _message(view: JobView, text: str | None) -> Json:
    return {
        "id": view.id.replace("resp_", "msg_"),
        "type": "message",
        "role": "assistant",
        "status": "in_progress" if text is None else "completed",
        "content": [] if text is None else [_part(text)],
    }


def _part(text: str) -> Json:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _events(view: JobView) -> list[Event]:
    """Return what a stream has told so far: what was made comes only at the end, as its length is not known before."""
    queued = replace(view, word="queued", ending=None, error=None, ended=None)
    told: list[tuple[str, Json]] = [(word, {"response": _response(queued)}) for word in ("created", "queued")]
    if view.progress >= _STARTED:
        told.append(("in_progress", {"response": _response(replace(queued, word="in_progress"))}))
    if view.completed:
        told += _output_events(view)
    if view.ending is not None:
        told.append((view.word, {"response": _response(view)}))
    return [
        Event(f"response.{name}", {"type": f"response.{name}", "sequence_number": number, **data})
        for number, (name, data) in enumerate(told)
    ]


def _output_events(view: JobView) -> list[tuple[str, Json]]:
    message = _message(view, _TEXT)
    item: Json = {"output_index": 0}
    part = item | {"item_id": message["id"], "content_index": 0}
    return [
        ("output_item.added", item | {"item": _message(view, None)}),
        ("content_part.added", part | {"part": _part("")}),
        *(("output_text.delta", part | {"delta": delta, "logprobs": []}) for delta in re.findall(r" ?\S+", _TEXT)),
        ("output_text.done", part | {"text": _TEXT, "logprobs": []}),
        ("content_part.done", part | {"part": _part(_TEXT)}),
        ("output_item.done", item | {"item": message}),
    ]


def _skip(request: ApiRequest) -> int:
    after = request.query.get("starting_after", "")
    return int(after) + 1 if after.isdecimal() and len(after) <= _LONGEST_NUMBER else 0


def _batch(view: JobView) -> Json:
    created, ended = unix(view.created), unix(view.ended)
    errors = [{"code": "failed", "message": view.error, "line": None, "param": None}]
    return {
        "id": view.id,
        "object": "batch",
        "endpoint": view.input["endpoint"],
        "errors": {"object": "list", "data": errors} if view.ending == ERROR else None,
        "input_file_id": view.input["input_file_id"],
        "completion_window": view.input["completion_window"],
        "status": view.word,
        "output_file_id": f"file-out-{view.id}" if view.completed else None,
        "error_file_id": None,
        "created_at": created,
        "in_progress_at": created if view.progress >= _STARTED else None,
        "expires_at": unix(view.created + _DAY),
        "finalizing_at": ended if view.completed else None,
        "completed_at": ended if view.completed else None,
        "failed_at": ended if view.ending == ERROR else None,
        "expired_at": ended if view.ending == _EXPIRED else None,
        "cancelling_at": ended if view.cancelled else None,
        "cancelled_at": ended if view.cancelled else None,
        "request_counts": {"total": 1, "completed": int(view.completed), "failed": int(view.ending == ERROR)},
        "metadata": view.input.get("metadata"),
    }


def _batch_output(view: JobView) -> Reply:
    answer = {"status_code": 200, "request_id": f"req_{view.id}", "body": {}}
    line = {"id": f"batch_req_{view.id}", "custom_id": "1", "response": answer, "error": None}
    return Reply(json.dumps(line).encode() + b"\n") if view.completed else _refuse(404, _NO_OUTPUT)


def _batch_output_file(view: JobView) -> Json | Reply:
    size, name = len(_batch_output(view).body), f"{view.id}_output.jsonl"
    return _file(f"file-out-{view.id}", size, "batch_output", name) if view.completed else _refuse(404, _NO_OUTPUT)


def _upload(request: ApiRequest) -> Json:
    """Return the file of an upload; its id holds all there is to know about it, as nothing is kept of files."""
    name, _, size = request.body["file"][1 : -len(" bytes>")].rpartition(", ")
    purpose = request.body["purpose"]
    kept = json.dumps([int(size), purpose, name[-_LONGEST_NAME:]], separators=(",", ":")).encode()
    return _file("file-" + base64.urlsafe_b64encode(kept).decode().rstrip("="), int(size), purpose, name)


def _stored_file(request: ApiRequest) -> Json | Reply:
    file_id = request.params["file"]
    text = file_id.removeprefix("file-")
    try:
        size, purpose, name = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, TypeError):
        return _refuse(404, "There is no such file.")
    return _file(file_id, size, purpose, name)


def _file(file_id: str, size: int, purpose: str, name: str) -> Json:
    about = {"bytes": size, "created_at": _UPLOADED, "filename": name, "purpose": purpose, "status": "processed"}
    return {"id": file_id, "object": "file", **about}


def _video(view: JobView) -> Json:
    failure = {"code": "generation_failed", "message": view.error} if view.ending not in {None, COMPLETED} else None
    return {
        "id": view.id,
        "object": "video",
        "status": view.word,
        "model": view.input.get("model", "sora-2"),
        "progress": int(view.progress * 100),
        "prompt": view.input["prompt"],
        "seconds": view.input.get("seconds", "4"),
        "size": view.input.get("size", "720x1280"),
        "created_at": unix(view.created),
        "completed_at": unix(view.ended) if view.completed else None,
        "expires_at": unix(view.created + _DAY),
        "remixed_from_video_id": view.params.get("id"),
        "error": failure,
    }


def _video_content(view: JobView) -> Reply:
    if not view.completed:
        return _refuse(404, "The video is not ready yet, or could not be made; its status says which.")
    return Reply(bytes(64), headers={"content-type": _CONTENT[_variant(view.request)]})


def _variant(request: ApiRequest) -> str:
    return request.query.get("variant", "video")


def _check_variant(request: ApiRequest) -> list[Invalid]:
    if _variant(request) in _CONTENT:
        return []
    return [Invalid(("query", "variant"), f"allowed are {', '.join(_CONTENT)}", "literal_error")]


def _deleted(deleted_id: str, kind: str) -> Json:
    return {"id": deleted_id, "object": kind, "deleted": True}


RESPONSES: Final = Format(
    name="openai-responses",
    mount="openai",
    title="OpenAI responses in the background",
    keys=(BEARER,),
    words=_WORDS | {0: "queued", _INCOMPLETE: "incomplete"},
    ids=Ids("resp_", HEX, 32),
    invalid=400,
    error=_error,
    environment={"OPENAI_BASE_URL": "{base}/v1", "OPENAI_API_KEY": "{key}"},
    routes=(
        Route(
            "POST",
            "/v1/responses",
            START,
            of_first(_response),
            accepts=_Response,
            wait=lambda request: None if request.body.get("background") else _LONGEST_ANSWER,
            events=_events,
            streams=lambda request: bool(request.body.get("stream")),
        ),
        Route("GET", "/v1/responses/{id}", EVENTS, when={"?stream": "true"}, events=_events, skip=_skip),
        Route("GET", "/v1/responses/{id}", POLL, _response),
        Route("POST", "/v1/responses/{id}/cancel", CANCEL, _response),
        Route("DELETE", "/v1/responses/{id}", DELETE, lambda view: _deleted(view.id, "response")),
    ),
)

BATCHES: Final = replace(
    RESPONSES,
    name="openai-batches",
    title="OpenAI batches",
    words=_WORDS | {0: "validating", _FINALIZING: "finalizing", _EXPIRED: "expired"},
    ids=Ids("batch_", HEX, 32),
    routes=(
        Route("POST", "/v1/batches", START, of_first(_batch), accepts=_Batch),
        Route("GET", "/v1/batches", LIST, lambda jobs: _page(jobs, _batch)),
        Route("GET", "/v1/batches/{id}", POLL, _batch),
        Route("POST", "/v1/batches/{id}/cancel", CANCEL, _batch),
        Route("GET", "/v1/files/file-out-{id}/content", RESULT, _batch_output),
        Route("GET", "/v1/files/file-out-{id}", RESULT, _batch_output_file),
        Route("POST", "/v1/files", OTHER, _upload, accepts=_Upload),
        Route("GET", "/v1/files/{file}", OTHER, _stored_file),
        Route("DELETE", "/v1/files/{file}", OTHER, lambda request: _deleted(request.params["file"], "file")),
    ),
)

VIDEOS: Final = replace(
    RESPONSES,
    name="openai-videos",
    title="OpenAI videos, as gateways have them",
    words=_WORDS | {0: "queued", CANCELLED: "failed"},
    ids=Ids("video_", HEX, 32),
    hints=lambda view: {"openai-poll-after-ms": str(round((view.poll_after or 0.0) * 1000))},
    routes=(
        Route("POST", "/v1/videos", START, of_first(_video), accepts=_Video),
        Route("POST", "/v1/videos/{id}/remix", START, of_first(_video), accepts=_Remix, requires=is_named),
        Route("GET", "/v1/videos", LIST, lambda jobs: _page(jobs, _video)),
        Route("GET", "/v1/videos/{id}", POLL, _video),
        Route("GET", "/v1/videos/{id}/content", RESULT, _video_content, check=_check_variant),
        Route("DELETE", "/v1/videos/{id}", DELETE, lambda view: _deleted(view.id, "video.deleted")),
    ),
)
