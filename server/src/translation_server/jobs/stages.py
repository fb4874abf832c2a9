"""The stages a job goes through, and how its progress moves from one to the next. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import random

    from translation_server.jobs.delays import DelayModel

MOST_STAGES: Final = 20
FORM: Final = (
    "NAME:SHARE,NAME:SHARE,… (shares above 0; names of letters, digits, '-', '_'), at the end ;steps if wanted"
)
"""The text form of stages, for messages."""

_STAGE: Final = re.compile(r"\s*([A-Za-z][A-Za-z0-9_-]{0,49})(?::(\d{1,9}(?:\.\d{1,9})?))?\s*", re.ASCII)
_STEPS: Final = "steps"


@dataclass(frozen=True, slots=True)
class Stages:
    """The stages of a job, in order.

    Attributes:
        names: The name of each.
        shares: The share of the time each takes, in any unit: they need not add up to 1.
        steps: Whether progress moves only when a stage is over.
    """

    names: tuple[str, ...]
    shares: tuple[float, ...]
    steps: bool = False

    def __str__(self) -> str:
        text = ",".join(f"{name}:{_plain(share)}" for name, share in zip(self.names, self.shares, strict=True))
        return f"{text};{_STEPS}" if self.steps else text

    @property
    def ends(self) -> tuple[float, ...]:
        """The progress at which each stage is over; that of the last is 1."""
        sums = [*accumulate(self.shares)]
        return tuple(part / sums[-1] for part in sums)


@dataclass(frozen=True, slots=True)
class Staged:
    """A delay model whose jobs report the stage they are in.

    The stage is derived from the progress, so like that it does not depend on the drawn end.

    Attributes:
        model: How long jobs take.
        stages: The stages they go through.
    """

    model: DelayModel
    stages: Stages

    def __str__(self) -> str:
        return f"{self.model};{self.stages}"

    def draw(self, rng: random.Random) -> float:
        """See ``DelayModel``."""
        return self.model.draw(rng)

    def poll_after(self, elapsed: float) -> float:
        """See ``DelayModel``."""
        return self.model.poll_after(elapsed)

    def for_video(self, length: float | None) -> Staged:
        """See ``DelayModel``."""
        return Staged(self.model.for_video(length), self.stages)

    def progress(self, elapsed: float) -> float:
        """Return the model's progress, or with steps that of the stages that are over."""
        progress = self.model.progress(elapsed)
        if not self.stages.steps:
            return progress
        return max((end for end in self.stages.ends if end <= progress), default=0.0)

    def stage(self, elapsed: float) -> str:
        """Return the stage of a job that has run for ``elapsed`` seconds."""
        progress = self.model.progress(elapsed)
        over = sum(end <= progress for end in self.stages.ends)
        return self.stages.names[over]


def parse_stages(text: str) -> Stages:
    """Return the stages that a text form stands for: ``transcribing:0.2,translating:0.6,rendering:0.2``.

    Without shares, all stages take the same time. With ``;steps`` at the end, progress moves in steps.

    Raises:
        ValueError: It stands for none; the message is written for people.
    """
    listed, _, manner = text.partition(";")
    found = [_STAGE.fullmatch(one) for one in listed.split(",")]
    stages = [(match[1], float(match[2] or 1)) for match in found if match and match[2] != "0"]
    names = tuple(name for name, _ in stages)
    if len(stages) != len(found) or manner.strip() not in {"", _STEPS} or not all(share for _, share in stages):
        raise ValueError(f"these are not stages; the form is {FORM}")
    if len(set(names)) < len(names) or len(names) > MOST_STAGES:
        raise ValueError(f"there may be {MOST_STAGES} stages, each with a name of its own")
    return Stages(names, tuple(share for _, share in stages), manner.strip() == _STEPS)


def _plain(share: float) -> str:
    return f"{share:.9f}".rstrip("0").rstrip(".")
