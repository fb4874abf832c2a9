"""What keeps a command from its end, against a real server: the exit status, and what the user is told."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from client.tests.script import PASSWORD, SETTINGS, USERNAME, in_process
from server_process import ServerProcess, free_port
from translation_client import ApiError, TranslationStatusClient
from translation_client.cli import commands

FOREVER = {"duration": 600.0, "outcome": "completed"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    quick = {"MIN_DELAY": "0.1", "MAX_DELAY": "0.3"}
    with ServerProcess(tmp_path_factory.mktemp("server"), **(SETTINGS | quick)) as running:
        yield running


@pytest.fixture(scope="module")
def client(server):
    with TranslationStatusClient(server.base_url, USERNAME, PASSWORD) as connected:
        yield connected


@pytest.fixture
def run(server, tmp_path, monkeypatch, capsys):
    return in_process(server.base_url, tmp_path, monkeypatch, capsys)


def test_a_deadline_says_how_to_resume(run, client):
    """Exit status 3, and a command that waits on."""
    job_id = client.start_job(simulate=FOREVER)
    status, out, err = run("wait", job_id, "--timeout", "0.1")
    assert (status, out) == (3, "")
    assert f"job {job_id} is still pending after 0.1 s; resume with: client wait {job_id} --base-url" in err
    status, out, _ = run("wait", job_id, "--timeout", "0.1", "--json")
    assert (status, json.loads(out)["status"]) == (3, "pending")
    other = client.start_job()
    status, out, err = run("wait", other, job_id, "--timeout", "0.6")
    assert (status, f"{other}  completed" in out, "1 pending" in out) == (3, True, True)
    client.cancel_job(job_id)


@pytest.mark.parametrize(
    "command", [[], ["start"], ["status"], ["list"], ["wait", "a"], ["wait", "a", "b"]], ids=" ".join
)
def test_wrong_credentials_are_refused(run, command):
    """Exit status 4 at once, and what to check."""
    status, out, err = run(*command, "--password", "wrong")
    assert (status, out, err.count("\n")) == (4, "", 1)
    assert "refused the credentials (401): check --username and --password" in err


def test_an_unknown_job_is_refused(run):
    """Exit status 4, and where to look."""
    status, out, err = run("wait", "no-such-job")
    assert (status, out) == (4, "")
    assert "there is no job no-such-job of this user" in err
    assert "client list" in err


def test_a_user_without_jobs_is_told_so(run, monkeypatch):
    """`status` has no latest job to show."""
    monkeypatch.setattr(TranslationStatusClient, "list_jobs", lambda *_, **__: [])
    status, _, err = run("status")
    assert status == 4
    assert "there is no job of this user" in err


def test_wait_has_no_latest_job_either(run, monkeypatch):
    """The same words, and nothing to resume."""
    monkeypatch.setattr(TranslationStatusClient, "list_jobs", lambda *_, **__: [])
    status, out, err = run("wait")
    assert (status, out, err.count("\n")) == (4, "", 1)
    assert "there is no job of this user" in err
    assert "client start" in err


@pytest.mark.parametrize("command", [[], ["start"], ["list"]], ids=" ".join)
def test_a_server_that_is_down_is_tried_for_a_while(run, command, monkeypatch):
    """A note at once that it is trying, then exit status 5 and what to do."""
    monkeypatch.setattr(commands, "_REQUEST_TIMEOUT", 0.5)
    status, out, err = run(*command, "--base-url", f"http://127.0.0.1:{free_port()}")
    assert (status, out) == (5, "")
    first, *_, last = err.splitlines()
    assert first.endswith("connection refused; trying again for up to 0.5 s")
    assert "cannot reach http://127.0.0.1:" in last
    assert "uvicorn main:app" in last


def test_a_bug_is_one_line_and_its_traceback_is_in_the_log(run, monkeypatch, tmp_path):
    """Nobody is left with a traceback on the screen, nor without one to report."""
    monkeypatch.setattr(TranslationStatusClient, "list_jobs", lambda *_, **__: {}["surprise"])
    status, out, err = run("list")
    log = tmp_path / "logs" / "client.log"
    assert (status, out, err) == (70, "", f"client: unexpected KeyError: 'surprise'; the details are in {log}\n")
    assert "Traceback" in log.read_text("utf-8")


def test_it_can_be_run_from_any_thread(run):
    """Signals are the main thread's; everything else works without them."""
    with ThreadPoolExecutor(1) as pool:
        status, out, _ = pool.submit(run, "start").result()
    assert (status, out.count("\n")) == (0, 1)


def test_help_is_no_error(run):
    """Exit status 0, as everywhere."""
    status, out, _ = run("--help")
    assert (status, "exit status:" in out) == (0, True)


def test_jobs_that_were_started_are_awaited_when_the_next_is_refused(run, monkeypatch):
    """Nothing that is paid for is forgotten; the exit status tells of the refusal."""
    start, started = TranslationStatusClient.start_job, []

    def start_twice(client, **arguments):
        if len(started) == 2:
            raise ApiError("no more", status_code=409)
        started.append(start(client, **arguments))
        return started[-1]

    monkeypatch.setattr(TranslationStatusClient, "start_job", start_twice)
    status, out, err = run("--jobs", "3")
    assert status == 4
    assert all(f"{job_id}  completed" in out for job_id in started)
    assert "no more" in err
