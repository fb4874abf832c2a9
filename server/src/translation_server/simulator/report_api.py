"""`GET /simulator/report` and `GET /simulator/requests`: the record and the verdict, for clients in any language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import orjson
from fastapi import APIRouter
from starlette.requests import Request  # noqa: TC002 - FastAPI looks at what the endpoints take

from translation_server.http import openapi, parameters
from translation_server.http.answers import Answer

if TYPE_CHECKING:
    from translation_server.simulator.simulator import Simulator

_JSON: Final = (b"content-type", b"application/json")
_TEXT: Final = (b"content-type", b"text/plain; charset=utf-8")

reports = APIRouter(prefix="/simulator", tags=["simulator"])


@reports.get("/report", **openapi.REPORT)
async def report(request: Request) -> Answer:
    """Tell how well the clients behaved until now."""
    parameters.read_query(request.scope)
    found = _simulator(request).report()
    clean = (b"x-report-clean", b"true" if found.is_clean else b"false")
    if _wants_text(request):
        return Answer(f"{found}\n".encode(), (_TEXT, clean))
    return Answer(found.to_json().encode(), (_JSON, clean))


@reports.get("/requests", **openapi.REQUESTS)
async def requests(request: Request) -> Answer:
    """Tell what arrived, oldest first."""
    last = parameters.LIMIT.value(parameters.read_query(request.scope, parameters.LIMIT))
    simulator = _simulator(request)
    found = simulator.requests[-last:]
    if _wants_text(request):
        return Answer("".join(f"{one}\n" for one in found).encode(), (_TEXT,))
    return Answer(orjson.dumps({"requests": found}, default=tuple), (_JSON,))


def _wants_text(request: Request) -> bool:
    """Whether it asks for text, and not for JSON before that (RFC 9110, section 12.5.1, without weights)."""
    accepted = request.headers.get("accept", "")
    return "text/plain" in accepted.partition("application/json")[0]


def _simulator(request: Request) -> Simulator:
    return cast("Simulator", request.app.state.simulator)
