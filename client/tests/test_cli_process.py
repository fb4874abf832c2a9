"""The command line as a process of its own: signals, pipes, a terminal, the log file."""

import json
import os
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from server_process import ServerProcess, clean_environment, free_port
from translation_client import TranslationStatusClient

SCRIPT = Path(__file__).resolve().parents[1] / "client.py"
USERNAME, PASSWORD = "admin", "canary-pässword"
GENEROUS = 20.0  # seconds until a process that hangs fails its test
FOREVER = {"duration": 600.0, "outcome": "completed"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    settings = {"API_USERNAME": USERNAME, "API_PASSWORD": PASSWORD, "MIN_DELAY": "0.5", "MAX_DELAY": "0.8"}
    with ServerProcess(tmp_path_factory.mktemp("server"), ERROR_PROBABILITY="0", **settings) as running:
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
    """Runs `client.py`; what it prints is piped unless said otherwise."""
    processes = []

    def starts(*argv, environment=None, log_file=tmp_path / "client.log", **settings):
        command = [sys.executable, SCRIPT, "--base-url", server.base_url, "--log-file", log_file, *argv]
        credentials = {"API_USERNAME": USERNAME, "API_PASSWORD": PASSWORD}
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        environment = clean_environment() | credentials | {"PYTHONUTF8": "1"} | (environment or {})
        process = subprocess.Popen(command, env=environment, encoding="utf-8", **(pipes | settings))  # noqa: S603 - our own script
        processes.append(process)
        return process

    yield starts
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_wait_says_how_to_resume(script, endless, number, status):
    """Ctrl-C and SIGTERM: the id and the command to resume with, no traceback, no password."""
    process = script("wait", endless[0], "--username", USERNAME)
    assert ": pending" in process.stderr.readline()
    process.send_signal(number)
    out, err = process.communicate(timeout=GENEROUS)
    assert (process.returncode, out, err.count("\n")) == (status, "", 1)
    assert f"interrupted; the job goes on; resume with: python3 {SCRIPT} wait {endless[0]} --base-url http" in err
    assert err.endswith(f" --username {USERNAME}\n")


def test_an_interrupted_wait_for_many_names_those_that_go_on(script, endless):
    """The ids of the jobs that have not ended, in a command to copy."""
    process = script("wait", *endless, "--verbose")
    assert "translation-client" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=GENEROUS)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert f"2 jobs go on; resume with: python3 {SCRIPT} wait {' '.join(endless)}" in err


def test_an_interrupted_start_says_that_a_job_may_exist(script):
    """While no answer to the start has come there is no id to tell."""
    process = script("--base-url", f"http://127.0.0.1:{free_port()}")
    assert "trying again" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=GENEROUS)
    assert process.returncode == 130
    assert f"interrupted while starting a job; it may go on, see 'python3 {SCRIPT} list'" in err


def test_the_log_file_is_private_and_tells_no_secret(script, tmp_path):
    """Mode 0600 whatever it was before, and the password in no form in it."""
    log = tmp_path / "deep" / "folder" / "client.log"
    log.parent.mkdir(parents=True)
    log.touch(mode=0o644)
    process = script("--password", PASSWORD, "--verbose", log_file=log)
    _, err = process.communicate(timeout=GENEROUS)
    assert process.returncode == 0
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    text = log.read_text("utf-8")
    assert re.search(r"\d Z? ?INFO|\dZ INFO \[\d+\] translation-client \d", text)
    assert "completed after" in text
    assert "exit status 0" in text
    assert "canary" not in text + err


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
        ({"API_USERNAME": "a:b"}, "username must not contain a colon"),
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
    assert "base_url must" in err
    assert "canary" not in err + (Path(process.args[5]).read_text("utf-8"))


