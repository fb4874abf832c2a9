"""What arrived at the server: one `Exchange` for each request of a user. Pure; the log of them is `exchange_log`."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple, Self

SCOPE_KEY: Final = "translation.exchange"
"""Where in the ASGI scope the exchange of a request is."""


class Kind(StrEnum):
    """What a request is for."""

    START = "start"
    POLL = "poll"  # GET /status/{id} and GET /jobs/{id}
    LATEST = "latest"
    QUERY = "query"
    EVENTS = "events"
    LIST = "list"
    CANCEL = "cancel"
    OTHER = "other"


class Told(NamedTuple):
    """When something went out: by the server's clock, and in seconds of the machine."""

    moment: float
    steady: float


@dataclass(slots=True)
class Exchange:
    """One request and its answer, as they were on the wire. Moments are of the server's clock.

    Attributes:
        number: In the order of arrival, from 1.
        kind: What it is for.
        method: Of HTTP.
        path: As it was sent, without the query.
        user: Who sent it.
        job_id: The job it is about: from the path; of a start, once accepted, also if the answer was then lost.
        job: That job's number: it is the user's n-th start, from 1, repetitions with the same idempotency key not
            counted. It is the same in every run with the same seed, which ids are not.
        attempt: Of a start, the n-th request with its idempotency key, and 1 without a key; of a poll, the user's n-th
            poll of the job; otherwise the user's n-th request of this kind.
        key: The idempotency key.
        wait: Seconds for which a long poll asked to be held.
        held: Seconds for which the server promised to hold it (``Preference-Applied``).
        fingerprint: Digest of a start's body.
        arrived: Moment of its arrival.
        steady_arrived: The same in seconds of the machine, of any origin (``time.monotonic``).
        answered: Moment at which the whole answer had gone out; None: it has not.
        steady_answered: The same in seconds of the machine.
        over: Moment from which nothing more happened, answered or not; None: it is under way.
        status: HTTP status that was sent; None: none.
        told: The job's status that the answer told, if it went out whole and can be understood.
        retry_after: Seconds of the header of that name, for the client, who lives in the machine's time.
        poll_after: Likewise, of the job's member of that name.
        fault: Name of the fault that struck it.
        cut: Whether a fault broke the connection off.
        left: Whether the client left before the answer was complete.
        endings: Jobs whose end this answer told, by id, and when it did.
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
    arrived: float = 0.0
    steady_arrived: float = 0.0
    answered: float | None = None
    steady_answered: float | None = None
    over: float | None = None
    status: int | None = None
    told: str | None = None
    retry_after: float | None = None
    poll_after: float | None = None
    fault: str | None = None
    cut: bool = False
    left: bool = False
    endings: dict[str, Told] = field(default_factory=dict)

    def __str__(self) -> str:
        parts = [f"#{self.number}", self.name, self._request(), "→", self._answer()]
        return " ".join(parts)

    @property
    def name(self) -> str:
        """What it is called in messages: ``job 3: poll #4``."""
        what = f"{self.kind} #{self.attempt}"
        return what if self.job is None else f"job {self.job}: {what}"

    def _request(self) -> str:
        wishes = [f"wait={self.wait:g}"] if self.wait is not None else []
        if self.kind is Kind.START:
            wishes.append("with a key" if self.key else "without a key")
        return " ".join([self.method, self.path, *wishes])

    def _answer(self) -> str:
        said = [str(self.status)] if self.status else []
        said += [self.told] if self.told else []
        said += [f"Retry-After: {self.retry_after:g}"] if self.retry_after is not None else []
        said += [f"{self.fault} (fault)"] if self.fault else []
        said += ["the client left"] if self.left else []
        if not said:
            said = ["under way"] if self.over is None else ["no answer"]
        return ", ".join(said) + ("" if self.over is None else f" after {self.over - self.arrived:.3f} s")


class Requests(tuple[Exchange, ...]):
    """Exchanges in the order of their arrival: a tuple that prints one line each, and can be narrowed."""

    __slots__ = ()

    def where(self, **values: object) -> Self:
        """Those whose attributes have these values: ``requests.where(kind="poll", job=1)``.

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
