"""The command line on a terminal."""

import json
import os
import re
import struct
import subprocess

import pyte
import pytest

from client.tests.script import GENEROUS, PASSWORD, SETTINGS, USERNAME, scripts
from server_process import ServerProcess

pty = pytest.importorskip("pty", reason="this system has no terminals to test on")
fcntl, termios = pytest.importorskip("fcntl"), pytest.importorskip("termios")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with ServerProcess(tmp_path_factory.mktemp("server"), **SETTINGS) as running:
        yield running


@pytest.fixture
def script(server, tmp_path):
    with scripts(server.base_url, tmp_path / "client.log") as starts:
        yield starts


def on_terminal(script, *argv, columns=80, answer=None, **settings):
    """What a terminal of so many columns gets to see, and the exit status."""
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


def on_terminal_through_cat(script, *argv):
    """The same, the results passed on by another program to the same terminal."""
    read, write = os.pipe()
    ours, theirs = pty.openpty()
    environment = {"TERM": "xterm-256color"}
    with subprocess.Popen(["cat"], stdin=read, stdout=theirs) as passing_on:  # noqa: S607 - as its user would
        os.close(read)
        process = script(*argv, environment=environment, stdin=theirs, stdout=write, stderr=theirs)
        os.close(write)
        os.close(theirs)
        seen = b"".join(iter(lambda: _read(ours), b""))
        os.close(ours)
        passing_on.wait(GENEROUS)
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


def screen(seen, columns):
    """The lines that are left to be read in the end, those put together again that the terminal broke."""
    terminal = pyte.Screen(columns, 60)
    pyte.Stream(terminal).feed(seen)
    lines = [""]
    for shown in terminal.display:
        whole = len(shown.rstrip()) < columns
        lines[-1] += shown.rstrip() if whole else shown
        lines += [""] if whole else []
    return [line for line in lines if line]


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
    assert "\x1b[36m━" in seen
    assert "\x1b[36mpending" in seen
    assert seen.index("\x1b[?25l") < seen.rindex("\x1b[?25h")


def test_many_jobs_share_one_bar(script):
    """One line for all, then the table."""
    status, seen = on_terminal(script, "--jobs", "8", "--simulate", "duration=0.4")
    drawn = frames(seen)
    assert status == 0
    assert any(re.search(r"8 jobs  .*\d %  0\.\d s  .*8 pending", frame) for frame in drawn)
    assert drawn[-1].startswith("8 jobs in ")
    assert sum("  completed  " in frame for frame in drawn) == 8


@pytest.mark.parametrize("wished", [{}, {"COLUMNS": "80"}], ids=str)
def test_a_narrow_terminal_has_no_broken_line(script, wished):
    """Forty columns: less is said, and no drawn line is longer, whatever the environment believes."""
    status, seen = on_terminal(script, "--jobs", "2", "--simulate", "duration=0.2", columns=40, environment=wished)
    assert status == 0
    assert max(len(frame.rstrip()) for frame in frames(seen)) < 40


@pytest.mark.parametrize("columns", [60, 120])
def test_results_stand_on_lines_of_their_own_while_the_bar_moves(script, columns):
    """Each is printed as its job ends, with nothing of the bar in front of it or behind it."""
    status, seen = on_terminal(script, "--jobs", "3", "--json", "--simulate", "duration=0.2", columns=columns)
    shown = screen(seen, columns)
    assert status == 0
    assert [json.loads(line)["status"] for line in shown] == ["completed"] * 3
    assert "3 jobs" in seen


def test_a_pipe_that_leads_back_to_the_terminal_meets_no_bar(script):
    """`--json | cat`: the bar is gone before the result is passed on."""
    status, seen = on_terminal_through_cat(script, "--json", "--simulate", "duration=0.2")
    name, result = screen(seen, 80)
    assert status == 0
    assert name == f"job {json.loads(result)['job_id']}"


def test_the_list_can_be_read_on_a_narrow_terminal(script):
    """Sixty columns: when, and the whole reason, on a line below."""
    on_terminal(script, "--simulate", "duration=0,outcome=error")
    status, seen = on_terminal(script, "list", "--limit", "1", columns=60)
    head, row, reason = screen(seen, 60)
    assert status == 0
    assert head.split() == ["JOB_ID", "STATUS", "CREATED", "(UTC)", "TIME", "DETAILS"]
    assert re.fullmatch(r"\.\.\w{8}  error   \d\d-\d\d \d\d:\d\d:\d\d  0\.0 s", row)
    assert reason == "    translation_failed: The video could not be translated."
    assert "\x1b[31merror" in seen


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"NO_COLOR": "1"}], ids=str)
def test_a_terminal_that_cannot_or_does_not_want_colours_gets_none(script, environment):
    """TERM=dumb gets no escape sequence at all."""
    status, seen = on_terminal(script, "--simulate", "duration=0.1", environment=environment)
    assert (status, "✓ completed in" in seen) == (0, True)
    assert not re.search(r"\x1b\[3\d" if "NO_COLOR" in environment else r"\x1b", seen)


def test_json_on_a_pipe_is_clean_while_the_bar_is_on_the_terminal(script):
    """The bar goes to standard error, whatever becomes of standard output."""
    read, write = os.pipe()
    status, seen = on_terminal(script, "--json", "--simulate", "duration=0.3", stdout=write)
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
