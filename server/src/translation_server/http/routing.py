"""Routes documented as FastAPI does it, and called directly: the endpoint gets the request, and its answer is sent.

FastAPI's own way from the one to the other searches the routes one by one, solves dependencies and checks models for
each request, which costs more than all the rest of an answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from fastapi.routing import APIRoute
from starlette.datastructures import State
from starlette.exceptions import HTTPException
from starlette.requests import Request

from translation_server.cycle import DONE, WHOLE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

    from translation_server.cycle import Whole

    Tell = Callable[[Request, Exception], Awaitable[ASGIApp]]


_Endpoint = TypeVar("_Endpoint", bound="Callable[..., Any]")
_NOT_MODIFIED: Final = 304  # has no body, and so no length of one


class Answer:
    """A whole answer, as bytes; an ASGI application.

    Args:
        body: All of it.
        headers: Names in lower case; the body's length is added.
        status: The HTTP status code.
    """

    __slots__ = ("_body", "_headers", "_status")

    def __init__(self, body: bytes, headers: Iterable[tuple[bytes, bytes]], status: int = 200) -> None:
        self._body = body
        self._headers = headers
        self._status = status

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - the ASGI signature
        """Send it."""
        if self.send_whole(scope):
            return
        headers = [*self._headers]
        if self._status != _NOT_MODIFIED:
            headers.append((b"content-length", b"%d" % len(self._body)))
        await send({"type": "http.response.start", "status": self._status, "headers": headers})
        await send({"type": "http.response.body", "body": self._body})

    def send_whole(self, scope: Scope) -> bool:
        """Send it now, without waiting for anything; return whether that was possible, as ``Whole`` does."""
        whole: Whole | None = scope.get(WHOLE)
        return whole is not None and whole(self._status, self._headers, self._body)


_JSON: Final = (b"content-type", b"application/json")


def json_answer(body: bytes, *headers: tuple[bytes, bytes], status: int = 200) -> Answer:
    """A whole answer in JSON."""
    return Answer(body, (_JSON, *headers), status)


class Parts(State):
    """The ``state`` of an application, whose attributes are ordinary ones: they are found in a tenth of the time."""

    def __setattr__(self, key: Any, value: Any) -> None:  # noqa: ANN401 - as State's own
        object.__setattr__(self, key, value)

    def __delattr__(self, key: Any) -> None:  # noqa: ANN401 - as State's own
        object.__delattr__(self, key)


def at_once(answer: Callable[..., Answer | None]) -> Callable[[_Endpoint], _Endpoint]:
    """An endpoint with what answers most of its requests at once; None, or an error: the endpoint is to do it."""

    def add(endpoint: _Endpoint) -> _Endpoint:
        endpoint.at_once = answer  # type: ignore[attr-defined]
        return endpoint

    return add


class DirectRoute(APIRoute):
    """Calls the endpoint with the request and the path's parameters; what it returns, an ASGI application, answers."""

    def __init__(self, path: str, endpoint: Callable[..., Awaitable[ASGIApp]], **documentation: Any) -> None:  # noqa: ANN401 - as APIRoute's own
        super().__init__(path, endpoint, **documentation | {"response_model": None})

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            response = await endpoint(Request(scope, receive, send), **scope["path_params"])
            await response(scope, receive, send)

        self.app = answer
        self.at_once: Callable[..., Answer | None] | None = getattr(endpoint, "at_once", None)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or say which methods any route at this address answers to."""
        if scope["method"] not in (self.methods or ()):
            routes = [route for route in scope["app"].routes if isinstance(route, DirectRoute)]
            here = [route for route in routes if route.path_regex.match(scope["path"])]
            allowed = {method for route in here for method in route.methods or ()}
            raise HTTPException(405, headers={"Allow": ", ".join(sorted(allowed))})
        await self.app(scope, receive, send)


class DirectRoutes:
    """ASGI layer in front of the router: finds direct routes by two look-ups; all else, and all errors, go on to it.

    Args:
        app: the router, and what the framework puts around it.
        routes: those to find, each with a fixed path or with one parameter, at its end.
        tell: by the type of an error that an endpoint may raise, what answers it.
    """

    def __init__(self, app: ASGIApp, routes: Sequence[DirectRoute], tell: Mapping[type[Exception], Tell]) -> None:
        self._app = app
        self._tell = tell
        self._errors = tuple(tell)
        self._fixed: dict[tuple[str, str], DirectRoute] = {}
        self._open: dict[tuple[str, str], tuple[DirectRoute, str]] = {}  # found by what stands before their parameter
        for route in routes:
            for method in route.methods or ():
                self._add(method, route)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Handle one connection."""
        route = self._find(scope) if scope["type"] == "http" and not scope.get("root_path") else None
        if route is None:
            return self._app(scope, receive, send)
        scope["route"] = route
        if route.at_once is not None and WHOLE in scope:
            try:
                answer = route.at_once(scope, **scope["path_params"])
            except self._errors:  # which are met again
                answer = None
            if answer is not None and answer.send_whole(scope):
                return DONE
        return self._answer(route, scope, receive, send)

    async def _answer(self, route: DirectRoute, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await route.endpoint(Request(scope, receive, send), **scope["path_params"])
            await response(scope, receive, send)
        except self._errors as error:
            tell = next(self._tell[kind] for kind in type(error).__mro__ if kind in self._tell)
            answer = await tell(Request(scope), error)
            await answer(scope, receive, send)

    def _add(self, method: str, route: DirectRoute) -> None:
        if route.param_convertors:
            [name] = route.param_convertors
            self._open[method, route.path.rpartition("/")[0]] = route, name
        else:
            self._fixed[method, route.path] = route

    def _find(self, scope: Scope) -> DirectRoute | None:
        method, path = scope["method"], scope["path"]
        route = self._fixed.get((method, path))
        if route is not None:
            scope["path_params"] = {}
            return route
        start, _, last = path.rpartition("/")
        found = self._open.get((method, start))
        if found is None or not last:
            return None
        route, name = found
        scope["path_params"] = {name: last}
        return route
