"""The commands of reliability/: each keeps its promise, and each breaks it once a bug is planted.

`RELIABILITY_SCALE=0.05` in the environment makes the long ones shorter.
"""

import importlib.util
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from server_process import ROOT, clean_environment

SCALE = float(os.environ.get("RELIABILITY_SCALE", "1"))
NEEDED = {"power_cuts": "apsw", "schema": "schemathesis", "httptools": "httptools"}
KEPT = [
    f"kills --jobs {round(1000 * SCALE)} --kills {round(30 * SCALE)}",
    f"kills --jobs {round(1000 * SCALE)} --kills {round(30 * SCALE)} --store postgres",
    "kills --jobs 300 --kills 10 --workers 2",
    "kills --jobs 200 --kills 6 --workers 2 --store postgres",
    "power_cuts --jobs 600 --cuts 60",
    "keys --keys 40",
    "keys --keys 20 --store postgres",
    f"fuzz --requests {round(20_000 * SCALE)}",
    "schema --examples 5",
    "clocks --steps 16 --jobs 160",
    "disk_full",
    "waiters --waiters 500 --tolerance 10",
    "drain --held 300 --rounds 2",
    f"http1 --server granian --requests {round(20_000 * SCALE)}",
    f"http1 --server uvicorn --requests {round(20_000 * SCALE)}",
]
BROKEN = [
    ("kills --jobs 200 --kills 6", "acknowledge-before-commit", "lost"),
    ("kills --jobs 400 --kills 12", "forget-keys", "duplicated"),
    ("kills --jobs 200 --kills 6", "draw-at-every-start", "changed"),
    ("power_cuts --jobs 300 --cuts 20", "synchronous-normal", "lost"),
    ("power_cuts --jobs 300 --cuts 20", "synchronous-off", "cut after"),
    ("keys --keys 10", "keys-in-memory", "duplicated"),
    ("fuzz --requests 1500", "lenient-json", "500 to b'POST"),
    ("schema --examples 20", "lenient-json", "schemathesis ended"),
    ("clocks --steps 4 --jobs 80", "trust-the-wall-clock", "changed"),
    ("disk_full", "acknowledge-before-commit", "are not there"),
    ("waiters --waiters 200 --tolerance 5", "sleepy-waiters", "the last one was told after"),
    ("drain --held 20 --rounds 1", "deaf-to-sigterm", "a held request had no answer"),
    ("http1 --server granian --requests 2000", "swapped-answers", "out of order"),
    ("http1 --server uvicorn --requests 2000", "lost-answer", "lost: the answer of"),
    ("http1 --server uvicorn --requests 2000", "foreign-answer", "somebody else's"),
    ("http1 --requests 2000", "httptools", "somebody else's"),
]


def carry_out(environment, command, *more):
    """Run one of the commands with a seed of its own choice, which it prints."""
    name, *options = command.split()
    more = tuple(filter(None, more))
    for needed in (NEEDED[word] for word in (name, *more) if word in NEEDED):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"{needed} is not installed")
    arguments = [sys.executable, ROOT / "reliability" / f"{name}.py", *options, *more]
    return subprocess.run(
        arguments, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=420, check=False
    )


@pytest.fixture(scope="module")
def environment():
    """That of the commands, found out before there are threads: pytest changes its own with every test."""
    return clean_environment(measured=False)  # that would double the time, and kill -9 takes the result


@pytest.fixture(scope="module")
def done_of(request, environment):
    """What each of the commands that are to be tested says; two run at a time, as they often wait for a disk."""
    here = [item for item in request.session.items if item.module is request.module and hasattr(item, "callspec")]
    wanted = [(item.callspec.params["command"], item.callspec.params.get("bug")) for item in here]
    with ThreadPoolExecutor(2) as at_once:
        found = {each: at_once.submit(look_for if each[1] else carry_out, environment, *each) for each in wanted}
        yield lambda command, bug=None: found[command, bug].result()


def look_for(environment, command, bug):
    """Run a command with a bug planted, by three seeds at most: some are met only if a kill comes in their moment."""
    for seed in ("1", "2", "3"):
        done = carry_out(environment, command, "--seeded-bug", bug, "--seed", seed)
        if done.returncode != 0:
            break
    return done


@pytest.mark.prove
@pytest.mark.parametrize("command", KEPT)
def test_the_promise_is_kept(command, done_of):
    """The command tries what it says, finds no breach, and prints its seed and its counters."""
    done = done_of(command)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("the promise is kept\n")
    assert re.search(r"^  seed +\d+$", done.stdout, re.MULTILINE)
    assert len(re.findall(r"^  .+ [1-9]\d*$", done.stdout, re.MULTILINE)) > 1


@pytest.mark.prove
@pytest.mark.parametrize(("command", "bug", "breach"), BROKEN)
def test_a_bug_breaks_the_promise(command, bug, breach, done_of):
    """With the bug planted, the command finds just that breach, and says so by its exit status."""
    done = done_of(command, bug)
    assert done.returncode == 1, done.stdout + done.stderr
    assert breach in "".join(re.findall(r"^BROKEN: .*$", done.stdout, re.MULTILINE)), done.stdout


def test_every_seeded_bug_has_its_place(environment):
    """The tables of bugs that the tests must notice follow the code: what each replaces is there."""
    done = carry_out(environment, "seeded_bugs --check")
    assert done.returncode == 0, done.stdout
    assert re.fullmatch(r"[1-9]\d+ bugs looked up, 0 stale\n", done.stdout)
