"""What a client did about one job: a row of the report card. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from translation_server.simulator.recording.exchange import Exchange, Kind
from translation_server.simulator.report.politeness import Complaint, Offence, Politeness

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from translation_server.jobs.model import Job

_ENDING: Final = frozenset({Kind.CANCEL, Kind.DELETE})  # no pause is asked for before these
_WATCHING: Final = frozenset({Kind.POLL, Kind.LATEST, Kind.QUERY, Kind.EVENTS})
_FULL: Final = 0.9  # of the time a long poll was to be held, from which it counts as a full one


@dataclass(frozen=True, slots=True)
class JobReport:
    """What a client did about one job. Durations in seconds of the server's clock.

    Attributes:
        user: The owner of the job.
        job: Its number among the user's jobs, from 1; None: its start is not in the log.
        job_id: Its id; None: it was not accepted.
        outcome: How it ended; None: it has not ended, or its outcome is not known.
        starts: Requests to start it.
        polls: Requests for its status.
        held: Polls that were long polls.
        failed: Polls that got no answer, or one without its status.
        wasted: Polls without news: the job was still pending, and it was no full long poll.
        early: Requests before ``Retry-After`` or ``poll_after`` was over.
        after_end: Polls that reported its end once more, after a poll or a stream had reported it to the waiter. The
            answer to a start or a list does not count, because another part of the client may have asked for it.
        left: Requests whose answer the client did not wait for.
        detection_delay: The detection delay: from its end to the first answer that reported it; None: none did.
        ended_ago: From its end to the report; None: it has not ended.
        given_up: Whether it ended, no answer reported it, and the client that had polled did not ask again.
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
    detection_delay: float | None
    ended_ago: float | None
    given_up: bool

    @property
    def name(self) -> str:
        """Its name in messages."""
        return f"job {self.job_id}" if self.job is None else f"job {self.job}"


class JobStory:
    """Everything in the log about one job.

    Args:
        requests: Those that started, polled or cancelled it, as they arrived; at least one.
        reporters: Requests of any kind whose answers reported its end.
        job: Its record; None: it was not accepted, or its start is not in the log.
        has_stream: Whether a stream of its user is open.
    """

    def __init__(
        self, requests: Sequence[Exchange], reporters: Sequence[Exchange], job: Job | None, *, has_stream: bool
    ) -> None:
        self._requests = requests
        self._polls = [one for one in requests if one.kind in {Kind.POLL, Kind.LATEST}]
        self._job = job
        self._job_id = next((one.job_id for one in requests if one.job_id), "")
        self._has_stream = has_stream
        self._reported_by = self._first(reporters)
        self._known_by = self._first([one for one in reporters if one.kind in _WATCHING])

    def judge(self, now: float, speed: float, limits: Politeness) -> tuple[JobReport, list[Complaint]]:
        """Return the report about the job, and the complaints about its client."""
        after = self._polls_after_end()
        complaints = [
            *limits.early([one for one in self._requests if one.kind not in _ENDING], speed),
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
            detection_delay=self._detection_delay(),
            ended_ago=ended_ago,
            given_up=ended_ago is not None and self._is_given_up(),
        )

    def _outcome(self, ended_ago: float | None) -> str | None:
        if self._job is not None:
            return None if ended_ago is None else str(self._job.outcome)
        return next((one.told for one in self._polls if self._job_id in one.endings), None)

    def _detection_delay(self) -> float | None:
        if self._reported_by is None or self._job is None:
            return None
        return max(0.0, self._reported_by.endings[self._job_id].moment - self._job.ends_at)

    def _first(self, reporters: Sequence[Exchange]) -> Exchange | None:
        return min(reporters, key=lambda one: one.endings[self._job_id].monotonic, default=None)

    def _polls_after_end(self) -> list[Exchange]:
        if self._known_by is None:
            return []
        known = self._known_by.endings[self._job_id].monotonic
        return [one for one in self._polls if one.arrived_monotonic > known and self._job_id in one.endings]

    def _is_given_up(self) -> bool:
        is_waiting = self._has_stream or any(one.over is None for one in self._polls)
        return bool(self._polls) and self._reported_by is None and not is_waiting


def stories(requests: Iterable[Exchange], jobs: Mapping[str, Job]) -> list[JobStory]:
    """Return one story for each job, in the order of their first requests."""
    about: dict[tuple[str | None, object], list[Exchange]] = {}
    reporters: dict[str, list[Exchange]] = {}
    streaming = set()
    for one in requests:
        for job_id in one.endings:
            reporters.setdefault(job_id, []).append(one)
        if one.kind is Kind.EVENTS and one.over is None:
            streaming.add(one.user)
        if (subject := one.job or one.job_id) is not None:
            about.setdefault((one.user, subject), []).append(one)
    return [_story(group, reporters, jobs, streaming) for group in about.values()]


def _story(
    requests: list[Exchange],
    reporters: Mapping[str, list[Exchange]],
    jobs: Mapping[str, Job],
    streaming: set[str | None],
) -> JobStory:
    job_id = next((one.job_id for one in requests if one.job_id), "")
    return JobStory(requests, reporters.get(job_id, ()), jobs.get(job_id), has_stream=requests[0].user in streaming)


def _is_wasted(poll: Exchange, shortest_hold: float) -> bool:
    if poll.told != "pending" or poll.over is None:
        return False
    return (poll.held or 0.0) < shortest_hold or poll.over - poll.arrived < _FULL * (poll.held or 0.0)
