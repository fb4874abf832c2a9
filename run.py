"""Everything on a fresh machine with Python 3.11 or newer and nothing else.

python3 run.py demo                  starts a server and a client, and shows one job to its end (--fail: one that fails)
python3 run.py test                  lint, types and every behaviour: what to run after a change, in a few minutes
python3 run.py test -- -k deadline   only the tests that these arguments of pytest select
python3 run.py prove                 what takes longer: all tests with coverage, the reliability commands at full size,
                                     official SDKs of other services, planted bugs, benchmarks, installations
                                     on every Python that is here
python3 run.py lock                  renews the lock files, those of the SDKs as well

Each command sets up .venv first: the first run downloads the packages of a lock file, later runs use what is there.
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
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from server_process import ServerProcess, ServerStartError, clean_environment, interruptions_deferred, orderly_exit

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = str(VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
RUN_LOCK = ROOT / "requirements.lock"
TEST_LOCK = ROOT / "requirements-dev.lock"
PARTS = ["client/pyproject.toml", "server/pyproject.toml"]
COVERAGE_FLOOR = 97
WORKERS = 2 * (os.cpu_count() or 2)  # many tests wait for a process, a disk or a moment
# xdist would begin with the files that hold the most tests, and end with those that take longest, which hold few.
SIDE_BY_SIDE = ["-n", str(WORKERS), "--dist", "loadfile", "--no-loadscope-reorder"]
# `prove` runs these once more, with nothing beside them: they hold the client to its deadlines.
EXACT = ["client/tests/test_deadline.py", "client/tests/test_threads.py", "client/tests/test_async_client.py"]
SDKS = "reliability/sdks"
PLANTED_BUGS = ["--sample", "12", "--seed", "512451"]  # the same until the tables change; every night all are planted
OPTIONS = {"fail": "demo", "coverage": "test", "tested": "prove"}
OUTCOMES = {
    0: "The job ended as completed. To see one fail: python3 run.py demo --fail",
    1: "The job ended in error, as it was asked to.",
}


class StepFailedError(Exception):
    """A step did not do what it should; the message names it."""


def main() -> int:
    """Runs the command that the arguments name and gives the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["demo", "test", "prove", "lock"])
    parser.add_argument("pytest_arguments", nargs="*", help="for test, after --")
    parser.add_argument("--fail", action="store_true", help="for demo: the job ends in error")
    parser.add_argument("--coverage", action="store_true", help="for test: measure it, for prove --tested")
    parser.add_argument("--tested", action="store_true", help="for prove: test --coverage has just been run")
    arguments = parser.parse_args()
    if arguments.pytest_arguments and arguments.command != "test":
        parser.error(f"{arguments.command} takes no further arguments")
    for option, command in OPTIONS.items():
        if getattr(arguments, option) and arguments.command != command:
            parser.error(f"--{option} is for {command}, not for {arguments.command}")
    os.chdir(ROOT)
    try:
        with orderly_exit():
            run(arguments)
    except (StepFailedError, ServerStartError) as failure:
        say(f"FAILED: {failure}")
        return 1
    except KeyboardInterrupt:
        say("Interrupted. Nothing is left running.")
        return 130
    return 0


def run(arguments: argparse.Namespace) -> None:
    """Sets up what the command needs, and runs it."""
    set_up(TEST_LOCK if arguments.command in {"test", "prove"} else RUN_LOCK)
    match arguments.command:
        case "demo":
            demo(fails=arguments.fail)
        case "test":
            test(arguments.pytest_arguments, coverage=arguments.coverage)
        case "prove":
            prove(tested=arguments.tested)
        case _:
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


def demo(*, fails: bool = False) -> None:
    """Shows the main job: the server up, a job started, its progress, its outcome."""
    folder = Path(tempfile.mkdtemp(prefix="translation-demo-"))
    luck = "1" if fails else "0"
    with ServerProcess(folder, python=PYTHON, MIN_DELAY="3", MAX_DELAY="7", ERROR_PROBABILITY=luck) as server:
        say(f"The server runs at {server.base_url}. Its jobs take 3 to 7 seconds. Now the client:")
        log = folder / "client.log"
        options = ["--base-url", server.base_url, "--username", server.username, "--log-file", str(log)]
        environment = clean_environment() | {"API_PASSWORD": server.password}
        status = call([PYTHON, "client/client.py", *options], environment)
    if status != int(fails):
        raise StepFailedError(f"the client ended with exit status {status}; logs are in {folder}")
    say(OUTCOMES[status])
    say(f"The server is stopped. What both wrote down:\n    {server.log_file}\n    {log}")


