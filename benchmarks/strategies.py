"""The rows of the tables, and running one of them against one server for one distribution of jobs."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from importlib import metadata
from statistics import fmean
from typing import TYPE_CHECKING

from benchmarks import peers
from benchmarks.best import PRICE, best_schedule, follow
from benchmarks.durations import DISTRIBUTIONS, sample, thinned
from benchmarks.hints import hints_for
from benchmarks.ours import ours
from benchmarks.virtual import Clock, Help, Server

if TYPE_CHECKING:
    from collections.abc import Callable

OURS = "**ours**"
HINTED = "**ours**, where a server cannot hold"
BEST = "best possible without help, durations known"

_MOST_GIVEN_UP = 0.5


@dataclass(frozen=True, slots=True)
class Strategy:
    """One library's way of waiting.

    Attributes:
        name: For tables.
        package: The distribution it comes from; empty if none.
        make: Prepares it for a server.
        share: The share of the jobs it is given: a request through a whole HTTP library takes half a millisecond.
    """

    name: str
    package: str
    make: Callable[[Server], peers.Wait]
    share: float = 1.0

    @property
    def version(self) -> str:
        """What is installed; empty if nothing is."""
        try:
            return metadata.version(self.package) if self.package else ""
        except metadata.PackageNotFoundError:
            return ""


PEERS = (
    Strategy("`while` and `sleep(1)`", "", peers.plain_loop),
    Strategy("botocore waiter, 15 s", "botocore", peers.botocore),
    Strategy("azure-core `LROPoller`, 30 s", "azure-core", peers.azure_core, share=0.05),
    Strategy("google-api-core `Operation`", "google-api-core", peers.google_api_core),
    Strategy("openai `poll`, 1 s", "openai", peers.openai, share=0.025),
    Strategy("replicate `wait`, 0.5 s", "replicate", peers.replicate, share=0.025),
    Strategy("tenacity, fixed 1 s", "tenacity", peers.tenacity_fixed, share=0.25),
    Strategy("tenacity, doubling to 30 s", "tenacity", peers.tenacity_exponential),
    Strategy("tenacity, doubling to 30 s, full jitter", "tenacity", peers.tenacity_jittered),
    Strategy("polling2, 1 s", "polling2", peers.polling2),
    Strategy("polling, doubling", "polling", peers.polling),
    Strategy("backoff `expo` to 30 s, full jitter", "backoff", peers.backoff),
)


@dataclass(frozen=True, slots=True)
class Task:
    """One cell of a table."""

    strategy: str
    help: Help
    distribution: int
    jobs: int
    seed: int
    round_trip: float


@dataclass(frozen=True, slots=True)
class Figures:
    """What one cell shows.

    Attributes:
        task: The cell.
        jobs: Jobs awaited to their end.
        requests: Status requests per job.
        delay: Mean detection delay, seconds.
        delay_p95: The delay that one job in twenty exceeds, seconds.
        gave_up: Jobs the library stopped waiting for, by its own default limit.
        missing: Why there are no figures; empty if there are.
    """

    task: Task
    jobs: int = 0
    requests: float = math.nan
    delay: float = math.nan
    delay_p95: float = math.nan
    gave_up: int = 0
    missing: str = ""

    @property
    def cost(self) -> float:
        """Seconds of delay per job, a request counted as so many."""
        return self.requests * PRICE + self.delay


def run(task: Task) -> Figures:
    """Await all jobs of one cell."""
    distribution = DISTRIBUTIONS[task.distribution]
    durations = sample(distribution, task.jobs, task.seed)
    if task.strategy == BEST:
        return _best(task, durations)
    strategy = next((peer for peer in PEERS if peer.name == task.strategy), None)
    if strategy and strategy.share < 1:
        durations = thinned(durations, max(round(task.jobs * strategy.share), 1), task.seed)
    server = Server(Clock(), task.help, hints_for(distribution), task.round_trip)
    if strategy is None:
        return _measure(task, server, ours(server, task.seed), durations)
    random.seed(f"{task.seed}:{task.strategy}")  # the libraries' jitter
    try:
        with server.clock.in_place_of_time():
            return _measure(task, server, strategy.make(server), durations)
    except ImportError:
        return Figures(task, missing="not installed")


def _measure(task: Task, server: Server, wait: peers.Wait, durations: list[float]) -> Figures:
    requests, delays, gave_up, last = [], [], 0, ""
    for duration in durations:
        try:
            wait(duration)
        except Exception as error:  # noqa: BLE001 - whatever a library raises when it gives up
            gave_up, last = gave_up + 1, f"{type(error).__name__}: {error}"
            if gave_up > _MOST_GIVEN_UP * len(durations):
                return Figures(task, missing=f"could not be driven: {last[:80]}")
        else:
            requests.append(server.requests)
            delays.append(server.detection_delay)
    return _figures(task, requests, delays, gave_up)


def _best(task: Task, durations: list[float]) -> Figures:
    schedule = best_schedule(DISTRIBUTIONS[task.distribution])
    looks = [follow(schedule, duration) for duration in durations]
    delays = [age - duration + task.round_trip / 2 for (_, age), duration in zip(looks, durations, strict=True)]
    return _figures(task, [number for number, _ in looks], delays, 0)


def _figures(task: Task, requests: list[int], delays: list[float], gave_up: int) -> Figures:
    p95 = sorted(delays)[math.ceil(0.95 * len(delays)) - 1]
    return Figures(task, len(delays), fmean(requests), fmean(delays), p95, gave_up)
