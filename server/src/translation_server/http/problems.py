"""Errors as the client sees them: `application/problem+json`, RFC 9457."""

import logging
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from translation_server.http.answers import Answer
from translation_server.observability.log_format import REQUEST_ID
from translation_server.service.errors import (
    AlreadyEndedError,
    ImpossibleJobError,
    KeyReusedError,
    TooManyPendingError,
    TooManyWaitersError,
    UnknownJobError,
)
from translation_server.stores import StoreUnavailableError

_LOGGER: Final = logging.getLogger(__name__)
_TITLES: Final = {status.value: status.phrase for status in HTTPStatus} | {
    413: "Content Too Large",  # RFC 9110's words, which Python uses only from 3.13 on
    422: "Unprocessable Content",
}
_DETAILS: Final = {
    404: "There is nothing at this address.",
    405: "This address does not answer to this method; the header Allow names those it does answer to.",
}
_LONGEST_ECHO: Final = 64
_KEY_REUSED: Final = "was used for a job with another body; a new job needs a new key"
_UNAVAILABLE: Final = "The jobs cannot be read or written now; try again, a start with the same Idempotency-Key."
_CHALLENGE: Final = {"WWW-Authenticate": 'Basic realm="translation", charset="UTF-8"'}


class ProblemError(Exception):
    """Answer the request with this problem; raised anywhere below the app.

    Args:
        status: the HTTP status code, 400 to 599.
        detail: what is wrong this time, for a person; no secrets, no internals.
        headers: further headers of the answer.
        extensions: further members of the problem (RFC 9457, section 3.2), such as `job_id` or `errors`.
    """

    def __init__(
        self, status: int, detail: str, *, headers: Mapping[str, str] | None = None, **extensions: object
    ) -> None:
        super().__init__(status, detail)
        self.status = status
        self.detail = detail
        self.headers = headers
        self.extensions = extensions


