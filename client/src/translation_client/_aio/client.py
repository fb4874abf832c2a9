"""The asynchronous client."""

# ruff: noqa: ASYNC109 - a timeout here is the wait's own: its end brings one last look and an error with all details

from __future__ import annotations

from contextlib import aclosing
from time import monotonic
from typing import TYPE_CHECKING, Self, TypeVar, Unpack

from translation_client._aio.driver import AsyncDriver, side_by_side
from translation_client._aio.transport import AsyncTransport
from translation_client._core.callbacks import Callback, Callbacks
from translation_client._core.operations import UNSET, Operations
from translation_client._core.schedule import PollingConfig
from translation_client._wire.arguments import check_job_id, check_job_ids
from translation_client._wire.target import Target, Verify, check_verify

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Mapping

    import aiohttp

    from translation_client._core.flow import Flow
    from translation_client._core.operations import Unset
    from translation_client._core.schedule import PollingArguments
    from translation_client._models import Job, JobStatus

T = TypeVar("T")


class AsyncTranslationStatusClient:
    """``TranslationStatusClient`` for asyncio: the same names, arguments and errors, with ``await``.

    One client serves any number of tasks, thousands of waits at once. It may be made outside of an event loop and used
    in several, one after the other or each in its own thread; each has its own connections. Cancelling a task ends its
    call at once and leaves nothing behind.

    Args:
        base_url: Where the server is.
        username: Without a colon; None: the environment's ``API_USERNAME``.
        password: Any Unicode text; None: the environment's ``API_PASSWORD``.
        polling: All polling arguments in one.
        on_status_change: Called with the ``Job`` at first sight and on every new status; may be a coroutine function,
            which is awaited.
        on_completion: Called once with the ``Job`` when it has ended; may be a coroutine function likewise.
        session: An ``aiohttp.ClientSession`` to use instead of one of ours. It is used as it is, with its connector,
            proxy and cookies, and never closed; only its time limits do not count, and redirects are not followed. It
            must have no credentials of its own. What it changes: the client then works in the session's event loop
            only; aiohttp repeats a status request once by itself when a connection is lost; at most a hundred
            requests are under way, as aiohttp's connectors allow; and a name that cannot be resolved may hold up the
            end of the loop.
        verify: As for ``TranslationStatusClient``.
        headers: As for ``TranslationStatusClient``.
        **polling_arguments: The arguments of ``PollingConfig``, one by one, where ``polling`` is not given.

    Raises:
        TypeError: An argument has the wrong type; the message names it.
        ValueError: An argument has a wrong value; the message names it and what is allowed.
    """

    def __init__(  # noqa: PLR0913 - the settings of a client, all but three by keyword
        self,
        base_url: str = "http://127.0.0.1:8000",
        username: str | None = None,
        password: str | None = None,
        *,
        polling: PollingConfig | None = None,
        on_status_change: Callback | None = None,
        on_completion: Callback | None = None,
        session: aiohttp.ClientSession | None = None,
        verify: Verify = True,
        headers: Mapping[str, str] | None = None,
        **polling_arguments: Unpack[PollingArguments],
    ) -> None:
        config = PollingConfig.of(polling, polling_arguments)
        self._target = Target(base_url, username, password, headers)
        check_verify(verify)
        if session is not None and verify is not True:
            raise ValueError("give verify in the session, or without a session, not both")
        self._callbacks = Callbacks(on_status_change=on_status_change, on_completion=on_completion)
        self._operations = Operations(config, monotonic, self._target.base_url)
        self._transport = AsyncTransport(self._target.base_url, self._target.headers(), session=session, verify=verify)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._target!r}>"

    async def start_job(
        self,
        *,
        video_length: float | None = None,
        metadata: Mapping[str, object] | None = None,
        simulate: Mapping[str, object] | None = None,
        idempotency_key: str | None = None,
        timeout: float | Unset | None = UNSET,
    ) -> str:
        """Start one job and return its id, as ``TranslationStatusClient.start_job``."""
        flow = self._operations.start(video_length, metadata, simulate, idempotency_key, timeout)
        return (await self._run(flow)).job_id

    async def wait(
        self,
        job_id: str | None = None,
        *,
        timeout: float | Unset | None = UNSET,
        on_status_change: Callback | None = None,
        on_completion: Callback | None = None,
        on_poll: Callback | None = None,
    ) -> Job:
        """Wait until the job has ended and return it, as ``TranslationStatusClient.wait``."""
        callbacks = Callbacks(on_poll, on_status_change, on_completion).otherwise(self._callbacks)
        return await self._run(self._operations.wait(job_id, timeout, look_first=callbacks.look_first), callbacks)

    async def wait_for_completion(
        self,
        job_id: str | None = None,
        *,
        timeout: float | Unset | None = UNSET,
        on_status_change: Callback | None = None,
        on_completion: Callback | None = None,
        on_poll: Callback | None = None,
    ) -> JobStatus:
        """Like ``wait``, but return only the terminal status: ``completed`` or ``error``."""
        callbacks = {"on_status_change": on_status_change, "on_completion": on_completion, "on_poll": on_poll}
        return (await self.wait(job_id, timeout=timeout, **callbacks)).status

    def as_completed(
        self,
        job_ids: Iterable[str],
        *,
        timeout: float | Unset | None = UNSET,
        on_status_change: Callback | None = None,
        on_completion: Callback | None = None,
    ) -> AsyncGenerator[Job, None]:
        """Wait for any number of jobs (``async for``), as ``TranslationStatusClient.as_completed``."""
        callbacks = Callbacks(None, on_status_change, on_completion).otherwise(self._callbacks)
        flow, deadline = self._operations.wait_for_many(job_ids, timeout)
        return self._as_completed(flow, deadline, callbacks)

    async def wait_all(
        self,
        job_ids: Iterable[str],
        *,
        timeout: float | Unset | None = UNSET,
        on_status_change: Callback | None = None,
        on_completion: Callback | None = None,
    ) -> list[Job]:
        """Like ``as_completed``, but return all jobs at the end, in the order given."""
        ids = check_job_ids(job_ids)
        ended = self.as_completed(ids, timeout=timeout, on_status_change=on_status_change, on_completion=on_completion)
        async with aclosing(ended):
            jobs = {job.job_id: job async for job in ended}
        return [jobs[job_id] for job_id in ids]

    async def get_job(self, job_id: str) -> Job:
        """Return the job as it is now: one poll, as ``TranslationStatusClient.get_job``."""
        return await self._run(self._operations.get(check_job_id(job_id)))

    async def get_status(self, job_id: str | None = None) -> JobStatus:
        """Return the status now, without an id the latest job's: as ``TranslationStatusClient.get_status``."""
        return (await self._run(self._operations.get(job_id))).status

    async def cancel_job(self, job_id: str) -> Job:
        """Cancel a job, as ``TranslationStatusClient.cancel_job``."""
        return await self._run(self._operations.cancel(job_id))

    def iter_jobs(self, status: str | None = None, *, limit: int | None = None) -> AsyncGenerator[Job, None]:
        """Give the user's jobs (``async for``), newest first, as ``TranslationStatusClient.iter_jobs``."""
        return AsyncDriver(self._operations.list_jobs(status, limit), self._transport, self._callbacks).found()

    async def list_jobs(self, status: str | None = None, *, limit: int | None = None) -> list[Job]:
        """Return the user's jobs, newest first, as ``TranslationStatusClient.list_jobs``."""
        async with aclosing(self.iter_jobs(status, limit=limit)) as jobs:
            return [job async for job in jobs]

    async def close(self) -> None:
        """Close the client: its connections, and whatever is under way in the running event loop.

        A call under way in another task raises ``RuntimeError`` at once, and so does any call from then on; in another
        event loop it does so with its next request. Closing twice changes nothing. A session that was given is left
        open.
        """
        await self._transport.close()

    async def __aenter__(self) -> Self:
        self._transport.check_open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _run(self, flow: Flow[T], callbacks: Callbacks | None = None) -> T:
        return await AsyncDriver(flow, self._transport, callbacks or self._callbacks).run()

    async def _as_completed(
        self, flow: Flow[dict[str, bool]], deadline: float, callbacks: Callbacks
    ) -> AsyncGenerator[Job, None]:
        driver = AsyncDriver(flow, self._transport, callbacks)
        async with aclosing(driver.found()) as found:
            async for job in found:
                yield job
        waits = self._operations.wait_each(driver.result, deadline, look_first=callbacks.look_first, may_hold=True)
        async with aclosing(side_by_side(self._run(wait, callbacks) for wait in waits)) as ended:
            async for job in ended:
                yield job
