"""Which endpoint is called for a request, and what becomes of what it returns or raises."""

import httpx
import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.responses import PlainTextResponse

from translation_server.http.answers import Answer, as_asgi
from translation_server.http.routes import Routes
from translation_server.service.errors import UnknownJobError

router = APIRouter()
STATE = object()


@router.get("/jobs", response_model=None)
async def fixed(request):
    assert request.app is STATE
    return Answer(request.scope["route"].path.encode(), [(b"content-type", b"text/plain")])


@router.get("/jobs/{job_id}", response_model=None)
@router.delete("/jobs/{job_id}", response_model=None)
def one(request, job_id):
    return Answer(f"{request.method} {job_id}".encode(), (), status=202)


@router.get("/same", response_model=None)
def same(_):
    return Answer(b"", [(b"etag", b"x")], status=304)


@router.get("/later", response_model=None)
async def later(_):
    return PlainTextResponse("any application")


@router.post("/at-once", response_model=None)
def fails_at_once(_):
    raise UnknownJobError("x")


@router.post("/later", response_model=None)
async def fails_later(_):
    raise UnknownJobError("x")


async def framework(scope, receive, send):
    await PlainTextResponse("the framework", 404)(scope, receive, send)


async def ask(method, url, **more):
    routes = [route for route in router.routes if isinstance(route, APIRoute)]
    transport = httpx.ASGITransport(as_asgi(Routes(routes, STATE, framework)), **more)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.request(method, url)


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/jobs", (200, "/jobs")),
        ("GET", "/jobs?x=1", (200, "/jobs")),
        ("GET", "/jobs/a%20b", (202, "GET a b")),
        ("DELETE", "/jobs/x", (202, "DELETE x")),
        ("GET", "/jobs/%7Bjob_id%7D", (202, "GET {job_id}")),
        ("GET", "/same", (304, "")),
        ("GET", "/later", (200, "any application")),
        ("GET", "/jobs/a/b", (404, "the framework")),
        ("GET", "/jobs/a%2Fb", (404, "the framework")),
        ("GET", "/jobs/", (404, "the framework")),
        ("GET", "/Jobs", (404, "the framework")),
        ("GET", "/", (404, "the framework")),
    ],
)
async def test_addresses(method, path, expected):
    """Each address of the table calls its endpoint; all others are the framework's."""
    answer = await ask(method, path)
    assert (answer.status_code, answer.text) == expected
    assert ("content-length" in answer.headers) == (answer.status_code != 304)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("PUT", "/jobs/x", "DELETE, GET"), ("HEAD", "/jobs", "GET"), ("BREW", "/same", "GET")],
)
async def test_methods(method, path, allowed):
    """Another method than those of an address is refused, and the answer names them all."""
    answer = await ask(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize("path", ["/at-once", "/later"])
async def test_what_a_user_does_wrong_is_answered(path):
    """Whether the endpoint finds out at once or after a wait."""
    answer = await ask("POST", path)
    assert (answer.status_code, answer.json()["job_id"]) == (404, "x")


async def test_root_path(open_api):
    """Behind a proxy that adds a root path, addresses are found without it."""
    api = await open_api()
    transport = httpx.ASGITransport(api.app, root_path="/behind")
    async with httpx.AsyncClient(transport=transport, base_url="http://test", auth=("admin", "secret")) as client:
        assert (await client.get("/behind/jobs")).json() == {"jobs": [], "next_cursor": None}
        assert (await client.get("/behind/health/live")).json() == {"status": "live"}
        assert (await client.get("/behind/status/x")).status_code == 404
