"""The commands, against a real server."""

import json
import re

import pytest

from client.tests.script import PASSWORD, SETTINGS, USERNAME, in_process
from server_process import ServerProcess
from translation_client import PollingConfig, TranslationClientError, TranslationStatusClient

FIELDS = {
    *("job_id", "status", "created_at", "ended_at", "elapsed_time", "progress", "poll_after", "video_length"),
    *("metadata", "error"),
}
FOREVER = {"duration": 600.0, "outcome": "completed"}
FAILING = {"duration": 0.1, "outcome": "error"}


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


def test_a_job_is_started_awaited_and_its_outcome_printed(run):
    """Without a command: the outcome on standard output, the progress on standard error, exit status 0."""
    status, out, err = run()
    assert status == 0
    assert re.fullmatch(r"✓ job [\w-]{36}: completed in 0\.\d s\n", out)
    first, *_, last = err.splitlines()
    assert first.startswith(out.split(":")[0].removeprefix("✓ "))
    assert ": pending for 0.0 s, " in first
    assert ": completed in 0." in last


def test_a_job_that_ended_in_error_says_why(run, client):
    """Exit status 1, and the server's words."""
    job_id = client.start_job(simulate=FAILING)
    status, out, _ = run("wait", job_id)
    assert status == 1
    assert out.startswith(f"✗ job {job_id}: error after 0.1 s: translation_failed: ")


def test_quiet_prints_the_result_only(run):
    """Nothing on standard error."""
    status, out, err = run("--quiet")
    assert (status, out.count("\n"), err) == (0, 1, "")


def test_verbose_says_what_is_done(run):
    """The client's own log, on standard error as well."""
    status, _, err = run("--verbose")
    assert status == 0
    assert "Initial status: pending" in err


def test_json_is_one_line_a_job(run):
    """A program reads the job of the API, and nothing else is on standard output."""
    status, out, _ = run("--json", "--video-length", "10")
    (line,) = out.splitlines()
    job = json.loads(line)
    assert (status, set(job), job["status"], job["video_length"]) == (0, FIELDS, "completed", 10)


def test_many_jobs_end_in_a_table(run, client):
    """One line a job in the order asked for, and the sum; the exit status is the worst of theirs."""
    good, bad = client.start_job(), client.start_job(simulate=FAILING)
    status, out, err = run("wait", good, bad)
    head, *rows, total = out.splitlines()
    assert status == 1
    assert head.split() == ["JOB_ID", "STATUS", "TIME", "DETAILS"]
    assert [row.split()[:2] for row in rows] == [[good, "completed"], [bad, "error"]]
    assert total.startswith("2 jobs in ")
    assert total.endswith(": 1 completed, 1 error")
    assert "(2 of 2 ended)" in err


def test_many_jobs_as_json_come_in_the_order_of_ending(run):
    """Each line is printed as its job ends."""
    status, out, _ = run("--jobs", "5", "--json")
    ended = [json.loads(line)["ended_at"] for line in out.splitlines()]
    assert (status, len(ended)) == (0, 5)
    assert ended == sorted(ended)


def test_an_unknown_job_among_many_does_not_stop_the_others(run, client):
    """It is named, and the exit status tells; the others' outcomes are there."""
    known = client.start_job()
    status, out, err = run("wait", known, "no-such-job")
    assert status == 4
    assert f"{known}  completed" in out
    assert "there is no job no-such-job" in err


def test_start_prints_the_id_and_nothing_else(run, client):
    """So that a script can keep it."""
    status, out, err = run("start", "--video-length", "3")
    assert (status, err) == (0, "")
    assert client.get_job(out.strip()).video_length == 3


def test_start_as_json_prints_the_job(run):
    """The job as it is right after its start."""
    status, out, _ = run("start", "--json")
    assert (status, set(json.loads(out))) == (0, FIELDS)


