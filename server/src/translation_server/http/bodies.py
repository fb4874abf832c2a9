"""Reads a request's body: within limits of size and time, as strict JSON (RFC 8259 and, stricter, I-JSON, RFC 7493)."""

import asyncio
import json
import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final, NoReturn

from starlette.requests import Request

from translation_server.http.parameters import header_values
from translation_server.http.problems import ProblemError
from translation_server.service.waiters import Waiters

_DEEPEST: Final = 32
_LONGEST_INTEGER: Final = 20  # characters: what fits 64 bits
_JSON: Final = b"application/json"
_TIME_LIMIT: Final = 8.0  # seconds
_COME_AGAIN: Final = {"Retry-After": "1", "Connection": "close"}


async def read_json(
    request: Request, limit: int, *, waiters: Waiters, time_limit: float = _TIME_LIMIT
) -> dict[str, object] | None:
    """Return the JSON object in the body, or None if there is no body.

    Args:
        request: a request whose body was not read yet.
        limit: the most bytes a body may have.
        waiters: by which it is known that the server is about to stop.
        time_limit: seconds the client may take to send it.

    Raises:
        ProblemError: 400 not JSON, or not whole; 408 too slow; 413 too long; 415 not declared as JSON; 422 JSON, but no
            object, or too deep, or with a name twice, or with numbers or text that other programs would read
            differently; 503 the server is about to stop.
    """
    pieces: list[bytes] = []
    await read_pieces(request, limit, pieces.append, waiters=waiters, time_limit=time_limit)
    body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    if not body:
        return None
    _check_declared_as_json(dict(reversed([*request.scope["headers"]])))  # of several, the first
    return parse_object(body)


async def read_pieces(
    request: Request,
    limit: int,
    on_piece: Callable[[bytes], object],
    *,
    waiters: Waiters,
    time_limit: float = _TIME_LIMIT,
) -> None:
    """Read a body of any kind in pieces, as they arrive.

    Args:
        request: a request whose body was not read yet.
        limit: the most bytes a body may have.
        on_piece: called with each piece.
        waiters: by which it is known that the server is about to stop.
        time_limit: seconds the client may take to send it.

    Raises:
        ProblemError: 400 not whole; 408 too slow; 413 too long; 503 the server is about to stop.
    """
    declared = next(iter(header_values(request.scope, b"content-length")), "")
    if declared.isdecimal() and (len(declared) > _LONGEST_INTEGER or int(declared) > limit):
        raise _too_long(limit)
    try:
        async with asyncio.timeout(time_limit) as timeout:
            with waiters.interrupting(timeout):
                await _read(request, limit, on_piece)
    except TimeoutError:
        if waiters.stopping:
            raise ProblemError(
                503, "The server is about to stop. Nothing was changed; try again.", headers=_COME_AGAIN
            ) from None
        detail = f"The body did not arrive within {time_limit:g} seconds."
        raise ProblemError(408, detail, headers={"Connection": "close"}) from None


def parse_object(body: bytes) -> dict[str, object]:
    """Return the JSON object these bytes are.

    Raises:
        ProblemError: 400 or 422, as in `read_json`.
    """
    try:
        value = _DECODER.decode(body.decode())
    except UnicodeDecodeError:
        raise ProblemError(400, "The body is not JSON: it is not UTF-8 text.") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ProblemError(400, f"The body is not JSON: {error.msg} ({where}).") from None
    except RecursionError:
        raise _too_deep() from None
    if not isinstance(value, dict):
        raise ProblemError(422, "The body must be a JSON object.")
    if b"\\u" in body or body.count(b"[") + body.count(b"{") > _DEEPEST:  # otherwise it cannot go wrong
        _check_depth_and_text(value)
    return value


async def _read(request: Request, limit: int, on_piece: Callable[[bytes], object]) -> None:
    length, is_whole = 0, False
    while not is_whole:
        message = await request.receive()
        if message["type"] != "http.request":
            # Servers say so as well if the client is still there, and what it sent is no body.
            raise ProblemError(400, "The body ended before it was whole.", headers={"Connection": "close"})
        piece: bytes = message.get("body", b"")
        length += len(piece)
        if length > limit:
            raise _too_long(limit)
        on_piece(piece)
        is_whole = not message.get("more_body", False)


def _check_declared_as_json(headers: Mapping[bytes, bytes]) -> None:
    if headers.get(b"content-type") == _JSON and b"content-encoding" not in headers:
        return  # as nearly always
    kind, *parameters = headers.get(b"content-type", b"").decode("latin-1").lower().split(";")
    if kind.strip() != "application/json" and not kind.strip().endswith("+json"):
        raise ProblemError(415, "A body needs the header Content-Type: application/json.")
    for parameter in parameters:
        name, _, value = parameter.strip().partition("=")
        if name == "charset" and value.strip('"') not in {"utf-8", "utf8"}:
            raise ProblemError(415, "JSON is UTF-8; other charsets are not understood.")
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise ProblemError(415, "Compressed bodies are not understood.", headers={"Accept-Encoding": "identity"})


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise ProblemError(422, f"The body gives {twice[:80]!r} twice in one object.")
    return found


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ProblemError(422, "The body holds a number that is too large.")
    return number


def _integer(text: str) -> int:
    if len(text) > _LONGEST_INTEGER or not -(2**63) <= (number := int(text)) < 2**63:
        raise ProblemError(422, "The body holds a whole number that does not fit 64 bits.")
    return number


def _constant(text: str) -> NoReturn:
    raise ProblemError(400, f"The body is not JSON: {text} is no JSON number.")


def _check_depth_and_text(value: object) -> None:
    waiting = [(value, 1)]
    while waiting:
        item, depth = waiting.pop()
        if isinstance(item, str):
            _check_text(item)
        if isinstance(item, dict | list):
            if depth > _DEEPEST:
                raise _too_deep()
            waiting += [(inner, depth + 1) for inner in item]
        if isinstance(item, dict):
            waiting += [(inner, depth + 1) for inner in item.values()]


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ProblemError(422, "The body holds half of a surrogate pair, which is no text.") from None


def _too_long(limit: int) -> ProblemError:
    return ProblemError(413, f"The body may have {limit} bytes at most.")


def _too_deep() -> ProblemError:
    return ProblemError(422, f"The body is nested deeper than {_DEEPEST} levels.")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_float, parse_int=_integer, parse_constant=_constant
)
