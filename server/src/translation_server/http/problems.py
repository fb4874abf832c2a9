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

from translation_server.observability.log_format import REQUEST_ID

_LOGGER: Final = logging.getLogger(__name__)
_TITLES: Final = {status.value: status.phrase for status in HTTPStatus} | {
    413: "Content Too Large",  # RFC 9110's words, which Python uses only from 3.13 on
    422: "Unprocessable Content",
}
_DETAILS: Final = {
    404: "There is nothing at this address.",
    405: "This address does not answer to this method; the header Allow names those it does answer to.",
}


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


def respond(status: int, detail: str, *, headers: Mapping[str, str] | None = None, **extensions: object) -> Response:
    """Return the problem as an answer (RFC 9457, section 3); text and numbers JSON cannot hold are replaced."""
    problem = {
        "type": "about:blank",
        "title": _TITLES.get(status, "Error"),
        "status": status,
        "detail": detail,
        **(_request_id() if status >= HTTPStatus.INTERNAL_SERVER_ERROR else {}),
        **extensions,
    }
    return Response(_json(problem), status, headers, media_type="application/problem+json")


def _request_id() -> dict[str, str]:
    """What to look for in the log, where that says more than the answer."""
    request_id = REQUEST_ID.get()
    return {"request_id": request_id} if request_id else {}


def answer_to(error: Exception) -> Response:
    """Return the answer that an exception amounts to; one nobody expected is logged, and the client told nothing."""
    match error:
        case ProblemError():
            return respond(error.status, error.detail, headers=error.headers, **error.extensions)
        case HTTPException():
            detail = _DETAILS.get(error.status_code, error.detail)
            return respond(error.status_code, detail, headers=error.headers)
        case RequestValidationError():
            return respond(422, "The request is not as documented.", errors=_fields(error))
        case _:
            _LOGGER.error("a request failed unexpectedly", exc_info=error)
            return respond(500, "Something went wrong in the server; its log says what.")


def install(app: FastAPI) -> None:
    """Let every error of the app be answered as a problem."""
    for kind in (ProblemError, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, handle)


async def handle(_: Request, error: Exception) -> Response:
    """Return `answer_to` the error; an exception handler of the framework."""
    return answer_to(error)


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
