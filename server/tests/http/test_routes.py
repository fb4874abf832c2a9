"""The API as its users see it: requests in, answers out."""

import asyncio

import pytest

JSON = {"Content-Type": "application/json"}


async def start(client, **body):
    answer = await client.post("/start", json=body or None)
    assert answer.status_code == 202, answer.text
    return answer.json()


@pytest.mark.parametrize("path", ["/start", "/jobs"])
async def test_starting_a_job(api, path):
    """A start is accepted with the job, where to ask and when to come again."""
    answer = await api.admin.post(path, json={"video_length": 10, "metadata": {"name": "ü"}})
    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/status/{job['job_id']}"
    assert answer.headers["retry-after"] == "5"
    assert (job["status"], job["video_length"], job["metadata"]) == ("pending", 10, {"name": "ü"})
    assert (job["elapsed_time"], job["progress"], job["ended_at"], job["error"]) == (0, 0, None, None)


async def test_a_body_is_not_needed(api):
    """Without a body, or with an empty object, the job has no length and no metadata."""
    for content in (b"", b"{}"):
        job = (await api.admin.post("/start", content=content, headers=JSON)).json()
        assert (job["video_length"], job["metadata"]) == (None, {})


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"video_lenght": 1}, "video_lenght"),
        ({"video_length": 0}, "video_length"),
        ({"video_length": -1.5}, "video_length"),
        ({"video_length": "10"}, "video_length"),
        ({"video_length": True}, "video_length"),
        ({"metadata": []}, "metadata"),
        ({"metadata": "x"}, "metadata"),
        ({"metadata": {"x": "y" * 4096}}, "metadata"),
        ({"simulate": {"duration": -1}}, "simulate.duration"),
        ({"simulate": {"duration": 1e10}}, "simulate.duration"),
        ({"simulate": {"outcome": "pending"}}, "simulate.outcome"),
        ({"simulate": {"until": 1}}, "simulate.until"),
        ({"simulate": 5}, "simulate"),
    ],
)
async def test_a_body_that_is_not_as_documented(api, body, field):
    """Each is refused, naming the field, and no job is made."""
    answer = await api.admin.post("/start", json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert (await api.admin.get("/status")).status_code == 404


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"{", 400), (b"[]", 422), (b'{"video_length": NaN}', 400), (b'{"video_length": 1e999}', 422), (b"\xff", 400)],
)
async def test_a_body_that_is_no_json_object(api, content, status):
    """Malformed bodies are the client's mistake, never the server's."""
    answer = await api.admin.post("/start", content=content, headers=JSON)
    assert answer.status_code == status


@pytest.mark.parametrize(("outcome", "code"), [("completed", None), ("error", "translation_failed")])
async def test_the_life_of_a_job(api, clock, outcome, code):
    """Pending first, progress never falling, then for ever as it ended, with the time it took."""
    job = await start(api.admin, simulate={"duration": 6, "outcome": outcome})
    told = []
    for _ in range(4):
        told.append((await api.admin.get(f"/status/{job['job_id']}")).json())
        clock.advance(2)
    assert [one["status"] for one in told] == ["pending"] * 3 + [outcome]
    assert [one["elapsed_time"] for one in told] == [0, 2, 4, 6]
    progress = [one["progress"] for one in told]
    assert progress == sorted(progress)
    assert (progress[-1] == 1) is (outcome == "completed")
    assert (told[-1]["error"] or {}).get("code") == code
    assert (await api.admin.get(f"/jobs/{job['job_id']}")).json() == told[-1]


async def test_when_to_come_again(api, clock):
    """Both hints agree as far as they can; neither is given once the job has ended."""
    path = f"/status/{(await start(api.admin, simulate={'duration': 6}))['job_id']}"
    answer = await api.admin.get(path)
    assert (answer.json()["poll_after"], answer.headers["retry-after"]) == (4.265, "5")
    clock.advance(6)
    answer = await api.admin.get(path)
    assert (answer.json()["poll_after"], answer.headers.get("retry-after")) == (None, None)


async def test_the_latest_job(api):
    """Without an id, it is the job the caller started last, or 404 while there is none."""
    answer = await api.admin.get("/status")
    assert (answer.status_code, answer.json()["detail"]) == (404, "There is no job yet.")
    await start(api.admin)
    last = await start(api.admin)
    await start(api.eve)
    assert (await api.admin.get("/status")).json()["job_id"] == last["job_id"]


