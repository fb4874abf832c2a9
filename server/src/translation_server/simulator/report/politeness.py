"""What is polite: named limits, and the complaints about a client that follow from them. Pure.

A client is judged by the answers it received. A request before the ``poll_after`` or ``Retry-After`` of the last such
answer is over is too early; answers that were lost or broken do not count. The time between an answer and the next
request is the machine's or the server's, whichever is longer: advancing a stepped clock is waiting, and so is sleeping
while the clock stands still.
"""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from translation_server.simulator.recording.exchange import Exchange, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_REFUSED: Final = 400
_SERVER_ERROR: Final = 500


class Offence(StrEnum):
    """What a client can do wrong."""

    EARLY = "early"  # before Retry-After or poll_after was over
    BURST = "burst"  # polls that failed, repeated with next to no pause
    AFTER_END = "after the end"  # polls after the client knew the end
    REPEATED_START = "repeated start"  # without its idempotency key, after an answer that was lost or a 5xx


class Complaint(NamedTuple):
    """One thing the client did wrong.

    Attributes:
        offence: The kind of offence.
        user: The user.
        job: The number of the job.
        request: The number of the offending request.
        text: A description, with times in the client's seconds.
    """

    offence: Offence
    user: str | None
    job: int | None
    request: int
    text: str


@dataclass(frozen=True, slots=True)
class Politeness:
    """The limits of what is polite. Durations in seconds.

    Attributes:
        tolerance: Share of a requested pause that may be missing, because timers are not exact.
        longest_tolerance: The most that may be missing.
        longest_hint: The longest ``poll_after`` a client must follow, so that a bad hint cannot cost it minutes. The
            ``Retry-After`` of a refusal (429, 503) must be followed however long it is.
        shortest_hold: A long poll of this length or longer may follow a pending answer at once: it replaces all the
            polls in that time.
        most_failed_in_a_second: How many polls of one job may fail within any second. Without an answer a client
            does not know when to ask again, so it has to pause by itself.
        after_end: How many polls of one job may follow once the client knows its end: one, to fetch the result.
    """

    tolerance: float = 0.1
    longest_tolerance: float = 0.05
    longest_hint: float = 30.0
    shortest_hold: float = 1.0
    most_failed_in_a_second: int = 10
    after_end: int = 1

    def early(self, requests: Sequence[Exchange], speed: float) -> Iterator[Complaint]:
        """Yield a complaint for each request that came before the pause in an earlier answer was over.

        The first poll after a start is never early: its sender need not be the one who started the job.

        Args:
            requests: Those about one job, or the attempts of one start.
            speed: Seconds of the server's clock in one of the machine.
        """
        answers = deque(sorted((one for one in requests if one.answered is not None), key=_answered))
        pause: _Pause | None = None
        for request in sorted(requests, key=lambda one: one.arrived_monotonic):
            while answers and _is_known(answers[0], request):
                pause = self._pause(answers.popleft()) or pause
            if pause is not None and not self._is_free(request, pause) and pause.left(request, speed) > 0:
                yield _early(request, pause, speed)

    def bursts(self, polls: Sequence[Exchange], speed: float) -> Iterator[Complaint]:
        """Yield a complaint about the worst second, if too many polls of one job failed within a second."""
        failed = [one for one in polls if one.told is None and one.over is not None]
        first, most, begun = None, self.most_failed_in_a_second, 0
        for index, poll in enumerate(failed):
            while _gap(failed[begun], poll, speed) > 1.0:
                begun += 1
            if index - begun + 1 > most:
                first, most = failed[begun], index - begun + 1
        if first is not None:
            text = f"{first.name} and {most - 1} more failed within 1 s: a client pauses before it asks again"
            yield Complaint(Offence.BURST, first.user, first.job, first.number, text)

    def after(self, polls: Sequence[Exchange], reporter: Exchange) -> Iterator[Complaint]:
        """Yield a complaint for each superfluous poll after the one whose answer reported the end."""
        for poll in polls[self.after_end :]:
            text = f"{poll.name} came although the answer to {_name_beside(poll, reporter)} had reported the end"
            yield Complaint(Offence.AFTER_END, poll.user, poll.job, poll.number, text)

    def _pause(self, answer: Exchange) -> _Pause | None:
        """Return the pause an answer asks for; None if it asks for none, so that the one before stays in force."""
        if answer.told is not None:
            seconds, source = _hint(answer)
            return _Pause(answer, min(seconds, self.longest_hint), source, self, demanded=False)
        if (answer.status or 0) >= _REFUSED and answer.retry_after is not None:
            return _Pause(answer, answer.retry_after, f"Retry-After: {answer.retry_after:g}", self, demanded=True)
        return None

    def _is_free(self, request: Exchange, pause: _Pause) -> bool:
        if pause.demanded:
            return False
        is_first_poll = pause.answer.kind is Kind.START and request.attempt == 1
        return is_first_poll or request.kind is Kind.START or (request.wait or 0.0) >= self.shortest_hold


class _Pause(NamedTuple):
    """The pause an answer asked for."""

    answer: Exchange
    seconds: float
    source: str
    limits: Politeness
    demanded: bool

    def left(self, request: Exchange, speed: float) -> float:
        """Return the seconds of it that were left when the request came; 0 or less if it was over."""
        tolerance = min(self.limits.tolerance * self.seconds, self.limits.longest_tolerance)
        return self.seconds - tolerance - waited(self.answer, request, speed)


