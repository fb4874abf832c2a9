"""A route documented as FastAPI does it, and called directly: the endpoint gets the request and returns the answer.

FastAPI's own way from the one to the other solves dependencies and checks models for each request, which costs more
than all the rest of an answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import ASGIApp, Receive, Scope, Send


class DirectRoute(APIRoute):
    """Calls the endpoint with the request and the path's parameters; what it returns, an ASGI application, answers."""

    def __init__(self, path: str, endpoint: Callable[..., Awaitable[ASGIApp]], **documentation: Any) -> None:  # noqa: ANN401 - as APIRoute's own
        super().__init__(path, endpoint, **documentation | {"response_model": None})

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            response = await endpoint(Request(scope, receive, send), **scope["path_params"])
            await response(scope, receive, send)

        self.app = answer

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or say which methods any route at this address answers to."""
        if scope["method"] not in (self.methods or ()):
            routes = [route for route in scope["app"].routes if isinstance(route, DirectRoute)]
            here = [route for route in routes if route.path_regex.match(scope["path"])]
            allowed = {method for route in here for method in route.methods or ()}
            raise HTTPException(405, headers={"Allow": ", ".join(sorted(allowed))})
        await self.app(scope, receive, send)
