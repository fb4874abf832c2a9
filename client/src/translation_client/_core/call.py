"""One request, repeated until it is answered: to start, cancel or list jobs. A flow: it decides, and does no I/O."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from translation_client._core.flow import Flow, Send, Sleep
from translation_client._core.record import log
from translation_client._core.schedule import GiveUp, next_attempt
from translation_client._errors import StartError, StatusUnavailableError, TranslationClientError
from translation_client._wire.failures import Transient, as_failure
from translation_client._wire.requests import ANSWER_TIMEOUT
from translation_client._wire.responses import Response

if TYPE_CHECKING:
    from collections.abc import Callable

    from translation_client._core.schedule import PollingConfig
    from translation_client._wire.requests import Request

T = TypeVar("T")

GivenUp: TypeAlias = "Callable[[str, list[Transient], float], TranslationClientError]"


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
        given_up: GivenUp,
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
            request, failure = self._request, {"failure": seen.error}
            log.info("%s %s: attempt failed: %s", request.method, request.path, seen.error, extra=failure)
            verdict = next_attempt(
                seen,
                len(self._failures),
                self._config,
                now=self._now,
                deadline=self._deadline,
                randomness=self._randomness,
            )
            if isinstance(verdict, GiveUp):
                raise self._error(verdict.why)
            reply = yield Sleep(min(verdict, self._deadline))
            self._now = reply.now
            if self._now >= self._deadline:
                raise self._error(f"not answered within {self._config.timeout:g} s")

    def _error(self, why: str) -> TranslationClientError:
        error = self._given_up(why, self._failures, self._now - self._began)
        failure = self._failures[-1].error
        if error is not failure:
            error.__cause__ = failure
        return error


def start_given_up(idempotency_key: str, where: str) -> GivenUp:
    """Return a function that makes the error of a start that was given up."""

    def make(why: str, failures: list[Transient], elapsed: float) -> StartError:
        maybe = any(failure.maybe_received for failure in failures)
        words = "it is not known whether a job was started" if maybe else "no job was started"
        advice = "start again with the idempotency_key of this error: that finds the job, or starts it"
        text = _given_up(words, where, why, failures, elapsed) + (f"; {advice}" if maybe else "")
        return StartError(text, idempotency_key=idempotency_key, maybe_created=maybe, elapsed=elapsed)

    return make


def call_given_up(what: str, where: str, job_id: str | None = None) -> GivenUp:
    """Return a function that makes the error of any other call that was given up."""

    def make(why: str, failures: list[Transient], elapsed: float) -> StatusUnavailableError:
        return StatusUnavailableError(_given_up(what, where, why, failures, elapsed), job_id=job_id, elapsed=elapsed)

    return make


def get_given_up(job_id: str | None, where: str) -> GivenUp:
    """Return a function that makes the error of a single poll: the server's own refusal, if it gave one."""

    def make(_: str, failures: list[Transient], elapsed: float) -> TranslationClientError:
        failure = failures[-1].error
        if isinstance(failure, TranslationClientError):
            return failure
        text = f"{f'job {job_id}' if job_id else 'the latest job'}: no status from {where}: {failure}"
        return StatusUnavailableError(text + _advice(failures), job_id=job_id, elapsed=elapsed, polls=1)

    return make


def _given_up(what: str, where: str, why: str, failures: list[Transient], elapsed: float) -> str:
    tried = "once" if len(failures) == 1 else f"{len(failures)} times"
    last = f"last failure: {failures[-1].error}"
    return f"{what}: {why} ({where}, tried {tried} in {elapsed:.1f} s); {last}{_advice(failures)}"


def _advice(failures: list[Transient]) -> str:
    """Return what to check where every connection was refused."""
    refused = all(isinstance(failure.error.__cause__, ConnectionRefusedError) for failure in failures)
    return "; is the server running there?" if refused else ""
