"""Time on a server inside a test: all that happens at a moment follows its clock. And what becomes of jobs there."""

import re

import pytest

from translation_server import ScaledClock, SteppedClock, TranslationServer
from translation_server.simulator.clocks import START

LONG = 5400.0
PATIENCE = 10.0


@pytest.mark.parametrize("how", ["long poll", "stream"])
def test_a_job_of_ninety_minutes_takes_milliseconds(stepped, pool, how, until):
    """Awaited by our client, which is told when the clock gets there; it made one request in all."""
    with stepped.client() as client:
        job_ids = [client.start_job() for _ in range(1 if how == "long poll" else 5)]
        waiting = pool.submit(client.wait_all, job_ids)
        until(lambda: stepped.held == 1)
        stepped.clock.advance(LONG)
        jobs = waiting.result(PATIENCE)
    assert {(str(job.status), job.elapsed_time) for job in jobs} == {("completed", LONG)}
    assert stepped.clock.now() == START + LONG


def test_advances_from_event_to_event(stepped):
    """To the end of the next pending job, whether anybody waits for it or not; then nothing is left to happen."""
    client = stepped.client()
    first, second = (client.start_job(simulate={"duration": seconds}) for seconds in (10, 5))
    client.cancel_job(client.start_job(simulate={"duration": 1}))
    assert [stepped.clock.advance_to_next_event() for _ in range(2)] == [5, 5]
    assert {client.get_status(job_id) for job_id in (first, second)} == {"completed"}
    with pytest.raises(LookupError, match="no job is pending"):
        stepped.clock.advance_to_next_event()


def test_a_held_request_that_has_waited_long_enough_is_an_event(stepped, pool, until, asking):
    """Its thirty seconds are the server's: it is told at once that the job goes on, and why it may ask again."""
    job_id = stepped.client().start_job()
    held = pool.submit(asking(stepped, f"/status/{job_id}?wait=30"))
    until(lambda: stepped.held == 1)
    assert stepped.clock.advance_to_next_event() == 30
    answer = held.result(PATIENCE)
    assert (answer.json()["status"], answer.headers["Retry-After"]) == ("pending", "0")
    assert answer.json()["elapsed_time"] == 30


@pytest.mark.parametrize("speed", [60, 1000])
def test_our_client_copes_with_a_server_whose_time_flies(speed):
    """A hold of thirty seconds comes back within a fraction of one, and is repeated: no storm, and no standstill."""
    with TranslationServer(completion_time=speed * 0.4, clock=speed) as server, server.client() as client:
        job = client.wait(client.start_job(), timeout=60)
        assert job.status == "completed"
        assert job.wait_stats.polls <= 2 + speed * 0.4 / 30
        assert all(request.fault is None for request in server.requests)
        assert not server.report().jobs[0].early


def test_hints_are_in_the_seconds_of_who_sleeps():
    """At sixty times the speed, ten minutes are over in ten seconds; who steps the clock is told of ten minutes."""
    found = []
    for clock in (60, "stepped"):
        with TranslationServer(completion_time=600, clock=clock) as server:
            job = server.client().get_job(server.client().start_job())
            found.append(job.poll_after)
    assert 9 < found[0] <= 10.1
    assert 600 <= found[1] <= 600.1


def test_who_has_too_many_jobs_is_told_to_come_when_one_may_have_ended(asking):
    """In the seconds of who sleeps, as all hints: a minute of the server's is a second."""
    with TranslationServer(completion_time=60 * 20, clock=60, max_pending_jobs=1) as server:
        start = asking(server, "/jobs", method="POST")
        assert [start().status_code, start().headers["Retry-After"]] == [202, "21"]


def test_rates_are_counted_in_the_servers_time(asking):
    """Who made all the requests allowed may go on once the clock has moved."""
    with TranslationServer(clock="stepped", rate_limit=1, rate_burst=2) as server:
        ask = asking(server, "/jobs")
        assert [ask().status_code for _ in range(3)] == [200, 200, 429]
        server.clock.advance(1)
        assert [ask().status_code for _ in range(2)] == [200, 429]


