"""Luma: Dream Machine, which makes videos and images, as its SDK ``lumaai`` speaks to it. Pure."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

from translation_server.vendors.format import (
    BEARER,
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
    is_named,
    iso,
    of_first,
)

_GENERATIONS: Final = "/dream-machine/v1/generations"
_DIGITS: Final = 10  # of a number that is too long to be meant
_PAGE: Final = Page(offset="offset", default=10)

_VideoModel = Annotated[str, StringConstraints(pattern=r"^ray-")]
_ImageModel = Annotated[str, StringConstraints(pattern=r"^photon-")]


class _Start(BaseModel):
    model_config = ConfigDict(extra="allow")

    prompt: str | None = None
    callback_url: str | None = None


class _Video(_Start):
    model: _VideoModel
    generation_type: Literal["video"] = "video"


class _OldVideo(_Start):
    """What the first versions of the SDK send, which knew one model only."""

    model: _VideoModel = "ray-2"
    generation_type: Literal["video"] = "video"


class _Image(_Start):
    model: _ImageModel
    generation_type: Literal["image"] = "image"


class _Media(BaseModel):
    url: str


class _ReframedVideo(_Start):
    model: _VideoModel
    generation_type: Literal["reframe_video"]
    media: _Media
    aspect_ratio: str


class _ReframedImage(_Start):
    model: _ImageModel
    generation_type: Literal["reframe_image"]
    media: _Media
    aspect_ratio: str


class _ModifiedVideo(_Start):
    model: _VideoModel
    generation_type: Literal["modify_video"]
    media: _Media
    mode: str


class _Audio(_Start):
    generation_type: Literal["add_audio"] = "add_audio"


class _Upscaled(_Start):
    generation_type: Literal["upscale_video"] = "upscale_video"
    resolution: str | None = None


_STARTS: Final[dict[str, type[_Start]]] = {
    "": _OldVideo,
    "/video": _Video,
    "/video/modify": _ModifiedVideo,
    "/video/reframe": _ReframedVideo,
    "/image": _Image,
    "/image/reframe": _ReframedImage,
    "/{id}/audio": _Audio,
    "/{id}/upscale": _Upscaled,
}


def _generation(view: JobView) -> Json:
    is_image = view.path.startswith(f"{_GENERATIONS}/image")
    return {
        "id": view.id,
        "generation_type": "image" if is_image else "video",
        "state": view.word,
        "failure_reason": view.error,
        "created_at": iso(view.created),
        "assets": _assets(view, is_image=is_image) if view.completed else None,
        "model": view.input.get("model", "ray-2"),
        "request": {"generation_type": _asked(view), "callback_url": None, **view.input},
    }


def _asked(view: JobView) -> str:
    """Return what a start asks for that need not say it."""
    asked = {"image": "image", "audio": "add_audio", "upscale": "upscale_video"}
    return asked.get(view.path.rpartition("/")[2], "video")


def _assets(view: JobView, *, is_image: bool) -> Json:
    kind, extension = ("image", "jpg") if is_image else ("video", "mp4")
    return {"video": None, "image": None, "progress_video": None, kind: view.file(extension)}


def _list(jobs: Jobs) -> Json:
    limit = jobs.request.query.get("limit", "")
    return {
        "has_more": jobs.more,
        "count": len(jobs.views),
        "limit": int(limit) if limit.isdecimal() and len(limit) < _DIGITS else _PAGE.default,
        "offset": _PAGE.skipped(jobs.request),
        "generations": [_generation(view) for view in jobs.views],
    }


def _error(problem: Problem) -> Json:
    return {"detail": problem.detail}


def _other(path: str, answer: object) -> Route:
    return Route("GET", f"/dream-machine/v1/{path}", OTHER, lambda _: answer)


LUMA = Format(
    name="luma",
    title="Luma Dream Machine",
    keys=(BEARER,),
    words={0: "queued", 0.15: "dreaming", "completed": "completed", "error": "failed", "cancelled": "failed"},
    status_at="state",
    routes=(
        *(
            Route(
                "POST",
                _GENERATIONS + path,
                START,
                of_first(_generation),
                201,
                accepts=model,
                requires=is_named if "{id}" in path else None,
            )
            for path, model in _STARTS.items()
        ),
        Route("GET", _GENERATIONS, LIST, _list, page=_PAGE),
        Route("GET", f"{_GENERATIONS}/{{id}}", POLL, _generation),
        Route("DELETE", f"{_GENERATIONS}/{{id}}", DELETE, status=204),
        _other("generations/concepts/list", []),
        _other("credits", {"credit_balance": 10_000.0}),
        _other("ping", {"message": "pong"}),
    ),
    error=_error,
    invalid=400,
    environment={"LUMAAI_BASE_URL": "{base}/dream-machine/v1", "LUMAAI_API_KEY": "{key}"},
)
