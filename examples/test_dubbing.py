"""pytest: your own code against a real server, whose clock you move and whose bad luck you choose.

    pip install './client' './server'
    pytest examples/test_dubbing.py

The plugin comes with the server: the fixture is there, nothing need be imported.
"""

import pytest

from translation_client import JobFailedError, TranslationStatusClient


def dub(client: TranslationStatusClient, title: str) -> str:
    """The code under test: starts a job, waits for it, and gives its id."""
    job = client.wait(client.start_job(metadata={"title": title}))
    job.raise_for_error()
    return job.job_id


@pytest.mark.translation_server(completion_time=5400)
def test_ninety_minutes_pass_at_once(translation_server):
    """The clock stands still until it is advanced."""
    client = translation_server.client()
    job_id = client.start_job()
    assert client.get_status(job_id) == "pending"
    translation_server.clock.advance(5400)
    assert client.get_status(job_id) == "completed"


@pytest.mark.translation_server(completion_time=0, error_rate=1)
def test_a_failure_is_an_exception(translation_server):
    """Every job of this server ends in error."""
    with pytest.raises(JobFailedError):
        dub(translation_server.client(), "Holiday")


@pytest.mark.translation_server(completion_time=0, faults=["503 times=2"])
def test_bad_luck_costs_nothing(translation_server):
    """The first two requests are refused; still there is one job, and nobody asked too often."""
    dub(translation_server.client(), "Holiday")
    assert len(translation_server.client().list_jobs()) == 1
    translation_server.report().assert_clean()
