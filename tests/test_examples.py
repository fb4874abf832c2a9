"""Every file in examples/ runs as it stands, against a real server, and prints what it promises.

A new example needs a row here, and a line in examples/README.md.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir

import pytest

from server_process import ROOT, ServerProcess, clean_environment, free_port
from translation_client import TranslationStatusClient

EXAMPLES = ROOT / "examples"
PATIENCE = 60.0
ENDED = r"\b(completed|error)\b"
SOURCES = os.pathsep.join([str(ROOT / "client/src"), str(ROOT / "server/src")])


@dataclass(frozen=True)
class Stage:
    """What an example needs beside a server: further variables of its environment, and its arguments."""

    environment: dict[str, str]
    arguments: tuple[str, ...] = ()


def nothing(_server: ServerProcess) -> contextlib.AbstractContextManager[Stage]:
    """The server is enough."""
    return contextlib.nullcontext(Stage({}))


def given(*arguments: str, **environment: str) -> contextlib.AbstractContextManager[Stage]:
    """Arguments and variables that make it quick, or keep it out of the way of others."""
    return contextlib.nullcontext(Stage(environment, arguments))


@contextlib.contextmanager
def a_plain_server(_server: ServerProcess) -> Iterator[Stage]:
    """The one of the example beside it."""
    command = [sys.executable, EXAMPLES / "plain_server.py", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            yield Stage({"BASE_URL": re.search(r"http://[\w.:]+", process.stdout.readline()).group()})
        finally:
            process.terminate()


@contextlib.contextmanager
def a_job_of_another_process(server: ServerProcess) -> Iterator[Stage]:
    """Started by the same example."""
    started = run(["resume.py"], {"BASE_URL": server.base_url}, Path(gettempdir()))
    yield Stage({}, (started.stdout.strip(),))


@dataclass(frozen=True)
class Row:
    """What an example prints, in this order, and on which stage."""

    prints: tuple[str, ...]
    stage: Callable[[ServerProcess], contextlib.AbstractContextManager[Stage]] = nothing


ROWS = {
    "authenticated.py": Row(("With a wrong password: .*401", f"With the right one: Holiday ended as {ENDED}")),
    "authenticated.sh": Row(
        ("exit status 4", "The job ended", "The client wrote", "Initial status: pending", "The server wrote", "POST"),
        lambda _: given(PORT=str(free_port()), PYTHON=sys.executable, MIN_DELAY="0.2", MAX_DELAY="0.5"),
    ),
    "callbacks.py": Row(
        (r"pending after 0\.0 s", rf"{ENDED} after 1\.\d s", f"The job ended as {ENDED}"),
        lambda _: given("0", COMPLETION_TIME="1"),
    ),
    "context_manager.py": Row(("0.0 s  pending", ENDED, f"The video of 10 s ended as {ENDED}")),
    "many_jobs.py": Row(("1/5  part", "5/5  part", ENDED), lambda _: given("5")),
    "notebook.ipynb": Row((f"{ENDED} after .* by 1 request", "pending", ENDED, *[rf"\.\.\w+  {ENDED}"] * 5)),
    "one_job.py": Row(("The latest job is pending", f"It ended as {ENDED}", "Initial status: ", "learnt by")),
    "own_format.py": Row(("queued\n", "rendering\n", r"ready: http://127.0.0.1:\d+/studio/files/.*\.mp4")),
    "plain_polling.py": Row(
        (
            *("one second", "-> completed", "at once", "-> completed"),
            r"-> job plain-3: still pending after 1\.0 s \(timeout 1 s, polls: \d+\); it may still end: wait again",
            r"-> job plain-3: still pending after .* \(max_polls=3 used up, polls: 3\)",
            r"-> no job was started: max_retries=2 .* tried 3 times .* connection refused; is the server running",
            r"-> job plain-3: no status from http://127.0.0.1:9 .* connection refused",
            *("Initial status: pending", r"Sleeping for [\d.]+ s before poll #2", r"Poll #2 after [\d.]+ s: pending"),
        ),
        a_plain_server,
    ),
    "poll.sh": Row(("started ", ENDED)),
    "test_dubbing.py": Row(("3 passed",)),
    "resume.py": Row((rf"{ENDED} after \d+\.\d s",), a_job_of_another_process),
}
BESIDE = {"plain_server.py"}  # the stage of plain_polling.py
PYTEST = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
RUNNERS = {
    "*.sh": ["bash"],
    "*.ipynb": [sys.executable, ROOT / "tests/run_notebook.py"],
    # Where the server is installed, pytest finds its plugin by itself.
    "test_*.py": [*PYTEST, "-p", "translation_server.testing.pytest_plugin"],
}
OTHERS = {"README.md"}
OF_THE_SIMULATOR = {"caught", "polite.py"}  # run by the tests of the report card


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server with quick jobs and the credentials of the sample configuration."""
    settings = {"API_USERNAME": "admin", "API_PASSWORD": "secretpassword", "MIN_DELAY": "0.2", "MAX_DELAY": "0.5"}
    with ServerProcess(tmp_path_factory.mktemp("server"), **settings) as running:
        yield running