def respond(status: int, detail: str, *, headers: Mapping[str, str] | None = None, **extensions: object) -> Answer:
    """Return the problem as an answer (RFC 9457, section 3); text and numbers JSON cannot hold are replaced."""
    problem = {
        "type": "about:blank",
        "title": _TITLES.get(status, "Error"),
        "status": status,
        "detail": detail,
        **(_request_id() if status >= HTTPStatus.INTERNAL_SERVER_ERROR else {}),
        **extensions,
    }
    further = ((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in (headers or {}).items())
    return Answer(_json(problem), [(b"content-type", b"application/problem+json"), *further], status)


def login_refused(detail: str = "The user name or the password is wrong.") -> ProblemError:
    """Return the problem of a request without credentials that are right: 401, with a challenge (RFC 7617)."""
    return ProblemError(401, detail, headers=_CHALLENGE)


def method_not_allowed(allowed: str) -> Answer:
    """Return the answer to a method that an address does not answer to (RFC 9110, section 15.5.6)."""
    return respond(405, _DETAILS[405], headers={"Allow": allowed})


def limit_headers(
    name: str, quota: int, *, retry_after: float, window: float | None = None, unit: str | None = None
) -> dict[str, str]:
    """Return the headers of an answer to a user who has reached a limit.

    They are `Retry-After` (RFC 9110, section 10.2.3), and `RateLimit-Policy` and `RateLimit` of
    draft-ietf-httpapi-ratelimit-headers-11 (May 2026).

    Args:
        name: of the limit, in ASCII.
        quota: what is allowed.
        retry_after: seconds until something is allowed again; rounded up.
        window: seconds in which the whole quota comes in again.
        unit: what is counted, by its name in the registry of the draft (section 10.3); None: requests.
    """
    seconds = _whole_seconds(retry_after)
    policy = (
        f'"{name}";q={quota}' + (f';qu="{unit}"' if unit else "") + (f";w={_whole_seconds(window)}" if window else "")
    )
    return {"Retry-After": str(seconds), "RateLimit-Policy": policy, "RateLimit": f'"{name}";r=0;t={seconds}'}


def answer_to(error: Exception) -> Answer:
    """Return the answer that an exception amounts to; one nobody expected is logged, and the client told nothing."""
    match error:
        case ProblemError():
            return respond(error.status, error.detail, headers=error.headers, **error.extensions)
        case HTTPException():
            detail = _DETAILS.get(error.status_code, error.detail)
            return respond(error.status_code, detail, headers=error.headers)
        case RequestValidationError():
            return respond(422, "The request is not as documented.", errors=_fields(error))
        case StoreUnavailableError():
            return respond(503, _UNAVAILABLE, headers={"Retry-After": "1"})
        case _:
            return _answer_about_a_job(error)


def _answer_about_a_job(error: Exception) -> Answer:  # noqa: PLR0911 - one for each thing a user can do wrong
    """Return what the service refused, in the words of HTTP."""
    match error:
        case UnknownJobError(job_id=None):
            return respond(404, "There is no job yet.")
        case UnknownJobError(job_id=str(job_id)):
            return respond(404, "There is no such job.", job_id=job_id[:_LONGEST_ECHO])
        case AlreadyEndedError(job=job):
            detail = f"The job has ended as {job.outcome}; it cannot be cancelled."
            return respond(409, detail, job_id=job.job_id)
        case KeyReusedError(job_id=job_id):
            errors = [{"field": "Idempotency-Key", "message": _KEY_REUSED}]
            return respond(422, f"Idempotency-Key: {_KEY_REUSED}", job_id=job_id, errors=errors)
        case ImpossibleJobError(reason=reason):
            errors = [{"field": "video_length", "message": reason}]
            return respond(422, f"video_length: {reason}", errors=errors)
        case TooManyPendingError(limit=limit, retry_after=seconds):
            headers = limit_headers("pending-jobs", limit, retry_after=seconds)
            return respond(429, "You have as many pending jobs as allowed.", headers=headers)
        case TooManyWaitersError(limit=limit):
            headers = limit_headers("waiters", limit, retry_after=1.0, unit="concurrent-requests")
            return respond(429, "You hold as many requests and streams as allowed.", headers=headers)
        case _:
            _LOGGER.error("a request failed unexpectedly", exc_info=error)
            return respond(500, "Something went wrong in the server; its log says what.")


def install(app: FastAPI) -> None:
    """Let every error of the framework be answered as a problem."""
    for kind in (ProblemError, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, _handle)


async def _handle(_: Request, error: Exception) -> Response:
    answer = answer_to(error)
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in answer.headers}
    return Response(answer.body, answer.status, headers)


def _request_id() -> dict[str, str]:
    """What to look for in the log, where that says more than the answer."""
    request_id = REQUEST_ID.get()
    return {"request_id": request_id} if request_id else {}


def _whole_seconds(seconds: float) -> int:
    """Round up; from 1 to a billion, as a number of more than 15 digits cannot stand in a header (RFC 9651)."""
    return max(1, math.ceil(min(seconds, 1e9)))


def _fields(error: RequestValidationError) -> list[dict[str, str]]:
    """Name the fields and what is wrong with each, never the value: it may be long, secret or no valid JSON."""
    return [{"field": ".".join(str(part) for part in one["loc"]), "message": str(one["msg"])} for one in error.errors()]


def _json(value: object) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:  # lone surrogates, huge integers, unknown types: rare, so cleaned only when met
        return orjson.dumps(_clean(value))


def _clean(value: object) -> object:
    match value:
        case None | bool():
            return value
        case float():
            return value if math.isfinite(value) else None
        case int():
            return value if abs(value) < 2**63 else None
        case Mapping():
            return {_text(key): _clean(item) for key, item in value.items()}
        case list() | tuple():
            return [_clean(item) for item in value]
        case _:
            return _text(value)


def _text(value: object) -> str:
    return str(value).encode(errors="replace").decode()
