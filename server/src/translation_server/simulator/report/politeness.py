"""What is polite: named limits, and the findings about one job's polls that follow from them. Pure.

A client is judged by what it was told. Whoever comes before ``poll_after`` or ``Retry-After`` is over comes too early;
a client that was told nothing, because answers were lost or broken, is judged by the last answer that reached it. The
time between an answer and the next request is the machine's or the server's, whichever is longer: a stepped clock that
was advanced makes a request fair, and so does a client that really slept while the clock stood still.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from translation_server.simulator.recording.exchange import Exchange, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_REFUSED: Final = 400


class Offence(StrEnum):
    """What a client can do wrong."""

    EARLY = "early"  # before Retry-After or poll_after was over
    BURST = "burst"  # polls that failed, repeated with next to no pause
    AFTER_END = "after the end"  # polls though the end was told
    REPEATED_START = "repeated start"  # without its idempotency key, after an answer that was lost or a 5xx


class Complaint(NamedTuple):
    """One thing the client did wrong.

    Attributes:
        offence: What kind of thing.
        user: Who.
        job: The number of the job.
        request: The number of the request with which it was done.
        text: In words, with times in the client's seconds.
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
        tolerance: Share of the asked pause that may be missing, as timers are not exact.
        longest_tolerance: And never more than this.
        longest_hint: Nobody has to follow a ``poll_after`` for longer, since a hint that is wrong must not cost
            minutes; a ``Retry-After`` of a refusal (429, 503) has to be waited for however long it is.
        shortest_hold: A long poll that asks to be held for this long, or longer, may follow a pending answer at once:
            it takes the place of all the polls in that time.
        most_failed_in_a_second: Polls of one job that fail within any second: nobody told the client when to come
            again, so it has to pause by itself.
        after_end: Polls of one job after its end was told: one, to fetch what it came to.
    """

    tolerance: float = 0.1
    longest_tolerance: float = 0.05
    longest_hint: float = 30.0
    shortest_hold: float = 1.0
    most_failed_in_a_second: int = 10
    after_end: int = 1

    def early(self, requests: Sequence[Exchange], speed: float) -> Iterator[Complaint]:
        """The requests about one job, or the attempts of one start, that came before the pause asked for was over.

        The first poll after a start is never early: who sends it need not be who started the job, and has been told
        nothing.
        """
        answers = deque(sorted((one for one in requests if one.steady_answered is not None), key=_steady_answered))
        pause: _Pause | None = None
        for request in sorted(requests, key=lambda one: one.steady_arrived):
            while answers and _is_known(answers[0], request):
                pause = self._pause(answers.popleft()) or pause
            if pause is not None and not self._is_free(request, pause) and pause.left(request, speed) > 0:
                yield _early(request, pause, speed)

    def bursts(self, polls: Sequence[Exchange], speed: float) -> Iterator[Complaint]:
        """Whether polls of one job that failed were repeated with next to no pause: the worst second of it."""
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

    def after(self, polls: Sequence[Exchange], told_by: Exchange) -> Iterator[Complaint]:
        """Those among the polls after the end was told that are too many."""
        for poll in polls[self.after_end :]:
            text = f"{poll.name} came although the answer to {_within(poll, told_by)} had told the end"
            yield Complaint(Offence.AFTER_END, poll.user, poll.job, poll.number, text)

    def _pause(self, answer: Exchange) -> _Pause | None:
        """What an answer asks for; None: nothing, so that what was asked before stays in force."""
        if answer.told is not None:
            seconds, words = _hint(answer)
            return _Pause(answer, min(seconds, self.longest_hint), words, self, demanded=False)
        if (answer.status or 0) >= _REFUSED and answer.retry_after is not None:
            return _Pause(answer, answer.retry_after, f"Retry-After: {answer.retry_after:g}", self, demanded=True)
        return None

    def _is_free(self, request: Exchange, pause: _Pause) -> bool:
        if pause.demanded:
            return False
        is_first_look = pause.answer.kind is Kind.START and request.attempt == 1
        return is_first_look or request.kind is Kind.START or (request.wait or 0.0) >= self.shortest_hold


class _Pause(NamedTuple):
    """What an answer asked for."""

    answer: Exchange
    seconds: float
    words: str
    limits: Politeness
    demanded: bool

    def left(self, request: Exchange, speed: float) -> float:
        """Seconds of it that were left when the request came; 0 or less: it was over."""
        tolerance = min(self.limits.tolerance * self.seconds, self.limits.longest_tolerance)
        return self.seconds - tolerance - waited(self.answer, request, speed)


def waited(answer: Exchange, request: Exchange, speed: float) -> float:
    """Seconds of the client between an answer and a request."""
    by_machine = request.steady_arrived - (answer.steady_answered or answer.steady_arrived)
    by_clock = request.arrived - (answer.answered or answer.arrived)
    return max(by_machine, by_clock / speed)


def _early(request: Exchange, pause: _Pause, speed: float) -> Complaint:
    after, before = waited(pause.answer, request, speed), _within(request, pause.answer)
    asked = f"{pause.seconds:.3g} s ({pause.words})"
    text = f"{request.name} came {after:.2f} s after the answer to {before}, which asked for {asked}"
    return Complaint(Offence.EARLY, request.user, request.job, request.number, text)


def _hint(answer: Exchange) -> tuple[float, str]:
    """What the job's answer advises: the exact figure, else the one in whole seconds."""
    if answer.poll_after is not None:
        return answer.poll_after, f"poll_after: {answer.poll_after:g}"
    return answer.retry_after or 0.0, f"Retry-After: {answer.retry_after or 0:g}"


def _within(request: Exchange, other: Exchange) -> str:
    """The other one's name beside that of a request: without the job, if it is the same."""
    return f"{other.kind} #{other.attempt}" if other.job == request.job else other.name


def _gap(first: Exchange, second: Exchange, speed: float) -> float:
    return max(second.steady_arrived - first.steady_arrived, (second.arrived - first.arrived) / speed)


def _is_known(answer: Exchange, request: Exchange) -> bool:
    """Whether the answer had gone out when the request came; both may be of one moment."""
    return answer.number < request.number and _steady_answered(answer) <= request.steady_arrived


def _steady_answered(exchange: Exchange) -> float:
    return exchange.steady_answered or 0.0
