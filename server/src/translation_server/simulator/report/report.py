"""The report card: what a client did, per job and in all, and whether that was well done. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from translation_server.simulator.report import card
from translation_server.simulator.report.job_report import JobReport, stories
from translation_server.simulator.report.politeness import Complaint, Offence, Politeness
from translation_server.simulator.report.repeated_starts import repetitions

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from translation_server.jobs.model import Job
    from translation_server.simulator.recording.exchange import Exchange

_MANNERS: Final = (Offence.EARLY, Offence.BURST, Offence.AFTER_END)


@dataclass(frozen=True, slots=True)
class Report:
    """What clients did up to a moment. ``print(report)`` shows it as a table.

    Durations are in seconds of the server's clock; those in complaints are the client's, in the machine's time.

    Attributes:
        jobs: What was done about each job.
        complaints: What was not well done, in the order of the requests.
        requests: How many arrived, by kind; those that are not kept any more are missing.
        forgotten: How many are not kept any more.
        duplicates: Jobs that exist twice because a start was repeated without its idempotency key.
        limits: What was polite.
    """

    jobs: tuple[JobReport, ...]
    complaints: tuple[Complaint, ...]
    requests: Mapping[str, int]
    forgotten: int
    duplicates: int
    limits: Politeness

    @property
    def polls(self) -> int:
        """Requests for the status of a job."""
        return sum(job.polls for job in self.jobs)

    @property
    def wasted(self) -> int:
        """Polls that told nothing new."""
        return sum(job.wasted for job in self.jobs)

    @property
    def early(self) -> int:
        """Requests before ``Retry-After`` or ``poll_after`` was over."""
        return sum(one.offence is Offence.EARLY for one in self.complaints)

    @property
    def after_end(self) -> int:
        """Polls after the end was told."""
        return sum(job.after_end for job in self.jobs)

    @property
    def given_up(self) -> int:
        """Waits that the client ended before the job did, for good."""
        return sum(job.given_up for job in self.jobs)

    @property
    def repeated_starts(self) -> int:
        """Starts repeated without their idempotency key: a real API may charge for each of them."""
        return sum(one.offence is Offence.REPEATED_START for one in self.complaints)

    @property
    def told_after(self) -> tuple[float, ...]:
        """The detection delays of all jobs whose end was told."""
        return tuple(job.told_after for job in self.jobs if job.told_after is not None)

    @property
    def is_clean(self) -> bool:
        """Whether there is nothing to complain of."""
        return not self.complaints

    def assert_clean(self) -> None:
        """Assert both of ``assert_polite`` and ``assert_no_double_charges``."""
        __tracebackhide__ = True
        self._assert_none(tuple(Offence), "the client's report card is not clean")

    def assert_polite(self) -> None:
        """Assert that the client asked neither too early, nor too often, nor on after the end was told.

        Raises:
            AssertionError: It did, or no request arrived; the message says what it did and when.
        """
        __tracebackhide__ = True
        self._assert_none(_MANNERS, "the client was not polite")

    def assert_no_double_charges(self) -> None:
        """Assert that no start was repeated in a way that may pay twice; raises ``AssertionError``."""
        __tracebackhide__ = True
        self._assert_none((Offence.REPEATED_START,), "the client may pay twice")

    def assert_detected_within(self, seconds: float) -> None:
        """Assert that the end of each job was told within so many seconds.

        Raises:
            AssertionError: One was told later, or has ended longer ago and was not told; or no job has ended.
        """
        __tracebackhide__ = True
        self._assert_something()
        if all(job.ended_ago is None for job in self.jobs):
            raise AssertionError("no job has ended, so no end could be told")
        _fail_with([line for job in self.jobs if (line := _lateness(job, seconds))], f"not told within {seconds:g} s")

    def assert_max_polls(self, most: int) -> None:
        """Assert that no job was polled more often; raises ``AssertionError``."""
        __tracebackhide__ = True
        self._assert_something()
        often = [f"{job.name}: {job.polls} polls" for job in self.jobs if job.polls > most]
        _fail_with(often, f"polled more often than {most} times")

    def to_json(self) -> str:
        """The whole report, for programs."""
        return orjson.dumps(self._document(), option=orjson.OPT_INDENT_2).decode()

    def __str__(self) -> str:
        remarks = card.remarks(self.requests, self.forgotten, self.duplicates)
        return card.draw(self.jobs, remarks, card.grouped(self.complaints))

    def _assert_none(self, offences: Collection[Offence], summary: str) -> None:
        __tracebackhide__ = True
        self._assert_something()
        _fail_with(card.grouped([one for one in self.complaints if one.offence in offences]), summary)

    def _assert_something(self) -> None:
        __tracebackhide__ = True  # pytest shows the line that asserted
        if not self.requests:
            raise AssertionError("no request arrived, so there is nothing to judge: does the client use this server?")

    def _document(self) -> dict[str, Any]:
        told = self.told_after
        totals = card.totals(self.jobs) | {
            "jobs": len(self.jobs),
            "given_up": self.given_up,
            "repeated_starts": self.repeated_starts,
            "duplicates": self.duplicates,
            "told_after_mean": sum(told) / len(told) if told else None,
            "told_after_max": max(told, default=None),
        }
        return {
            "clean": self.is_clean,
            "all": totals,
            "complaints": [one._asdict() for one in self.complaints],
            "jobs": [asdict(job) for job in self.jobs],
            "requests": dict(self.requests),
            "forgotten": self.forgotten,
            "limits": asdict(self.limits),
        }


def make_report(  # noqa: PLR0913 - everything it follows from
    requests: Sequence[Exchange],
    jobs: Mapping[str, Job],
    now: float,
    *,
    speed: float = 1.0,
    limits: Politeness | None = None,
    forgotten: int = 0,
) -> Report:
    """The report at a moment of the server's clock.

    Args:
        requests: What arrived.
        jobs: The records of the jobs, by id.
        now: The moment.
        speed: Seconds of the server's clock in one of the machine.
        limits: What is polite.
        forgotten: Requests that arrived but are not given.
    """
    limits = limits or Politeness()
    judged = [story.judged(now, speed, limits) for story in stories(requests, jobs)]
    repeated = list(repetitions(requests))
    complaints = [one for _, found in judged for one in found]
    complaints += [one.complaint(speed) for one in repeated]
    complaints += [one for pair in repeated for one in limits.early([pair.first, pair.second], speed)]
    return Report(
        jobs=tuple(job for job, _ in judged),
        complaints=tuple(sorted(complaints, key=lambda one: one.request)),
        requests=Counter(str(one.kind) for one in requests),
        forgotten=forgotten,
        duplicates=sum(one.charged_twice for one in repeated),
        limits=limits,
    )


def _lateness(job: JobReport, seconds: float) -> str:
    if job.told_after is not None:
        return f"{job.name}: told {job.told_after:.2f} s after its end" if job.told_after > seconds else ""
    if job.ended_ago is None or job.ended_ago <= seconds:
        return ""
    why = "the client gave up" if job.given_up else "no answer told it" if job.polls else "nobody asked"
    return f"{job.name}: ended {job.ended_ago:.2f} s ago, and {why}"


def _fail_with(lines: Sequence[str], summary: str) -> None:
    __tracebackhide__ = True
    if lines:
        raise AssertionError("\n  ".join([f"{summary}:", *lines]))
