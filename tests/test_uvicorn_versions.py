"""Steering uvicorn and finding its connections works with the oldest uvicorn allowed, the newest, and no uvloop."""

import re
import subprocess
import sys
import tomllib

import pytest

from server_process import ROOT, clean_environment

FILES = ["server/tests/simulator/faults/test_connection.py", "server/tests/testing/test_uvicorn_server.py"]
UV = [sys.executable, "-m", "uv", "--quiet", "--no-python-downloads"]


def run(*command):
    """Runs a command in the checkout and gives what it printed."""
    done = subprocess.run(
        command, cwd=ROOT, env=clean_environment(), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def oldest():
    """The oldest uvicorn that the server declares."""
    declared = tomllib.loads((ROOT / "server/pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    return next(found[1] for line in declared if (found := re.match(r"uvicorn(?:\[.*\])?>=([\d.]+)", line)))


@pytest.mark.prove
@pytest.mark.parametrize(("wanted", "without"), [("oldest", None), ("newest", None), ("newest", "uvloop")])
def test_uvicorn(wanted, without, tmp_path):
    """Resets, closes and truncations are real ones, and the embedded server serves and stops; with no warning."""
    lock = (ROOT / "requirements-dev.lock").read_text("utf-8").splitlines()
    pins = [re.sub(r"\[.*\]| \\$", "", line) for line in lock if not line.startswith((" ", "#", "uvicorn"))]
    (tmp_path / "pins.txt").write_text("\n".join(pins), "utf-8")
    python = str(tmp_path / "venv/bin/python")
    version = f"=={oldest()}" if wanted == "oldest" else ""
    run(*UV, "venv", "--python", sys.executable, str(tmp_path / "venv"))
    pinned = [*UV, "pip", "install", "--python", python, "-c", str(tmp_path / "pins.txt")]
    run(*pinned, "-r", "server/pyproject.toml", f"uvicorn[standard]{version}", "pytest", "pytest-asyncio")
    if without is not None:
        run(*UV, "pip", "uninstall", "--python", python, without)
    printed = run(python, "-m", "pytest", "-q", "--noconftest", "-p", "no:cacheprovider", *FILES)
    assert ("could not import 'uvloop'" in printed) == (without == "uvloop")
    assert re.search(r"\d+ passed", printed)
    if wanted == "oldest":
        installed = run(python, "-c", "import uvicorn; print(uvicorn.__version__)").strip()
        assert f"{installed}.".startswith(f"{oldest()}.")
