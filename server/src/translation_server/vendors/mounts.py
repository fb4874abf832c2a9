"""Where formats are mounted: whose request it is, by its path; its key as Basic credentials; refusals in its shape."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import parse_qsl

import orjson

from translation_server.http.answers import Answer
from translation_server.http.parameters import headers_by_name, path_of, set_header
from translation_server.vendors.format import ApiRequest, Format, Invalid, Json, Problem, Reply, Route

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from starlette.types import Message, Scope

    from translation_server.http.answers import Header

    Send = Callable[[Message], Awaitable[None]]

CALL: Final = "translation_server.vendor_call"
"""The key of the `Call` in the scope of a request to a mount."""

FORMATS: Final = "translation_server.formats"
"""The key of the names of its format and its mount."""

_JSON: Final = b"application/json"
_BYTES: Final = b"application/octet-stream"
_PROBLEM: Final = b"application/problem+json"
_DROPPED: Final = frozenset({b"content-type", b"content-length", b"www-authenticate"})
_NAME: Final = re.compile(r"\{(\w+)(:path)?\}")
_WRONG_KEY: Final = "The API key is wrong. On this server it is the user name and the password: username:password."
FILES: Final = "/files/"


class _Path(NamedTuple):
    """A route, ready to be compared with requests."""

    pattern: re.Pattern[str]
    form: Format
    route: Route
    path: str
    """With the mount, as metrics show it."""


@dataclass(slots=True)
class Call:
    """One request to a mount, and what becomes known of it on its way.

    Attributes:
        form: The format; where no route fits, the first one of the mount.
        route: None: there is nothing at this address, or not by this method.
        allowed: The methods there are at this address.
        path: The path of the route, as metrics show it.
        params: What stands in the path for the names of the route.
        request: The request, once its body has been read.
        job_id: Our id of the job it is about, if it names one.
        key: The idempotency key of a start, if it has one.
        refused: Why it cannot be answered.
        is_file: Whether it asks for the result behind a link, whatever the format.
    """

    form: Format
    route: Route | None
    allowed: Sequence[str]
    path: str
    params: Mapping[str, str]
    request: ApiRequest
    job_id: str | None = None
    key: str | None = None
    refused: Exception | None = None
    is_file: bool = field(default=False)


class Mounts:
    """Finds the format of a request; nothing is done for requests that belong to none.

    Args:
        formats: Those that are mounted.
    """

    def __init__(self, formats: Iterable[Format]) -> None:
        self.formats = tuple(formats)
        self._mounts: dict[str, list[_Path]] = {}
        for form in self.formats:
            self._mounts.setdefault(form.mount, []).extend(_compiled(form, route) for route in form.routes)
        for paths in self._mounts.values():
            paths.sort(key=lambda one: (one.path.count(":path}"), one.path.count("{"), -len(one.route.when)))
        self._first = {form.mount: form for form in reversed(self.formats)}

    def is_open(self, path: str) -> bool:
        """Return whether a path needs no key: links to results are opened without one."""
        mount, _, rest = path[1:].partition("/")
        return mount in self._mounts and f"/{rest}".startswith(FILES)

    def translate(self, scope: Scope, send: Send) -> Send:
        """Put the `Call` of a request into its scope, and its key where Basic credentials are.

        Returns:
            What stands in for ``send``: it writes refusals as the service does.
        """
        path = path_of(scope)
        mount, _, rest = path[1:].partition("/")
        if mount not in self._mounts:
            return send
        call = scope[CALL] = self._call(mount, "/" + rest, scope)
        scope[FORMATS] = frozenset({call.form.name, mount})
        scope["route"] = _Labelled(call.path)
        credentials = _credentials(call.form, headers_by_name(scope))
        set_header(scope, b"authorization", credentials)
        return _Dressed(call.form, send).send

    def _call(self, mount: str, path: str, scope: Scope) -> Call:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers_by_name(scope).items()}
        query = parse_query(scope["query_string"])
        request = ApiRequest(scope["method"], base_url(scope, mount), path, {}, query, headers)
        allowed = []
        for one in self._mounts[mount]:
            found = one.pattern.fullmatch(path)
            if found is None or not _has(request, one.route.when):
                continue
            if one.route.method == request.method:
                return Call(one.form, one.route, (), one.path, found.groupdict(), request)
            allowed.append(one.route.method)
        is_file = path.startswith(FILES)
        if is_file:
            allowed = ["GET"]
        label = f"/{mount}{FILES}{{name}}" if is_file else f"/{mount}/…"
        return Call(self._first[mount], None, sorted({*allowed}), label, {}, request, is_file=is_file)


class _Labelled(NamedTuple):
    """What metrics know a route by."""

    path: str


class _Dressed:
    """Stands in for `send`: what leaves as a problem (RFC 9457) is written in the service's own shape."""

    __slots__ = ("_body", "_form", "_head", "_send")

    def __init__(self, form: Format, send: Send) -> None:
        self._form = form
        self._send = send
        self._head: Message | None = None
        self._body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and (b"content-type", _PROBLEM) in message.get("headers", ()):
            self._head = message
        elif self._head is None:
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                head, self._head = self._head, None
                for one in dressed(self._form, head["status"], head["headers"], self._body).messages():
                    await self._send(one)


