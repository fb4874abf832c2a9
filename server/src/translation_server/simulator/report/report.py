"""The report card: what a client did, per job and in all, and how well it behaved. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from translation_server.simulator.report import card
from translation_server.simulator.report.job_report import JobReport, stories
from translation_server.simulator.report.politeness import Complaint, Offence, Politeness, repetitions

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
        complaints: What the clients did wrong, in the order of the requests.
        requests: How many requests arrived, by kind; those that are no longer kept are missing.
        forgotten: How many requests are no longer kept.
        duplicates: Jobs that exist twice because a start was repeated without its idempotency key.
        limits: The limits of what is polite.
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
        """Polls without news."""
        return sum(job.wasted for job in self.jobs)

    @property
    def early(self) -> int:
        """Requests before ``Retry-After`` or ``poll_after`` was over."""
        return sum(one.offence is Offence.EARLY for one in self.complaints)

    @property
    def after_end(self) -> int:
        """Polls after the client knew the end."""
        return sum(job.after_end for job in self.jobs)

    @property
    def given_up(self) -> int:
        """Jobs whose end the client never learned, because it stopped asking."""
        return sum(job.given_up for job in self.jobs)

    @property
    def repeated_starts(self) -> int:
        """Starts repeated without their idempotency key: a real API may charge for each."""
        return sum(one.offence is Offence.REPEATED_START for one in self.complaints)

    @property
    def detection_delays(self) -> tuple[float, ...]:
        """The detection delays of all jobs whose end was reported to the client, in seconds."""
        return tuple(job.detection_delay for job in self.jobs if job.detection_delay is not None)

    @property
    def is_clean(self) -> bool:
        """Whether there is no complaint."""
        return not self.complaints

    def assert_clean(self) -> None:
        """Assert both of ``assert_polite`` and ``assert_no_double_charges``.

        Raises:
            AssertionError: There is a complaint, or no request arrived.
        """
        __tracebackhide__ = True
        self._assert_none(tuple(Offence), "the client's report card is not clean")

    def assert_polite(self) -> None:
        """Assert that the client asked neither too early, nor too often, nor again after it knew the end.

        Raises:
            AssertionError: It did, or no request arrived; the message names the requests.
        """
        __tracebackhide__ = True
        self._assert_none(_MANNERS, "the client was not polite")

    def assert_no_double_charges(self) -> None:
        """Assert that no start was repeated in a way that may pay twice.

        Raises:
            AssertionError: One was, or no request arrived.
        """
        __tracebackhide__ = True
        self._assert_none((Offence.REPEATED_START,), "the client may pay twice")

    def assert_detected_within(self, seconds: float) -> None:
        """Assert that the client learned the end of each job within a time.

        Args:
            seconds: The longest detection delay that is allowed, in seconds of the server's clock.

        Raises:
            AssertionError: It learned one later, or has not learned it for longer than that; or no job has ended.
        """
        __tracebackhide__ = True
        self._assert_something()
        if all(job.ended_ago is None for job in self.jobs):
            raise AssertionError("no job has ended, so no end could be detected")
        _fail_with(
            [line for job in self.jobs if (line := _lateness(job, seconds))], f"not detected within {seconds:g} s"
        )

    def assert_max_polls(self, most: int) -> None:
        """Assert that no job was polled more than ``most`` times.

        Raises:
            AssertionError: One was, or no request arrived.
        """
        __tracebackhide__ = True
        self._assert_something()
        often = [f"{job.name}: {job.polls} polls" for job in self.jobs if job.polls > most]
        _fail_with(often, f"polled more often than {most} times")

    def to_json(self) -> str:
        """Return the whole report as JSON."""
        return orjson.dumps(self._document(), option=orjson.OPT_INDENT_2).decode()

    def __str__(self) -> str:
        notes = card.make_notes(self.requests, self.forgotten, self.duplicates)
        return card.draw(self.jobs, notes, card.group(self.complaints))

    def _assert_none(self, offences: Collection[Offence], summary: str) -> None:
        __tracebackhide__ = True
        self._assert_something()
        _fail_with(card.group([one for one in self.complaints if one.offence in offences]), summary)

    def _assert_something(self) -> None:
        __tracebackhide__ = True  # pytest shows the line that asserted
        if not self.requests:
            raise AssertionError("no request arrived, so there is nothing to judge: does the client use this server?")

    def _document(self) -> dict[str, Any]:
        delays = self.detection_delays
        totals = card.totals(self.jobs) | {
            "jobs": len(self.jobs),
            "given_up": self.given_up,
            "repeated_starts": self.repeated_starts,
            "duplicates": self.duplicates,
            "detection_delay_mean": sum(delays) / len(delays) if delays else None,
            "detection_delay_max": max(delays, default=None),
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


def make_report(  # noqa: PLR0913 - the report depends on all of these
    requests: Sequence[Exchange],
    jobs: Mapping[str, Job],
    now: float,
    *,
    speed: float = 1.0,
    limits: Politeness | None = None,
    forgotten: int = 0,
) -> Report:
    """Return the report at a moment of the server's clock.

    Args:
        requests: The requests that arrived.
        jobs: The records of the jobs, by id.
        now: The moment.
        speed: Seconds of the server's clock in one of the machine.
        limits: The limits of what is polite.
        forgotten: How many requests arrived that are not in ``requests``.
    """
    limits = limits or Politeness()
    judged = [story.judge(now, speed, limits) for story in stories(requests, jobs)]
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
    if (delay := job.detection_delay) is not None:
        return f"{job.name}: detected {delay:.2f} s after its end" if delay > seconds else ""
    if job.ended_ago is None or job.ended_ago <= seconds:
        return ""
    why = "the client gave up" if job.given_up else "no answer reported it" if job.polls else "nobody asked"
    return f"{job.name}: ended {job.ended_ago:.2f} s ago, and {why}"


def _fail_with(lines: Sequence[str], summary: str) -> None:
    __tracebackhide__ = True
    if lines:
        raise AssertionError("\n  ".join([f"{summary}:", *lines]))
