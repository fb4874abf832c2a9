"""The metrics for Prometheus."""

import asyncio
import math
import os

import pytest
from prometheus_client.parser import text_string_to_metric_families

from translation_server.jobs.model import Status
from translation_server.observability import metrics as metrics_module
from translation_server.observability.metrics import Histogram, Metrics, State
from translation_server.stores import StoreUnavailableError

NOTHING = State(None, 0, 0)


def read(text: str) -> dict[tuple[str, frozenset], float]:
    """The samples, by name and labels, as Prometheus itself reads them."""
    families = text_string_to_metric_families(text)
    return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}


async def scrape(api) -> "Scraped":
    answer = await api.admin.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return Scraped(answer.text)


class Scraped:
    def __init__(self, text: str) -> None:
        self.text = text
        self._samples = read(text)

    def value(self, name: str, **labels: str) -> float | None:
        return self._samples.get((name, frozenset(labels.items())))


async def start(api, **simulate) -> str:
    answer = await api.admin.post("/start", json={"simulate": simulate})
    return answer.json()["job_id"]


async def test_requests_are_counted_by_route(api):
    """By method, route and status: an id, an unknown path or an invented method is not a series of its own."""
    for _ in range(3):
        await api.admin.get(f"/status/{await start(api, duration=5)}")
    for address in ("/a", "/b"):
        await api.admin.get(address)
    for method in ("BREW", "WHEN"):
        await api.admin.request(method, "/start")
    found = await scrape(api)
    assert found.value("http_requests_total", method="GET", route="/status/{job_id}", status="200") == 3
    assert found.value("http_requests_total", method="POST", route="/start", status="202") == 3
    assert found.value("http_requests_total", method="GET", route="other", status="404") == 2
    assert found.value("http_requests_total", method="other", route="/start", status="405") == 2
    assert found.value("http_request_duration_seconds_count", method="GET", route="/status/{job_id}") == 3
    assert "BREW" not in found.text


async def test_jobs_are_counted_by_status(api, clock):
    """As they are at this moment, including jobs whose end nobody has asked about."""
    await start(api, duration=5, outcome="completed")
    await start(api, duration=6, outcome="error")
    await start(api, duration=60)
    clock.advance(10)
    found = await scrape(api)
    assert [found.value("translation_jobs", status=status) for status in Status] == [1, 1, 1]
    assert found.value("translation_store_up") == 1


async def test_waiters_are_counted_while_they_wait(api, clock, connect):
    """Held requests and streams are counted separately; the time they wait is not a duration of requests."""
    job_id = await start(api, duration=5)
    held = asyncio.create_task(api.admin.get(f"/status/{job_id}", params={"wait": "30"}))
    await connect(api)
    await api.waiters(2)
    found = await scrape(api)
    assert [found.value("translation_waiters", kind=kind) for kind in ("request", "stream")] == [1, 1]
    clock.advance(5)
    await held
    found = await scrape(api)
    assert [found.value("translation_waiters", kind=kind) for kind in ("request", "stream")] == [0, 1]
    assert found.value("http_requests_total", method="GET", route="/status/{job_id}", status="200") == 1
    assert found.value("http_request_duration_seconds_count", method="GET", route="/status/{job_id}") == 0


async def test_the_detection_delay_is_from_the_end_to_the_answer(api, clock):
    """A held request counts if its job ended, and not if its wait was over first."""
    for duration in (5, 500):
        job_id = await start(api, duration=duration)
        held = asyncio.create_task(api.admin.get(f"/status/{job_id}", params={"wait": "30"}))
        await api.waiters(1)
        clock.advance(30.2 if duration > 30 else 5.2)
        await held
    found = await scrape(api)
    assert found.value("translation_detection_delay_seconds_count") == 1
    assert found.value("translation_detection_delay_seconds_sum") == pytest.approx(0.2)


async def test_the_store_is_timed(api):
    """Reads, transactions, and the number of writes in one."""
    before = await scrape(api)
    job_ids = await asyncio.gather(*(start(api, duration=5) for _ in range(20)))
    await api.admin.get(f"/status/{job_ids[0]}")
    found = await scrape(api)
    assert found.value("translation_store_read_seconds_count") == 1
    writes = "translation_store_commit_writes_sum"
    assert found.value(writes) - before.value(writes) == 20
    assert 1 <= found.value("translation_store_commit_seconds_count") <= 20


async def test_a_store_that_fails_does_not_take_the_figures_with_it(api, monkeypatch):
    """The store is reported as down, without numbers of jobs."""

    async def fail(*_):
        raise StoreUnavailableError

    monkeypatch.setattr(api.service.store, "owners_due", fail)
    found = await scrape(api)
    assert found.value("translation_store_up") == 0
    assert found.value("translation_jobs", status="pending") is None


async def test_a_server_lives_though_its_store_does_not(api, monkeypatch):
    """While the store fails, the server is not ready but alive, because a restart would not help."""

    async def fail(*_):
        raise StoreUnavailableError

    monkeypatch.setattr(api.service.store, "ping", fail)
    answers = [await api.admin.get(f"/health/{name}") for name in ("live", "ready")]
    assert [answer.status_code for answer in answers] == [200, 503]
    assert answers[1].headers["retry-after"] == "1"


async def test_figures_are_for_users(api):
    """They need credentials, and hold no name or id of a user."""
    job_id = await start(api, duration=5)
    assert (await api.admin.get("/metrics", auth=("admin", "wrong"))).status_code == 401
    text = (await scrape(api)).text
    assert not [word for word in (job_id, "admin", "secret") if word in text]


async def test_two_applications_count_apart(open_api):
    """Nothing is shared by the applications of one process."""
    one, other = await open_api(), await open_api(database_url="sqlite:///:memory:")
    await start(one, duration=5)
    found = await scrape(other)
    assert found.value("http_requests_total", method="POST", route="/start", status="202") is None
    assert found.value("translation_jobs", status="pending") == 0


def test_one_of_several_workers_says_which(monkeypatch):
    """A scrape reaches any of several workers, so each figure has the process id; in a single process it has not."""
    alone = read(Metrics().render(NOTHING).decode())
    monkeypatch.setattr(metrics_module.multiprocessing, "parent_process", object)
    several = Metrics()
    samples = read(several.render(NOTHING).decode())
    assert all(dict(labels)["worker"] == str(os.getpid()) for _, labels in samples)
    assert not any("worker" in dict(labels) for _, labels in alone)
    assert ("translation_log_lines_lost_total", frozenset()) in alone


@pytest.mark.parametrize(
    ("value", "expected"), [(0, [1, 1, 1]), (1, [1, 1, 1]), (1.1, [0, 1, 1]), (2, [0, 1, 1]), (math.inf, [0, 0, 1])]
)
def test_a_bound_belongs_to_its_class(value, expected):
    """A value counts for every bound that it does not exceed."""
    histogram = Histogram((1.0, 2.0))
    histogram.observe(value)
    assert [count for _, count in histogram.buckets()] == expected
    assert [bound for bound, _ in histogram.buckets()] == ["1", "2", "+Inf"]
