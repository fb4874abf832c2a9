"""What a format is: another service's job API, described by data and pure functions. Pure.

A `Format` has `Route`s. A route that is about jobs has an answer function, which is given a `JobView`: everything about
a job that a real service could know, and nothing else. What the function returns is sent as JSON, or as the `Reply` it
is. Reading requests, starting and finding jobs, waiting, faults and limits are the same for all formats, and elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from translation_server.simulator.recording.exchange import Kind
from translation_server.vendors.ids import UUID, Ids

if TYPE_CHECKING:
    from pydantic import BaseModel

Json = Any
"""Whatever JSON can hold."""

START: Final = Kind.START
POLL: Final = Kind.POLL
RESULT: Final = Kind.RESULT
CANCEL: Final = Kind.CANCEL
DELETE: Final = Kind.DELETE
EVENTS: Final = Kind.EVENTS
QUERY: Final = Kind.QUERY
LIST: Final = Kind.LIST
OTHER: Final = Kind.OTHER

COMPLETED: Final = "completed"
ERROR: Final = "error"
CANCELLED: Final = "cancelled"

BEARER: Final = ("authorization", r"(?i:bearer) +(.+)")
"""The key in ``Authorization: Bearer KEY``, for `Format.keys`."""

_LONGEST_NUMBER: Final = 9  # digits


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """One request to the API of another service.

    Attributes:
        method: The HTTP method.
        base: The URL of the mount as the client sees it, without a slash at its end: ``http://127.0.0.1:8000/luma``.
        path: The path below the mount.
        params: What stands in the path for the names in braces of the route.
        query: The query parameters; of several with one name, the last.
        headers: By name in lower case.
        body: The members of the JSON object, or the fields of the form; a file in a form is text about it.
    """

    method: str
    base: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Json] = field(default_factory=dict)


class Reply(NamedTuple):
    """An answer that is more than JSON with the status of its route.

    Attributes:
        body: None: nothing; bytes: as they are; anything else: as JSON.
        status: The HTTP status code; None: that of the route.
        headers: Further ones, by name in lower case.
    """

    body: Json
    status: int | None = None
    headers: Mapping[str, str] = {}


class Event(NamedTuple):
    """One server-sent event (HTML Living Standard, section 9.2).

    Attributes:
        name: Of its type; None: it has none.
        data: Text as it is, anything else as JSON.
        id: Its id; None: it has none.
    """

    name: str | None
    data: Json
    id: str | None = None


@dataclass(frozen=True, slots=True)
class JobView:
    """A job at one moment, as far as a real service could know it. Moments are in seconds since 1970.

    Attributes:
        id: The id that the service gives it, or the name that the client chose for it.
        number: Its place among the jobs of one start, from 0.
        word: Its status, in the words of the format.
        ending: ``completed``, ``error``, ``cancelled``, or another end that was ordered; None while it is pending.
        error: Why it failed, for people; None unless it ended other than completed.
        progress: 0 to 1, and at most 0.99 until it is completed.
        created: When it was accepted.
        ended: When it ended; None while it is pending.
        now: The moment of this view; when it ended, if it has.
        poll_after: Seconds of the client after which to ask again; None once it has ended.
        input: The body of the start.
        params: What stood in the path of the start.
        request: The request that is answered.
        path: The path of the start, below the mount; what a job makes may depend on it.
    """

    id: str
    number: int
    word: str
    ending: str | None
    error: str | None
    progress: float
    created: float
    ended: float | None
    now: float
    poll_after: float | None
    input: Mapping[str, Json]
    params: Mapping[str, str]
    request: ApiRequest
    path: str = ""

    @property
    def base(self) -> str:
        """The URL of the mount; every URL in an answer begins with it."""
        return self.request.base

    @property
    def completed(self) -> bool:
        """Whether it is completed."""
        return self.ending == COMPLETED

    @property
    def failed(self) -> bool:
        """Whether it ended, and neither completed nor cancelled."""
        return self.ending not in {None, COMPLETED, CANCELLED}

    @property
    def cancelled(self) -> bool:
        """Whether somebody cancelled it."""
        return self.ending == CANCELLED

    def file(self, extension: str) -> str:
        """Return the URL of its result, which answers with a few bytes: ``view.file("mp4")``."""
        return f"{self.base}/files/{self.id}.{extension}"


class Jobs(NamedTuple):
    """What a start or a list answers with.

    Attributes:
        views: The jobs; of a list, the newest first.
        request: The request that is answered.
        more: Whether the list goes on after the last one.
        existing: Whether a start made no job, because there was one with its name or key, or that its route matches.
    """

    views: Sequence[JobView]
    request: ApiRequest
    more: bool = False
    existing: bool = False

    @property
    def first(self) -> JobView:
        """The single job of most starts."""
        return self.views[0]


class Invalid(NamedTuple):
    """What is wrong with one part of a request, as pydantic and many services say it."""

    loc: tuple[str | int, ...]
    msg: str
    type: str


class Problem(NamedTuple):
    """A request that is refused, for whatever reason.

    Attributes:
        status: The HTTP status code.
        detail: What is wrong, for people.
        invalid: What is wrong where, if the request is not as documented.
        retry_after: Seconds after which to try again, if the answer says so.
    """

    status: int
    detail: str
    invalid: Sequence[Invalid] = ()
    retry_after: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """How a list is asked for in pieces, by the names of query parameters or of members of the body.

    Attributes:
        size: How many jobs are wanted.
        after: The id of the job after which the piece begins.
        default: How many jobs are told of if the request does not say.
        in_body: Whether they are members of the body.
        offset: How many of the newest jobs are left out, where a service counts them; None: it does not.
    """

    size: str = "limit"
    after: str = "after"
    default: int = 20
    in_body: bool = False
    offset: str | None = None

    def wanted(self, request: ApiRequest) -> tuple[str | None, str | None]:
        """Return how many jobs a request wants, as it says it, and after which one; None: it does not say."""
        given = self._given(request)
        size, after = given.get(self.size), given.get(self.after)
        return None if size is None else str(size), None if after is None else str(after)

    def skipped(self, request: ApiRequest) -> int:
        """Return how many of the newest jobs a request leaves out."""
        given = "" if self.offset is None else str(self._given(request).get(self.offset, ""))
        return int(given) if given.isdecimal() and len(given) <= _LONGEST_NUMBER else 0

    def _given(self, request: ApiRequest) -> Mapping[str, Json]:
        return request.body if self.in_body else request.query


@dataclass(frozen=True)
class Route:
    """One operation of an API.

    Attributes:
        method: The HTTP method.
        path: Below the mount: ``/v1/tasks/{id}``. A name in braces stands for anything without a slash, and with
            ``:path`` behind it for anything. Fixed paths are tried before those with names in them.
        kind: What it is for. START starts jobs. POLL, RESULT, CANCEL, DELETE and EVENTS are about one job, QUERY is
            about several, LIST about all of them. OTHER is about none.
        answer: Returns the answer. It is given the ``JobView`` of the job, after a cancellation or, for DELETE, as it
            was before; for START, LIST and QUERY it is given `Jobs`, and for OTHER the ``ApiRequest``.
        status: The HTTP status code of the answer.
        when: Headers, or query parameters with ``?`` before their name, that the request must have with these values.
        accepts: A pydantic model of the body: it says what is refused; the body itself is kept as it was sent.
        check: Returns what is wrong with the rest of the request: headers, query and path.
        job: Returns the id the request names; by default ``{id}`` of the path. For QUERY, a sequence of ids.
        match: Finds jobs in place of ids: those of the caller for which this returns True. A START with one answers
            with the newest of them, if there is one already; POLL, RESULT, CANCEL and EVENTS are about the newest,
            DELETE, QUERY and LIST about all of them, the newest first. A QUERY may find none.
        requires: Of a START, finds a job of the caller that there must be; without one, the start is refused like a
            poll of an unknown job.
        wait: Returns for how many seconds the answer is held unless the job ends before; None: not at all.
        events: Returns everything a stream has told up to the moment of the view: the same things in the same order
            whenever it is called, and more of them later. Makes the answer an event stream.
        streams: Whether a request to a START with ``events`` asks for the stream; the others always do.
        skip: How many of the events the client has got already.
        page: How a LIST is asked for in pieces.
        duration: Returns how many seconds the job takes, where that is no matter of chance; None: it is drawn.
    """

    method: str
    path: str
    kind: Kind
    answer: Callable[..., Json | Reply] = lambda _: None
    status: int = 200
    _: KW_ONLY
    when: Mapping[str, str] = field(default_factory=dict)
    accepts: type[BaseModel] | None = None
    check: Callable[[ApiRequest], Sequence[Invalid]] = lambda _: ()
    job: Callable[[ApiRequest], Any] = lambda request: request.params["id"]
    match: Callable[[JobView, ApiRequest], bool] | None = None
    requires: Callable[[JobView, ApiRequest], bool] | None = None
    wait: Callable[[ApiRequest], float | None] = lambda _: None
    events: Callable[[JobView], Sequence[Event]] | None = None
    streams: Callable[[ApiRequest], bool] = lambda _: True
    skip: Callable[[ApiRequest], int] = lambda _: 0
    page: Page = Page()
    duration: Callable[[ApiRequest], float | None] = lambda _: None


@dataclass(frozen=True)
class Format:
    """The API of another service.

    Attributes:
        name: By which ``FORMATS`` and ``formats=`` mount it.
        mount: The first segment of its paths, which several formats of one service share; by default the name.
        title: What it is, in a few words.
        keys: Where the API key may be: the name of a header in lower case, and a regular expression whose group is the
            key, which is ``username:password``.
        words: Its words for the status: by the least progress from which on they hold, and by the end: ``completed``,
            ``error``, ``cancelled`` and further ones. Another end that was ordered is told as it is.
        routes: What can be asked.
        error: Returns what is answered to a request that is refused.
        ids: How it writes ids.
        invalid: The HTTP status code of a request that is not as documented.
        status_at: Where in an answer about one job its status is: ``data.status``; empty: there is no such word.
        reads: Returns ``pending`` or how the job has ended, from an answer about one job; by default, from the word at
            ``status_at``.
        hints: Returns the headers that say when to ask again, while the job is pending.
        idempotency: The header with an idempotency key, in lower case; a repeated key is answered with the same jobs,
            even if the body is another one.
        named: Returns the name that the client chose for the job in a start; that name is its id then. None: clients
            choose no names.
        reuse: What a start with a name that is taken gets: the job that has it (``replay``), or a 409 (``conflict``).
        how_many: Returns how many jobs a start makes.
        environment: The variables by which its SDKs find their server, with ``{base}`` (URL of the mount), ``{key}``,
            ``{username}``, ``{password}``, ``{host}`` (with the port) in the values.
    """

    name: str
    keys: Sequence[tuple[str, str]]
    words: Mapping[float | str, str]
    routes: Sequence[Route]
    error: Callable[[Problem], Json | Reply]
    mount: str = ""
    title: str = ""
    ids: Ids = UUID
    invalid: int = 422
    status_at: str = "status"
    reads: Callable[[Json], str | None] | None = None
    hints: Callable[[JobView], Mapping[str, str]] = lambda _: {}
    idempotency: str | None = None
    named: Callable[[ApiRequest], str | None] | None = None
    reuse: str = "replay"
    how_many: Callable[[ApiRequest], int] = lambda _: 1
    environment: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "mount", self.mount or self.name)

    def word(self, ending: str | None, progress: float) -> str:
        """Return the word for a status."""
        if ending is not None:
            return self.words.get(ending, ending)
        passed = [share for share in self.words if isinstance(share, int | float) and share <= progress]
        return self.words[max(passed)]

    def read(self, document: Json) -> str | None:
        """Return what an answer about one job tells: ``pending`` or how it has ended; None: nothing."""
        if self.reads is not None:
            return self.reads(document)
        word = value_at(document, self.status_at)
        meanings = [key for key, known in self.words.items() if known == word]
        if not meanings:
            return None
        return next((key for key in meanings if isinstance(key, str)), "pending")


def value_at(document: Json, path: str) -> Json:
    """Return what stands at a path such as ``data.status`` in a document; None if there is nothing."""
    for name in path.split("."):
        if not isinstance(document, Mapping):
            return None
        document = document.get(name)
    return document


def of_first(answer: Callable[[JobView], Json | Reply]) -> Callable[[Jobs], Json | Reply]:
    """Return an answer function of a start that makes one job, from one of a poll."""
    return lambda jobs: answer(jobs.first)


def is_named(view: JobView, request: ApiRequest) -> bool:
    """Return whether a job is the one with the ``{id}`` of the path, for ``Route.requires``."""
    return view.id == request.params["id"]


def iso(moment: float | None) -> str | None:
    """Return a moment as RFC 3339 has it, in UTC with milliseconds; None stays None."""
    if moment is None:
        return None
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def unix(moment: float | None) -> int | None:
    """Return a moment in whole seconds since 1970; None stays None."""
    return None if moment is None else int(moment)
