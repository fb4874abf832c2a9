"""A world in which time passes only when somebody waits for it, so that a wait of a minute takes a millisecond."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING
from unittest import mock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.hints import Hints

BEGIN = 1000.0  # small, so that floats tell a microsecond after years


class Help(Enum):
    """What a server does for those who wait."""

    HOLDS = "holds requests, and says when to come again"
    HINTS = "says when to come again"
    NONE = "tells the status only"


@dataclass(slots=True)
class Clock:
    """Seconds; stands in for those of the ``time`` module."""

    now: float = BEGIN

    def read(self) -> float:
        """Stands in for ``time.time`` and ``time.monotonic``."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Stands in for ``time.sleep``."""
        self.now += max(seconds, 0.0)

    @contextmanager
    def in_place_of_time(self) -> Iterator[None]:
        """Whoever asks the ``time`` module, or sleeps with it, gets this clock."""
        with (
            mock.patch.object(time, "sleep", self.sleep),
            mock.patch.object(time, "time", self.read),
            mock.patch.object(time, "monotonic", self.read),
        ):
            yield


@dataclass(slots=True)
class Look:
    """What a status request saw; ``hint`` is ``poll_after``, and ``held`` the longest hold the server confirmed."""

    ended: bool
    age: float
    hint: float | None = None
    held: float | None = None


@dataclass(slots=True)
class Server:
    """Runs one job at a time and counts the status requests.

    Attributes:
        clock: The only one there is.
        help: What it does for those who wait.
        hints: What it says when to come again.
        round_trip: Seconds for a request to come and its answer to go.
        max_wait: The longest it holds a request.
    """

    clock: Clock
    help: Help
    hints: Hints
    round_trip: float
    max_wait: float = 60.0
    created: float = 0.0
    ends: float = 0.0
    requests: int = 0
    total: int = field(default=0)

    def start(self, duration: float) -> None:
        """Accept a job; the time is then that at which its starter knows."""
        self._travel()
        self.created, self.ends = self.clock.now, self.clock.now + duration
        self.requests = 0
        self._travel()

    def look(self, hold: float = 0.0) -> Look:
        """One status request; the time is then that at which its answer arrives."""
        self.requests += 1
        self.total += 1
        self._travel()
        held = min(hold, self.max_wait) if hold and self.help is Help.HOLDS else None
        pending_before = self.clock.now < self.ends
        if held is not None and pending_before:
            self.clock.now = min(self.clock.now + held, self.ends)
        ended = self.clock.now >= self.ends
        age = min(self.clock.now, self.ends) - self.created
        hint = None if ended or self.help is Help.NONE else 0.0 if held is not None else self.hints.poll_after(age)
        self._travel()
        return Look(ended, age, hint, held)

    @property
    def detection_delay(self) -> float:
        """Seconds since the job ended."""
        return self.clock.now - self.ends

    def _travel(self) -> None:
        self.clock.now += self.round_trip / 2
