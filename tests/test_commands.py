"""The commands of README.md and those that people know, in a fresh clone on a machine with nothing but Python."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

from server_process import clean_environment, free_port, is_ready
from translation_client import __version__

SERVE = "cd server && pip install -r requirements.txt && uvicorn main:app --host 127.0.0.1 --port 8000"
TRANSLATE = (
    "cd client && pip install -r requirements.txt && python3 client.py --username admin --password secretpassword"
)
INTEGRATE = "python3 test_integration.py"
INSTALL = "pip install -r requirements.txt"
SAME_CLASS = (
    "from client import TranslationStatusClient; import translation_client; "
    "assert TranslationStatusClient is translation_client.TranslationStatusClient"
)


def port_8000_or_another():
    """The port of the commands; only if another program has it, some other one, named on the command line."""
    with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", 8000)):
        return 8000
    return free_port()


@pytest.fixture(scope="module")
def machine(fresh_clone):
    """A fresh clone and an environment with an empty virtual environment in front of the path."""
    venv = fresh_clone.parent / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    path = f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}"
    quiet = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_QUIET": "1"}
    (fresh_clone / "server/.env").write_bytes((fresh_clone / ".env.example").read_bytes())
    yield fresh_clone, clean_environment() | quiet | {"PATH": path}
    (fresh_clone / "server/.env").unlink()


def run(machine, command, timeout=180):
    """Runs one shell command at the root of the clone and gives its exit status and what it printed."""
    folder, environment = machine
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def base_url(machine):
    """The server, run by the very command, until the tests are done."""
    folder, environment = machine
    port = port_8000_or_another()
    command = SERVE.replace("8000", str(port))
    output = folder.parent / "server-output.txt"
    with output.open("wb") as sink:
        server = subprocess.Popen(
            ["bash", "-c", command],
            cwd=folder,
            env=environment,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 180
        while not is_ready(f"http://127.0.0.1:{port}"):
            assert server.poll() is None, output.read_text("utf-8")
            assert time.monotonic() < deadline, output.read_text("utf-8")
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(20)


@pytest.mark.prove
def test_the_server_and_the_client_run_as_written(machine, base_url):
    """Two terminals, two commands: a job starts, and its outcome is on the screen."""
    elsewhere = "" if base_url.endswith(":8000") else f" --base-url {base_url}"
    status, printed = run(machine, TRANSLATE + elsewhere)
    assert (status, "completed" in printed, "error" in printed) in [(0, True, False), (1, False, True)], printed


@pytest.fixture(scope="module")
def installed(machine):
    """The same machine, once what both parts need is installed."""
    status, printed = run(machine, INSTALL)
    assert status == 0, printed
    return machine


def test_the_requirements_of_the_root_are_those_of_both_parts(read):
    """`requirements.txt` names the files of the two parts, and nothing else."""
    lines = [line for line in read("requirements.txt").splitlines() if not line.startswith("#")]
    assert lines == ["-r client/requirements.txt", "-r server/requirements.txt"]


@pytest.mark.prove
def test_the_integration_test_runs_as_a_script(installed):
    """With nothing installed but the two requirements files, the whole story is told and both logs are shown."""
    status, printed = run(installed, INTEGRATE)
    assert status == 0, printed
    assert "It ended as completed" in printed
    assert "server.log ---" in printed
    assert "client.log ---" in printed
    assert "Traceback" not in printed


@pytest.mark.prove
def test_the_integration_test_runs_by_unittest(installed):
    """`python -m unittest` runs it as one test, and tells the story."""
    status, printed = run(installed, "python -m unittest test_integration")
    assert status == 0, printed
    assert "It ended as completed" in printed
    assert "Ran 1 test " in printed
    assert "Warning" not in printed


@pytest.mark.prove
def test_the_integration_test_runs_by_pytest_without_plugins(installed):
    """With pytest and no plugin beside the two requirements files, it is one test, and the story is told once."""
    status, printed = run(installed, "pip install pytest && python -m pytest -s test_integration.py")
    assert status == 0, printed
    assert printed.count("The server is ready") == 1
    assert "1 passed" in printed


@pytest.mark.prove
@pytest.mark.parametrize("folder", [".", "client"])
def test_the_client_is_imported_from_the_checkout(installed, folder):
    """`from client import TranslationStatusClient` works at the root and inside client/, and is the one class."""
    assert run(installed, f"cd {folder} && python3 -c '{SAME_CLASS}'") == (0, "")


@pytest.mark.prove
def test_uv_sync_installs_both_packages(fresh_clone, tmp_path):
    """`uv sync` at the root makes an environment with both commands, and nothing that git would commit."""
    clone = tmp_path / "checkout"
    shutil.copytree(fresh_clone, clone, ignore=shutil.ignore_patterns(".env"))
    git = "git -c user.name=x -c user.email=x@example.com"
    uv = f"'{sys.executable}' -m uv"
    machine = clone, clean_environment()
    commands = f"git init -q && git add . && {git} commit -qm clone && {uv} sync -q && git status --porcelain"
    assert run(machine, commands, timeout=600) == (0, "")
    for name in ("translation-client", "translation-server"):
        assert run(machine, f"{uv} run -q {name} --version") == (0, f"{name} {__version__}\n")


@pytest.mark.parametrize("command", [SERVE, TRANSLATE, INTEGRATE])
def test_the_readme_shows_these_commands(read, command):
    """What is tested here is what a reader is told."""
    assert command in read("README.md")
