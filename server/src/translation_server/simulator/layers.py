"""The layers that a server gets when it is a simulator; one that is not pays nothing for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from translation_server.middleware.basic_auth import is_open_path
from translation_server.service.errors import UnknownJobError
from translation_server.simulator.faults.injection import FaultInjection
from translation_server.simulator.recording.recorder import Noting, Recording
from translation_server.stores import StoreUnavailableError

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from translation_server.app import Application
    from translation_server.jobs.model import Job
    from translation_server.simulator.simulator import Simulator


def innermost(layers: ASGIApp, simulator: Simulator, app: Application) -> ASGIApp:
    """What learns from the application itself, also what its client never will."""

    async def find(user: str, job_id: str) -> Job | None:
        service = app.state.service
        try:
            return (await service.find(user, job_id)).job
        except (UnknownJobError, StoreUnavailableError):
            return None

    return Noting(layers, simulator.exchanges, find)


def around(layers: ASGIApp, simulator: Simulator, app: Application) -> ASGIApp:
    """Faults, and around them the record of what really got out."""
    faulty = FaultInjection(layers, simulator, is_stopping=lambda: app.state.service.waiters.stopping)
    return Recording(faulty, simulator.exchanges, simulator.clock, is_open=is_open_path)
