"""Finds starts that repeat another one in a way that may pay twice. Pure."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from translation_server.simulator.recording.exchange import Exchange, Kind
from translation_server.simulator.report.politeness import Complaint, Offence, waited

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SERVER_ERRORS = 500


class Repetition(NamedTuple):
    """A start whose fate its client could not know, and the start that did the same again under no name or a new one.

    Attributes:
        first: The one that was lost or failed.
        second: The one that repeats it.
        charged_twice: Whether both were accepted: there are two jobs for one wish.
    """

    first: Exchange
    second: Exchange

    @property
    def charged_twice(self) -> bool:
        """See the class."""
        return None not in {self.first.job_id, self.second.job_id} and self.first.job_id != self.second.job_id

    def complaint(self, speed: float) -> Complaint:
        """What is wrong with it."""
        first, second = self.first, self.second
        how = "without an idempotency key" if second.key is None else "with a new idempotency key"
        later = f"{waited(first, second, speed):.2f} s later {how}"
        result = "charged twice" if self.charged_twice else "it might have been charged twice"
        text = f"{second.name} repeats job {first.job}'s, {_what_happened(first)}, {later}: {result}"
        return Complaint(Offence.REPEATED_START, second.user, second.job, second.number, text)


def repetitions(requests: Iterable[Exchange]) -> Iterator[Repetition]:
    """Each start that failed, with the next one by the same user that asks for the same.

    A key that is used again has done its duty. Without one, or with a new one, nobody can tell a repetition from
    another wish for the same: it is the next start with the same body, once the failed one was over. So clients that
    start the same side by side are told apart best by their users or by their metadata.
    """
    starts = [one for one in requests if one.kind is Kind.START]
    repeated = {(one.user, one.key) for one in starts if one.key is not None and one.attempt > 1}
    failed: defaultdict[tuple[str | None, str | None], list[Exchange]] = defaultdict(list)
    for start in sorted(starts, key=lambda one: one.number):
        alike = failed[start.user, start.fingerprint]
        first = next((one for one in alike if one.over is not None and one.over <= start.arrived), None)
        if first is not None and start.attempt == 1:
            alike.remove(first)
            yield Repetition(first, start)
        if _may_have_been_accepted(start) and (start.user, start.key) not in repeated:
            alike.append(start)


def _may_have_been_accepted(start: Exchange) -> bool:
    """Whether its client cannot know what became of it."""
    unknown = start.answered is None or (start.status or 0) >= _SERVER_ERRORS or _unread(start)
    return start.over is not None and unknown


def _unread(start: Exchange) -> bool:
    return start.status == 202 and start.told is None  # noqa: PLR2004 - accepted, but the answer was broken


def _what_happened(start: Exchange) -> str:
    if start.left:
        return "for whose answer the client did not wait"
    if start.answered is None or _unread(start):
        return "whose answer was lost"
    return f"which was answered {start.status}"
