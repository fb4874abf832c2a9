"""The door: a request id, security headers, one log line per request, and an answer to every error."""

import asyncio
import contextlib
import logging
import random
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from translation_server.http.answers import Answer, Handled, Handler, Header, deliver
from translation_server.http.parameters import header_values, headers_by_name
from translation_server.http.problems import answer_to, respond
from translation_server.observability.log_format import REQUEST_ID, RequestLine, request_record

_LOGGER: Final = logging.getLogger(__name__)
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_LONGEST_PATH: Final = 200  # characters, in the log
_LARGEST_REST: Final = 65_536  # bytes
_MOST_DIGITS: Final = 5  # of the announced length of a body that may be so small
_REST_TIMEOUT: Final = 1.0  # seconds
_CLIENT_GONE: Final = 499  # in the log only, as nginx writes it: the client left before it was answered
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES: Final = frozenset({b"same-origin", b"none"})  # "none": a person typed the address
_NO_STORE: Final = (b"cache-control", b"no-store")
_ALWAYS: Final = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))
_FOR_DATA: Final = (_NO_STORE, *_ALWAYS, (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"))
# The documentation page starts with an inline script and draws with inline styles.
_PAGE_POLICY: Final = (
    b"default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    b"img-src 'self' data:; font-src 'self' data:; connect-src 'self'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_FOR_PAGES: Final = (_NO_STORE, *_ALWAYS, (b"content-security-policy", _PAGE_POLICY))
_ASSETS: Final = "/static-offline-docs/"
_PAGES: Final = ("/docs", _ASSETS)


class Access:
    """The outermost layer, an ASGI application: the first to see a request and the last to see its answer.

    It takes the request id from `X-Request-ID` (1 to 64 of `A-Za-z0-9._-`) or makes one, puts it in
    `scope["request_id"]` and in the answer. It refuses a request without exactly one `Host` with 400, and with 403 what
    a page of another site makes a browser send.

    Args:
        handler: what is behind it.
        count: called at the end of each request with its scope, its status and the seconds it took.
        log: called then with what is logged of it; None: `log_request`.
        translate: called first, with the scope and with what sends the answer; it may change the request, and returns
            what sends the answer in its place.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        count: Callable[[Scope, int, float], None] = lambda *_: None,
        log: Callable[[RequestLine], None] | None = None,
        translate: Callable[[Scope, Send], Send] = lambda _, send: send,
    ) -> None:
        self._handler = handler
        self._count = count
        self._log = log or log_request
        self._translate = translate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            send = _flushing(send) if scope["type"] == "lifespan" else send
            await deliver(self._handler(scope, receive, send), scope, receive, send)
            return
        response = _Response(scope, send)
        answering = self._translate(scope, response.send)
        if _has_body(scope):
            body = _UnreadBody(receive, answering)
            receive, answering = body.receive, body.send
        named = REQUEST_ID.set(scope["request_id"])
        try:
            if scope.get("http_version") == "1.1" and not _has_one_host(scope):
                handled: Handled = respond(400, "A request has one header Host.", headers={"Connection": "close"})
            elif scope["method"] not in _SAFE_METHODS and is_cross_site(scope["method"], headers_by_name(scope)):
                handled = respond(403, "Pages of other sites may not do this.")
            else:
                handled = self._handler(scope, receive, answering)
            if isinstance(handled, Answer):
                for message in handled.messages():
                    await answering(message)
            else:
                await handled
        except ClientDisconnect:
            pass  # nobody is left to be answered; the log line says so
        except Exception as error:  # noqa: BLE001 - the last place where an error can still become an answer
            answer = answer_to(error)
            for message in () if response.status else answer.messages():  # one under way can only be broken off
                await answering(message)
        finally:
            seconds = response.seconds()
            self._count(scope, response.status or _CLIENT_GONE, seconds)
            self._log(response.line(seconds))
            REQUEST_ID.reset(named)


class _Response:
    """One answer on its way out; its `send` stands in for the server's."""

    __slots__ = ("_begun", "_request_id", "_scope", "_send", "status")

    def __init__(self, scope: Scope, send: Send) -> None:
        self._begun = time.perf_counter()
        self._scope = scope
        self._send = send
        self._request_id = _request_id(scope)
        self.status = 0
        scope["request_id"] = self._request_id.decode()

    def send(self, message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            given = message.get("headers", ())
            further = _further_headers(self._scope["path"], given)
            message["headers"] = [*given, (b"x-request-id", self._request_id), *further]
        return self._send(message)

    def seconds(self) -> float:
        """Return how long it has taken."""
        return time.perf_counter() - self._begun

    def line(self, seconds: float) -> RequestLine:
        """Return what is logged of it."""
        scope = self._scope
        path = scope.get("raw_path", b"").decode("latin-1") or scope["path"]
        if len(path) > _LONGEST_PATH:
            path = f"{path[:_LONGEST_PATH]}…"
        client = scope.get("client")
        status = self.status or _CLIENT_GONE
        user = scope.get("user", "")
        address = client[0] if client else ""
        return RequestLine(scope["method"], path, status, seconds * 1000, user, address, scope["request_id"])


class _UnreadBody:
    """A request whose body may be answered without being read, as where credentials are wrong.

    Before such an answer the rest of the body is read, if there is little of it. Otherwise granian (hyper) closes the
    connection, and whatever the client sent behind this request is lost.
    """

    __slots__ = ("_is_read", "_length", "_receive", "_send")

    def __init__(self, receive: Receive, send: Callable[[Message], Awaitable[None]]) -> None:
        self._receive = receive
        self._send = send
        self._is_read = False
        self._length = 0

    async def receive(self) -> Message:
        message = await self._receive()
        self._is_read = not message.get("more_body", False)
        self._length += len(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        if not self._is_read and message["type"] == "http.response.start":
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_REST_TIMEOUT):
                    while not self._is_read and self._length < _LARGEST_REST:
                        await self.receive()
        await self._send(message)


def _has_body(scope: Scope) -> bool:
    """Return whether a request has a body that may be read; a client that expects 100 has not sent it yet."""
    headers = headers_by_name(scope)
    if b"expect" in headers:
        return False
    length = headers.get(b"content-length", b"0")
    return b"transfer-encoding" in headers or (length != b"0" and len(length) <= _MOST_DIGITS)


def log_request(line: RequestLine) -> None:
    """Log at INFO, as `logging` does, at half its cost: it looks for its caller in the stack every time."""
    if _LOGGER.isEnabledFor(logging.INFO):
        _LOGGER.handle(request_record(line, time.time()))


def is_cross_site(method: str, headers: Mapping[bytes, bytes]) -> bool:
    """Whether a page of another site made the browser send this, with the credentials the browser remembers.

    Browsers say so in `Sec-Fetch-Site` (Fetch Metadata) or, older ones, in `Origin` (RFC 6454, section 7);
    other clients send neither. Requests that change nothing are never refused.
    """
    if method in _SAFE_METHODS:
        return False
    site = headers.get(b"sec-fetch-site")
    if site is not None:
        return site not in _OWN_SITES
    origin = headers.get(b"origin")
    if origin is None:
        return False
    host = origin.lower().partition(b"://")[2]
    return not host or host != headers.get(b"host", b"").lower()


def _has_one_host(scope: Scope) -> bool:
    """Whether that is so (RFC 9112, section 3.2); not every server looks, and granian makes up an empty one."""
    if len(headers_by_name(scope)) < len(scope["headers"]):
        return len(header_values(scope, b"host")) == 1
    return bool(headers_by_name(scope).get(b"host"))


def _request_id(scope: Scope) -> bytes:
    if b"x-request-id" in headers_by_name(scope):
        for value in header_values(scope, b"x-request-id"):
            if _REQUEST_ID.fullmatch(value):
                return value.encode()
    return b"%024x" % random.getrandbits(96)  # a name to look for in the log, no secret


def _further_headers(path: str, given: Iterable[Header]) -> tuple[Header, ...]:
    """Return the headers an answer gets in addition; one without a rule for caches may not be kept by them."""
    further = _FOR_PAGES if path.startswith(_PAGES) else _FOR_DATA
    for name, _ in given:
        if name == b"cache-control":
            return further[1:]
    return further[1:] if path.startswith(_ASSETS) else further


def _flushing(send: Send) -> Send:
    """Write out the buffered log lines once the app has shut down; the signal that ends the process leaves no time."""

    async def flush_then_send(message: Message) -> None:
        if message["type"].startswith("lifespan.shutdown"):
            logger: logging.Logger | None = _LOGGER
            while logger is not None:
                for handler in logger.handlers:
                    handler.flush()
                logger = logger.parent
        await send(message)

    return flush_then_send
