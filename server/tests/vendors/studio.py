"""A service that does not exist, with everything that formats can say."""

from pydantic import BaseModel, Field

from translation_server.formats import (
    BEARER,
    CANCEL,
    DELETE,
    EVENTS,
    HEX,
    LIST,
    OTHER,
    POLL,
    QUERY,
    RESULT,
    START,
    Event,
    Format,
    Ids,
    Invalid,
    Reply,
    Route,
    is_named,
    iso,
    of_first,
)


class Start(BaseModel):
    """What a start says."""

    prompt: str = Field(min_length=1)
    count: int = Field(1, ge=1, le=4)


def job(view):
    return {
        "data": {
            "id": view.id,
            "state": view.word,
            "number": view.number,
            "error": view.error,
            "created": iso(view.created),
            "ended": iso(view.ended),
            "url": view.file("mp4") if view.completed else None,
            "input": view.input,
        }
    }


def error(problem):
    where = [list(one.loc) for one in problem.invalid]
    return Reply(
        {"oops": problem.detail, "status": problem.status, "where": where},
        headers={} if problem.retry_after is None else {"retry-after-ms": f"{problem.retry_after * 1000:.0f}"},
    )


def _result(view):
    return {"ok": True} if view.completed else Reply("early", 425)


def happened(view):
    events = [Event("queued", {"id": view.id})]
    if view.progress >= 0.5 or view.ending:
        events.append(Event("running", {"id": view.id}))
    if view.ending:
        events.append(Event("ended", job(view), id="last"))
    return events


def preferred(request):
    found = request.headers.get("prefer", "").removeprefix("wait=")
    return float(found) if found else None


STUDIO = Format(
    name="studio",
    title="The studio",
    keys=(BEARER, ("x-api-key", "(.+)")),
    words={0: "queued", 0.5: "running", "completed": "done", "error": "broken", "cancelled": "stopped"},
    ids=Ids("job_", HEX, 32),
    error=error,
    invalid=400,
    status_at="data.state",
    idempotency="idempotency-key",
    how_many=lambda request: int(request.body.get("count", 1)),
    hints=lambda view: {"x-ms-retry-after-ms": f"{(view.poll_after or 0) * 1000:.0f}"},
    environment={"STUDIO_URL": "{base}/v1", "STUDIO_KEY": "{key}", "STUDIO_HOST": "{host}"},
    routes=(
        Route(
            "POST",
            "/v1/jobs",
            START,
            lambda jobs: {"jobs": [job(view)["data"] for view in jobs.views], "old": jobs.existing},
            201,
            accepts=Start,
            check=lambda request: (
                [Invalid(("header", "x-no"), "is not wanted", "value_error")] if "x-no" in request.headers else []
            ),
            wait=preferred,
        ),
        Route("POST", "/v1/streams", START, accepts=Start, events=happened),
        Route("GET", "/v1/jobs/{id}", POLL, job, wait=preferred),
        Route("GET", "/v1/jobs", LIST, lambda jobs: {"jobs": [one.id for one in jobs.views], "more": jobs.more}),
        Route(
            "GET",
            "/v1/some",
            QUERY,
            lambda jobs: {one.id: one.word for one in jobs.views},
            job=lambda request: request.query["ids"].split(","),
        ),
        Route("POST", "/v1/jobs/{id}/cancel", CANCEL, lambda view: job(view) if view.cancelled else Reply("late", 400)),
        Route("DELETE", "/v1/jobs/{id}", DELETE, lambda _: Reply(None, 204)),
        Route(
            "GET", "/v1/jobs/{id}/result", RESULT, lambda one: {"ok": True} if one.completed else Reply("early", 425)
        ),
        Route("GET", "/v1/jobs/{id}/events", EVENTS, events=happened, skip=lambda request: int(request.query["after"])),
        Route("POST", "/v1/jobs/{id}", POLL, job, when={"x-method": "get"}),
        Route("GET", "/v1/about", OTHER, lambda request: {"base": request.base, "q": dict(request.query)}),
    ),
)


def same_prompt(view, request):
    return view.input["prompt"] == request.params["prompt"]


NAMED = Format(
    name="named",
    mount="studio",
    keys=(BEARER,),
    words={0: "queued", "completed": "done", "error": "broken", "cancelled": "stopped"},
    error=error,
    status_at="data.state",
    named=lambda request: request.body.get("name"),
    reuse="conflict",
    routes=(
        Route("POST", "/named", START, of_first(job), accepts=Start),
        Route("POST", "/named/find", POLL, job, job=lambda request: request.body["name"]),
        Route("POST", "/named/{id}/more", START, of_first(job), accepts=Start, requires=is_named),
        Route("GET", "/named/by/{prompt}", POLL, job, match=same_prompt),
    ),
)
