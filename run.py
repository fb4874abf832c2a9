"""Everything on a fresh machine with Python 3.11 or newer and nothing else.

python3 run.py demo                  sets up .venv, starts a server and a client, shows one job to its end
python3 run.py test                  sets up .venv, runs every check and every test
python3 run.py test -- -k deadline   only pytest, with these arguments
python3 run.py lock                  renews the two lock files

The first run downloads the packages of a lock file into .venv; later runs use what is there.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this file is where an older Python is told
    sys.exit(f"This needs Python 3.11 or newer, and this is {sys.version.split()[0]}. Try: python3.11 run.py demo")

import argparse
import contextlib
import hashlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from server_process import ServerProcess, ServerStartError, clean_environment, orderly_exit

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = str(VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
RUN_LOCK = ROOT / "requirements.lock"
TEST_LOCK = ROOT / "requirements-dev.lock"
PARTS = ["client/pyproject.toml", "server/pyproject.toml"]
COVERAGE_FLOOR = 97
OUTCOMES = {
    0: "The job ended as completed.",
    1: "The job ended in error, as three in ten do here on purpose. Another run, another draw.",
}


class StepFailedError(Exception):
    """A step did not do what it should; the message names it."""


def main() -> int:
    """Runs the command that the arguments name and gives the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["demo", "test", "lock"])
    parser.add_argument("pytest_arguments", nargs="*", help="for test, after --")
    arguments = parser.parse_args()
    if arguments.pytest_arguments and arguments.command != "test":
        parser.error(f"{arguments.command} takes no further arguments")
    os.chdir(ROOT)
    try:
        with orderly_exit():
            run(arguments.command, arguments.pytest_arguments)
    except (StepFailedError, ServerStartError) as failure:
        say(f"FAILED: {failure}")
        return 1
    except KeyboardInterrupt:
        say("Interrupted. Nothing is left running.")
        return 130
    return 0


def run(command: str, pytest_arguments: Sequence[str]) -> None:
    """Sets up what the command needs, and runs it."""
    set_up(TEST_LOCK if command == "test" else RUN_LOCK)
    if command == "demo":
        demo()
    elif command == "test":
        test(pytest_arguments)
    else:
        lock()


def set_up(lock_file: Path) -> None:
    """Brings `.venv` in step with the lock file, unless it is already."""
    if not venv_works():
        step(
            "making .venv",
            [sys.executable, "-m", "venv", "--clear", str(VENV)],
            advice="On Debian: apt install python3-venv",
        )
    # The lock file for the tests holds all that the other one holds.
    if not (is_stamped(lock_file) or is_stamped(TEST_LOCK)):
        pip = [PYTHON, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--require-hashes"]
        step(f"installing {lock_file.name} into .venv, which takes half a minute", [*pip, "-r", str(lock_file)])
        stamp(lock_file).write_text(digest(lock_file), "utf-8")


def venv_works() -> bool:
    """Whether `.venv` is there, whole, and new enough."""
    check = [PYTHON, "-c", "import pip, sys; sys.exit(sys.version_info < (3, 11))"]
    with contextlib.suppress(OSError):
        return subprocess.run(check, check=False, capture_output=True).returncode == 0
    return False


def stamp(lock_file: Path) -> Path:
    """The file that remembers what was installed from a lock file."""
    return VENV / f"{lock_file.name}.installed"


def is_stamped(lock_file: Path) -> bool:
    """Whether `.venv` holds what the lock file says today."""
    return stamp(lock_file).exists() and stamp(lock_file).read_text("utf-8") == digest(lock_file)


def digest(lock_file: Path) -> str:
    """Tells one content of a lock file from another."""
    return hashlib.sha256(lock_file.read_bytes()).hexdigest()


def demo() -> None:
    """Shows the main job: the server up, a job started, its progress, its outcome."""
    folder = Path(tempfile.mkdtemp(prefix="translation-demo-"))
    with ServerProcess(folder, python=PYTHON, MIN_DELAY="3", MAX_DELAY="7", ERROR_PROBABILITY="0.3") as server:
        say(f"The server runs at {server.base_url}. Its jobs take 3 to 7 seconds. Now the client:")
        log = folder / "client.log"
        options = ["--base-url", server.base_url, "--username", server.username, "--log-file", str(log)]
        environment = clean_environment() | {"API_PASSWORD": server.password}
        status = call([PYTHON, "client/client.py", *options], environment)
    if status not in OUTCOMES:
        raise StepFailedError(f"the client ended with exit status {status}; logs are in {folder}")
    say(f"{OUTCOMES[status]} The server is stopped. What both wrote down:\n    {server.log_file}\n    {log}")


def test(pytest_arguments: Sequence[str]) -> None:
    """Runs every check and every test, or only pytest with the arguments given."""
    if pytest_arguments:
        step("pytest", [PYTHON, "-m", "pytest", *pytest_arguments])
        return
    step("ruff check", [PYTHON, "-m", "ruff", "check", "."])
    step("ruff format", [PYTHON, "-m", "ruff", "format", "--check", "."])
    step("mypy --strict", [PYTHON, "-m", "mypy"])
    step("pip check", [PYTHON, "-m", "pip", "check", "--disable-pip-version-check"])
    step("pytest", [PYTHON, "-m", "pytest", "--cov", f"--cov-fail-under={COVERAGE_FLOOR}"])
    say("All checks and all tests passed.")


def lock() -> None:
    """Renews the lock files from what the `pyproject.toml`s ask for."""
    step("pip install uv", [PYTHON, "-m", "pip", "install", "-qq", "--upgrade", "uv"])
    uv = [PYTHON, "-m", "uv", "pip", "compile", "--quiet", "--upgrade", "--universal", "--generate-hashes"]
    uv += ["--no-emit-index-url", "--no-emit-find-links", "--python-version", "3.11"]
    uv += ["--no-strip-extras"]  # pip before 24 takes x==1 for no answer to what asks for x[extra]
    uv += ["--custom-compile-command", "python3 run.py lock"]
    step("lock", [*uv, "--extra", "cli", *PARTS, "-o", RUN_LOCK.name])
    step("lock", [*uv, "--all-extras", "--group", "dev", "-c", RUN_LOCK.name, *PARTS, "-o", TEST_LOCK.name])


def step(name: str, command: Sequence[str], *, advice: str = "") -> None:
    """Runs one step, and stops everything if it fails."""
    say(name)
    status = call(command, clean_environment())
    if status != 0:
        raise StepFailedError(f"{name} (exit status {status}). {advice}".rstrip())


def call(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Runs a command to its end and gives its exit status."""
    with child(command, environment) as process:
        return process.wait()


@contextlib.contextmanager
def child(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is given time to tidy up, and is gone afterwards whatever happens."""
    process = subprocess.Popen(command, env=environment)
    try:
        yield process
    except KeyboardInterrupt:
        # Ctrl-C reached the child as well, and a second one would disturb its tidying up.
        await_end(process, 5)
        raise
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            await_end(process, 15)
            process.kill()
            process.wait()


def await_end(process: subprocess.Popen[bytes], timeout: float) -> None:
    """Waits for a process for some seconds."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout)


def say(text: str) -> None:
    """Prints one of our own lines between those of the steps."""
    print(f"=> {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
