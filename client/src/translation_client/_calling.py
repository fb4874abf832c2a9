"""One request that is repeated until it is answered: starting, cancelling, listing. Decides, and does nothing else."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Generic, TypeVar

from translation_client._errors import StartError, StatusUnavailable, TranslationClientError
from translation_client._flow import Flow, Send, Sleep
from translation_client._observed import log
from translation_client._protocol import ANSWER_TIMEOUT, Response, Transient, as_failure

if TYPE_CHECKING:
    from collections.abc import Callable

    from translation_client._polling import PollingConfig
    from translation_client._protocol import Request

T = TypeVar("T")


class Call(Generic[T]):
    """One request, sent until it is answered, as long as the timeout and ``max_retries`` allow; ``run()`` is its flow.

    Args:
        request: Safe to repeat: idempotent, or with an idempotency key.
        read: Reads an answer; may raise ``ApiError``.
        config: The timeout and the retries allowed.
        now: The moment the call begins.
        randomness: Gives numbers from 0 to 1.
        given_up: Makes the error from why it ended, the failures met, and the seconds it took.
    """

    def __init__(  # noqa: PLR0913 - the facts a call depends on, all parameters so that it stays pure
        self,
        request: Request,
        read: Callable[[Response], T | Transient],
        config: PollingConfig,
        *,
        now: float,
        randomness: Callable[[], float],
        given_up: Callable[[str, list[Transient], float], TranslationClientError],
    ) -> None:
        self._request = request
        self._read = read
        self._config = config
        self._randomness = randomness
        self._given_up = given_up
        self._now = self._began = now
        self._deadline = math.inf if config.timeout is None else now + config.timeout
        self._failures: list[Transient] = []

    def run(self) -> Flow[T]:
        """Yield actions until there is an answer, and return what was read from it."""
        while True:
            reply = yield Send(self._request, min(self._now + ANSWER_TIMEOUT, self._deadline))
            self._now, result = reply.now, reply.result
            seen = self._read(result) if isinstance(result, Response) else as_failure(result)
            if not isinstance(seen, Transient):
                return seen
            self._failures.append(seen)
            log.info("%s %s: attempt failed: %s", self._request.method, self._request.path, seen.error)
            reply = yield Sleep(self._next_try(seen))
            self._now = reply.now
            if self._now >= self._deadline:
                raise self._error(f"not answered within {self._config.timeout:g} s")

    def _next_try(self, failure: Transient) -> float:
        limit, count = self._config.max_retries, len(self._failures)
        if limit is not None and count > limit:
            raise self._error(f"max_retries={limit} used up")
        pause = failure.retry_after or 0.0
        if pause and self._now + pause > self._deadline:
            raise self._error(f"the server asks to wait {pause:g} s (Retry-After), beyond the timeout")
        moment = max(self._now + pause, self._now + self._config.retry_delay(count, self._randomness))
        return min(moment, self._deadline)

    def _error(self, why: str) -> TranslationClientError:
        error = self._given_up(why, self._failures, self._now - self._began)
        failure = self._failures[-1].error
        if error is not failure:
            error.__cause__ = failure
        return error


def start_given_up(idempotency_key: str) -> Callable[[str, list[Transient], float], StartError]:
    """Makes the error of a start that was given up."""

    def make(why: str, failures: list[Transient], elapsed: float) -> StartError:
        maybe = any(failure.maybe_received for failure in failures)
        words = "it is not known whether a job was started" if maybe else "no job was started"
        text = f"{words}: {why}; last failure: {failures[-1].error}"
        return StartError(text, idempotency_key=idempotency_key, maybe_created=maybe, elapsed=elapsed)

    return make


def call_given_up(what: str, job_id: str | None = None) -> Callable[[str, list[Transient], float], StatusUnavailable]:
    """Makes the error of any other call that was given up."""

    def make(why: str, failures: list[Transient], elapsed: float) -> StatusUnavailable:
        return StatusUnavailable(f"{what}: {why}; last failure: {failures[-1].error}", job_id=job_id, elapsed=elapsed)

    return make


def get_given_up(job_id: str | None) -> Callable[[str, list[Transient], float], TranslationClientError]:
    """Makes the error of a single poll: what the server said, where it said something."""

    def make(_: str, failures: list[Transient], elapsed: float) -> TranslationClientError:
        failure = failures[-1].error
        if isinstance(failure, TranslationClientError):
            return failure
        text = f"job {job_id or '(latest)'}: its status could not be had: {failure}"
        return StatusUnavailable(text, job_id=job_id, elapsed=elapsed, polls=1)

    return make
