"""Held requests: answered the moment there is something to tell, and never later than asked."""

import asyncio
import socket

import pytest
from server.tests.wire import serving

JSON = {"Content-Type": "application/json"}


async def start(client, duration=6.0, outcome="completed"):
    answer = await client.post("/start", json={"simulate": {"duration": duration, "outcome": outcome}})
    return f"/status/{answer.json()['job_id']}"


async def hold(api, path, *, waiters=1, **request):
    """Send the request, and return its task once the server holds it."""
    task = asyncio.create_task(api.admin.get(path, **request))
    await api.waiters(waiters)
    return task


@pytest.mark.parametrize("request_", [{"headers": {"Prefer": "wait=30"}}, {"params": {"wait": "30"}}])
async def test_a_held_request_is_answered_when_the_job_ends(api, clock, request_):
    """Not before the end; then at once, with the end, and the seconds that were applied."""
    task = await hold(api, await start(api.admin), **request_)
    clock.advance(5.999)
    await asyncio.sleep(0.01)
    assert not task.done()
    clock.advance(0.001)
    answer = await task
    assert (answer.json()["status"], answer.json()["elapsed_time"]) == ("completed", 6)
    assert answer.headers["preference-applied"] == "wait=30"
    assert "retry-after" not in answer.headers
    assert not clock.alarms


async def test_a_held_request_is_answered_when_the_wait_is_over(api, clock):
    """The job is pending still, and the client may come again at once."""
    task = await hold(api, await start(api.admin), params={"wait": "2.5"})
    clock.advance(2.5)
    answer = await task
    assert (answer.json()["status"], answer.json()["poll_after"]) == ("pending", 0)
    assert (answer.headers["retry-after"], answer.headers["preference-applied"]) == ("0", "wait=2.5")


async def test_a_wait_is_as_long_as_allowed_at_most(open_api, clock):
    """A longer one is shortened, and the answer says so."""
    api = await open_api(max_wait=1.5)
    task = await hold(api, await start(api.admin), headers={"Prefer": "wait=999"})
    clock.advance(1.5)
    assert (await asyncio.wait_for(task, 5)).headers["preference-applied"] == "wait=1.5"


@pytest.mark.parametrize(("wait", "status"), [("0", "pending"), ("30", "completed")])
async def test_nothing_is_held_without_need(api, clock, wait, status):
    """A wait of 0 seconds, or for a job that has ended, is answered at once; the preference was honoured."""
    path = await start(api.admin)
    clock.advance(6 if status == "completed" else 1)
    answer = await api.admin.get(path, params={"wait": wait})
    assert (answer.json()["status"], answer.headers["preference-applied"]) == (status, f"wait={wait}")
    assert answer.json()["poll_after"] != 0


@pytest.mark.parametrize("headers", [{}, {"Prefer": "respond-async"}, {"Prefer": "wait=soon"}])
async def test_nothing_is_held_that_nobody_asked_to_hold(api, headers):
    """Without a preference that makes sense, the answer comes at once and confirms none."""
    answer = await api.admin.get(await start(api.admin), headers=headers)
    assert (answer.json()["status"], "preference-applied" in answer.headers) == ("pending", False)


@pytest.mark.parametrize("wait", ["nan", "inf", "-1", "1e9", ""])
async def test_a_wait_that_is_no_number_of_seconds_is_refused(api, wait):
    """Nothing is held for it."""
    assert (await api.admin.get(await start(api.admin), params={"wait": wait})).status_code == 422


async def test_a_cancellation_wakes_all_who_wait(api):
    """Whoever waits for a job learns at once that it was cancelled."""
    path = await start(api.admin)
    tasks = [await hold(api, path, waiters=n, params={"wait": "30"}) for n in (1, 2, 3)]
    await api.admin.delete(path.replace("status", "jobs"))
    assert {(await task).json()["error"]["code"] for task in tasks} == {"cancelled"}


