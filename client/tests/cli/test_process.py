"""The command line as a process of its own: signals, pipes, the log file."""

import os
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from client.tests.script import GENEROUS, PASSWORD, SCRIPT, SETTINGS, USERNAME, scripts
from server_process import ServerProcess, clean_environment, free_port
from translation_client import TranslationStatusClient

FOREVER = {"duration": 600.0, "outcome": "completed"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with ServerProcess(tmp_path_factory.mktemp("server"), **SETTINGS) as running:
        yield running


@pytest.fixture(scope="module")
def endless(server):
    """The ids of two jobs that do not end while the tests run."""
    with TranslationStatusClient(server.base_url, USERNAME, PASSWORD) as client:
        job_ids = [client.start_job(simulate=FOREVER) for _ in range(2)]
        yield job_ids
        for job_id in job_ids:
            client.cancel_job(job_id)


@pytest.fixture
def script(server, tmp_path):
    with scripts(server.base_url, tmp_path / "client.log") as starts:
        yield starts


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_wait_says_how_to_resume(script, endless, number, status):
    """Ctrl-C and SIGTERM: the id and the command to resume with, no traceback, no password."""
    process = script("wait", endless[0], "--username", USERNAME, measured=False)
    assert ": pending" in process.stderr.readline()
    process.send_signal(number)
    out, err = process.communicate(timeout=GENEROUS)
    assert (process.returncode, out, err.count("\n")) == (status, "", 1)
    assert f"interrupted; the job goes on; resume with: python3 {SCRIPT} wait {endless[0]} --base-url http" in err
    assert err.endswith(f" --username {USERNAME}\n")


def test_an_interrupted_wait_for_many_names_those_that_go_on(script, endless):
    """The ids of the jobs that have not ended, in a command to copy."""
    process = script("wait", *endless, "--verbose", measured=False)
    assert "translation-client" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=GENEROUS)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert f"2 jobs go on; resume with: python3 {SCRIPT} wait {' '.join(endless)}" in err


def test_an_interrupted_start_says_that_a_job_may_exist(script):
    """While no answer to the start has come there is no id to tell."""
    process = script("--base-url", f"http://127.0.0.1:{free_port()}", measured=False)
    assert "trying again" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=GENEROUS)
    assert process.returncode == 130
    assert f"interrupted while starting a job; it may go on, see 'python3 {SCRIPT} list --base-url " in err


def test_the_log_file_is_private_and_tells_no_secret(script, tmp_path):
    """Mode 0600 whatever it was before, and the password in no form in it."""
    log = tmp_path / "deep" / "folder" / "client.log"
    log.parent.mkdir(parents=True)
    log.touch(mode=0o644)
    process = script("--password", PASSWORD, "--verbose", "--simulate", "duration=0", log_file=log)
    _, err = process.communicate(timeout=GENEROUS)
    assert process.returncode == 0
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    text = log.read_text("utf-8")
    assert re.match(r"\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z INFO \[\d+\] translation-client \d", text)
    assert "completed after" in text
    assert "exit status 0" in text
    assert "canary" not in text + err


def test_what_went_wrong_is_in_the_log_too(script, tmp_path):
    """As the user was told; --verbose does not tell it twice."""
    process = script("list", "--password", "wrong", "--verbose")
    _, err = process.communicate(timeout=GENEROUS)
    assert err.count("refused the credentials (401)") == 1
    assert "refused the credentials (401)" in (tmp_path / "client.log").read_text("utf-8")


def test_a_device_as_log_file_keeps_its_mode(script):
    """`--log-file /dev/null` means no log; it must not lock everybody else out of /dev/null."""
    null = Path(os.devnull)
    before = null.stat().st_mode
    try:
        assert script("start", log_file=null).wait(GENEROUS) == 0
        assert null.stat().st_mode == before
    finally:
        if null.stat().st_mode != before:
            null.chmod(stat.S_IMODE(before))


def test_a_log_file_that_cannot_be_opened_is_no_reason_to_stop(script, tmp_path):
    """One line of warning, and on."""
    process = script("start", log_file=tmp_path)
    out, err = process.communicate(timeout=GENEROUS)
    assert (process.returncode, out.count("\n"), err.count("\n")) == (0, 1, 1)
    assert f"no log is kept: cannot open {tmp_path} (is a directory); see --log-file" in err


