"""What an answer function of a format returned, as an answer in HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import orjson

from translation_server.http.answers import Answer
from translation_server.vendors.format import Json, Reply

if TYPE_CHECKING:
    from collections.abc import Iterable

    from translation_server.http.answers import Header

_JSON: Final = b"application/json"
_BYTES: Final = b"application/octet-stream"


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