def test_ascii_is_enough(script):
    """Where the encoding has no ✓ there are words."""
    process = script("--quiet", environment={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    out, _ = process.communicate(timeout=GENEROUS)
    assert out.startswith("OK: completed in 0.")


pty = pytest.importorskip("pty", reason="this system has no terminals to test on")


def on_terminal(script, *argv, columns=80, answer=None, **settings):
    """What a terminal of so many columns gets to see, and the exit status."""
    import fcntl  # noqa: PLC0415 - exists where pty does
    import struct  # noqa: PLC0415
    import termios  # noqa: PLC0415

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {"TERM": "xterm-256color"} | settings.pop("environment", {})
    streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs} | settings
    process = script(*argv, environment=environment, start_new_session=True, **streams)
    os.close(theirs)
    seen = b""
    try:
        while chunk := _read(ours):
            seen += chunk
            if answer and b"Password" in seen:
                os.write(ours, answer)
                answer = None
    finally:
        os.close(ours)
    return process.wait(GENEROUS), seen.decode("utf-8", "replace")


def _read(terminal):
    try:
        return os.read(terminal, 65536)
    except OSError:  # EIO: the other end is closed
        return b""


def frames(seen):
    """The lines that were drawn over each other, without their colours."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", seen)
    return [
        frame for frame in re.split(r"\r\x1b\[2?K|\r\n|\r|\n|\x1b\[\?25[lh]|\x1b\[1A\x1b\[2K", plain) if frame.strip()
    ]


def test_a_terminal_gets_a_bar_that_rises_and_leaves_a_clean_line(script):
    """Percent, time and status while it lasts; then the outcome, and nothing else of the bar."""
    status, seen = on_terminal(script)
    drawn = frames(seen)
    percents = [int(number) for frame in drawn for number in re.findall(r"(\d+) %.*pending", frame)]
    assert status == 0
    assert drawn[-1].startswith("✓ completed in 0.")
    assert len(set(percents)) > 2
    assert percents == sorted(percents)
    assert percents[-1] < 100
    assert any(re.search(r"\.\.\w{8}  ━+.* % +0\.\d s +pending", frame) for frame in drawn)
    assert re.search(r"^job [\w-]+\s*$", "\n".join(drawn), re.MULTILINE)
    assert "\x1b[32m✓" in seen
    assert seen.index("\x1b[?25l") < seen.rindex("\x1b[?25h")


def test_many_jobs_share_one_bar(script):
    """One line for all, then the table."""
    status, seen = on_terminal(script, "--jobs", "8")
    drawn = frames(seen)
    assert status == 0
    assert any(re.search(r"8 jobs  .*\d %  0\.\d s  .*8 pending", frame) for frame in drawn)
    assert drawn[-1].startswith("8 jobs in ")
    assert sum("  completed  " in frame for frame in drawn) == 8


def test_a_narrow_terminal_has_no_broken_line(script):
    """Forty columns: less is said, and no drawn line is longer."""
    status, seen = on_terminal(script, "--jobs", "2", columns=40)
    assert status == 0
    assert max(len(frame.rstrip()) for frame in frames(seen)) < 40


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"NO_COLOR": "1"}], ids=str)
def test_a_terminal_that_cannot_or_does_not_want_colours_gets_none(script, environment):
    """TERM=dumb gets no escape sequence at all."""
    status, seen = on_terminal(script, environment=environment)
    assert (status, "✓ completed in" in seen) == (0, True)
    assert not re.search(r"\x1b\[3\d" if "NO_COLOR" in environment else r"\x1b", seen)


def test_json_on_a_pipe_is_clean_while_the_bar_is_on_the_terminal(script):
    """The bar goes to standard error, whatever becomes of standard output."""
    read, write = os.pipe()
    status, seen = on_terminal(script, "--json", stdout=write)
    os.close(write)
    with os.fdopen(read, encoding="utf-8") as results:
        assert json.loads(results.read())["status"] == "completed"
    assert (status, "pending" in seen) == (0, True)


def test_the_password_is_asked_for_on_a_terminal(script):
    """It is not shown while it is typed."""
    status, seen = on_terminal(script, "start", environment={"API_PASSWORD": ""}, answer=PASSWORD.encode() + b"\n")
    assert status == 0
    assert f"Password of {USERNAME}: " in seen
    assert "canary" not in seen
