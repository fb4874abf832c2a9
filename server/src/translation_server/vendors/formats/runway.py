"""Runway, which makes videos, images and sound, as its SDK ``runwayml`` speaks to it. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, create_model, model_validator
from pydantic_core import PydanticCustomError

from translation_server.vendors.format import (
    BEARER,
    CANCEL,
    POLL,
    START,
    ApiRequest,
    Format,
    Invalid,
    Jobs,
    JobView,
    Json,
    Problem,
    Route,
    iso,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_VERSION: Final = "2024-11-06"
_DOCUMENTATION: Final = "https://example.com/runway/errors"  # reserved (RFC 2606): no answer names the real host
_CREDITS_PER_SECOND: Final = 5
_SECONDS: Final = 5

_TYPES: Final[Mapping[str, Any]] = {
    "promptImage": str | list[Any],
    "duration": float,
    **dict.fromkeys(("avatar", "character", "media", "reference", "speech", "voice"), dict[str, Any]),
}
"""Of fields that are no text."""


def _body(*required: str, **by_model: str) -> type[BaseModel]:
    """Return the model of a start.

    Args:
        required: The fields that are always required, besides ``model``.
        by_model: Further ones, separated by spaces, and the models with which they are required, separated by spaces.
            The names of models are not checked: there are new ones every month.
    """
    further = {model: fields.split("__") for fields, models in by_model.items() for model in models.split()}

    class Start(BaseModel):
        model_config = ConfigDict(extra="allow")

        model: str

        @model_validator(mode="before")
        @classmethod
        def require(cls, given: dict[str, Any]) -> dict[str, Any]:
            """Give None to what is required with this model, so that it is noticed if there is no value."""
            model = given.get("model")
            return dict.fromkeys(further.get(model, ()) if isinstance(model, str) else ()) | given

    fields: dict[str, Any] = {name: (_type(name), "") for names in further.values() for name in names}
    fields |= {name: (_type(name), ...) for name in required}
    return create_model("Start", __base__=Start, **fields)


def _type(name: str) -> Any:  # noqa: ANN401 - a type, with what is checked before
    return Annotated[_TYPES.get(name, str), BeforeValidator(_require_value)]


def _require_value(value: object) -> object:
    if value is None:
        raise PydanticCustomError("missing", "Field required")
    return value


_STARTS: Final[Mapping[str, tuple[str, type[BaseModel]]]] = {
    "image_to_video": (
        "mp4",
        _body(
            "promptImage",
            ratio="gen4_turbo veo3.1 veo3.1_fast",
            promptText="hailuo3 kling2.5_turbo_pro wan3 wan3_prime gemini_omni_flash_1.1 h3_max",
            promptText__ratio__duration="gen4.5",
        ),
    ),
    "text_to_video": (
        "mp4",
        _body(
            ratio="kling3.0_4k kling3.0_pro kling3.0_standard klingO3_4k klingO3_pro klingO3_standard",
            promptText="happyhorse_1_0 hailuo3 kling2.5_turbo_pro kling_4 seedance2 seedance2_fast seedance2_mini wan3"
            " wan3_prime gemini_omni_flash gemini_omni_flash_1.1 grok_imagine_1_5 grok_imagine_1_5_lite h3_max",
            promptText__ratio="veo3.1 veo3.1_fast",
            promptText__ratio__duration="gen4.5",
        ),
    ),
    "video_to_video": (
        "mp4",
        _body(
            videoUri="aleph2",
            promptVideo="seedance2 seedance2_fast seedance2_mini seedance2_5",
            promptText__videoUri="gemini_omni_flash gemini_omni_flash_1.1 kling_4",
            promptText__promptVideo="hailuo3 klingO3_4k klingO3_pro klingO3_standard",
        ),
    ),
    "avatar_videos": ("mp4", _body("avatar", "speech")),
    "character_performance": ("mp4", _body("character", "reference")),
    "video_to_hdr": ("mp4", _body("videoUri")),
    "video_upscale": ("mp4", _body("videoUri", targetFramerate="enhance_frame_rate")),
    "text_to_image": ("png", _body("promptText")),
    "image_upscale": ("png", _body("imageUri")),
    "sound_effect": ("mp3", _body("promptText", duration="mirelo_sfx_2_0")),
    "speech_to_speech": ("mp3", _body("media", "voice")),
    "text_to_speech": ("mp3", _body("promptText", voice="eleven_v4 eleven_v3 eleven_multilingual_v2")),
    "video_to_audio": ("mp3", _body("videoUri", "duration")),
    "voice_dubbing": ("mp3", _body("audioUri", "targetLang")),
    "voice_isolation": ("mp3", _body("audioUri")),
}
"""What can be started: what the result is, and what is required."""


def _credits(view: JobView) -> Json:
    seconds = view.input.get("duration")
    return {"credits": math.ceil(_CREDITS_PER_SECOND * (seconds if isinstance(seconds, int | float) else _SECONDS))}


def _started(jobs: Jobs) -> Json:
    return {"id": jobs.first.id, "estimatedCost": _credits(jobs.first)}


def _task(view: JobView) -> Json:
    task = {"id": view.id, "status": view.word, "createdAt": iso(view.created)}
    if view.ending is None:
        return (
            task | {"estimatedCost": _credits(view)} | ({"progress": view.progress} if view.word == "RUNNING" else {})
        )
    if view.completed:
        extension, _ = _STARTS[view.path.rpartition("/")[2]]
        return task | {"output": [view.file(extension)], "cost": _credits(view)}
    if view.failed:
        task |= {"failure": view.error, "failureCode": "INTERNAL.BAD_OUTPUT.CODE01"}
    return task | {"cost": {"credits": 0}}


def _check_version(request: ApiRequest) -> Sequence[Invalid]:
    name = "X-Runway-Version"
    given = request.headers.get(name.lower())
    if given == _VERSION:
        return ()
    return [
        Invalid(("headers", name), f"The value has to be {_VERSION}", "missing" if given is None else "literal_error")
    ]


def _error(problem: Problem) -> Json:
    if not problem.invalid:
        return {"error": problem.detail, "docUrl": _DOCUMENTATION}
    issues = [{"code": one.type, "path": [*one.loc[1:]], "message": one.msg} for one in problem.invalid]
    return {"error": f"Validation of {problem.invalid[0].loc[0]} failed", "issues": issues, "docUrl": _DOCUMENTATION}


RUNWAY = Format(
    name="runway",
    title="Runway",
    keys=(BEARER,),
    words={0: "PENDING", 0.15: "RUNNING", "completed": "SUCCEEDED", "error": "FAILED", "cancelled": "CANCELLED"},
    routes=(
        *(
            Route("POST", f"/v1/{path}", START, _started, accepts=model, check=_check_version)
            for path, (_, model) in _STARTS.items()
        ),
        Route("GET", "/v1/tasks/{id}", POLL, _task, check=_check_version),
        Route("DELETE", "/v1/tasks/{id}", CANCEL, status=204, check=_check_version),
    ),
    error=_error,
    invalid=400,
    environment={"RUNWAYML_BASE_URL": "{base}", "RUNWAYML_API_SECRET": "{key}"},
)