def run(words: list[str], environment: dict[str, str], folder: Path) -> subprocess.CompletedProcess:
    """Runs an example as its docstring says; in a folder of its own, for what it writes."""
    name, *arguments = words
    runner = next((runner for shape, runner in RUNNERS.items() if Path(name).match(shape)), [sys.executable])
    command = [*runner, EXAMPLES / name, *arguments]
    here = {"PYTHONPATH": SOURCES, "PYTHONUTF8": "1", "TMPDIR": str(folder)}
    variables = clean_environment() | here | environment
    return subprocess.run(
        command, env=variables, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


@pytest.mark.parametrize("name", ROWS)
def test_an_example_runs_and_prints_what_it_promises(server, tmp_path, name):
    """It ends well, or as its job did, and prints its lines in order, those of the log after the others."""
    with ROWS[name].stage(server) as stage:
        environment = {"BASE_URL": server.base_url} | stage.environment
        done = run([name, *stage.arguments], environment, tmp_path)
    said = done.stdout + done.stderr
    assert done.returncode == 0 or (name == "poll.sh" and done.stdout.endswith("error\n")), said
    assert "Traceback" not in said
    assert re.search(".*".join(ROWS[name].prints), said, re.DOTALL), said


def test_every_example_has_a_row():
    """What is in the folder runs here, or is run by the tests of the report card."""
    there = {path.name for path in EXAMPLES.iterdir() if not path.name.startswith(("__", "."))}
    assert there - OF_THE_SIMULATOR == ROWS.keys() | BESIDE | OTHERS


@pytest.mark.parametrize("name", [*ROWS, *BESIDE])
def test_an_example_says_what_it_shows_and_how_to_run_it(name):
    """Whoever opens the file reads both first."""
    text = (EXAMPLES / name).read_text("utf-8")
    if name.endswith(".ipynb"):
        assert json.loads(text)["cells"][0]["source"][0].startswith("# ")
        return
    head = "\n".join(text.splitlines()[:12])
    assert head.startswith(('"""', "#!/usr/bin/env bash\n# "))
    assert re.search(rf"^#? +(\w+=\w+ )*(python3|bash|pytest) examples/{name}", head, re.MULTILINE)


def test_a_job_that_is_unknown_is_told_in_one_line(server, tmp_path):
    """Resuming with a wrong id says what to check."""
    done = run(["resume.py", "nonsense"], {"BASE_URL": server.base_url}, tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "There is no such job. Was it started by this user" in done.stderr


def test_the_logs_of_the_authenticated_example_tell_no_secret(server, tmp_path):
    """The client's file has the wait from start to end, and no password."""
    run(["authenticated.py"], {"BASE_URL": server.base_url}, tmp_path)
    written = (tmp_path / "client.log").read_text("utf-8")
    assert re.search(r"Initial status: pending.*learnt by long poll", written, re.DOTALL)
    assert not re.search("secretpassword|a guess", written)


def test_the_table_of_examples_is_complete():
    """examples/README.md names each of them, and no other."""
    text = (EXAMPLES / "README.md").read_text("utf-8")
    linked = {target.split("/")[0] for target in re.findall(r"\]\((?!\.\.)([^)#:]+)\)", text)}
    assert linked - OF_THE_SIMULATOR == ROWS.keys() | BESIDE


def test_the_examples_are_for_the_sample_configuration():
    """Their credentials are those of `.env.example`, so that they run as they stand."""
    sample = dict(re.findall(r"^(API_\w+)=(\S+)", (ROOT / ".env.example").read_text("utf-8"), flags=re.MULTILINE))
    with TranslationStatusClient("http://127.0.0.1:8000", sample["API_USERNAME"], sample["API_PASSWORD"]) as client:
        assert repr(client).endswith("as admin>")
    assert sample["API_PASSWORD"] == "secretpassword"