def dressed(form: Format, status: int, headers: Iterable[Header], body: bytes) -> Answer:
    """Return a problem as the service writes it."""
    told: Mapping[str, Any] = orjson.loads(body)
    after = dict(headers).get(b"retry-after", b"")
    problem = Problem(
        status,
        _WRONG_KEY if status == 401 else told["detail"],  # noqa: PLR2004 - Unauthorized
        [Invalid(tuple(one["loc"]), one["msg"], one["type"]) for one in told.get("invalid", ())],
        float(after) if after.isdigit() else None,
    )
    kept = [(name, value) for name, value in headers if name not in _DROPPED]
    return render(form.error(problem), status, kept)


def render(given: Json | Reply, status: int, headers: Iterable[Header] = ()) -> Answer:
    """Return the answer; what a `Reply` says wins over ``status`` and ``headers``."""
    reply = given if isinstance(given, Reply) else Reply(given)
    own = {name.lower().encode(): value.encode("latin-1") for name, value in reply.headers.items()}
    match reply.body:
        case None:
            body, kind = b"", None
        case bytes():
            body, kind = reply.body, _BYTES
        case _:
            body, kind = orjson.dumps(reply.body), _JSON
    typed = {} if kind is None else {b"content-type": kind}
    found = typed | {name: value for name, value in headers if name not in own} | own
    return Answer(body, [*found.items()], reply.status or status)


def base_url(scope: Scope, mount: str) -> str:
    """Return the URL of a mount as the client of this request sees it."""
    host = headers_by_name(scope).get(b"host", b"").decode("latin-1") or ":".join(map(str, scope["server"]))
    return f"{scope['scheme']}://{host}{scope.get('root_path', '')}/{mount}"


def parse_query(query: bytes) -> dict[str, str]:
    """Return the parameters of a query; of several with one name, the last."""
    try:
        return dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=1000))
    except ValueError:
        return {}


def _compiled(form: Format, route: Route) -> _Path:
    parts, place = [], 0
    for name in _NAME.finditer(route.path):
        parts += [re.escape(route.path[place : name.start()]), f"(?P<{name[1]}>{'.+' if name[2] else '[^/]+?'})"]
        place = name.end()
    pattern = re.compile("".join([*parts, re.escape(route.path[place:])]))
    return _Path(pattern, form, route, f"/{form.mount}{route.path}")


def _has(request: ApiRequest, wanted: Mapping[str, str]) -> bool:
    """Return whether a request has these headers, and query parameters, which have a ``?`` before their name."""
    for name, value in wanted.items():
        given = request.query.get(name[1:]) if name.startswith("?") else request.headers.get(name)
        if given != value:
            return False
    return True


def _credentials(form: Format, headers: Mapping[bytes, bytes]) -> bytes | None:
    """Return the key of a request as Basic credentials (RFC 7617); None: it has none."""
    for name, pattern in form.keys:
        found = re.fullmatch(pattern.encode(), headers.get(name.encode(), b""), re.DOTALL)
        if found is not None and found[1]:
            return b"Basic " + base64.b64encode(found[1])
    return None
