"""What a client did about one job. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from translation_server.simulator.recording.exchange import Exchange, Kind
from translation_server.simulator.report.politeness import Complaint, Offence, Politeness

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from translation_server.jobs.model import Job

_WATCHING: Final = frozenset({Kind.POLL, Kind.LATEST, Kind.QUERY, Kind.EVENTS})
_FULL: Final = 0.9  # of the time for which it was to be held, to be called so


@dataclass(frozen=True, slots=True)
class JobReport:
    """What a client did about one job. Durations in seconds of the server's clock.

    Attributes:
        user: Whose job it is.
        job: The user's n-th, from 1; None: its start is not in the log.
        job_id: None: it was not accepted.
        outcome: How it ended; None: it has not, or nobody knows.
        starts: Requests to start it.
        polls: Requests for its status.
        held: Those among them that were long polls.
        failed: Those that got no answer, or one that does not tell its status.
        wasted: Those whose answer told nothing new: still pending, and it was no full long poll.
        early: Requests before ``Retry-After`` or ``poll_after`` was over.
        after_end: Polls that told its end again, after the one, or the stream, that whoever waits had it from; not
            counted is what came of a start or of a list, which need not be the waiter's.
        left: Requests whose answer the client did not wait for.
        told_after: The detection delay: from its end to the first answer that told it; None: none did.
        ended_ago: From its end to the report; None: it has not ended.
        given_up: Whether it ended, nobody was told, and whoever had asked did not come again.
    """

    user: str | None
    job: int | None
    job_id: str | None
    outcome: str | None
    starts: int
    polls: int
    held: int
    failed: int
    wasted: int
    early: int
    after_end: int
    left: int
    told_after: float | None
    ended_ago: float | None
    given_up: bool

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return f"job {self.job_id}" if self.job is None else f"job {self.job}"


class JobStory:
    """Everything the log has about one job.

    Args:
        requests: Those that started it, polled it or cancelled it, as they arrived; at least one.
        tellers: Those of any kind that told its end.
        job: Its record; None: it was not accepted, or its start is not in the log.
        is_listened: Whether a stream of its user is open.
    """

    def __init__(
        self, requests: Sequence[Exchange], tellers: Sequence[Exchange], job: Job | None, *, is_listened: bool
    ) -> None:
        self._requests = requests
        self._polls = [one for one in requests if one.kind in {Kind.POLL, Kind.LATEST}]
        self._job = job
        self._job_id = next((one.job_id for one in requests if one.job_id), "")
        self._is_listened = is_listened
        self._told_by = self._first(tellers)
        self._known_by = self._first([one for one in tellers if one.kind in _WATCHING])

    def judged(self, now: float, speed: float, limits: Politeness) -> tuple[JobReport, list[Complaint]]:
        """What there is to say, and to complain of."""
        after = self._polls_after_end()
        complaints = [
            *limits.early([one for one in self._requests if one.kind is not Kind.CANCEL], speed),
            *limits.bursts(self._polls, speed),
            *(limits.after(after, self._known_by) if self._known_by else ()),
        ]
        early = sum(one.offence is Offence.EARLY for one in complaints)
        return self._report(now, limits, early, len(after)), complaints

    def _report(self, now: float, limits: Politeness, early: int, after_end: int) -> JobReport:
        ended_ago = now - self._job.ends_at if self._job and self._job.ends_at <= now else None
        return JobReport(
            user=self._requests[0].user,
            job=next((one.job for one in self._requests if one.job is not None), None),
            job_id=self._job_id or None,
            outcome=self._outcome(ended_ago),
            starts=sum(one.kind is Kind.START for one in self._requests),
            polls=len(self._polls),
            held=sum(one.held is not None for one in self._polls),
            failed=sum(one.over is not None and one.told is None for one in self._polls),
            wasted=sum(_is_wasted(one, limits.shortest_hold) for one in self._polls),
            early=early,
            after_end=after_end,
            left=sum(one.left for one in self._requests),
            told_after=self._told_after(),
            ended_ago=ended_ago,
            given_up=ended_ago is not None and self._is_given_up(),
        )

    def _outcome(self, ended_ago: float | None) -> str | None:
        if self._job is not None:
            return None if ended_ago is None else str(self._job.outcome)
        return next((one.told for one in self._polls if self._job_id in one.endings), None)

    def _told_after(self) -> float | None:
        if self._told_by is None or self._job is None:
            return None
        return max(0.0, self._told_by.endings[self._job_id].moment - self._job.ends_at)

    def _first(self, tellers: Sequence[Exchange]) -> Exchange | None:
        return min(tellers, key=lambda one: one.endings[self._job_id].steady, default=None)

    def _polls_after_end(self) -> list[Exchange]:
        if self._known_by is None:
            return []
        told = self._known_by.endings[self._job_id].steady
        return [one for one in self._polls if one.steady_arrived > told and self._job_id in one.endings]

    def _is_given_up(self) -> bool:
        is_asked = self._is_listened or any(one.over is None for one in self._polls)
        return bool(self._polls) and self._told_by is None and not is_asked


def stories(requests: Iterable[Exchange], jobs: Mapping[str, Job]) -> list[JobStory]:
    """One for each job, in the order of their first requests."""
    about: dict[tuple[str | None, object], list[Exchange]] = {}
    tellers: dict[str, list[Exchange]] = {}
    listeners = set()
    for one in requests:
        for job_id in one.endings:
            tellers.setdefault(job_id, []).append(one)
        if one.kind is Kind.EVENTS and one.over is None:
            listeners.add(one.user)
        if (subject := one.job or one.job_id) is not None:
            about.setdefault((one.user, subject), []).append(one)
    return [_story(of_it, tellers, jobs, listeners) for of_it in about.values()]


def _story(
    requests: list[Exchange],
    tellers: Mapping[str, list[Exchange]],
    jobs: Mapping[str, Job],
    listeners: set[str | None],
) -> JobStory:
    job_id = next((one.job_id for one in requests if one.job_id), "")
    return JobStory(requests, tellers.get(job_id, ()), jobs.get(job_id), is_listened=requests[0].user in listeners)


def _is_wasted(poll: Exchange, shortest_hold: float) -> bool:
    if poll.told != "pending" or poll.over is None:
        return False
    return (poll.held or 0.0) < shortest_hold or poll.over - poll.arrived < _FULL * (poll.held or 0.0)
