"""The table of faults, met at a terminal: the outcome, or one line and an exit status; never a traceback."""

from __future__ import annotations

import pytest

from client.tests.script import in_process
from client.tests.steps import answer, job
from client.tests.test_faults import NEVER_OVER, OVER_AT_ONCE
from translation_client._core import schedule

REFUSED = {400: 4, 401: 4, 403: 4, 409: 4, 410: 4, 422: 4, 301: 5, 302: 5, 307: 5}


@pytest.fixture
def run(server, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(schedule, "_LAST_RETRY_CEILING", 0.05)
    monkeypatch.setattr(schedule, "_FIRST_RETRY_CEILING", 0.05)
    return in_process(server.url, tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize("fault", OVER_AT_ONCE.values(), ids=OVER_AT_ONCE)
def test_a_wait_is_carried_through_every_fault_that_ends(run, server, fault):
    """Three failures in a row, of any kind, and then the outcome: exit status 0."""
    server.play(fault, fault, fault, job("completed"))
    status, out, err = run("wait", "j1")
    assert status == 0, err
    assert "completed" in out
    assert len(server.polls) == 4
    assert "Traceback" not in out + err


NO_FAULT = {"another job", "no status"}  # a start may name any job, and need not say that it is pending
LOST = {name: fault for name, fault in OVER_AT_ONCE.items() if name not in NO_FAULT}


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
def test_a_start_whose_answers_are_lost_is_one_job(run, server, fault):
    """However the answers to a start are lost, the same key is sent again, and the job that exists is awaited."""
    server.play(fault, fault, job("pending", 202, job_id="j1"), to="starts")
    status, out, err = run()
    assert status == 0, err
    starts = [seen for seen in server.seen if seen.kind == "starts"]
    assert len(starts) == 3
    assert len({seen.headers["idempotency-key"] for seen in starts}) == 1
    assert "completed" in out


@pytest.mark.parametrize("fault", NEVER_OVER.values(), ids=NEVER_OVER)
def test_a_fault_without_an_end_ends_at_the_deadline(run, server, fault):
    """Exit status 3, and one line that tells how to go on."""
    server.play(fault)
    status, out, err = run("wait", "j1", "--timeout", "0.4")
    assert (status, out) == (3, "")
    assert "j1" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(("code", "exit_status"), REFUSED.items())
def test_a_refusal_is_one_request_and_one_line(run, server, code, exit_status):
    """What no retry can mend ends at once, and says so."""
    server.play(answer(code, b'{"detail": "no way"}', location="http://127.0.0.1:9/"))
    status, out, err = run("wait", "j1")
    assert (status, out, len(server.polls)) == (exit_status, "", 1)
    assert "Traceback" not in err
    assert err.strip()


def test_nobody_there_is_said_plainly(run, closed_port):
    """A server that cannot be reached: exit status 5, and what to do about it."""
    status, out, err = run("--base-url", f"http://127.0.0.1:{closed_port}", "--timeout", "0.3")
    assert (status, out) == (5, "")
    assert "connection refused" in err
    assert "Traceback" not in err
