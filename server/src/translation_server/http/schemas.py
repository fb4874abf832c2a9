"""The shapes of what is sent and answered: they check requests, and the API's documentation is made from them."""

from __future__ import annotations

import hashlib
from datetime import datetime  # noqa: TC003 - pydantic reads the annotations
from typing import Annotated, Any, Literal, TypeVar

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from translation_server.http.problems import ProblemError
from translation_server.jobs.delays import FORMS, parse_model
from translation_server.jobs.model import Draft, Status

MOST_JOB_IDS = 10_000
MOST_METADATA = 4096  # bytes
LONGEST_DURATION = 1e9  # seconds; 31 years, so that no end leaves the calendar
_LONGEST_NAME = 100
_LONGEST_MODEL = 2000

_Model = TypeVar("_Model", bound=BaseModel)


def _small(metadata: dict[str, Any]) -> dict[str, Any]:
    length = len(orjson.dumps(metadata))
    if length > MOST_METADATA:
        raise ValueError(f"must be {MOST_METADATA} bytes of JSON at most, not {length}")
    return metadata


def _delay_model(text: str | None) -> str | None:
    return None if text is None else str(parse_model(text))


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class Simulate(_Strict):
    """The fate of one job, scripted; what is left out is drawn as usual.

    Hints and progress know nothing of a duration, nor of an outcome; they follow the delay model.
    """

    duration: Annotated[
        float | None, Field(ge=0, le=LONGEST_DURATION, allow_inf_nan=False, description="Seconds the job takes.")
    ] = None
    outcome: Annotated[Literal["completed", "error"] | None, Field(description="How the job ends.")] = None
    delay_model: Annotated[
        str | None,
        Field(max_length=_LONGEST_MODEL, description=f"What its duration is drawn from: {FORMS}."),
        AfterValidator(_delay_model),
    ] = None


class NewJob(_Strict):
    """What may be said about a job that is to be started."""

    video_length: Annotated[float | None, Field(gt=0, allow_inf_nan=False, description="Seconds the video lasts.")] = (
        None
    )
    metadata: Annotated[
        dict[str, Any],
        AfterValidator(_small),
        Field(description="Anything the caller wants back: up to 4 KiB of JSON."),
        Field(default_factory=dict, json_schema_extra={"default": {}}),
    ]
    simulate: Simulate = Simulate()

    def draft(self, owner: str, created_at: float, key: str | None, number: int | None = None) -> Draft:
        """The job that is asked for; the same request has the same fingerprint, however it was spelt."""
        simulate = self.simulate
        return Draft(
            owner=owner,
            created_at=created_at,
            video_length=self.video_length,
            metadata=orjson.dumps(self.metadata).decode(),
            duration=simulate.duration,
            outcome=Status(simulate.outcome) if simulate.outcome else None,
            delay_model=simulate.delay_model,
            number=number,
            key=key,
            fingerprint=None if key is None else self._fingerprint(),
        )

    def _fingerprint(self) -> bytes:
        simulate = self.simulate
        asked: list[object] = [self.video_length, self.metadata, simulate.duration, simulate.outcome]
        asked += [] if simulate.delay_model is None else [simulate.delay_model]
        return hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).digest()


class JobQuery(_Strict):
    """Asks for many jobs at once."""

    job_ids: Annotated[list[str], Field(max_length=MOST_JOB_IDS, description="Ids of jobs.")]


class JobError(BaseModel):
    """Why a job ended in error."""

    code: Annotated[str, Field(description="For programs; `cancelled` if somebody cancelled the job.")]
    message: Annotated[str, Field(description="For people.")]


class Job(BaseModel):
    """A job, as it was when the answer was made."""

    job_id: Annotated[str, Field(description="Opaque; ids made later sort later.")]
    status: Annotated[Status, Field(description="`pending`, or for ever `completed` or `error`.")]
    created_at: Annotated[datetime, Field(description="When it was accepted (RFC 3339, UTC, milliseconds).")]
    ended_at: Annotated[datetime | None, Field(description="When it ended; null while it is pending.")]
    elapsed_time: Annotated[float, Field(ge=0, description="Seconds since it was accepted, frozen when it ends.")]
    progress: Annotated[float, Field(ge=0, le=1, description="0 to 1, never falling, 1 only when completed.")]
    stage: Annotated[
        str | None, Field(description="What it is doing; null once completed. Only where the server has stages.")
    ] = None
    poll_after: Annotated[
        float | None,
        Field(
            ge=0,
            description="Seconds after which to ask again: an estimate, as a real service has it. Null once ended.",
        ),
    ]
    video_length: Annotated[float | None, Field(description="Seconds, if it was given.")]
    metadata: Annotated[dict[str, Any], Field(description="What was given at the start.")]
    error: Annotated[JobError | None, Field(description="Null unless the status is `error`.")]


class JobList(BaseModel):
    """A page of jobs."""

    jobs: list[Job]
    next_cursor: Annotated[str | None, Field(description="Asks for the next page; null if there is none.")]


class Health(BaseModel):
    """The answer of a health check."""

    status: Literal["live", "ready"]


class FieldProblem(BaseModel):
    """What is wrong with one field, parameter or header."""

    field: str
    message: str


class Problem(BaseModel):
    """An error (RFC 9457)."""

    type: Annotated[str, Field(description="`about:blank`: the status says it all.")]
    title: Annotated[str, Field(description="The status in words.")]
    status: Annotated[int, Field(description="The status code.")]
    detail: Annotated[str, Field(description="What is wrong this time.")]
    job_id: Annotated[str, Field(description="The job it is about, if it is about one.")] = ""
    errors: Annotated[list[FieldProblem], Field(description="What is wrong where, if it is about the request.")] = []
    request_id: Annotated[str, Field(description="What to look for in the server's log, if it is its fault.")] = ""


def validate(model: type[_Model], content: dict[str, object] | None) -> _Model:
    """The request's body as a model; raises ``ProblemError`` (422) that names every field at fault, never its value."""
    try:
        return model.model_validate(content or {})
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        errors = [{"field": _name(one["loc"]), "message": one["msg"]} for one in found]
        first = errors[0]
        raise ProblemError(422, f"{first['field']}: {first['message']}", errors=errors) from None


def _name(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location))[:_LONGEST_NAME]