def waited(answer: Exchange, request: Exchange, speed: float) -> float:
    """Return the client's seconds between an answer and a request."""
    by_machine = request.arrived_monotonic - (answer.answered_monotonic or answer.arrived_monotonic)
    by_clock = request.arrived - (answer.answered or answer.arrived)
    return max(by_machine, by_clock / speed)


def _early(request: Exchange, pause: _Pause, speed: float) -> Complaint:
    after, before = waited(pause.answer, request, speed), _name_beside(request, pause.answer)
    asked = f"{pause.seconds:.3g} s ({pause.source})"
    text = f"{request.name} came {after:.2f} s after the answer to {before}, which asked for {asked}"
    return Complaint(Offence.EARLY, request.user, request.job, request.number, text)


def _hint(answer: Exchange) -> tuple[float, str]:
    """Return the seconds a job's answer advises to wait, and where it says so: the exact figure if there is one."""
    if answer.poll_after is not None:
        return answer.poll_after, f"poll_after: {answer.poll_after:g}"
    return answer.retry_after or 0.0, f"Retry-After: {answer.retry_after or 0:g}"


def _name_beside(request: Exchange, other: Exchange) -> str:
    """Return the name of another request in a sentence about this one: without the job, if it is the same."""
    return f"{other.kind} #{other.attempt}" if other.job == request.job else other.name


def _gap(first: Exchange, second: Exchange, speed: float) -> float:
    return max(second.arrived_monotonic - first.arrived_monotonic, (second.arrived - first.arrived) / speed)


def _is_known(answer: Exchange, request: Exchange) -> bool:
    """Return whether the answer had been sent when the request came; both may have happened at one moment."""
    return answer.number < request.number and _answered(answer) <= request.arrived_monotonic


def _answered(exchange: Exchange) -> float:
    return exchange.answered_monotonic or 0.0


class Repetition(NamedTuple):
    """A start that repeats another one without its idempotency key, so that the client may pay twice.

    Attributes:
        first: The start whose result the client could not know: its answer was lost, or it failed.
        second: The start that repeats it, without a key or with a new one.
    """

    first: Exchange
    second: Exchange

    @property
    def charged_twice(self) -> bool:
        """Whether both were accepted, so that there are two jobs where the client wanted one."""
        return None not in {self.first.job_id, self.second.job_id} and self.first.job_id != self.second.job_id

    def complaint(self, speed: float) -> Complaint:
        """Return the complaint about it."""
        first, second = self.first, self.second
        how = "without an idempotency key" if second.key is None else "with a new idempotency key"
        later = f"{waited(first, second, speed):.2f} s later {how}"
        result = "charged twice" if self.charged_twice else "it might have been charged twice"
        text = f"{second.name} repeats job {first.job}'s, {_what_happened(first)}, {later}: {result}"
        return Complaint(Offence.REPEATED_START, second.user, second.job, second.number, text)


def repetitions(requests: Iterable[Exchange]) -> Iterator[Repetition]:
    """Yield each start that failed, with the user's next start that has the same body.

    Starts with the same key are not repetitions but attempts of one. Without a key, or with a new one, a repetition
    cannot be distinguished from a second job that is wanted: the next start with the same body, after the failed one
    was over, counts as one. So clients that start equal jobs at the same time are best distinguished by their users or
    by their metadata.
    """
    starts = [one for one in requests if one.kind is Kind.START]
    repeated = {(one.user, one.key) for one in starts if one.key is not None and one.attempt > 1}
    failed: defaultdict[tuple[str | None, str | None], list[Exchange]] = defaultdict(list)
    for start in sorted(starts, key=lambda one: one.number):
        first = _over_before(start, failed[start.user, start.fingerprint])
        if first is None and start.is_retry:
            of_user = (ones for (user, _), ones in failed.items() if user == start.user)
            first = _over_before(start, (one for ones in of_user for one in ones if one.path == start.path))
        if first is not None and start.attempt == 1:
            failed[first.user, first.fingerprint].remove(first)
            yield Repetition(first, start)
        if _may_have_been_accepted(start) and (start.user, start.key) not in repeated:
            failed[start.user, start.fingerprint].append(start)


def _over_before(start: Exchange, others: Iterable[Exchange]) -> Exchange | None:
    """Return the first of the others that was over when a start arrived."""
    return next((one for one in others if one.over is not None and one.over <= start.arrived), None)


def _may_have_been_accepted(start: Exchange) -> bool:
    """Return whether the client cannot know if the start was accepted."""
    unknown = start.answered is None or (start.status or 0) >= _SERVER_ERROR or _is_unreadable(start)
    return start.over is not None and unknown


def _is_unreadable(start: Exchange) -> bool:
    return 200 <= (start.status or 0) < 300 and start.told is None  # noqa: PLR2004 - accepted, but the answer was broken


def _what_happened(start: Exchange) -> str:
    if start.left:
        return "for whose answer the client did not wait"
    if start.answered is None or _is_unreadable(start):
        return "whose answer was lost"
    return f"which was answered {start.status}"
