"""Every incident, met by our own client in each of its ways to wait.

No job is lost or paid for twice, none is polled too often, and the end of each is detected.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from translation_server import incidents
from translation_server.testing.server import TranslationServer

TAKES = 0.4  # seconds; jobs that are over sooner end before the incident begins
JOBS = 2
OPTIONS = {"timeout": 20.0, "initial_delay": 0.05, "max_delay": 0.2}


def wait_for_one(server, user):
    """One job, one wait."""
    with server.client(username=user, **OPTIONS) as client:
        return [client.wait(client.start_job())]


def wait_for_many(server, user):
    """Several jobs, and one wait for all of them."""
    with server.client(username=user, **OPTIONS) as client:
        return client.wait_all([client.start_job() for _ in range(JOBS)])


def wait_in_tasks(server, user):
    """Several jobs, and a task for each."""

    async def run():
        async with server.async_client(username=user, **OPTIONS) as client:
            job_ids = await asyncio.gather(*(client.start_job() for _ in range(JOBS)))
            return await asyncio.gather(*(client.wait(job_id) for job_id in job_ids))

    return asyncio.run(run())


WAYS = {"one": wait_for_one, "many": wait_for_many, "tasks": wait_in_tasks}
RESULTS = {"result_not_ready", "expired_result"}  # which only other services' jobs have
NOT_MET = {(incident, way) for incident in RESULTS for way in WAYS}
NOT_MET |= {("proxy_cuts_stream", "one"), ("proxy_cuts_stream", "tasks"), ("eventual_404", "many")}


@pytest.mark.parametrize("incident", incidents.ALL)
def test_our_client_copes(incident):
    """Its report card is clean, whatever happens."""
    users = dict.fromkeys(WAYS, "secret")
    with (
        TranslationServer(completion_time=TAKES, incident=incident, seed=2, users=users) as server,
        ThreadPoolExecutor(len(WAYS)) as pool,
    ):
        waits = {user: pool.submit(way, server, user) for user, way in WAYS.items()}
        jobs = {user: wait.result() for user, wait in waits.items()}
        server.report().assert_clean()
        met = {user for user in WAYS if any(one.fault for one in server.requests.where(user=user))}
    assert {job.status for found in jobs.values() for job in found} == {"completed"}
    assert len({job.job_id for found in jobs.values() for job in found}) == 1 + JOBS + JOBS
    assert met == {user for user in WAYS if (incident, user) not in NOT_MET}