async def test_somebody_elses_job_looks_like_an_unknown_one(api):
    """On every route, with every method, the answers are the same but for the id that was asked for."""
    theirs = (await start(api.admin))["job_id"]
    unknown = theirs[:-1] + ("0" if theirs[-1] != "0" else "1")
    for method, path in [("GET", "/status/"), ("GET", "/jobs/"), ("DELETE", "/jobs/")]:
        answers = [await api.eve.request(method, path + job_id) for job_id in (theirs, unknown)]
        first, second = ({**answer.json(), "job_id": "?"} for answer in answers)
        assert [answer.status_code for answer in answers] == [404, 404]
        assert first == second
    for client in (api.eve, api.admin):
        answer = await client.post("/jobs/query", json={"job_ids": [theirs, unknown]})
        assert len(answer.json()["jobs"]) == (client is api.admin)
    assert (await api.eve.get("/jobs")).json()["jobs"] == []
    assert (await api.admin.get(f"/status/{theirs}")).json()["status"] == "pending"


@pytest.mark.parametrize(
    "job_id", ["%00", "%ED%A0%80", "%FF", "a" * 10_000, "'; DROP TABLE jobs", "..%2f", "%F0%9F%94%91"]
)
async def test_any_text_may_be_asked_for(api, job_id):
    """No id, however odd, is an error of the server."""
    for method in ("GET", "DELETE"):
        answer = await api.admin.request(method, f"/jobs/{job_id}")
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"


async def test_cancelling(api, clock):
    """A cancelled job has ended as an error at that moment; repeating it gives the same job."""
    path = f"/jobs/{(await start(api.admin, simulate={'duration': 6}))['job_id']}"
    clock.advance(2)
    answer = await api.admin.delete(path)
    job = answer.json()
    assert (answer.status_code, job["status"], job["error"]["code"]) == (200, "error", "cancelled")
    assert job["elapsed_time"] == 2
    clock.advance(10)
    assert (await api.admin.delete(path)).json() == job
    assert (await api.admin.get(path)).json() == job


async def test_what_has_ended_cannot_be_cancelled(api, clock):
    """A job that ended otherwise is left as it is: 409."""
    job = await start(api.admin, simulate={"duration": 6, "outcome": "error"})
    clock.advance(6)
    answer = await api.admin.delete(f"/jobs/{job['job_id']}")
    assert (answer.status_code, answer.json()["job_id"]) == (409, job["job_id"])
    assert (await api.admin.get("/status")).json()["error"]["code"] == "translation_failed"


async def test_an_end_outlives_a_clock_that_is_set_back(api, clock):
    """A terminal status never changes again, also if a restart finds the clock an hour back."""
    path = f"/jobs/{(await start(api.admin, simulate={'duration': 6, 'outcome': 'completed'}))['job_id']}"
    clock.advance(6)
    told = (await api.admin.get(path)).json()
    clock.moment -= 3600
    assert (await api.admin.get(path)).json() == told
    assert (await api.admin.delete(path)).status_code == 409


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/start", "POST"),
        ("PATCH", "/jobs/x", "DELETE, GET"),
        ("DELETE", "/jobs", "GET, POST"),
        ("GET", "/jobs/query/", None),
    ],
)
async def test_methods_and_addresses_that_are_not_there(api, method, path, allow):
    """A wrong method is told all right ones; an unknown address is unknown, with no redirect."""
    answer = await api.admin.request(method, path)
    assert (answer.status_code, answer.headers.get("allow")) == (405 if allow else 404, allow)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/jobs"),
        ("GET", "/status"),
        ("GET", "/jobs/x"),
        ("POST", "/start"),
        ("DELETE", "/jobs/x"),
        ("GET", "/events"),
    ],
)
async def test_parameters_nobody_knows_are_refused(api, method, path):
    """A misspelt parameter is named, not ignored."""
    answer = await api.admin.request(method, path, params={"statsu": "x"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "statsu")


async def test_the_same_answer_need_not_be_sent_again(api, clock):
    """With the entity tag of an earlier answer, an unchanged status is a 304 without a body."""
    path = f"/jobs/{(await start(api.admin, simulate={'duration': 6}))['job_id']}"
    tag = (await api.admin.get(path)).headers["etag"]
    answer = await api.admin.get(path, headers={"If-None-Match": tag})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    assert answer.headers["retry-after"] == "5"
    clock.advance(6)
    answer = await api.admin.get(path, headers={"If-None-Match": tag})
    assert (answer.status_code, answer.headers["etag"] == tag) == (200, False)


async def test_too_many_pending_jobs(open_api, clock):
    """Beyond the limit a start is refused with the time to come again, until a job ends; others are not concerned."""
    api = await open_api(max_pending_jobs=2)
    answers = await asyncio.gather(*(api.admin.post("/start", json={"simulate": {"duration": 5}}) for _ in range(5)))
    refused = [answer for answer in answers if answer.status_code == 429]
    assert [answer.headers["retry-after"] for answer in refused] == ["5"] * 3
    assert (await api.eve.post("/start")).status_code == 202
    clock.advance(5)
    assert (await api.admin.post("/start")).status_code == 202
