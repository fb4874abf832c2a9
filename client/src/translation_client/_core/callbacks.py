"""The user's callbacks."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from translation_client._core.flow import Event
from translation_client._wire.arguments import refuse

if TYPE_CHECKING:
    from translation_client._models import Job

log = logging.getLogger("translation_client")

Callback: TypeAlias = Callable[["Job"], object]


@dataclass(frozen=True, slots=True)
class Callbacks:
    """The functions to call with the job: at each answer, at first sight and every new status, once at the end."""

    on_poll: Callback | None = None
    on_status_change: Callback | None = None
    on_completion: Callback | None = None

    def __post_init__(self) -> None:
        for name in ("on_poll", "on_status_change", "on_completion"):
            given = getattr(self, name)
            if given is not None and not callable(given):
                refuse(name, "callable, or None", given, wrong_type=True)

    def ordinary(self) -> Callbacks:
        """Return these, for a client that cannot await; raises ``TypeError`` where one would have to be awaited."""
        for name in ("on_poll", "on_status_change", "on_completion"):
            if inspect.iscoroutinefunction(getattr(self, name)):
                raise TypeError(f"{name} must be an ordinary function; AsyncTranslationStatusClient awaits others")
        return self

    def __bool__(self) -> bool:
        return any((self.on_poll, self.on_status_change, self.on_completion))

    @property
    def look_first(self) -> bool:
        """Whether one of them is called before the job ends."""
        return self.on_poll is not None or self.on_status_change is not None

    def otherwise(self, client: Callbacks) -> Callbacks:
        """Return these, with the client's where none is given here."""
        return Callbacks(
            self.on_poll or client.on_poll,
            self.on_status_change or client.on_status_change,
            self.on_completion or client.on_completion,
        )

    def for_event(self, event: Event) -> Callback | None:
        """Return the callback for the event."""
        match event:
            case Event.POLL:
                return self.on_poll
            case Event.CHANGE:
                return self.on_status_change
            case Event.COMPLETION:
                return self.on_completion


def log_failure(event: Event, job: Job, error: Exception) -> None:
    """Log the exception a callback raised; it does not end the wait."""
    log.error("job %s: the callback for %r raised; the wait goes on", job.job_id, event.value, exc_info=error)
