"""The record of one request of a user and its answer, an `Exchange`. Pure; `exchange_log` keeps them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Callable

SCOPE_KEY: Final = "translation.exchange"
"""The key of the exchange in the ASGI scope of its request."""

SUBJECT: Final = "translation.subject"
"""The key of the ``Subject`` in the scope, if the address does not say what the request is about."""

STARTED: Final = "translation.started"
"""The key of the ids of the jobs that a start made or found, in the scope of a request with a subject."""


class Kind(StrEnum):
    """What a request is for."""

    START = "start"
    POLL = "poll"  # GET /status/{id} and GET /jobs/{id}
    LATEST = "latest"
    QUERY = "query"
    EVENTS = "events"
    LIST = "list"
    CANCEL = "cancel"
    RESULT = "result"  # what a completed job has made; this and the next are of other services' APIs only
    DELETE = "delete"
    OTHER = "other"


class Subject(NamedTuple):
    """What a request to another service's API is about, as far as it is known before it is handled.

    Attributes:
        kind: What it is for.
        job_id: The job it is about, if it names one.
        key: The idempotency key of a start, or the name chosen for its job.
        fingerprint: Digest of what a start asks for.
        repeats: Of a start without a key, the number of the first of those that ask for the same because the one before
            failed; its own if it repeats none. Only for other services' APIs, where that is known when it arrives.
        is_retry: Whether the client's library says that it repeats a request.
        wait: Seconds for which it asks to be held.
        read: Returns what a document about one job tells: a status, or another end; None: nothing.
        status_at: Where the status stands in such a document: ``data.status``; empty: nowhere.
    """

    kind: Kind
    job_id: str | None
    key: str | None
    fingerprint: str | None
    is_retry: bool
    wait: float | None
    read: Callable[[Any], str | None]
    status_at: str


class Timestamp(NamedTuple):
    """When something was sent.

    Attributes:
        moment: By the server's clock, in seconds since 1970.
        monotonic: In seconds of the machine, of any origin (``time.monotonic``).
    """

    moment: float
    monotonic: float


@dataclass(slots=True)
class Exchange:
    """One request and its answer, as they were on the wire. Moments are of the server's clock.

    Attributes:
        number: Its place in the order of arrival, from 1.
        kind: What the request is for.
        method: The HTTP method.
        path: The path as it was sent, without the query.
        user: Who sent it.
        job_id: The job it is about: from the path; of a start, once it is accepted, even if the answer is then lost.
        job: That job's number, from 1: the number of the user's start, not counting repetitions with the same
            idempotency key. Unlike the id, it is the same in every run with the same seed.
        attempt: Its attempt number, from 1: of a start, among the requests with its idempotency key (1 without a key);
            of a poll, among the user's polls of the job; otherwise, among the user's requests of this kind.
        key: The idempotency key.
        wait: Seconds for which a long poll asked to be held.
        held: Seconds for which the server promised to hold it (``Preference-Applied``).
        fingerprint: Digest of a start's body.
        is_retry: Whether the client's library says in a header that it repeats a request.
        arrived: Moment of its arrival.
        arrived_monotonic: The same in seconds of the machine, of any origin (``time.monotonic``).
        answered: Moment at which the whole answer had been sent; None: it has not been.
        answered_monotonic: The same in seconds of the machine.
        over: Moment at which it ended, answered or not; None: it is under way.
        status: HTTP status that was sent; None: none.
        told: The job's status in the answer, if the answer was sent whole and can be parsed.
        retry_after: Seconds in the header of that name or one that other services have for it, which the client takes
            for the machine's.
        poll_after: Likewise, in the job's member of that name.
        fault: Name of the fault that affected it.
        cut: Whether a fault broke the connection off.
        left: Whether the client left before the answer was complete.
        endings: The jobs whose end this answer reported, by id, and when it did.
    """

    number: int
    kind: Kind
    method: str
    path: str
    user: str | None = None
    job_id: str | None = None
    job: int | None = None
    attempt: int = 1
    key: str | None = None
    wait: float | None = None
    held: float | None = None
    fingerprint: str | None = None
    repeats: int | None = None
    is_retry: bool = False
    arrived: float = 0.0
    arrived_monotonic: float = 0.0
    answered: float | None = None
    answered_monotonic: float | None = None
    over: float | None = None
    status: int | None = None
    told: str | None = None
    retry_after: float | None = None
    poll_after: float | None = None
    fault: str | None = None
    cut: bool = False
    left: bool = False
    endings: dict[str, Timestamp] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"#{self.number} {self.name} {self._request()} → {self._answer()}"

    @property
    def name(self) -> str:
        """Its name in messages: ``job 3: poll #4``."""
        what = f"{self.kind} #{self.attempt}"
        return what if self.job is None else f"job {self.job}: {what}"

    def _request(self) -> str:
        parts = [self.method, self.path]
        parts += [f"wait={self.wait:g}"] if self.wait is not None else []
        parts += ["with a key" if self.key else "without a key"] if self.kind is Kind.START else []
        return " ".join(parts)

    def _answer(self) -> str:
        parts = [str(self.status)] if self.status else []
        parts += [self.told] if self.told else []
        parts += [f"Retry-After: {self.retry_after:g}"] if self.retry_after is not None else []
        parts += [f"{self.fault} (fault)"] if self.fault else []
        parts += ["the client left"] if self.left else []
        if not parts:
            parts = ["under way"] if self.over is None else ["no answer"]
        return ", ".join(parts) + ("" if self.over is None else f" after {self.over - self.arrived:.3f} s")


class Requests(tuple[Exchange, ...]):
    """Exchanges in the order of their arrival: a tuple that can be filtered, and prints one line each."""

    __slots__ = ()

    def where(self, **values: object) -> Self:
        """Return those whose attributes have these values: ``requests.where(kind="poll", job=1)``.

        Raises:
            AttributeError: An exchange has no such attribute.
        """
        if unknown := values.keys() - Exchange.__dataclass_fields__.keys():
            raise AttributeError(f"an exchange has no {', '.join(sorted(unknown))}; see Exchange for what it has")
        return type(self)(one for one in self if all(getattr(one, name) == value for name, value in values.items()))

    def __str__(self) -> str:
        return "\n".join(map(str, self)) or "nothing arrived"

    def __repr__(self) -> str:
        return f"<Requests: {len(self)}>\n{self}"
