"""run.py sets up, shows and checks; what it starts is gone when it ends, however it ends."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import run
from server_process import ROOT, ServerProcess, clean_environment, orderly_exit

DEMO = "import sys, run; run.PYTHON = sys.executable; run.set_up = lambda lock: None; sys.exit(run.main())"


@pytest.fixture
def steps(monkeypatch, tmp_path):
    """The steps that were taken, which do nothing here; `.venv` and the lock files are in a folder of the test."""
    taken = []
    monkeypatch.setattr(run, "step", lambda name, command, **_: taken.append((name, command)))
    monkeypatch.setattr(run, "VENV", tmp_path)
    monkeypatch.setattr(run, "PYTHON", sys.executable)
    for name in ("RUN_LOCK", "TEST_LOCK"):
        (tmp_path / name).write_text(f"the first {name}", "utf-8")
        monkeypatch.setattr(run, name, tmp_path / name)
    return taken


def test_a_lock_file_is_installed_once(steps):
    """The second run finds everything there."""
    run.set_up(run.RUN_LOCK)
    run.set_up(run.RUN_LOCK)
    assert [name.split()[0] for name, _ in steps] == ["installing"]
    assert "--require-hashes" in steps[0][1]


def test_a_changed_lock_file_is_installed_again(steps):
    """What a newer checkout asks for is there before anything runs."""
    run.set_up(run.RUN_LOCK)
    run.RUN_LOCK.write_text("the second", "utf-8")
    run.set_up(run.RUN_LOCK)
    assert [name.split()[0] for name, _ in steps] == ["installing", "installing"]


def test_the_tools_bring_along_what_runs(steps):
    """After the tests, the demo has nothing left to install; after the demo, the tests do."""
    run.set_up(run.TEST_LOCK)
    run.set_up(run.RUN_LOCK)
    assert len(steps) == 1
    run.stamp(run.TEST_LOCK).unlink()
    run.set_up(run.RUN_LOCK)
    run.set_up(run.TEST_LOCK)
    assert len(steps) == 3


def test_a_broken_environment_is_made_anew(steps, monkeypatch):
    """A `.venv` whose Python is gone does not stop anything."""
    monkeypatch.setattr(run, "PYTHON", str(run.VENV / "bin/python"))
    run.set_up(run.RUN_LOCK)
    assert [name.split()[0] for name, _ in steps] == ["making", "installing"]


def test_every_check_is_a_step(steps):
    """The second command checks style, types, packages and behaviour, in this order, and leaves out what takes long."""
    run.test([])
    names = [name.partition(",")[0] for name, _ in steps]
    assert names == ["ruff check", "ruff format", "mypy --strict", "pip check", "pytest"]
    assert steps[-1][1][-2:] == ["-m", "not prove"]


def test_the_proof_leaves_nothing_out(steps):
    """The third command runs every test, those of deadlines once more by themselves, and plants bugs."""
    run.prove()
    setting_up, everything, deadlines, bugs = [command for _, command in steps]
    assert setting_up[1:] == ["reliability/vendor_sdks.py", "--setup"]
    assert "--cov" in everything
    assert {"-m", "-k", "not prove", "--ignore"}.isdisjoint(everything[everything.index("pytest") :])
    assert "-n" not in deadlines
    assert [Path(file).exists() for file in run.EXACT] == [True] * len(run.EXACT)
    assert bugs[1] == "reliability/seeded_bugs.py"


def test_what_was_tested_with_coverage_is_not_tested_twice(steps):
    """The proof then runs the other half and adds to what was measured; the floor is for both."""
    run.test([], coverage=True)
    behaviours = steps[-1][1]
    assert behaviours[-4:] == ["-m", "not prove", "--cov", "--cov-report="]
    run.prove(tested=True)
    [rest] = [command for name, command in steps if "with coverage" in name]
    assert rest[-3:] == ["-m", "prove", "--cov-append"]
    assert f"--cov-fail-under={run.COVERAGE_FLOOR}" in rest


def test_arguments_go_to_pytest_alone(steps):
    """With arguments, pytest gets them and nothing else is run."""
    run.test(["-k", "deadline"])
    assert steps == [("pytest", [sys.executable, "-m", "pytest", "-k", "deadline"])]


def test_a_step_says_what_it_does_and_how_long_it_took(capsys):
    """Its name stands there while it runs, and its duration when it is done."""
    run.step("ruff check", [sys.executable, "-c", "pass"])
    assert re.fullmatch(r"=> ruff check\n=>   done in \d+ s\n", capsys.readouterr().out)


def test_a_failing_step_is_named():
    """The first step that fails ends the run with its name and its exit status."""
    with pytest.raises(run.StepFailedError, match=r"ruff check \(exit status 7\)"):
        run.step("ruff check", [sys.executable, "-c", "raise SystemExit(7)"])


@pytest.mark.parametrize(
    "arguments", [[], ["sing"], ["demo", "--", "-k", "x"], ["prove", "x"], ["test", "--fail"], ["test", "--tested"]]
)
def test_a_wrong_command_line_is_a_usage_error(arguments):
    """What is not a command is refused with the usage, and nothing is set up."""
    done = subprocess.run(
        [sys.executable, "run.py", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, "usage:" in done.stderr) == (2, True)


def test_an_old_python_is_told_what_is_needed():
    """A Python before 3.11 gets one line, not a traceback."""
    code = "import sys; sys.version_info = (3, 10); sys.argv = ['run.py', 'demo']; exec(open('run.py').read())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 1
    assert "This needs Python 3.11 or newer" in done.stderr
    assert "Traceback" not in done.stderr


def show(*arguments):
    """Runs the demo without the set-up, and gives what it prints."""
    command = [sys.executable, "-c", DEMO, "demo", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def demo():
    """What the demo prints."""
    return show()


def test_the_demo_shows_a_job_to_its_end(demo):
    """The first command ends with a completed job, says how to see one fail, and has its logs in their places."""
    assert run.OUTCOMES[0] in demo
    assert "completed in" in demo
    assert "python3 run.py demo --fail" in demo
    logs = [line.strip() for line in demo.splitlines() if line.endswith(".log")]
    assert [Path(log).stat().st_size > 0 for log in logs] == [True, True]


def test_the_demo_shows_a_failure_when_asked():
    """With --fail its job ends in error, with the reason on the screen, and the demo has done what it should."""
    printed = show("--fail")
    assert run.OUTCOMES[1] in printed
    assert "error after" in printed


def test_the_picture_in_the_readme_is_of_the_demo(demo, read, steps, monkeypatch):
    """Every line of run.py in the picture is one that it prints, up to numbers and names of folders."""
    monkeypatch.setattr(run, "PYTHON", "no such python")
    run.set_up(run.RUN_LOCK)
    names = [name.replace("RUN_LOCK", "requirements.lock") for name, _ in steps]
    set_up = [line for name in names for line in (f"=> {name}", "=>   done in 0 s")]
    picture = read("README.md").split("```text\n")[1].split("```")[0]
    assert essence(picture.splitlines()) == essence([*set_up, *demo.splitlines()])


def essence(lines):
    """The lines of run.py, without what is different each time."""
    own = "\n".join(line for line in lines if line.startswith(("=> ", "    /")))
    return re.sub(r"/\S+/", "FOLDER/", re.sub(r":\d+", ":PORT", re.sub(r"in \d+ s", "in N s", own)))


@pytest.mark.parametrize(
    ("script", "number", "status"),
    [
        (["-c", DEMO, "demo"], signal.SIGINT, 130),
        (["-c", DEMO, "demo"], signal.SIGTERM, 143),
        (["test_integration.py"], signal.SIGINT, 130),
        (["test_integration.py"], signal.SIGTERM, 143),
    ],
)
def test_an_interrupted_script_leaves_nothing(script, number, status, tmp_path):
    """Ctrl-C and SIGTERM end demo and integration test with the usual status, and no process stays."""
    environment = clean_environment(measured=False) | {"INTERRUPTED_BY": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, *script],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    await_a_server(environment["INTERRUPTED_BY"])
    # The terminal's Ctrl-C goes to the whole foreground group; a SIGTERM goes to one process.
    (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
    printed, _ = process.communicate(timeout=30)
    assert process.returncode == status, printed
    assert b"Traceback" not in printed
    assert marked(str(tmp_path)) == []


def start_a_server(folder):
    ServerProcess(folder).start()


def start_a_step(_):
    run.call([sys.executable, "-c", "import time; time.sleep(60)"], clean_environment())


@pytest.mark.parametrize(
    ("number", "start"),
    [(signal.SIGINT, start_a_server), (signal.SIGTERM, start_a_server), (signal.SIGTERM, start_a_step)],
)
def test_what_is_being_started_ends_with_the_script(number, start, tmp_path, monkeypatch):
    """A signal that arrives while a process is being started ends the script as soon as it is, and the process too."""
    started = []
    really = subprocess.Popen

    def interrupted(*arguments, **keywords):
        started.append(really(*arguments, **keywords))
        signal.raise_signal(number)
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", interrupted)
    with orderly_exit(), pytest.raises((KeyboardInterrupt, SystemExit)):
        start(tmp_path)
    assert [process.poll() is None for process in started] == [False]


def await_a_server(mark):
    """Returns when uvicorn runs among the processes with the mark."""
    deadline = time.monotonic() + 30
    while not any("uvicorn" in process.cmdline() for process in marked(mark)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def marked(mark):
    """The processes that inherited the mark and still run."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("INTERRUPTED_BY") == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found
