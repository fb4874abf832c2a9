"""Which formats are mounted where, for people (``/docs/formats``) and for programs (``/simulator/formats``)."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Final, cast

import orjson
from fastapi import APIRouter
from starlette.requests import Request  # noqa: TC002 - FastAPI resolves the annotations of endpoints

from translation_server.http import parameters
from translation_server.http.answers import Answer, json_answer
from translation_server.vendors.mounts import Mounts, base_url

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_KEY: Final = "USERNAME:PASSWORD"
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Other services' APIs</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font-family: system-ui, sans-serif; line-height: 1.5; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
code {{ font-size: 0.95em; overflow-wrap: anywhere; }}
pre {{ overflow-x: auto; border: 1px solid; border-radius: 4px; padding: 0.6rem; }}
summary {{ cursor: pointer; }}
</style>
</head>
<body>
<h1>Other services' APIs</h1>
<p>Point an official SDK to its base URL here. The API key is <code>username:password</code> of a user.</p>
{sections}
</body>
</html>
"""
_SECTION: Final = """<h2>{title}</h2>
<p>Base URL: <code>{base}</code></p>
{environment}
<details><summary>{number} operations</summary>
<pre>{operations}</pre>
</details>
"""

overview = APIRouter()


@overview.get("/docs/formats", include_in_schema=False, response_model=None)
def show(request: Request) -> Answer:
    """Show the mounted formats on a page."""
    sections = "".join(map(_section, describe(_mounts(request), request)))
    return Answer(_PAGE.format(sections=sections).encode(), ((b"content-type", b"text/html; charset=utf-8"),))


@overview.get("/simulator/formats", include_in_schema=False, response_model=None)
def list_formats(request: Request) -> Answer:
    """List the mounted formats."""
    parameters.read_query(request.scope)
    return json_answer(orjson.dumps({"formats": describe(_mounts(request), request)}))


def describe(mounts: Mounts, request: Request) -> list[dict[str, Any]]:
    """Return what there is to know about each mounted format, without secrets."""
    return [
        {
            "name": form.name,
            "title": form.title or form.name,
            "base_url": base_url(request.scope, form.mount),
            "key": _KEY,
            "environment": environment(form.environment, base_url(request.scope, form.mount), "USERNAME", "PASSWORD"),
            "operations": [f"{route.method} {route.path}" for route in form.routes],
        }
        for form in mounts.formats
    ]


def environment(variables: Mapping[str, str], base: str, username: str, password: str) -> dict[str, str]:
    """Return the variables by which a format's SDKs find their server.

    Args:
        variables: ``Format.environment``.
        base: The URL of the mount.
        username: Of the user.
        password: Of the user.
    """
    host = base.partition("://")[2].partition("/")[0]
    known = {"base": base, "host": host, "key": f"{username}:{password}", "username": username, "password": password}
    return {name: value.format(**known) for name, value in variables.items()}


def _section(described: dict[str, Any]) -> str:
    lines = _lines(f"{name}={value}" for name, value in described["environment"].items())
    return _SECTION.format(
        title=escape(described["title"]),
        base=escape(described["base_url"]),
        environment=f"<pre>{lines}</pre>" if lines else "",
        number=len(described["operations"]),
        operations=_lines(described["operations"]),
    )


def _lines(texts: Iterable[str]) -> str:
    return escape("\n".join(texts))


def _mounts(request: Request) -> Mounts:
    return cast("Mounts", request.app.state.mounts)
