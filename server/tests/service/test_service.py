"""The service itself: where store, clock and those who wait meet."""

import asyncio

import pytest
from server.tests.conftest import silent_client

from translation_server.jobs.delays import Uniform
from translation_server.jobs.model import Draft, Status
from translation_server.jobs.simulation import Simulation
from translation_server.service.errors import UnknownJobError
from translation_server.service.service import Service
from translation_server.stores import StoreUnavailableError

PENDING, COMPLETED, ERROR = Status


@pytest.fixture
async def service(open_a_store, clock):
    simulation = Simulation(Uniform(3, 7), 0.0, seed=1)
    return Service(await open_a_store(), clock, simulation, max_pending_jobs=100, max_waiters=100)


async def start(service, duration=5.0):
    snapshot, _ = await service.start(Draft("admin", service.clock.now(), duration=duration))
    return snapshot.job


def breaks(*_):
    raise StoreUnavailableError


async def test_no_end_is_told_before_it_is_written_down(service, clock):
    """Whichever way a job is looked at, its record is final once its end is told."""
    jobs = [await start(service) for _ in range(4)]
    clock.advance(5)
    snapshots = [
        await service.find("admin", jobs[0].job_id),
        await service.latest("admin"),
        await service.page("admin", None, None, 10),
        await service.page("admin", COMPLETED, None, 10),
        await service.query("admin", [jobs[2].job_id]),
    ]
    assert all(job.final for snapshot in snapshots for job in snapshot.jobs)
    assert [len(snapshot.jobs) for snapshot in snapshots] == [1, 1, 4, 4, 1]


async def test_an_end_is_not_at_hand_before_it_is_written_down(service, clock):
    """A job can be told of at once while it is pending, and again when somebody has written down that it has ended."""
    job = await start(service)
    assert service.get_cached("admin", job.job_id).job == job
    clock.advance(5)
    assert service.get_cached("admin", job.job_id) is None
    found = await service.find("admin", job.job_id)
    assert service.get_cached("admin", job.job_id) == found
    assert (found.status, found.job.final) == (COMPLETED, True)


@pytest.mark.parametrize("job_id", ["", "x", "x" * 65, "\0", "\ud800", "ü"])
async def test_what_cannot_be_told_is_not_at_hand(service, job_id):
    """Whatever text was asked for; who waits is told that there is no such job."""
    assert service.get_cached("admin", job_id) is None
    with pytest.raises(UnknownJobError):
        await service.find("admin", job_id)


@pytest.mark.parametrize("look", ["find", "latest", "page", "query", "endings", "position"])
async def test_an_end_that_cannot_be_written_down_is_not_told(service, clock, monkeypatch, look):
    """While the store does not work, nobody hears of an end that might still be taken back."""
    job = await start(service)
    clock.advance(5)
    monkeypatch.setattr(service.store, "settle", breaks)
    looks = {
        "find": lambda: service.find("admin", job.job_id),
        "latest": lambda: service.latest("admin"),
        "page": lambda: service.page("admin", None, None, 10),
        "query": lambda: service.query("admin", [job.job_id]),
        "endings": lambda: service.endings("admin", 0),
        "position": lambda: service.position("admin"),
    }
    with pytest.raises(StoreUnavailableError):
        await looks[look]()


async def test_what_is_told_is_the_record_as_it_then_stands(service, clock, monkeypatch):
    """A cancellation by a process with a slower clock that came first is what is told, not the end that was drawn."""
    job = await start(service)
    settle = service.store.settle

    async def cancelled_meanwhile(owner, now):
        await service.store.cancel(owner, job.job_id, now - 1)
        return await settle(owner, now)

    clock.advance(5)
    monkeypatch.setattr(service.store, "settle", cancelled_meanwhile)
    assert (await service.find("admin", job.job_id)).job.error_code == "cancelled"


async def test_settlement_one_end_wakes_whoever_waits_for_another(service, clock):
    """An end that is written down on somebody else's occasion is told to its own waiters."""
    job = await start(service)
    with service.waiters.enter("admin", job.job_id, silent_client()) as waiter:
        clock.advance(5)
        await service.position("admin")
        await asyncio.wait_for(waiter.wait_until(float("inf")), 5)


async def test_a_job_without_duration_has_ended_when_it_is_accepted(service):
    """Its start already tells the end."""
    snapshot, _ = await service.start(Draft("admin", service.clock.now(), duration=0.0, outcome=ERROR))
    assert (snapshot.status, snapshot.job.final) == (ERROR, True)


async def test_a_probe_tells_the_truth_and_is_cheap(service, monkeypatch):
    """A store that does not work, or does not answer, is not usable; many probes at a time are one."""
    probes = []

    async def hang():
        probes.append(1)
        await asyncio.Event().wait()

    monkeypatch.setattr("translation_server.service.health.PATIENCE", 0.01)
    monkeypatch.setattr(service.store, "ping", hang)
    assert [await service.is_usable() for _ in range(10)] == [False] * 10
    assert len(probes) == 1
    monkeypatch.undo()
    monkeypatch.setattr("translation_server.service.health.KEPT", 0.0)
    assert await service.is_usable()


async def test_the_end_of_a_wait_is_the_truth(service, clock):
    """A wait whose job is cancelled at the very moment it would have ended tells one of the two, for good."""
    job = await start(service)
    with service.waiters.enter("admin", job.job_id, silent_client()) as waiter:
        waiting = asyncio.create_task(service.hold(waiter, "admin", job.job_id, 60))
        await asyncio.sleep(0)
        clock.advance(4.999)
        cancelled = await service.cancel("admin", job.job_id)
        clock.advance(0.001)
        assert (await waiting).job == cancelled.job


async def test_waiting_for_a_job_that_outlasts_the_wait(service, clock):
    """The job is returned as it is, pending, when the time is over."""
    job = await start(service, duration=600.0)
    with service.waiters.enter("admin", job.job_id, silent_client()) as waiter:
        waiting = asyncio.create_task(service.hold(waiter, "admin", job.job_id, 30))
        await asyncio.sleep(0.01)
        clock.advance(30)
        assert (await waiting).status is PENDING
