"""The log file: whole lines, escaped, for its owner only, rotated by any number of processes, nothing lost."""

import errno
import logging
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from server.tests.steady import Steady

from translation_server.config.settings import Settings, SettingsError
from translation_server.observability import log_file
from translation_server.observability.log_file import FloodFilter, LineFormatter, LogFile, RotatingFile

SOURCE = Path(log_file.__file__).parents[2]
NAME = "translation_server.test"
FOREVER = 1e6


def record(message: str, *args: object, name: str = NAME, level: int = logging.INFO, error=None) -> logging.LogRecord:
    exc_info = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord(name, level, "", 0, message, args, exc_info)


class ForgingError(KeyError):
    def __str__(self) -> str:
        return "canary\n2026-01-31T12:00:00.123Z INFO 1 forged\r\x1b"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "logs" / "server.log"


@pytest.fixture
def file(path):
    """A log file whose thread never writes by itself."""
    with_long_interval = LogFile(path, interval=FOREVER)
    yield with_long_interval
    with_long_interval.close()


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


# The line


def test_line():
    """A line has UTC time in milliseconds, level, process id, logger and message."""
    one = record("job %s accepted", "7")
    one.created = 1769860800.1239
    assert LineFormatter().format(one) == f"2026-01-31T12:00:00.123Z INFO {os.getpid()} {NAME} job 7 accepted"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\r\nc", r"a\nb\r\nc"),
        ("\x1b[2J\x00\x07\x7f", r"\x1b[2J\x00\x07\x7f"),
        ("a\x85b\u2028c\u2029d\x0b", r"a\x85b\u2028c\u2029d\x0b"),
        ("\ud800", r"\ud800"),
        ("zoë 密 🔑 \xa0", "zoë 密 🔑 \xa0"),
    ],
)
def test_escaped(text, shown):
    """Characters that start a line, move the cursor or are not text are escaped; all others stay as they are."""
    assert LineFormatter().format(record("x %s y", text)).endswith(f" {NAME} x {shown} y")


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_is_one_line(text):
    """Any text is one line that UTF-8 can hold."""
    line = LineFormatter().format(record("%s", text))
    assert len(line.splitlines()) == 1
    assert line.encode()


def test_traceback_is_indented():
    """A traceback follows its line indented, so that an error's text cannot forge a line."""
    with pytest.raises(KeyError) as caught:
        raise ForgingError
    first, *rest = LineFormatter().format(record("failed", error=caught.value)).split("\n")
    assert first.endswith("failed")
    assert rest[-1] == r"    | 2026-01-31T12:00:00.123Z INFO 1 forged\r\x1b"
    assert all(line.startswith("    | ") for line in rest)


# Gathering


def test_lines_wait_for_each_other(file, path):
    """Lines of requests are collected, and written in order together with the next urgent line."""
    for number in range(3):
        file.handle(record("line %d", number))
    assert path.read_text() == ""
    file.handle(record("urgent", level=logging.WARNING))
    assert [line.split(f" {NAME} ")[1] for line in path.read_text().splitlines()] == [
        *("line 0", "line 1", "line 2"),
        "urgent",
    ]


def test_lines_of_the_server_program_are_urgent(file, path):
    """Lines of uvicorn are written at once, because the last one comes just before the process ends."""
    file.handle(record("Finished server process", name="uvicorn.error"))
    assert path.read_text().endswith(" uvicorn.error Finished server process\n")


def test_lines_are_written_soon(path):
    """A single line is written by the thread, without another line."""
    written = threading.Event()
    file = LogFile(path, interval=0)
    write = file._file.write
    file._file.write = lambda data: (write(data), written.set())
    file.handle(record("alone"))
    assert written.wait(5)
    assert path.read_text().endswith("alone\n")
    file.close()


def test_memory_is_bounded(file, path, monkeypatch):
    """The number of waiting lines is limited."""
    monkeypatch.setattr(log_file, "_MOST_WAITING", 10)
    for number in range(25):
        file.handle(record("%d", number))
    assert len(path.read_text().splitlines()) == 20
    assert len(file._waiting) == 5


def test_closed_twice(path):
    """Closing twice is allowed: the standard library closes all handlers at the end of the process."""
    file = LogFile(path)
    for _ in range(3):
        file.close()


def test_close_writes_everything(path):
    """Closing the file, as at the end of the process, writes the collected lines and ends the thread."""
    file = LogFile(path, interval=FOREVER)
    file.handle(record("last"))
    file.close()
    assert path.read_text().endswith("last\n")
    assert not file._thread.is_alive()


