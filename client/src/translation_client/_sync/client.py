"""The synchronous client."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Self, Unpack

from translation_client._core.callbacks import Callback, Callbacks
from translation_client._core.operations import UNSET, Operations
from translation_client._core.schedule import PollingConfig
from translation_client._sync.driver import Driver
from translation_client._sync.scheduler import AT_ONCE, Scheduler
from translation_client._sync.transport import Transport
from translation_client._wire.arguments import check_job_id, check_job_ids
from translation_client._wire.target import Target, Verify, check_verify

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import requests

    from translation_client._core.flow import Flow
    from translation_client._core.operations import Unset
    from translation_client._core.schedule import PollingArguments
    from translation_client._models import Job, JobStatus


class TranslationStatusClient:
    """Starts translation jobs and waits for them. Safe to share between threads.

    Durations are seconds. A closed client (``close()``, or the end of a ``with`` block) cannot be used again.

    Args:
        base_url: Where the server is.
        username: Without a colon; None: the environment's ``API_USERNAME``.
        password: Any Unicode text; None: the environment's ``API_PASSWORD``.
        polling: All polling arguments in one.
        on_status_change: Called with the ``Job`` at first sight and on every new status.
        on_completion: Called once with the ``Job`` when it has ended.
        session: A ``requests.Session`` to use instead of one of ours. It is used as it is, with its proxies,
            certificates, cookies and adapters, and never closed; only its own credentials are not sent, and redirects
            are not followed. What it changes: an adapter that retries sends more requests than the client counts; of
            ten connections at most, as requests makes them, further threads open new ones; a request that is given up
            before its answer begins ends on its thread only when its read timeout is over, and a start that was
            given up counts as maybe created. Do not share one session between processes.
        verify: True: verify the server's certificate with the environment's CA bundle (``REQUESTS_CA_BUNDLE``), or
            with requests' own. A path: with that CA bundle, or folder of certificates. An ``ssl.SSLContext``: as it
            says. False: accept any certificate. With ``session`` the session's own setting counts.
        headers: Sent with every request, such as a gateway's API key; never shown. Refused are those the client sends
            itself: ``Authorization``, ``Accept``, ``Accept-Encoding``, ``Content-*``, ``Host``, ``Idempotency-Key``,
            ``Prefer``, ``Last-Event-ID`` and those of the connection. ``User-Agent`` replaces the client's.
        **polling_arguments: The arguments of ``PollingConfig``, one by one, where ``polling`` is not given:
            ``initial_delay``, ``max_delay``, ``backoff_factor``, ``jitter``, ``timeout``, ``max_retries``,
            ``max_polls``.

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
        session: requests.Session | None = None,
        verify: Verify = True,
        headers: Mapping[str, str] | None = None,
        **polling_arguments: Unpack[PollingArguments],
    ) -> None:
        config = PollingConfig.of(polling, polling_arguments)
        self._target = Target(base_url, username, password, headers)
        check_verify(verify)
        if session is not None and verify is not True:
            raise ValueError("give verify in the session, or without a session, not both")
        self._callbacks = Callbacks(None, on_status_change, on_completion).ordinary()
        self._operations = Operations(config, monotonic, self._target.base_url)
        self._transport = Transport(self._target.base_url, self._target.headers(), session=session, verify=verify)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._target!r}>"

    def start_job(
        self,
        *,
        video_length: float | None = None,
        metadata: Mapping[str, object] | None = None,
        simulate: Mapping[str, object] | None = None,
        idempotency_key: str | None = None,
        timeout: float | Unset | None = UNSET,
    ) -> str:
        """Start one job and return its id: exactly one job, whatever answers are lost on the way.

        Args:
            video_length: Seconds of video, above 0.
            metadata: A small JSON object that the server keeps with the job.
            simulate: The fate of this one job, where the server is a simulator.
            idempotency_key: Made anew for each call by default; give a ``StartError``'s to try that start again.
            timeout: Seconds to keep trying; by default the client's.

        Raises:
            TypeError, ValueError: A bad argument; nothing was sent.
            StartError: No answer before the timeout, or ``max_retries`` used up.
            ApiError: The server refused.
        """
        return (
            self._driver()
            .run(self._operations.start(video_length, metadata, simulate, idempotency_key, timeout))
            .job_id
        )

    def wait(
        self,
        job_id: str | None = None,
        *,
        timeout: float | Unset | None = UNSET,
        on_status_change: Callback | None = None,
        on_completion: Callback | None = None,
        on_poll: Callback | None = None,
    ) -> Job:
        """Wait until the job has ended and return it, completed or not; without an id: the user's latest job.

        Args:
            job_id: The job; any client may have started it.
            timeout: Seconds the wait may take in all; by default the client's.
            on_status_change: Called with the ``Job`` at first sight and on every new status; by default the client's.
            on_completion: Called once with the ``Job`` when it has ended; by default the client's.
            on_poll: Called with the ``Job`` of every answer.

        Raises:
            TypeError, ValueError: A bad argument; nothing was sent.
            WaitTimeoutError: The deadline passed; the job may still end.
            StatusUnavailableError: ``max_retries`` or ``max_polls`` used up.
            ApiError: The server refused (unknown job, wrong credentials, …).
        """
        callbacks = Callbacks(on_poll, on_status_change, on_completion).ordinary().otherwise(self._callbacks)
        return self._driver(callbacks).run(self._operations.wait(job_id, timeout, look_first=callbacks.look_first))

    def wait_for_completion(
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
        return self.wait(job_id, timeout=timeout, **callbacks).status

    def as_completed(
        self,
        job_ids: Iterable[str],
        *,
        timeout: float | Unset | None = UNSET,
        on_status_change: Callback | None = None,
        on_completion: Callback | None = None,
    ) -> Iterator[Job]:
        """Wait for any number of jobs on one connection and give each as it ends, in the order of ending.

        Args:
            job_ids: The jobs; any client may have started them. A job that is named twice is given once.
            timeout: Seconds all of them together may take, from this call on; by default the client's.
            on_status_change: Called with each ``Job`` at first sight and at its end; by default the client's.
            on_completion: Called once with each ``Job`` that has ended; by default the client's.

        Raises:
            TypeError, ValueError: A bad argument; nothing was sent.
            WaitTimeoutError: The deadline passed; ``pending`` names the jobs that had not ended.
            StatusUnavailableError: ``max_retries`` used up.
            ApiError: The server refused, or does not know one of the jobs.
        """
        callbacks = Callbacks(None, on_status_change, on_completion).ordinary().otherwise(self._callbacks)
        flow, deadline = self._operations.wait_for_many(job_ids, timeout)
        return self._as_completed(flow, deadline, self._driver(callbacks), look_first=callbacks.look_first)

    def wait_all(
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
        jobs = {job.job_id: job for job in ended}
        return [jobs[job_id] for job_id in ids]

    def get_job(self, job_id: str) -> Job:
        """Return the job as it is now: one poll, not repeated.

        Raises:
            TypeError, ValueError: A bad id; nothing was sent.
            StatusUnavailableError: No answer.
            ApiError: The server refused or failed.
        """
        return self._driver().run(self._operations.get(check_job_id(job_id)))

    def get_status(self, job_id: str | None = None) -> JobStatus:
        """Return the status now: one poll, not repeated; without an id the latest job's. Raises as ``get_job``."""
        return self._driver().run(self._operations.get(job_id)).status

    def cancel_job(self, job_id: str) -> Job:
        """Cancel a job, which ends it as ``error`` with the code ``cancelled``; repeating it changes nothing.

        Raises:
            TypeError, ValueError: A bad id; nothing was sent.
            StatusUnavailableError: No answer before the timeout, or ``max_retries`` used up.
            ApiError: The server refused; with ``status_code`` 409 the job had ended otherwise.
        """
        return self._driver().run(self._operations.cancel(job_id))

    def iter_jobs(self, status: str | None = None, *, limit: int | None = None) -> Iterator[Job]:
        """Give the user's jobs, newest first, and fetch the next page only when it is needed.

        Args:
            status: Only jobs with this status; None: all.
            limit: At most so many; None: all.

        Raises:
            TypeError, ValueError: A bad argument; raised at once, and nothing was sent.
            StatusUnavailableError: No answer to a page before the timeout, or ``max_retries`` used up.
            ApiError: The server refused.
        """
        return self._driver().run_finding(self._operations.list_jobs(status, limit))

    def list_jobs(self, status: str | None = None, *, limit: int | None = None) -> list[Job]:
        """Return the user's jobs, newest first; arguments and errors as for ``iter_jobs``."""
        return list(self.iter_jobs(status, limit=limit))

    def close(self) -> None:
        """Close the client: its connections, and whatever is under way.

        A call under way in another thread raises ``RuntimeError`` at once, and so does any call from then on. Closing
        twice changes nothing. A session that was given is left open.
        """
        self._transport.close()

    def __enter__(self) -> Self:
        self._transport.check_open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _driver(self, callbacks: Callbacks | None = None) -> Driver:
        self._transport.check_open()
        return Driver(self._transport, callbacks or self._callbacks)

    def _as_completed(
        self, flow: Flow[dict[str, bool]], deadline: float, driver: Driver, *, look_first: bool
    ) -> Iterator[Job]:
        left = yield from driver.run_finding(flow)
        if left:
            waits = self._operations.wait_each(left, deadline, look_first=look_first, may_hold=len(left) <= AT_ONCE)
            yield from Scheduler(waits, driver, self._transport).run()