def test(pytest_arguments: Sequence[str], *, coverage: bool = False) -> None:  # noqa: PT028 - not one of pytest's
    """Runs every check and every test of a behaviour, or only pytest with the arguments given."""
    if pytest_arguments:
        step("pytest", [PYTHON, "-m", "pytest", *pytest_arguments])
        return
    step("ruff check", [PYTHON, "-m", "ruff", "check", "."])
    step("ruff format", [PYTHON, "-m", "ruff", "format", "--check", "."])
    step("mypy --strict", [PYTHON, "-m", "mypy"])
    step("pip check", [PYTHON, "-m", "pip", "check", "--disable-pip-version-check"])
    # The same examples each time, so that a failure is the change's own; `prove` draws new ones.
    behaviours = [*SIDE_BY_SIDE, "-q", "--hypothesis-profile=ci", "-m", "not prove"]
    behaviours += ["--cov", "--cov-report="] if coverage else []
    step(f"pytest, {WORKERS} tests at a time", [PYTHON, "-m", "pytest", *behaviours])
    say("All checks and all tests passed. What takes longer: python3 run.py prove")


def prove(*, tested: bool = False) -> None:
    """Runs what takes longer than one likes to wait for after each change; all tests, unless half of them just ran."""
    step("installing the official SDKs of other services into .sdks", [PYTHON, "reliability/vendor_sdks.py", "--setup"])
    every = [PYTHON, "-m", "pytest", *SIDE_BY_SIDE, "-q", "--cov", f"--cov-fail-under={COVERAGE_FLOOR}"]
    every += ["-m", "prove", "--cov-append"] if tested else []
    step(f"pytest, {WORKERS} tests at a time, those that take long as well, with coverage", every)
    alone = [PYTHON, "-m", "pytest", "-q", *EXACT]
    step("pytest, one test at a time: deadlines are kept to a tenth of a second", alone, TEST_LATENESS_ALLOWED="0.05")
    planted = [PYTHON, "reliability/seeded_bugs.py", *PLANTED_BUGS]
    step(f"planting {PLANTED_BUGS[1]} bugs: the tests must notice each of them", planted)
    say("All of it holds.")


def lock() -> None:
    """Renews the lock files from what the `pyproject.toml`s, and the lists of SDKs, ask for."""
    step("pip install uv", [PYTHON, "-m", "pip", "install", "-qq", "--upgrade", "uv"])
    uv = [PYTHON, "-m", "uv", "pip", "compile", "--quiet", "--upgrade", "--universal", "--generate-hashes"]
    uv += ["--no-emit-index-url", "--no-emit-find-links", "--python-version", "3.11"]
    uv += ["--no-strip-extras"]  # pip before 24 takes x==1 for no answer to what asks for x[extra]
    uv += ["--custom-compile-command", "python3 run.py lock"]
    step("lock", [*uv, "--extra", "cli", *PARTS, "-o", RUN_LOCK.name])
    step("lock", [*uv, "--all-extras", "--group", "dev", "-c", RUN_LOCK.name, *PARTS, "-o", TEST_LOCK.name])
    for name in ("requirements", "requirements-veo"):  # the second for google-genai 2, which excludes 3
        step("lock the SDKs of PyPI", [*uv, f"{SDKS}/{name}.in", "-o", f"{SDKS}/{name}.lock"])
    npm = ["npm", "--prefix", SDKS, "install", "--package-lock-only", "--ignore-scripts", "--silent"]
    step("lock the SDKs of npm", [*npm, "--omit-lockfile-registry-resolved=true"], advice="It needs Node.js with npm.")


def step(name: str, command: Sequence[str], *, advice: str = "", **variables: str) -> None:
    """Runs one step, says how long it took, and stops everything if it fails."""
    say(name)
    began = time.monotonic()
    status = call(command, clean_environment() | variables)
    if status != 0:
        raise StepFailedError(f"{name} (exit status {status}). {advice}".rstrip())
    say(f"  done in {time.monotonic() - began:.0f} s")


def call(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Runs a command to its end and gives its exit status."""
    with child(command, environment) as process:
        return process.wait()


@contextlib.contextmanager
def child(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is given time to tidy up, and is gone afterwards whatever happens."""
    process = None
    try:
        with interruptions_deferred():
            process = subprocess.Popen(command, env=environment)
        yield process
    except KeyboardInterrupt:
        # Ctrl-C reached the child as well, and a second one would disturb its tidying up.
        if process:
            await_end(process, 5)
        raise
    finally:
        if process and process.poll() is None:
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