def test_filters_count(file, path):
    """A filter on the handler is applied."""
    file.addFilter(lambda one: "secret" not in one.getMessage())
    file.handle(record("secret", level=logging.WARNING))
    file.handle(record("plain", level=logging.WARNING))
    assert [line.rsplit(" ", 1)[1] for line in path.read_text().splitlines()] == ["plain"]


def test_bad_record_does_no_harm(file, path, capsys):
    """A line that cannot be formatted is reported by logging, and the next one is written."""
    file.handle(record("%d", "no number"))
    file.handle(record("next", level=logging.WARNING))
    assert path.read_text().endswith("next\n")
    assert "--- Logging error ---" in capsys.readouterr().err


def test_disk_full(file, path, monkeypatch):
    """A full disk fails no request; once there is room again, the file says how many lines are missing."""

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(log_file.os, "write", full)
        for number in range(3):
            file.handle(record("%d", number, level=logging.WARNING))
    file.handle(record("room again", level=logging.WARNING))
    lines = [re.sub(r"^\S+Z ", "", line) for line in path.read_text().splitlines()]
    assert lines == [
        f"ERROR {os.getpid()} translation_server.observability.log_file 3 lines could not be written",
        f"WARNING {os.getpid()} {NAME} room again",
    ]


# The file


def test_only_the_owner_reads(path):
    """Only its owner can read the file, whatever the umask, even if it existed before; the same holds for old files."""
    path.parent.mkdir()
    path.write_text("old\n")
    path.chmod(0o644)
    before = os.umask(0)
    try:
        file = RotatingFile(path, most_bytes=5, old_files=2)
        for _ in range(3):
            file.write(b"12345\n")
        file.close()
    finally:
        os.umask(before)
    assert {one.name: mode(one) for one in path.parent.iterdir()} == dict.fromkeys(
        ("server.log", "server.log.1", "server.log.2"), 0o600
    )


def test_rotation(path):
    """A full file becomes number 1, the others move up, and the oldest is deleted."""
    file = RotatingFile(path, most_bytes=8, old_files=2)
    for number in range(5):
        file.write(b"line %d\n" % number)
    file.close()
    texts = {one.name: one.read_text() for one in path.parent.iterdir()}
    assert texts == {"server.log": "line 4\n", "server.log.1": "line 3\n", "server.log.2": "line 2\n"}


def test_line_longer_than_a_file(path):
    """A line that is longer than the largest file is written whole."""
    file = RotatingFile(path, most_bytes=4, old_files=2)
    file.write(b"long enough\n")
    file.close()
    assert path.read_text() == "long enough\n"


@pytest.mark.parametrize("lose", [Path.unlink, lambda path: path.rename(path.with_suffix(".moved"))])
def test_file_is_taken_away(path, lose):
    """If the file is moved or deleted, as by logrotate, the next line begins a new one."""
    file = RotatingFile(path, most_bytes=1000, old_files=2)
    file.write(b"one\n")
    lose(path)
    file.write(b"two\n")
    file.close()
    assert path.read_text() == "two\n"


def test_rotation_fails(path, monkeypatch):
    """If the file cannot be renamed, it grows, and no line is lost."""

    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(Path, "replace", refuse)
    file = RotatingFile(path, most_bytes=4, old_files=2)
    file.write(b"one\n")
    file.write(b"two\n")
    file.close()
    assert path.read_text() == "one\ntwo\n"


def test_no_regular_file():
    """A special file such as /dev/null is written to, but neither rotated nor made private."""
    before = mode(Path(os.devnull))
    file = RotatingFile(Path(os.devnull), most_bytes=1, old_files=1)
    file.write(b"one\n")
    file.write(b"two\n")
    file.close()
    assert mode(Path(os.devnull)) == before


WRITER = """
import sys
from pathlib import Path
from translation_server.observability.log_file import RotatingFile
file = RotatingFile(Path(sys.argv[1]), most_bytes=2_000, old_files=1_000)
for number in range(500):
    file.write(f"{sys.argv[2]} {number} {'x' * 20}\\n".encode())
"""


def test_processes_rotate_together(path):
    """Processes that write and rotate one file at the same time lose no line and break none."""
    environ = os.environ | {"PYTHONPATH": str(SOURCE)}
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(number)], env=environ)  # noqa: S603 - ours
        for number in range(3)
    ]
    assert [writer.wait(30) for writer in writers] == [0, 0, 0]
    files = list(path.parent.iterdir())
    lines = [line for file in files for line in file.read_text().splitlines()]
    assert sorted(lines) == sorted(f"{who} {number} {'x' * 20}" for who in range(3) for number in range(500))
    assert len(files) > 10


