"""Gemini's media jobs: interactions in the background, Veo of the Gemini API, and Veo of Vertex AI. Pure.

The type URLs in answers, ``type.googleapis.com/…``, are names of types, and no addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping  # noqa: TC003 - pydantic reads some
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

from translation_server.vendors.format import (
    BEARER,
    CANCEL,
    CANCELLED,
    COMPLETED,
    DELETE,
    ERROR,
    POLL,
    RESULT,
    START,
    ApiRequest,
    Format,
    JobView,
    Json,
    Problem,
    Reply,
    Route,
    iso,
    of_first,
)
from translation_server.vendors.ids import BASE62, HEX, Ids

_KEYS: Final = (("x-goog-api-key", "(.+)"), BEARER)
_BAD_REQUEST: Final = "type.googleapis.com/google.rpc.BadRequest"
_VEO_RESPONSE: Final = "type.googleapis.com/google.ai.generativelanguage.v1beta.PredictLongRunningResponse"
_VERTEX_RESPONSE: Final = "type.googleapis.com/cloud.ai.large_models.vision.GenerateVideoResponse"
_VERTEX_MODEL: Final = "/{version}/{parent:path}/models/{model}"
_BYTES: Final = bytes(64)
_LONGEST: Final = 3600.0  # seconds for which a start that is not in the background is held
_CODES: Final = {"cancelled": 1, "error": 13}  # of google.rpc.Code
_STATUSES: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_WORDS: Final = {401: "authentication", 403: "permission_denied", 404: "not_found", 429: "rate_limit_exceeded"}


class _Body(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)


class _Interaction(_Body):
    model: str | None = None
    agent: str | None = None
    input: str | list[Any] | dict[str, Any]
    background: bool | None = None

    @model_validator(mode="after")
    def _has_model(self) -> _Interaction:
        if not self.model and not self.agent:
            raise ValueError("model or agent is required")
        return self


class _Instance(_Body):
    prompt: str | None = None
    image: Mapping[str, Json] | None = None
    video: Mapping[str, Json] | None = None

    @model_validator(mode="after")
    def _has_something(self) -> _Instance:
        if not self.prompt and not self.image and not self.video:
            raise ValueError("prompt, image or video is required")
        return self


class _Predict(_Body):
    instances: Annotated[list[_Instance], Field(min_length=1)]
    parameters: Mapping[str, Json] | None = None


class _Fetch(_Body):
    operationName: Annotated[str, Field(pattern=r"/operations/[^/]+$")]  # noqa: N815 - as it is on the wire


def _error(problem: Problem) -> Json:
    told = {"code": problem.status, "message": problem.detail, "status": _STATUSES.get(problem.status, "UNKNOWN")}
    violations = [{"field": ".".join(map(str, one.loc[1:])), "description": one.msg} for one in problem.invalid]
    details = {"details": [{"@type": _BAD_REQUEST, "fieldViolations": violations}]} if violations else {}
    return {"error": told | details}


def _interaction_error(problem: Problem) -> Json:
    """Return a refusal as interactions have it: unlike elsewhere at Google, the code is a word."""
    rest = "api_error" if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request"
    return {"error": {"code": _WORDS.get(problem.status, rest), "message": problem.detail}}


def _interaction(view: JobView) -> Json:
    video = {"type": "video", "uri": view.file("mp4"), "mime_type": "video/mp4"}
    made_by = "agent" if not view.input.get("model") else "model"
    return {
        "id": view.id,
        "object": "interaction",
        "status": view.word,
        made_by: view.input[made_by],
        "created": iso(view.created),
        "updated": iso(view.now),
        "steps": [{"type": "model_output", "content": [video]}] if view.completed else [],
    } | ({"errors": [{"code": "internal", "message": view.error}]} if view.failed else {})


def _operation(name: Callable[[JobView], str], response: Callable[[JobView], Json]) -> Callable[[JobView], Json]:
    def answer(view: JobView) -> Json:
        told: dict[str, Json] = {"name": f"{name(view)}/operations/{view.id}"}
        if view.ending is None:
            return told
        if view.completed:
            return told | {"done": True, "response": response(view)}
        code = _CODES[CANCELLED if view.cancelled else ERROR]
        return told | {"done": True, "error": {"code": code, "message": view.error}}

    return answer


def _samples(view: JobView) -> int:
    wanted = (view.input.get("parameters") or {}).get("sampleCount", 1)
    return wanted if isinstance(wanted, int) and 1 <= wanted <= 4 else 1  # noqa: PLR2004 - as documented


def _veo_response(view: JobView) -> Json:
    host = view.base.partition("://")[2]
    video = {"uri": f"https://{host}/v1beta/files/{view.id}:download?alt=media"}  # google-genai wants it to be https
    samples = [{"video": video}] * _samples(view)
    return {"@type": _VEO_RESPONSE, "generateVideoResponse": {"generatedSamples": samples}}


def _download(view: JobView) -> Reply:
    if view.completed:
        return Reply(_BYTES, headers={"content-type": "video/mp4"})
    return Reply(_error(Problem(404, "There is no such file.")), 404)


def _vertex_name(view: JobView) -> str:
    parent, model = view.params["parent"], view.params["model"]
    where = "" if parent.startswith("projects/") else "projects/p/locations/us-central1/"
    return f"{where}{parent}/models/{model}"


def _vertex_response(view: JobView) -> Json:
    folder = str((view.input.get("parameters") or {}).get("storageUri") or "gs://bucket").rstrip("/")
    video = {"gcsUri": f"{folder}/{view.id}.mp4", "mimeType": "video/mp4"}
    return {"@type": _VERTEX_RESPONSE, "videos": [video] * _samples(view)}


def _read(document: Json) -> str | None:
    if not isinstance(document, dict) or not isinstance(document.get("name"), str):
        return None
    if not document.get("done"):
        return "pending"
    error = document.get("error")
    if not isinstance(error, dict):
        return COMPLETED
    return CANCELLED if error.get("code") == _CODES[CANCELLED] else ERROR


def _hold(request: ApiRequest) -> float | None:
    return None if request.body.get("background") is True else _LONGEST


def _empty(_: JobView) -> Json:
    return {}


def _fetched(request: ApiRequest) -> str:
    return str(request.body["operationName"]).rpartition("/operations/")[2]


INTERACTIONS = Format(
    name="gemini-interactions",
    mount="gemini",
    title="Gemini API, interactions",
    keys=_KEYS,
    words={0: "queued", 0.1: "in_progress", "completed": "completed", "error": "failed", "cancelled": "cancelled"},
    error=_interaction_error,
    invalid=400,
    ids=Ids("v1_", BASE62, 22),
    environment={"GOOGLE_GEMINI_BASE_URL": "{base}", "GEMINI_API_KEY": "{key}"},
    routes=(
        Route("POST", "/{version}/interactions", START, of_first(_interaction), accepts=_Interaction, wait=_hold),
        Route("GET", "/{version}/interactions/{id}", POLL, _interaction),
        Route("POST", "/{version}/interactions/{id}/cancel", CANCEL, _interaction),
        Route("DELETE", "/{version}/interactions/{id}", DELETE, _empty),
    ),
)

_VEO: Final = _operation(lambda view: f"models/{view.params['model']}", _veo_response)
_VERTEX: Final = _operation(_vertex_name, _vertex_response)
_VEO_WORDS: Final[Mapping[float | str, str]] = {0: "running", "completed": "done", "error": "error"}

VEO = Format(
    name="gemini-veo",
    mount="gemini",
    title="Gemini API, Veo",
    keys=_KEYS,
    words=_VEO_WORDS,
    error=_error,
    invalid=400,
    ids=Ids(alphabet=HEX, length=32),
    status_at="",
    reads=_read,
    environment={"GOOGLE_GEMINI_BASE_URL": "{base}", "GEMINI_API_KEY": "{key}"},
    routes=(
        Route("POST", "/{version}/models/{model}:predictLongRunning", START, of_first(_VEO), accepts=_Predict),
        Route("GET", "/{version}/models/{model}/operations/{id}", POLL, _VEO),
        Route("GET", "/{version}/files/{id}:download", RESULT, _download),
    ),
)

VERTEX = replace(
    VEO,
    name="gemini-vertex",
    title="Vertex AI, Veo",
    environment={"GOOGLE_VERTEX_BASE_URL": "{base}", "GOOGLE_API_KEY": "{key}"},
    routes=(
        Route("POST", _VERTEX_MODEL + ":predictLongRunning", START, of_first(_VERTEX), accepts=_Predict),
        Route("POST", _VERTEX_MODEL + ":fetchPredictOperation", POLL, _VERTEX, accepts=_Fetch, job=_fetched),
    ),
)