async def test_a_cancellation_in_another_process_wakes_as_well(open_api):
    """A server that shares the store looks for what others wrote."""
    here, there = await open_api(), await open_api()
    path = await start(here.admin)
    task = await hold(here, path, params={"wait": "30"})
    await asyncio.sleep(0.05)
    assert (await there.admin.delete(path)).status_code == 405
    await there.admin.delete(path.replace("status", "jobs"))
    assert (await asyncio.wait_for(task, 5)).json()["error"]["code"] == "cancelled"


async def test_the_latest_job_can_be_waited_for(api, clock):
    """Without an id too, the answer is about the job that was the latest when the wait began."""
    path = await start(api.admin)
    task = await hold(api, "/status", params={"wait": "30"})
    await start(api.admin, duration=50)
    clock.advance(6)
    assert path.endswith((await task).json()["job_id"])


async def test_an_unknown_job_is_not_waited_for(api):
    """It is a 404 at once."""
    assert (await api.admin.get("/status/x", params={"wait": "30"})).status_code == 404


async def test_waiting_for_a_change(api, clock):
    """With the entity tag of the pending job, a wait that ends without news is a 304."""
    path = await start(api.admin)
    tag = (await api.admin.get(path)).headers["etag"]
    task = await hold(api, path, params={"wait": "2"}, headers={"If-None-Match": tag})
    clock.advance(2)
    assert (await task).status_code == 304


async def test_too_many_waiters(open_api):
    """Beyond the limit a wait is refused with the time to come again; a plain look and another user are not."""
    api = await open_api(max_waiters=2)
    path = await start(api.admin)
    tasks = [await hold(api, path, waiters=n, params={"wait": "30"}) for n in (1, 2)]
    refused = await api.admin.get(path, params={"wait": "30"})
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert (await api.admin.get(path)).status_code == 200
    await api.admin.delete(path.replace("status", "jobs"))
    await asyncio.gather(*tasks)


async def test_stopping_answers_who_is_held(api):
    """A server about to stop tells them to come again, though not at once, and holds nobody any more."""
    path = await start(api.admin)
    task = await hold(api, path, params={"wait": "30"})
    api.service.waiters.stop()
    for answer in (await task, await api.admin.get(path, params={"wait": "30"})):
        assert (answer.status_code, answer.json()["status"]) == (200, "pending")
        assert answer.headers["retry-after"] == "5"
    assert (await api.admin.get("/health/ready")).status_code == 503


async def test_a_thousand_waiters_are_all_told(api, clock):
    """Jobs that end at the same moment are all told, each its own end."""
    paths = [await start(api.admin, outcome="error") for _ in range(20)]
    tasks = [asyncio.create_task(api.admin.get(path, params={"wait": "30"})) for path in paths for _ in range(50)]
    await api.waiters(1000)
    clock.advance(6)
    answers = [(await task).json() for task in tasks]
    assert {answer["status"] for answer in answers} == {"error"}
    assert len({answer["job_id"] for answer in answers}) == 20
    await api.waiters(0)


async def test_a_client_that_leaves_frees_its_place(make_app, eventually):
    """Over a real socket: when the connection is closed, the waiter is gone."""
    app = make_app(clock=None)
    with serving(app) as port, socket.create_connection(("127.0.0.1", port), 5) as connection:
        credentials = b"Authorization: Basic YWRtaW46c2VjcmV0\r\nHost: test\r\n"
        connection.sendall(b"POST /start HTTP/1.1\r\nContent-Length: 0\r\n" + credentials + b"\r\n")
        assert b"202" in connection.recv(4096)
        connection.sendall(b"GET /status?wait=30 HTTP/1.1\r\n" + credentials + b"\r\n")
        await eventually(lambda: len(app.state.service.waiters) == 1)
        connection.close()
        await eventually(lambda: len(app.state.service.waiters) == 0)