# Setting up

CONFIGURED = """
import logging, logging.config, sys
import uvicorn.config
logging.config.dictConfig(uvicorn.config.LOGGING_CONFIG)
from translation_server.observability import log_file
from translation_server.config.settings import Settings
settings = Settings(
    api_username="admin", api_password=sys.argv[3], log_file=sys.argv[1], log_level=sys.argv[2], max_delay=8,
    database_url="postgresql://me:canary@host/db",
)
log_file.configure(settings)
logging.getLogger("translation_server.middleware.access").info("a request")
logging.getLogger("translation_server.jobs.model").warning("a warning")
logging.getLogger("uvicorn.error").info("Uvicorn running")
logging.getLogger("uvicorn.access").info("twice")
logging.getLogger("other").info("chatter")
logging.getLogger("other").error("trouble")
logging.getLogger("translation_server.middleware.access").info("the last request")
assert not logging.getLogger("uvicorn.access").hasHandlers()
"""


def configured(path: Path, level: str, password: str) -> tuple[list[str], str]:
    """Run a process that configures logging and logs; return what the file and the terminal say, without times."""
    done = subprocess.run(  # noqa: S603 - ours
        [sys.executable, "-c", CONFIGURED, str(path), level, password],
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    lines = [re.sub(r"^\S+Z (\w+) \d+ ", r"\1 ", line) for line in path.read_text().splitlines()]
    return lines, done.stderr + done.stdout


def test_configured(path):
    """The file gets the server's lines, uvicorn's, and warnings of others; the terminal only uvicorn's and warnings."""
    lines, terminal = configured(path, "INFO", "canary")
    assert lines[0] == f"INFO uvicorn.error Logging to {path}"
    assert lines[1].startswith(
        "INFO translation_server.observability.log_file configuration: API_USERNAME=admin API_PASSWORD=*** "
    )
    assert lines[2:] == [
        "INFO translation_server.middleware.access a request",
        "WARNING translation_server.jobs.model a warning",
        "INFO uvicorn.error Uvicorn running",
        "ERROR other trouble",
        "INFO translation_server.middleware.access the last request",
    ]
    assert "a warning" in terminal
    assert "Uvicorn running" in terminal
    assert "request" not in terminal
    assert mode(path) == 0o600


def test_effective_configuration(path):
    """The effective configuration is logged at the start, with defaults and masked secrets."""
    lines, terminal = configured(path, "INFO", "canary")
    assert "MIN_DELAY=3 MAX_DELAY=8 ERROR_PROBABILITY=0.3 " in lines[1]
    assert "DATABASE_URL=postgresql://me:***@host/db" in lines[1]
    assert "canary" not in "".join(lines) + terminal


def test_level(path):
    """LOG_LEVEL holds for every line of the file."""
    lines, _ = configured(path, "WARNING", "canary")
    assert lines == ["WARNING translation_server.jobs.model a warning", "ERROR other trouble"]


def test_sample_password_is_warned_of(path):
    """The password of `.env.example` causes a warning, in the file and on the terminal."""
    lines, terminal = configured(path, "INFO", "secretpassword")
    assert "API_PASSWORD is the one of .env.example" in lines[-6]
    assert "API_PASSWORD is the one of .env.example" in terminal


@pytest.mark.parametrize("name", ["", "file/server.log"])
def test_file_cannot_be_opened(tmp_path, name):
    """A log file that cannot be opened stops the start with one line that names LOG_FILE."""
    (tmp_path / "file").write_text("in the way")
    settings = Settings(api_username="admin", api_password="x", log_file=tmp_path / name)
    with pytest.raises(SettingsError) as caught:
        log_file.configure(settings)
    (line,) = caught.value.problems
    assert re.fullmatch(r"LOG_FILE is '.*', which cannot be written: (Is a directory|File exists)", line)


def test_a_flood_of_one_line_is_summed_up():
    """Ten of them are written in a minute; later it is said how many were not, and other lines always pass."""
    steady = Steady()
    flood = FloodFilter("garbage", monotonic=steady)

    def passed(text, times):
        records = [logging.LogRecord("uvicorn.error", logging.WARNING, "", 0, text, (), None) for _ in range(times)]
        return [record.msg for record in records if flood.filter(record)]

    assert passed("garbage", 5000) == ["garbage"] * 9 + ["garbage Further such lines are left out for a minute."]
    assert passed("else", 3) == ["else"] * 3
    steady.now += 60
    assert passed("garbage", 2) == ["garbage 4990 such lines were left out since the last one.", "garbage"]
    steady.now += 60
    assert passed("garbage", 1) == ["garbage"]
