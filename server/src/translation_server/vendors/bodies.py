"""Reads the body of a request to another service's API: JSON, or a form, of whose files nothing is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from translation_server.http.bodies import parse_object, read_pieces
from translation_server.http.problems import ProblemError

if TYPE_CHECKING:
    from starlette.requests import Request

    from translation_server.service.waiters import Waiters
    from translation_server.vendors.format import Json

_LARGEST_UPLOAD: Final = 2**30  # bytes
_UPLOAD_TIME: Final = 120.0  # seconds
_MOST_FIELDS: Final = 1000
_FORM: Final = b"application/x-www-form-urlencoded"
_JSON: Final = b"json"
_MULTIPART: Final = b"multipart/form-data"


async def read_fields(request: Request, limit: int, waiters: Waiters) -> dict[str, Json]:
    """Return the members of the JSON object or the fields of the form in a body; an empty one has none.

    A file in a form is told of as text: ``<name, 3 bytes>``. A body that is neither JSON nor
    a form is a file, and has the one member ``file``.

    Args:
        request: A request whose body was not read yet.
        limit: The most bytes a body may have, without files.
        waiters: By which it is known that the server is about to stop.

    Raises:
        ProblemError: 400, 408, 413, 422 or 503, as in ``http.bodies``.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind == _MULTIPART:
        form = _Form(options.get(b"boundary", b""), limit)
        await read_pieces(request, _LARGEST_UPLOAD, form.write, waiters=waiters, time_limit=_UPLOAD_TIME)
        return form.fields()
    if kind != _FORM and _JSON not in kind:
        upload = _Upload()
        await read_pieces(request, _LARGEST_UPLOAD, upload.count, waiters=waiters, time_limit=_UPLOAD_TIME)
        return {"file": _told("", upload.length)} if upload.length else {}
    pieces: list[bytes] = []
    await read_pieces(request, limit, pieces.append, waiters=waiters)
    body = b"".join(pieces)
    if kind == _FORM:
        return dict(parse_qsl(body.decode("latin-1"), keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    return parse_object(body) if body else {}


class _Upload:
    """A body that is a file; nothing is kept but its length."""

    def __init__(self) -> None:
        self.length = 0

    def count(self, piece: bytes) -> None:
        self.length += len(piece)


def _told(name: str, length: int) -> str:
    return f"<{name}, {length} bytes>"


class _Form:
    """A form with files (RFC 7578), parsed while it arrives.

    Args:
        boundary: What stands between its parts.
        limit: The most bytes its fields may have in all.
    """

    def __init__(self, boundary: bytes, limit: int) -> None:
        if not boundary:
            raise ProblemError(400, "The header Content-Type names no boundary, so the form cannot be read.")
        self._limit = limit
        self._fields: list[tuple[str, Json]] = []
        self._headers: list[tuple[bytes, bytes]] = []
        self._options: dict[bytes, bytes] = {}
        self._name, self._value = b"", b""
        self._part, self._length = bytearray(), 0
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin_part,
                "on_header_field": self._add_to_name,
                "on_header_value": self._add_to_value,
                "on_header_end": self._end_header,
                "on_headers_finished": self._read_headers,
                "on_part_data": self._add_data,
                "on_part_end": self._end_part,
            },
        )

    def write(self, piece: bytes) -> None:
        """Parse a piece of the body."""
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise ProblemError(400, f"The body is not a form with parts: {error}.") from None

    def fields(self) -> dict[str, Json]:
        """Return the fields; a name that is given several times has a list of values."""
        found: dict[str, list[Json]] = {}
        for name, value in self._fields:
            found.setdefault(name, []).append(value)
        lists = {name for name, values in found.items() if name.endswith("[]") or len(values) > 1}
        return {name.removesuffix("[]"): values if name in lists else values[0] for name, values in found.items()}

    def _begin_part(self) -> None:
        if len(self._fields) >= _MOST_FIELDS:
            raise ProblemError(413, f"A form may have {_MOST_FIELDS} fields at most.")
        self._headers, self._part, self._length = [], bytearray(), 0

    def _add_to_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _add_to_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self._headers.append((self._name.lower(), self._value))
        self._name, self._value = b"", b""

    def _read_headers(self) -> None:
        self._options = parse_options_header(dict(self._headers).get(b"content-disposition", b""))[1]

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        self._length += end - start
        if b"filename" in self._options:
            return
        self._limit -= end - start
        if self._limit < 0:
            raise ProblemError(413, "The fields of the form are too long.")
        self._part += data[start:end]

    def _end_part(self) -> None:
        name = self._options.get(b"name", b"").decode(errors="replace")
        file = self._options.get(b"filename")
        if file is None:
            self._fields.append((name, self._part.decode(errors="replace")))
        else:
            self._fields.append((name, _told(file.decode(errors="replace"), self._length)))
