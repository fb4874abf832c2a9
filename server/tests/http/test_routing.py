"""Routes found in front of the framework's router, which must never be seen to make a difference."""

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from starlette.responses import PlainTextResponse

from translation_server.cycle import DONE, WHOLE
from translation_server.http.routing import Answer, DirectRoute, DirectRoutes, at_once

router = APIRouter(route_class=DirectRoute)


class KnownError(Exception):
    """Has an answer."""


class KnownWellError(KnownError):
    """Has the same."""


@router.get("/jobs")
async def fixed(request):
    return Answer(request.scope["route"].path.encode(), [(b"content-type", b"text/plain")])


@router.get("/jobs/{job_id}")
@router.delete("/jobs/{job_id}")
async def one(request, job_id):
    return Answer(f"{request.method} {job_id}".encode(), (), status=202)


@router.get("/same")
async def same(_):
    return Answer(b"", [(b"etag", b"x")], status=304)


@router.post("/jobs")
async def fails(request):
    raise {"well": KnownWellError, "known": KnownError}.get(request.url.query, RuntimeError)("why")


async def tell(_, error):
    return PlainTextResponse(f"told: {error}", 418)


@pytest.fixture(params=["in front", "the router's way"])
def ask(request):
    app = FastAPI()
    app.router.routes[:0] = router.routes
    app.add_exception_handler(KnownError, tell)
    if request.param == "in front":
        layer = DirectRoutes(app.build_middleware_stack(), router.routes, {KnownError: tell})
        app.middleware_stack = layer

    async def ask_(method, url):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            return await client.request(method, url)

    return ask_


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/jobs", (200, "/jobs")),
        ("GET", "/jobs?x=1", (200, "/jobs")),
        ("GET", "/jobs/a%20b", (202, "GET a b")),
        ("DELETE", "/jobs/x", (202, "DELETE x")),
        ("GET", "/jobs/%7Bjob_id%7D", (202, "GET {job_id}")),
        ("GET", "/same", (304, "")),
        ("GET", "/jobs/a/b", (404, '{"detail":"Not Found"}')),
        ("GET", "/jobs/a%2Fb", (404, '{"detail":"Not Found"}')),
        ("GET", "/Jobs", (404, '{"detail":"Not Found"}')),
        ("GET", "/", (404, '{"detail":"Not Found"}')),
        ("PUT", "/jobs/x", (405, '{"detail":"Method Not Allowed"}')),
        ("HEAD", "/jobs", (405, "")),
        ("POST", "/jobs?known", (418, "told: why")),
        ("POST", "/jobs?well", (418, "told: why")),
    ],
)
async def test_both_ways_are_the_same(ask, method, path, expected):
    """Each address is answered as the framework's router would, whichever way the route is found."""
    answer = await ask(method, path)
    told = answer.text if method != "HEAD" else ""
    assert (answer.status_code, told) == expected
    assert ("content-length" in answer.headers) == (answer.status_code != 304)


async def test_methods_of_an_address(ask):
    """What an address answers to is said of all routes that have it."""
    assert (await ask("PUT", "/jobs/x")).headers["allow"] == "DELETE, GET"


async def test_an_error_nobody_expects(ask):
    """It goes on to the layers around."""
    with pytest.raises(RuntimeError, match="why"):
        await ask("POST", "/jobs")


def answers(scope, name):
    """At once, unless it is asked for otherwise."""
    if name == "known":
        raise KnownError("why")
    if name == "unknown":
        raise RuntimeError("why")
    return None if scope["query_string"] else Answer(b"at once " + name.encode(), ())


quick = APIRouter(route_class=DirectRoute)


@quick.get("/quick/{name}")
@at_once(answers)
async def slow(_, name):
    if name == "known":
        raise KnownError("why")
    return Answer(b"in its turn " + name.encode(), ())


@pytest.mark.parametrize(
    ("name", "query", "possible", "expected"),
    [
        ("a", b"", True, "at once a"),
        ("a", b"", False, "in its turn a"),
        ("a", b"", None, "in its turn a"),
        ("a", b"x", True, "in its turn a"),
        ("known", b"", True, "told: why"),
    ],
)
async def test_what_can_be_answered_at_once_is(name, query, possible, expected):
    """Unless its route wants to wait or fails, or no whole answer can be sent; then the endpoint is called, as ever."""
    sent = []

    def whole(_, __, body):
        sent.append(body.decode())
        return possible

    async def send(message):
        sent.append(message.get("body", b"").decode())

    scope = {"type": "http", "method": "GET", "path": f"/quick/{name}", "query_string": query, "headers": []}
    if possible is not None:
        scope[WHOLE] = whole
    answering = DirectRoutes(None, quick.routes, {KnownError: tell})(scope, None, send)
    assert (answering is DONE) == (sent[:1] == [expected])
    await answering
    assert sent[-1] == expected
    assert scope["route"].path == "/quick/{name}"


def test_an_error_at_once_that_nobody_expects():
    """It goes on to the layers around, as any other."""
    scope = {"type": "http", "method": "GET", "path": "/quick/unknown", WHOLE: None}
    with pytest.raises(RuntimeError, match="why"):
        DirectRoutes(None, quick.routes, {KnownError: tell})(scope, None, None)
