"""The command line on a terminal."""

import json
import os
import re
import struct

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
