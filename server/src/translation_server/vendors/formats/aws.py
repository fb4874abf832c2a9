"""Amazon Transcribe: JSON 1.1, in which all requests are POSTs to one path, told apart by ``X-Amz-Target``. Pure.

The access key id is ``username:password``; signatures (Signature Version 4) are not verified, so any secret will do.
"""

from __future__ import annotations

import posixpath
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from translation_server.vendors.format import (
    DELETE,
    LIST,
    POLL,
    START,
    ApiRequest,
    Format,
    Jobs,
    JobView,
    Json,
    Page,
    Problem,
    Reply,
    Route,
    of_first,
)
from translation_server.vendors.ids import Ids

_TYPE: Final = {"content-type": "application/x-amz-json-1.1"}
_KEY: Final = r"AWS4-HMAC-SHA256 +Credential=(.+?)/\d{8}/[^/, ]+/[^/, ]+/aws4_request\b.*"
_START, _GET, _DELETE, _LIST = (
    {"x-amz-target": f"Transcribe.{operation}"}
    for operation in ("StartTranscriptionJob", "GetTranscriptionJob", "DeleteTranscriptionJob", "ListTranscriptionJobs")
)
_PAGE: Final = Page(size="MaxResults", after="NextToken", default=5, in_body=True)
_MEDIA: Final = ("mp3", "mp4", "wav", "flac", "ogg", "amr", "webm", "m4a")
_ECHOED: Final = (
    *("MediaSampleRateHertz", "Settings", "ModelSettings", "JobExecutionSettings", "ContentRedaction"),
    *("IdentifyLanguage", "IdentifyMultipleLanguages", "LanguageOptions", "LanguageIdSettings", "ToxicityDetection"),
)
_CODES: Final = {
    401: (400, "UnrecognizedClientException"),
    403: (400, "AccessDeniedException"),
    409: (409, "ConflictException"),
    429: (429, "LimitExceededException"),
}

_Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[0-9a-zA-Z._-]+$")]
_Uri = Annotated[str, Field(max_length=2000, pattern=r"^(s3|https?)://.")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)


class _Named(_Body):
    TranscriptionJobName: _Name


class _Media(_Body):
    MediaFileUri: _Uri


class _Tag(_Body):
    Key: str = Field(min_length=1, max_length=128)
    Value: str = Field(max_length=256)


class _Start(_Named):
    Media: _Media
    MediaFormat: Literal["mp3", "mp4", "wav", "flac", "ogg", "amr", "webm", "m4a"] | None = None
    MediaSampleRateHertz: int | None = Field(None, ge=8000, le=48000)
    LanguageCode: str | None = Field(None, pattern=r"^[a-z]{2,3}-[A-Z]{2}$")
    IdentifyLanguage: bool | None = None
    IdentifyMultipleLanguages: bool | None = None
    Tags: list[_Tag] | None = Field(None, min_length=1, max_length=200)

    @model_validator(mode="after")
    def _has_one_language(self) -> _Start:
        given = (self.LanguageCode, self.IdentifyLanguage, self.IdentifyMultipleLanguages)
        if sum(map(bool, given)) != 1:
            raise ValueError("one of LanguageCode, IdentifyLanguage and IdentifyMultipleLanguages is required")
        return self


class _List(_Body):
    Status: Literal["QUEUED", "IN_PROGRESS", "FAILED", "COMPLETED"] | None = None
    JobNameContains: _Name | None = None
    MaxResults: int | None = Field(None, ge=1, le=100)


def _error(problem: Problem) -> Reply:
    is_ours = problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    rest = (problem.status, "InternalFailureException") if is_ours else (400, "BadRequestException")
    status, code = _CODES.get(problem.status, rest)
    return Reply({"__type": code, "Message": problem.detail}, status, _TYPE)


def _without_none(told: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if value is not None}


def _format_of(view: JobView) -> str:
    extension = posixpath.splitext(urlsplit(view.input["Media"]["MediaFileUri"]).path)[1][1:].lower()
    return str(view.input.get("MediaFormat") or (extension if extension in _MEDIA else "mp4"))


def _job(view: JobView) -> Json:
    return _without_none(
        {
            "TranscriptionJobName": view.id,
            "TranscriptionJobStatus": view.word,
            "LanguageCode": view.input.get("LanguageCode"),
            "MediaFormat": _format_of(view),
            "Media": view.input["Media"],
            **{name: view.input.get(name) for name in _ECHOED},
            "CreationTime": view.created,
            "StartTime": view.created,
            "CompletionTime": view.ended,
            "FailureReason": view.error,
            "Transcript": {"TranscriptFileUri": view.file("json")} if view.completed else None,
        }
    )


def _summary(view: JobView) -> Json:
    return _without_none(
        {
            "TranscriptionJobName": view.id,
            "CreationTime": view.created,
            "StartTime": view.created,
            "CompletionTime": view.ended,
            "LanguageCode": view.input.get("LanguageCode"),
            "TranscriptionJobStatus": view.word,
            "FailureReason": view.error,
            "OutputLocationType": "SERVICE_BUCKET",
        }
    )


def _show(view: JobView) -> Reply:
    return Reply({"TranscriptionJob": _job(view)}, headers=_TYPE)


def _deleted(_: JobView) -> Reply:
    return Reply({}, headers=_TYPE)


def _list(jobs: Jobs) -> Reply:
    told = {
        "Status": jobs.request.body.get("Status"),
        "NextToken": jobs.views[-1].id if jobs.more else None,
        "TranscriptionJobSummaries": [*map(_summary, jobs.views)],
    }
    return Reply(_without_none(told), headers=_TYPE)


def _is_wanted(view: JobView, request: ApiRequest) -> bool:
    wanted = request.body
    return wanted.get("Status") in {None, view.word} and (wanted.get("JobNameContains") or "") in view.id


def _name_of(request: ApiRequest) -> Any:  # noqa: ANN401 - whatever is in the body
    return request.body.get("TranscriptionJobName")


TRANSCRIBE = Format(
    name="aws",
    title="Amazon Transcribe",
    keys=(("authorization", _KEY),),
    words={0: "QUEUED", 0.1: "IN_PROGRESS", "completed": "COMPLETED", "error": "FAILED", "cancelled": "FAILED"},
    error=_error,
    invalid=400,
    ids=Ids(":"),  # never written, as each job has a name; and no name is taken for an id, even if it is a UUID
    named=_name_of,
    reuse="conflict",
    status_at="TranscriptionJob.TranscriptionJobStatus",
    environment={
        "AWS_ENDPOINT_URL_TRANSCRIBE": "{base}",
        "AWS_ACCESS_KEY_ID": "{key}",
        "AWS_SECRET_ACCESS_KEY": "{password}",
        "AWS_DEFAULT_REGION": "us-east-1",
    },
    routes=(
        Route("POST", "/", START, of_first(_show), when=_START, accepts=_Start),
        Route("POST", "/", POLL, _show, when=_GET, accepts=_Named, job=_name_of),
        Route("POST", "/", DELETE, _deleted, when=_DELETE, accepts=_Named, job=_name_of),
        Route("POST", "/", LIST, _list, when=_LIST, accepts=_List, match=_is_wanted, page=_PAGE),
    ),
)
