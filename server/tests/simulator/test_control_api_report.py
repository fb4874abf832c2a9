"""The record and the report card over HTTP."""

import json
import time

import pytest
from server.tests.simulated import request, simulated
from server.tests.wire import PATIENCE, connect

from translation_server.stores import StoreUnavailableError


@pytest.fixture
def served():
    with simulated(control_api="on") as served:
        yield served


def test_the_report_is_json(served):
    """A header says whether it is clean, for clients that do not parse JSON."""
    served.start()
    reply = served.send("GET", "/simulator/report")
    assert (reply.status, reply.headers["content-type"], reply.headers["x-report-clean"]) == (
        200,
        "application/json",
        "true",
    )
    assert json.loads(reply.body)["requests"] == {"start": 1}


def test_the_report_is_text_if_that_is_wanted(served):
    """The same table as in a terminal."""
    served.start()
    reply = served.send("GET", "/simulator/report", Accept="text/plain")
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    assert reply.body.decode() == f"{served.simulator.report()}\n"


def test_the_requests_are_listed(served):
    """With all attributes of each, but without those to the simulator itself."""
    job_id = served.start()
    served.send("GET", f"/status/{job_id}?wait=0.01")
    served.send("GET", "/simulator/report")
    told = json.loads(served.send("GET", "/simulator/requests").body)["requests"]
    assert [(one["number"], one["kind"], one["job"], one["told"]) for one in told] == [
        (1, "start", 1, "pending"),
        (2, "poll", 1, "pending"),
    ]
    assert (told[1]["wait"], told[1]["job_id"], told[1]["user"]) == (0.01, job_id, "admin")


def test_the_last_requests_are_a_line_each_as_text(served):
    """As many as `limit` says."""
    for _ in range(3):
        served.start()
    lines = served.send("GET", "/simulator/requests?limit=2", Accept="text/plain").body.decode().splitlines()
    assert lines == [str(one) for one in served.simulator.requests[1:]]


@pytest.mark.parametrize("path", ["/simulator/report?since=1", "/simulator/requests?limit=0"])
def test_parameters_are_checked(served, path):
    """As for every other path."""
    assert served.send("GET", path).status == 422


def test_the_order_in_accept_counts(served):
    """JSON before text is JSON."""
    reply = served.send("GET", "/simulator/report", Accept="application/json, text/plain, */*")
    assert reply.headers["content-type"] == "application/json"


def test_an_end_is_reported_when_the_answer_is_sent(served):
    """On a real socket: a held request, its end, and the detection delay."""
    job_id = served.start(duration=0.1)
    served.send("GET", f"/status/{job_id}?wait=5")
    report = served.simulator.report()
    report.assert_clean()
    report.assert_detected_within(2.0)
    assert (report.jobs[0].outcome, report.jobs[0].held, report.jobs[0].wasted) == ("completed", 1, 0)


def test_a_cancelled_job_ended_when_it_was_cancelled(served):
    """Its detection delay counts from there."""
    job_id = served.start(duration=60.0)
    served.send("DELETE", f"/jobs/{job_id}")
    report = served.simulator.report()
    assert report.jobs[0].outcome == "error"
    assert report.jobs[0].detection_delay is not None


def test_a_client_that_hangs_up_has_left(served):
    """While its request is held."""
    job_id = served.start(duration=60.0)
    with connect(served.port) as connection:
        connection.sendall(request("GET", f"/status/{job_id}?wait=30"))
        _until(lambda: len(served.simulator.requests) == 2)
    _until(lambda: served.simulator.requests[1].left)


def _until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_store_that_fails_just_then_changes_no_answer(served, monkeypatch):
    """The start was accepted; only the report card has less about its job."""

    async def fail(*_):
        raise StoreUnavailableError

    monkeypatch.setattr(served.app.state.service, "find", fail)
    served.start()
    [job] = served.simulator.report().jobs
    assert (job.starts, job.outcome, job.ended_ago) == (1, None, None)


def test_a_client_that_does_not_wait_for_a_slow_answer_has_left(served):
    """An answer that is sent after that reports nothing."""
    job_id = served.start(duration=0)
    served.faults.add("latency 0.2 times=1")
    with connect(served.port) as connection:
        connection.sendall(request("GET", f"/status/{job_id}"))
        _until(lambda: len(served.simulator.requests) == 2)
    _until(lambda: served.simulator.requests[1].over is not None)
    poll = served.simulator.requests[1]
    assert (poll.left, poll.answered, poll.told, poll.endings) == (True, None, None, {})


def test_it_is_documented_where_it_is_on(served):
    """And nowhere else: a server that is not a simulator does not have these paths."""
    paths = json.loads(served.send("GET", "/openapi.json").body)["paths"]
    assert set(paths["/simulator/report"]["get"]["responses"]["200"]["content"]) == {"application/json", "text/plain"}
    with simulated(control_api="off") as plain:
        assert "/simulator/report" not in json.loads(plain.send("GET", "/openapi.json").body)["paths"]
        assert plain.send("GET", "/simulator/report").status == 404
