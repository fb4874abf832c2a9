"""fal, whose queue runs models of many owners, as its SDKs ``fal-client`` and ``@fal-ai/client`` speak to it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from translation_server.vendors.format import (
    CANCEL,
    CANCELLED,
    COMPLETED,
    ERROR,
    EVENTS,
    POLL,
    RESULT,
    START,
    Event,
    Format,
    Jobs,
    JobView,
    Json,
    Problem,
    Reply,
    Route,
    iso,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAMESPACES: Final = {"workflows", "comfy"}
_REQUEST: Final = "/{app:path}/requests/{id}"
_BEGIN: Final = 0.15
_CANCELLED: Final = {"detail": "Request was cancelled", "error_type": "request_cancelled"}
_CANCELLED_TYPE: Final = "request_cancelled"
_FAILED_TYPE: Final = "internal_server_error"


def _links(view: JobView) -> Json:
    """Return where a request is found: below its app, without the path that the start may have behind it."""
    parts = view.path.split("/")[1:]
    app = "/".join(parts[: 3 if parts[0] in _NAMESPACES else 2])
    here = f"{view.base}/{app}/requests/{view.id}"
    return {"request_id": view.id, "response_url": here, "status_url": f"{here}/status", "cancel_url": f"{here}/cancel"}


def _queued(view: JobView) -> Json:
    return {"status": "IN_QUEUE", **_links(view), "queue_position": 0}


def _started(jobs: Jobs) -> Json:
    return _queued(jobs.first)


def _status(view: JobView) -> Json:
    if view.word == "IN_QUEUE":
        return _queued(view)
    status = {"status": view.word, **_links(view), "logs": [_log(round(100 * view.progress), view.now)]}
    if view.ended is None:
        return status
    status["metrics"] = {"inference_time": round(view.ended - view.created, 3)}
    if view.cancelled:
        return status | {"error": _CANCELLED["detail"], "error_type": _CANCELLED_TYPE}
    return status | ({"error": view.error, "error_type": _FAILED_TYPE} if view.failed else {})


def _log(percent: int, moment: float) -> Json:
    return {"message": f"{percent} %", "level": "INFO", "source": "USER", "timestamp": iso(moment)}


def _polled(view: JobView) -> Reply:
    return Reply(_status(view), 202 if view.ending is None else 200)


def _told(view: JobView) -> Sequence[Event]:
    statuses = [_queued(view)]
    if view.progress >= _BEGIN:
        statuses.append({"status": "IN_PROGRESS", **_links(view), "logs": [_log(0, view.created)]})
    if view.ending is not None:
        statuses.append(_status(view))
    return [Event(None, status) for status in statuses]


def _result(view: JobView) -> Reply:
    headers = {"x-fal-request-id": view.id}
    if view.ending is None:
        return Reply({"detail": "Request is still in progress"}, 400, headers)
    if view.cancelled:
        return Reply(_CANCELLED, 400, headers)
    if view.failed:
        return Reply({"detail": [{"loc": ["body"], "msg": view.error, "type": _FAILED_TYPE}]}, 422, headers)
    video = {"url": view.file("mp4"), "content_type": "video/mp4", "file_name": "out.mp4", "file_size": 64}
    return Reply({"video": video}, headers=headers)


def _cancelled(view: JobView) -> Reply:
    return (
        Reply({"status": "CANCELLATION_REQUESTED"}, 202)
        if view.cancelled
        else Reply({"status": "ALREADY_COMPLETED"}, 400)
    )


def _read(document: Json) -> str | None:
    """Return what a status tells: every end is COMPLETED, and an error says which one."""
    status = document.get("status") if isinstance(document, dict) else None
    if status in {"IN_QUEUE", "IN_PROGRESS"}:
        return "pending"
    if status != "COMPLETED":
        return None
    if document.get("error_type") == _CANCELLED_TYPE:
        return CANCELLED
    return ERROR if "error" in document else COMPLETED


def _error(problem: Problem) -> Json:
    if problem.invalid:
        return {"detail": [{"loc": [*one.loc], "msg": one.msg, "type": one.type} for one in problem.invalid]}
    return {"detail": problem.detail}


FAL = Format(
    name="fal",
    title="fal queue",
    keys=(("authorization", r"(?i:key) +(.+)"),),
    words={
        0: "IN_QUEUE",
        _BEGIN: "IN_PROGRESS",
        "completed": "COMPLETED",
        "error": "COMPLETED",
        "cancelled": "COMPLETED",
    },
    reads=_read,
    routes=(
        Route("POST", "/{owner}/{app}", START, _started),
        Route("POST", "/{owner}/{app}/{path:path}", START, _started),
        Route("GET", f"{_REQUEST}/status", POLL, _polled),
        Route("GET", f"{_REQUEST}/status/stream", EVENTS, events=_told),
        Route("GET", _REQUEST, RESULT, _result),
        Route("PUT", f"{_REQUEST}/cancel", CANCEL, _cancelled),
    ),
    error=_error,
    environment={"FAL_KEY": "{key}", "FAL_QUEUE_RUN_HOST": "{host}/fal", "FAL_RUN_HOST": "{host}/fal"},
)
