"""One idempotency key is one job."""

import asyncio

import pytest


def key(value: str) -> dict[str, str]:
    return {"Idempotency-Key": value}


async def test_repeating_a_start_gives_the_same_job(api):
    """Quoted or bare, with an equivalent body, the key gives the same job, and the answer says that it existed."""
    first = await api.admin.post("/start", json={"video_length": 1, "metadata": {"a": 1, "b": 2}}, headers=key('"k 1"'))
    again = await api.admin.post(
        "/jobs", json={"metadata": {"b": 2, "a": 1}, "video_length": 1.0}, headers=key('"k 1"')
    )
    assert "idempotency-replayed" not in first.headers
    assert (again.status_code, again.headers["idempotency-replayed"]) == (202, "true")
    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]


@pytest.mark.parametrize("body", [None, {"video_length": 2}, {"metadata": {"a": 1}}, {"simulate": {"duration": 1}}])
async def test_another_body_with_the_same_key_is_a_mistake(api, body):
    """It is refused, and the answer names the job that has the key."""
    first = await api.admin.post("/start", json={"video_length": 1}, headers=key("k"))
    again = await api.admin.post("/start", json=body, headers=key("k"))
    assert (again.status_code, again.json()["job_id"]) == (422, first.json()["job_id"])
    assert again.json()["errors"][0]["field"] == "Idempotency-Key"


async def test_no_body_and_an_empty_one_are_the_same(api):
    """Both ask for a job with all defaults."""
    first = await api.admin.post("/start", headers=key("k"))
    again = await api.admin.post("/start", json={}, headers=key("k"))
    assert again.json()["job_id"] == first.json()["job_id"]


async def test_keys_are_each_users_own(api):
    """Another user with the same key gets a job of their own, and learns nothing."""
    first = await api.admin.post("/start", json={"video_length": 1}, headers=key("k"))
    other = await api.eve.post("/start", headers=key("k"))
    assert (other.status_code, "idempotency-replayed" in other.headers) == (202, False)
    assert other.json()["job_id"] != first.json()["job_id"]


async def test_a_repeated_start_returns_the_current_status(api, clock):
    """After the job has ended, the answer to a repeated start has its outcome."""
    body = {"simulate": {"duration": 6, "outcome": "completed"}}
    await api.admin.post("/start", json=body, headers=key("k"))
    clock.advance(10)
    again = await api.admin.post("/start", json=body, headers=key("k"))
    assert (again.status_code, again.json()["status"], again.headers["retry-after"]) == (202, "completed", "0")


async def test_a_key_holds_over_a_restart(open_api):
    """The key is stored with its job."""
    first = await (await open_api()).admin.post("/start", headers=key("k"))
    again = await (await open_api()).admin.post("/start", headers=key("k"))
    assert again.json()["job_id"] == first.json()["job_id"]


async def test_a_known_key_is_answered_though_no_new_job_may_start(open_api):
    """A start whose answer was lost can be repeated by a user who has reached the limit."""
    api = await open_api(max_pending_jobs=1)
    first = await api.admin.post("/start", headers=key("k"))
    assert (await api.admin.post("/start", headers=key("l"))).status_code == 429
    assert (await api.admin.post("/start", headers=key("k"))).json()["job_id"] == first.json()["job_id"]


async def test_a_refused_start_does_not_use_up_its_key(open_api, clock):
    """A refused start may be repeated with the same key, and is accepted below the limit."""
    api = await open_api(max_pending_jobs=1)
    await api.admin.post("/start")
    assert (await api.admin.post("/start", headers=key("k"))).status_code == 429
    clock.advance(8)
    answer = await api.admin.post("/start", headers=key("k"))
    assert (answer.status_code, "idempotency-replayed" in answer.headers) == (202, False)


async def test_racing_starts_in_two_processes_are_one_job(open_api):
    """Two servers on one store, fifty starts at once with five keys: five jobs, and every answer names one of them."""
    servers = [await open_api(), await open_api()]
    answers = await asyncio.gather(*(servers[n % 2].admin.post("/start", headers=key(f"k{n % 5}")) for n in range(50)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["job_id"] for answer in answers}) == 5
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 5


@pytest.mark.parametrize("value", ["", '""', "x" * 256, "a b", '"a'])
async def test_a_malformed_key_is_refused(api, value):
    """No job is started with an unusable key."""
    answer = await api.admin.post("/start", headers=key(value))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "Idempotency-Key")