def test_start_as_json_prints_the_id_even_if_the_job_cannot_be_read(run, monkeypatch):
    """A failure to look must not look like a failure to start, which a script would repeat."""

    def unreadable(*_):
        raise TranslationClientError("unreadable")

    monkeypatch.setattr(TranslationStatusClient, "get_job", unreadable)
    status, out, _ = run("start", "--json")
    assert (status, json.loads(out)["status"]) == (0, "pending")


def test_status_tells_of_one_job_or_of_the_latest(run, client):
    """One look; exit status 0 whatever the status is."""
    job_id = client.start_job(simulate=FOREVER)
    for argv in ([job_id], []):
        status, out, err = run("status", *argv)
        assert (status, err) == (0, "")
        assert out.startswith(f"{job_id}  pending for ")
    client.cancel_job(job_id)
    status, out, _ = run("status", job_id, "--json")
    assert (status, json.loads(out)["error"]["code"]) == (0, "cancelled")


def test_wait_without_an_id_waits_for_the_latest_job(run, client):
    """And says which one that is."""
    client.start_job(simulate=FOREVER)
    job_id = client.start_job(simulate=FAILING)
    status, out, err = run("wait")
    assert (status, f"job {job_id}: error after" in out) == (1, True)
    assert err.startswith(f"the latest job is {job_id}\n")
    client.cancel_job(client.list_jobs("pending")[0].job_id)


def test_a_job_is_started_as_described(run, client):
    """Metadata, fate and length arrive; the same key starts the same job."""
    described = ["-l", "9", "-m", "title=Holiday", "-m", "takes:=2", "-k", "key-1"]
    fated = ["-s", '{"duration": 0.01, "outcome": "error", "delay_model": "fixed:1"}']
    (_, first, _), (_, second, _) = run("start", *described, *fated), run("start", *described, *fated)
    job = client.wait(first.strip())
    assert first == second
    assert (job.video_length, job.metadata, job.elapsed_time) == (9, {"title": "Holiday", "takes": 2}, 0.01)
    assert job.status == "error"


def test_the_polling_options_are_the_clients(run, monkeypatch):
    """They reach the client, which keeps to them; the deadline is `--timeout`'s."""
    seen = []
    make = TranslationStatusClient.__init__

    def watched(client, *arguments, **keywords):
        seen.append(keywords["polling"])
        make(client, *arguments, **keywords)

    monkeypatch.setattr(TranslationStatusClient, "__init__", watched)
    run("list", "-t", "3")
    numbers = {
        "initial_delay": 0.2,
        "max_delay": 2,
        "backoff_factor": 1.5,
        "jitter": 0,
        "max_retries": 4,
        "max_polls": 9,
    }
    run("-s", "duration=0", *(f"--{name.replace('_', '-')}={value}" for name, value in numbers.items()))
    assert seen == [PollingConfig(timeout=3), PollingConfig(timeout=15, **numbers)]


def test_list_shows_the_newest_first(run, client):
    """A table, or JSON lines; as many as asked for, of the status asked for."""
    job_id = client.start_job(simulate=FOREVER)
    status, out, _ = run("list", "--status", "pending", "--limit", "1")
    assert (status, out.splitlines()[1].split()[:2]) == (0, [job_id, "pending"])
    status, out, _ = run("list", "--json", "--limit", "1")
    assert (status, json.loads(out)["job_id"]) == (0, job_id)
    client.cancel_job(job_id)
    client.wait_all([job.job_id for job in client.list_jobs("pending")])
    status, out, err = run("list", "--status", "pending")
    assert (status, out, err) == (0, "", "no jobs\n")


def test_cancel_ends_a_job_once(run, client):
    """It ends in error; a job that had ended otherwise is refused."""
    job_id = client.start_job(simulate=FOREVER)
    status, out, _ = run("cancel", job_id)
    assert status == 0
    assert "error after" in out
    assert "cancelled" in out
    ended = client.start_job(simulate={"duration": 0.0})
    status, out, err = run("cancel", ended)
    assert (status, out) == (4, "")
    assert "409" in err
