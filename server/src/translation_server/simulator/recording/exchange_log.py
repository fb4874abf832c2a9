"""The log of exchanges: numbers requests and jobs as they arrive, and keeps the newest."""

from __future__ import annotations

import copy
from collections import Counter, OrderedDict, deque
from collections.abc import Hashable
from threading import Lock
from typing import Final, TypeVar

from translation_server.jobs.model import Job
from translation_server.simulator.recording.exchange import Exchange, Kind, Requests

_REFUSED: Final = 400
MOST_KEPT: Final = 100_000

_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


class _Newest(OrderedDict[_Key, _Value]):
    """A dictionary with a maximum size, which drops the entry that was set longest ago."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def __setitem__(self, key: _Key, value: _Value) -> None:
        super().__setitem__(key, value)
        self.move_to_end(key)
        if len(self) > self._most:
            self.popitem(last=False)


class Exchanges:
    """The log of exchanges: numbers them and keeps the newest; may be used by any thread.

    Args:
        most: How many exchanges are kept, and how many jobs.
    """

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most = most
        self._lock = Lock()
        self._empty()

    def _empty(self) -> None:
        self._log: deque[Exchange] = deque(maxlen=self._most)
        self._arrived = 0
        self._starts: Counter[str | None] = Counter()
        self._numbers = _Newest[Hashable, int](2 * self._most)  # of jobs, by key and by id
        self._attempts = _Newest[Hashable, int](2 * self._most)
        self._last_starts = _Newest[Hashable, Exchange](self._most)  # without keys, by what they ask for
        self._jobs = _Newest[str, Job](self._most)

    def begin(self, kind: Kind, method: str, path: str, **known: object) -> Exchange:
        """Log a request on its arrival; ``known`` are further attributes of the exchange."""
        exchange = Exchange(0, kind, method, path, **known)  # type: ignore[arg-type]  # the caller names attributes
        with self._lock:
            self._arrived += 1
            exchange.number = self._arrived
            exchange.job = self._job_of(exchange)
            exchange.attempt = self._count(exchange)
            exchange.repeats = self._repeated(exchange)
            self._log.append(exchange)
        return exchange

    def set_job(self, exchange: Exchange, job: Job) -> None:
        """Link a start to the job it was answered with, before that answer is sent or lost.

        A start that made several jobs is about the first; the others get numbers of their own.
        """
        is_first = exchange.job_id is None
        exchange.job_id = exchange.job_id or job.job_id
        with self._lock:
            known = self._numbers.get((job.owner, job.job_id))
            if not is_first:
                if known is None:
                    self._numbers[job.owner, job.job_id] = self._next_job(job.owner)
            elif known is not None:
                exchange.job = known  # a key that is older than this log, or was used twice at once
            elif exchange.job is not None:
                self._numbers[job.owner, job.job_id] = exchange.job
            self._jobs[job.job_id] = job

    def update_job(self, job: Job) -> None:
        """Replace the record of a job that ended otherwise than drawn: it was cancelled."""
        with self._lock:
            if job.job_id in self._jobs:
                self._jobs[job.job_id] = job

    def number_of(self, user: str | None, job_id: str) -> int | None:
        """Return the number of a user's job; None if its start is not in this log."""
        with self._lock:
            return self._numbers.get((user, job_id))

    def requests(self) -> Requests:
        """Return copies of the exchanges as they are now."""
        with self._lock:
            return Requests(map(_copy, self._log))

    def jobs(self) -> dict[str, Job]:
        """Return the records of the jobs whose starts are in this log, by id; they say when each job ends."""
        with self._lock:
            return dict(self._jobs)

    @property
    def forgotten(self) -> int:
        """The number of exchanges that are no longer kept."""
        with self._lock:
            return self._arrived - len(self._log)

    def clear(self) -> None:
        """Drop everything; the next request is number 1, about job 1."""
        with self._lock:
            self._empty()

    def _job_of(self, exchange: Exchange) -> int | None:
        if exchange.kind is not Kind.START:
            return self._numbers.get((exchange.user, exchange.job_id))
        if exchange.key is None:
            return self._next_job(exchange.user)
        name = ("key", exchange.user, exchange.key)
        number = self._numbers.get(name)
        self._numbers[name] = self._next_job(exchange.user) if number is None else number
        return self._numbers[name]

    def _repeated(self, exchange: Exchange) -> int | None:
        if exchange.kind is not Kind.START or exchange.key is not None or exchange.fingerprint is None:
            return None
        name = (exchange.user, exchange.fingerprint)
        last = self._last_starts.get(name)
        self._last_starts[name] = exchange
        if last is None or last.over is None or (last.answered is not None and (last.status or 0) < _REFUSED):
            return exchange.number
        return last.repeats

    def _next_job(self, user: str | None) -> int:
        self._starts[user] += 1
        return self._starts[user]

    def _count(self, exchange: Exchange) -> int:
        of = {Kind.START: exchange.job, Kind.POLL: exchange.job_id}.get(exchange.kind)
        name = (exchange.kind, exchange.user, of)
        self._attempts[name] = self._attempts.get(name, 0) + 1
        return self._attempts[name]


def _copy(exchange: Exchange) -> Exchange:
    copied = copy.copy(exchange)
    copied.endings = exchange.endings.copy()
    return copied