def test_jobs_are_forgotten_in_the_servers_time(until, asking):
    """A month later the job is gone, and nobody is told of it from memory."""
    with TranslationServer(completion_time=5, clock="stepped", retention=86400 * 30) as server:
        ask = asking(server, f"/jobs/{server.client().start_job()}")
        server.clock.advance(5)
        assert ask().json()["status"] == "completed"
        server.clock.advance(86400 * 34)
        until(lambda: ask().status_code == 404)


def test_servers_may_share_a_clock():
    """What one advances, the other lives through; the next event is that of either."""
    clock = SteppedClock()
    with (
        TranslationServer(completion_time=100, clock=clock) as one,
        TranslationServer(completion_time=50, clock=clock) as other,
    ):
        first, second = one.client().start_job(), other.client().start_job()
        assert clock.advance_to_next_event() == 50
        assert (one.client().get_status(first), other.client().get_status(second)) == ("pending", "completed")


def test_a_clock_of_ones_own():
    """Any clock will do, and is the server's."""
    clock = ScaledClock(60, start=0.0)
    with TranslationServer(clock=clock) as server:
        assert server.clock is clock
        assert server.client().get_job(server.client().start_job()).created_at.year == 1970


# What becomes of jobs


def test_a_job_may_be_given_its_fate():
    """Its duration, its outcome, and what its hints are made from."""
    with TranslationServer(clock="stepped") as server, server.client() as client:
        job_id = client.start_job(simulate={"duration": 8, "outcome": "error", "delay_model": "fixed:4"})
        assert 4 <= client.get_job(job_id).poll_after <= 4.1
        server.clock.advance(7.999)
        assert client.get_job(job_id).progress == 0.99
        server.clock.advance(0.001)
        assert client.get_job(job_id).error.code == "translation_failed"


def test_jobs_tell_their_stage(asking):
    """Where stages are configured; elsewhere there is no word of them."""
    texts = {"stages": "transcribing:0.2,translating:0.6,rendering:0.2"}
    for settings, stages in ((texts, ["transcribing", "translating", None]), ({}, ["none"] * 3)):
        with TranslationServer(completion_time=100, clock="stepped", **settings) as server:
            job_id = server.client().start_job()
            ask = asking(server, f"/jobs/{job_id}")
            assert server.client().get_job(job_id).progress == 0
            told = []
            for _ in range(3):
                told.append(ask().json().get("stage", "none"))
                server.clock.advance(50)
        assert told == stages


def test_a_video_that_would_take_too_long_is_refused(asking):
    """In words, and nothing is stored."""
    with TranslationServer(delay_model="proportional:2") as server:
        answer = asking(server, "/jobs", method="POST", json={"video_length": 1e9})()
        assert answer.status_code == 422
        assert re.match("video_length: .* would take 2e\\+09 seconds", answer.json()["detail"])
        assert asking(server, "/jobs")().json()["jobs"] == []


@pytest.mark.parametrize("model", ["", "gauss:1:2", "lognormal:60:30", "fixed:1e10", "fixed:" + "1" * 3000])
def test_a_delay_model_that_is_none_is_refused(model, asking):
    """The field is named, its value is not repeated."""
    with TranslationServer() as server:
        answer = asking(server, "/jobs", method="POST", json={"simulate": {"delay_model": model}})()
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "simulate.delay_model"
        assert len(answer.text) < 700


def test_one_seed_gives_the_same_jobs():
    """Durations and outcomes by number; without a seed, the line that repeats a run names the one there was."""

    def fates(server):
        with server, server.client() as client:
            jobs = [client.get_job(client.start_job()) for _ in range(20)]
            server.clock.advance(100)
            return [(client.get_job(job.job_id).elapsed_time, str(client.get_status(job.job_id))) for job in jobs]

    settings = {"error_rate": 0.5, "clock": "stepped"}
    first = TranslationServer(**settings)
    told = fates(first)
    seed = int(re.search(r"seed=(\d+)", first.replay_line)[1])
    assert told == fates(TranslationServer(**settings, seed=seed))
    assert told != fates(TranslationServer(**settings, seed=seed + 1))