@pytest.mark.parametrize("command", ["status", "list", "wait"])
def test_a_reader_that_has_left_is_no_error(script, endless, command):
    """As in `… | head -0`: quiet, with the exit status of SIGPIPE."""
    read, write = os.pipe()
    os.close(read)
    arguments = ["wait", endless[0], "--timeout", "0.1", "--json"] if command == "wait" else [command]
    process = script(*arguments, stdout=write)
    os.close(write)
    _, err = process.communicate(timeout=GENEROUS)
    assert process.returncode == 141
    assert "Error" not in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"API_PASSWORD": ""}, "no password: give --password, or set API_PASSWORD"),
        ({"API_USERNAME": ""}, "no username: give --username, or set API_USERNAME"),
        ({"API_USERNAME": "a:b"}, "API_USERNAME must not contain a colon"),
    ],
)
def test_missing_credentials_are_a_usage_error(script, environment, message):
    """Without a terminal nobody can be asked: exit status 2, and what to give."""
    process = script(environment=environment)
    out, err = process.communicate(timeout=GENEROUS)
    assert (process.returncode, out, err.count("\n")) == (2, "", 1)
    assert message in err


@pytest.mark.parametrize("url", ["localhost:8000", "http://u:canary@host", "http://host?x=1", "http://ho st"])
def test_an_address_that_is_none_is_a_usage_error(script, url):
    """Exit status 2, one line, and no credentials of the address in it or in the log."""
    process = script("--base-url", url)
    _, err = process.communicate(timeout=GENEROUS)
    assert (process.returncode, err.count("\n")) == (2, 1)
    assert "--base-url must" in err
    assert "canary" not in err + (Path(process.args[5]).read_text("utf-8"))


@pytest.mark.parametrize(
    "argv", [["list"], ["list", "--json"], ["--help"], ["--print-completion", "bash"]], ids=" ".join
)
def test_a_reader_that_leaves_early_ends_it_quietly(script, endless, argv):
    """`… | head -1`: the first line arrives, and nobody complains, also when the interpreter ends."""
    assert endless
    process = script(*argv)
    assert process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(GENEROUS) in {0, 141}  # 0: it had printed all before the reader left


def test_help_that_nobody_reads_is_no_error(script):
    """As in `--help | head -0`."""
    read, write = os.pipe()
    os.close(read)
    process = script("--help", stdout=write)
    os.close(write)
    _, err = process.communicate(timeout=GENEROUS)
    assert (process.returncode, err) == (141, "")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("localhost:8000", "API_BASE_URL must be like http://host:port, not 'localhost:8000'"),
        ("http://u:canary@host", "API_BASE_URL must not contain credentials"),
    ],
)
def test_a_wrong_address_in_the_environment_names_the_variable(address, message, tmp_path):
    """One line, exit status 2, and no secret in it."""
    given = {"API_USERNAME": USERNAME, "API_PASSWORD": PASSWORD, "API_BASE_URL": address}
    command = [sys.executable, SCRIPT, "list", "--log-file", tmp_path / "client.log"]
    environment = clean_environment() | given
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=GENEROUS)  # noqa: S603 - our own script
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert message in done.stderr
    assert "canary" not in done.stderr


def test_ascii_is_enough(script):
    """Where the encoding has no ✓ there are words."""
    ascii_only = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    process = script("--quiet", "--simulate", "duration=0", environment=ascii_only)
    out, _ = process.communicate(timeout=GENEROUS)
    assert re.match(r"OK: job [\w-]+: completed in 0\.", out)


def test_where_both_streams_are_one_the_end_is_told_once(script):
    """With `2>&1` progress and result stand together, and the result alone tells how the job ended."""
    printed, _ = script(stderr=subprocess.STDOUT).communicate(timeout=GENEROUS)
    assert [line.partition(":")[0].split()[0] for line in printed.splitlines()] == ["job", "\N{CHECK MARK}"]
    assert printed.count("completed in") == 1
