"""Official SDKs against this server: each does what the table of `reliability/sdks/rows.toml` says.

`.ci/run` installs Node.js and needs it (NODE_NEEDED); elsewhere the SDKs of npm are skipped where there is none.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "reliability"))  # where the command finds its own modules

import vendor_sdks  # noqa: E402 - found once the path is set
from sdks.rows import HERE, SCENARIOS, load_rows, set_up  # noqa: E402 - as above

from translation_server import TranslationServer  # noqa: E402 - as above

ROWS = {row.name: row for row in load_rows()}
SEED = 512451
CHARGED_TWICE = [
    "openai-responses",
    "openai-responses-js",
    "luma-video",
    "runway-video",
    "runway-video-js",
    "fal-queue",
]
ONE_JOB = ["azure-video", "azure-video-async", "heygen-v3-key"]


def is_runnable(row):
    """Whether what runs the SDK is on this machine."""
    return row.environment != "node" or shutil.which("npm") is not None


@pytest.fixture(scope="module")
def results(request):
    """What each SDK that is to be tested did; a few run at a time, as they mostly wait."""
    wanted = {item.callspec.params["name"] for item in request.session.items if "results" in item.fixturenames}
    rows = [row for name, row in ROWS.items() if name in wanted and is_runnable(row)]
    set_up({row.environment for row in rows})
    return list(vendor_sdks.Trial(rows, SCENARIOS, SEED).run())


@pytest.mark.prove
@pytest.mark.parametrize("name", ROWS)
def test_an_sdk_does_what_the_table_says(name, results):
    """It starts a job and waits, under each fault, and the server's record and report card say how."""
    row = ROWS[name]
    if not is_runnable(row) and not os.environ.get("NODE_NEEDED"):
        pytest.skip("there is no Node.js with npm on this machine; CI has one")
    assert is_runnable(row), "there must be Node.js with npm: apt-get install nodejs npm"
    assert {one.scenario for one in results if one.row is row} == row.expected.keys()
    assert vendor_sdks.compare(row, results) == []


@pytest.mark.prove
def test_a_server_that_forgets_keys_is_noticed():
    """With a format that takes no idempotency key, a repeated start makes a second job, and the table says one."""
    row = ROWS["heygen-v3-key"]
    set_up({row.environment})
    (found,) = vendor_sdks.compare(row, list(vendor_sdks.Trial([row], ["lost-504"], SEED, "forgets-keys").run()))
    assert found.startswith("heygen-v3-key, lost-504: '2 jobs, charged twice', expected was '1 job'\n")


def test_every_program_has_a_row():
    """No program lies about untried, and no row lacks its program."""
    programs = {path.relative_to(HERE).as_posix() for path in HERE.glob("*/*") if path.suffix in {".py", ".mjs"}}
    helpers = {"python/outcome.py", "javascript/outcome.mjs"}
    assert {row.program for row in ROWS.values()} == programs - helpers


def test_every_sdk_is_pinned():
    """Each row's package has one version in its lock file, and no lock file names a registry."""
    assert [row.name for row in ROWS.values() if not re.fullmatch(r"\d+(\.\d+)+", row.version)] == []
    for lock in HERE.glob("*lock*"):
        assert not re.search(r"resolved|--index-url|--find-links|@ https?:", lock.read_text("utf-8")), lock.name


def test_the_lock_of_npm_is_in_step():
    """What `package.json` asks for is what the lock file holds: `npm ci` would refuse anything else."""
    wanted = json.loads((HERE / "package.json").read_text("utf-8"))["dependencies"]
    locked = json.loads((HERE / "package-lock.json").read_text("utf-8"))["packages"]
    assert locked[""]["dependencies"] == wanted
    assert {name: locked[f"node_modules/{name}"]["version"] for name in wanted} == wanted


@pytest.mark.parametrize("requirements", ["requirements.in", "requirements-veo.in"])
def test_the_locks_of_python_are_in_step(requirements):
    """Each version that is asked for is the one that is locked."""
    lock = (HERE / requirements).with_suffix(".lock").read_text("utf-8")
    asked = re.findall(r"^([\w-]+)(?:\[\w+\])?==(\S+)", (HERE / requirements).read_text("utf-8"), re.MULTILINE)
    assert asked
    for package, version in asked:
        name = package.replace("_", "-")
        assert re.search(rf"^{name}(\[\w+\])?=={re.escape(version)} ", lock, re.MULTILINE), f"{package} {version}"


@pytest.mark.parametrize("name", CHARGED_TWICE)
def test_sdks_that_repeat_a_start_are_published_as_such(name):
    """A start whose answer was lost is repeated without a key: two jobs, and the report card says so."""
    assert ROWS[name].expected["lost-close"] == "2 jobs, charged twice"
    assert "repeated start" in ROWS[name].card


@pytest.mark.parametrize("name", ONE_JOB)
def test_names_and_keys_make_one_job(name):
    """With a name or a key of the client's, a lost start costs nothing, and the report card is clean."""
    assert ROWS[name].expected["lost-close"] == ROWS[name].expected["lost-504"] == "1 job"
    assert not ROWS[name].card


@pytest.mark.prove
def test_a_task_of_ninety_minutes_takes_as_long_as_the_sdk_sleeps(tmp_path):
    """On a clock that is moved: Runway's SDK first looks after 6 seconds, give or take a quarter, and then knows."""
    row = ROWS["runway-video"]
    set_up({row.environment})
    with TranslationServer(formats=["runway"], completion_time=5400, clock="stepped") as server:
        began = time.monotonic()
        command = [*row.command, server.base_url_of("runway"), server.api_key, "A cat", "wait"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as running:
            while not server.requests.where(kind="start", status=200):
                assert running.poll() is None, "it ended without a start"
                assert time.monotonic() - began < 30
            server.clock.advance(5400)
            printed, _ = running.communicate(timeout=60)
        took = time.monotonic() - began
    assert json.loads(printed)["status"] == "SUCCEEDED"
    assert 4.5 <= took < 30  # most of it are the pause of the SDK and its start
    assert len(server.requests.where(kind="poll")) == 1
