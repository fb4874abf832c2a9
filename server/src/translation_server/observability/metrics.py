"""The metrics of the server for Prometheus (text exposition format 0.0.4).

Every request is counted, so counting must be cheap: a look-up and two additions here, where the library's own
instruments need a lock each. The library (prometheus-client) provides the metrics of the process and the format.
Nothing is global: several applications in one process count separately.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import platform
from bisect import bisect_left
from typing import TYPE_CHECKING, Final, NamedTuple

from prometheus_client import ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)

from translation_server._version import __version__
from translation_server.observability import log_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from prometheus_client.core import Metric
    from starlette.types import Scope

    from translation_server.jobs.model import Status

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

HELD: Final = "translation_server.held"
"""Set in the scope of a request that was held or is a stream: its duration says nothing about the server."""

TOLD: Final = "translation_server.told"
"""Set in the scope of a held request whose answer reports the end of the job: the detection delay in seconds."""

_SECONDS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_WRITES: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_OTHER: Final = "other"  # one series for every method or path that clients invent


class Histogram:
    """Counts values by size.

    Args:
        bounds: The upper bound of each bucket; larger values are counted in one more.
    """

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float] = _SECONDS) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value; call it from one thread only."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    @property
    def sum(self) -> float:
        """The sum of all values."""
        return self._sum

    def buckets(self) -> list[tuple[str, float]]:
        """Return how many values there were up to each bound, in the form Prometheus expects."""
        total = 0
        found = []
        for bound, count in zip((*self._bounds, math.inf), self._counts, strict=True):
            total += count
            found.append(("+Inf" if bound == math.inf else f"{bound:g}", float(total)))
        return found


class _Requests:
    __slots__ = ("durations", "number")

    def __init__(self, durations: Histogram) -> None:
        self.number = 0
        self.durations = durations


class State(NamedTuple):
    """The figures that are not counted but read when the metrics are requested.

    Attributes:
        jobs: The number of jobs by status; None: the store does not answer.
        held_requests: The number of requests held at this moment.
        event_streams: The number of streams open at this moment.
    """

    jobs: Mapping[Status, int] | None
    held_requests: int
    event_streams: int


class Metrics:
    """The figures of one application in one process.

    In one of several workers behind one port, each figure has the label ``worker``, its process id: a scrape reaches
    any of the workers, and the label keeps their figures apart.
    """

    def __init__(self) -> None:
        self._requests: dict[tuple[str, str, int], _Requests] = {}
        self._durations: dict[tuple[str, str], Histogram] = {}
        self._detection_delays = Histogram()
        self._reads = Histogram()
        self._commits = Histogram()
        self._commit_sizes = Histogram(_WRITES)
        self._process = ProcessCollector(registry=None)
        self._extra = {"worker": str(os.getpid())} if multiprocessing.parent_process() else {}

    def request(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request after its answer."""
        route = scope.get("route")
        key = scope["method"], route.path if route is not None else _OTHER, status
        found = self._requests.get(key)
        if found is None:
            found = self._new(*key)
        found.number += 1
        if HELD not in scope:
            found.durations.observe(seconds)
        elif TOLD in scope:
            self._detection_delays.observe(scope[TOLD])

    def read(self, seconds: float) -> None:
        """Count a read from the store."""
        self._reads.observe(seconds)

    def commit(self, writes: int, seconds: float) -> None:
        """Count a transaction; call it from one thread, which need not be that of the requests."""
        self._commit_sizes.observe(writes)
        self._commits.observe(seconds)

    def render(self, state: State) -> bytes:
        """Return all metrics in the format of Prometheus."""
        return generate_latest(_Collected(list(self._families(state)), self._extra))

    def _new(self, method: str, route: str, status: int) -> _Requests:
        method = method if method in _METHODS else _OTHER
        durations = self._durations.setdefault((method, route), Histogram())
        return self._requests.setdefault((method, route, status), _Requests(durations))

    def _families(self, state: State) -> Iterator[Metric]:
        build = {"version": __version__, "python": platform.python_version()}
        yield InfoMetricFamily("translation_build", "The versions of the server and of Python.", build)
        yield from self._request_families()
        yield from _state_families(state)
        yield _histogram("translation_detection_delay", _DETECTION_DELAY, self._detection_delays)
        yield _histogram("translation_store_read", "Time to read jobs, as a request sees it.", self._reads)
        yield _histogram("translation_store_commit", "Time of a transaction in the store.", self._commits)
        yield HistogramMetricFamily(
            "translation_store_commit_writes",
            "Writes in one transaction.",
            buckets=self._commit_sizes.buckets(),
            sum_value=self._commit_sizes.sum,
        )
        yield CounterMetricFamily(
            "translation_log_lines_lost", "Lines that could not be written to the log.", log_file.lines_lost()
        )
        yield from self._process.collect()

    def _request_families(self) -> Iterator[Metric]:
        labels = ["method", "route"]
        numbers = CounterMetricFamily("http_requests", "Requests answered.", labels=[*labels, "status"])
        for (method, route, status), found in self._requests.items():
            numbers.add_metric([method, route, str(status)], found.number)
        yield numbers
        durations = HistogramMetricFamily(
            "http_request_duration_seconds", "Time to answer; held requests and streams are excluded.", labels=labels
        )
        for key, histogram in self._durations.items():
            durations.add_metric(key, histogram.buckets(), histogram.sum)
        yield durations


class _Collected:
    """Metrics with common labels."""

    def __init__(self, families: Sequence[Metric], extra: Mapping[str, str]) -> None:
        self._families = families
        self._extra = extra

    def collect(self) -> Iterable[Metric]:
        """Return the metrics; the library calls this."""
        for family in self._families if self._extra else ():
            family.samples = [one._replace(labels={**one.labels, **self._extra}) for one in family.samples]
        return self._families


def _state_families(state: State) -> Iterator[Metric]:
    yield GaugeMetricFamily("translation_store_up", "Whether the store answers.", float(state.jobs is not None))
    jobs = GaugeMetricFamily(
        "translation_jobs", "Jobs in the store, of all processes that share it.", labels=["status"]
    )
    for status, number in (state.jobs or {}).items():
        jobs.add_metric([status.value], number)
    yield jobs
    waiters = GaugeMetricFamily("translation_waiters", "Requests held and streams open.", labels=["kind"])
    waiters.add_metric(["request"], state.held_requests)
    waiters.add_metric(["stream"], state.event_streams)
    yield waiters


def _histogram(name: str, about: str, values: Histogram) -> Metric:
    return HistogramMetricFamily(f"{name}_seconds", about, buckets=values.buckets(), sum_value=values.sum)


_DETECTION_DELAY: Final = "From the end of a job to the answer of a request that was held for it."
