"""What the tests of the whole share: a copy of the checkout, and a server in its own process."""

import shutil
from pathlib import Path

import pytest

from server_process import ROOT, ServerProcess

NEVER_COMMITTED = [
    line.rstrip("/") for line in (ROOT / ".gitignore").read_text("utf-8").splitlines() if line[:1] != "#"
]


@pytest.fixture(scope="session")
def fresh_clone(tmp_path_factory):
    """What a `git clone` gives: every file but those that are never committed. Its path has a space in it."""
    folder = tmp_path_factory.mktemp("fresh clone") / "checkout"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".git", *NEVER_COMMITTED))
    return folder


@pytest.fixture(scope="session")
def committed_files(fresh_clone):
    """The files of the checkout, as paths relative to it."""
    return sorted(path.relative_to(fresh_clone) for path in fresh_clone.rglob("*") if path.is_file())


@pytest.fixture
def server(tmp_path):
    """A server with quick jobs and the credentials of the sample configuration."""
    settings = {"API_USERNAME": "admin", "API_PASSWORD": "secretpassword", "MIN_DELAY": "0.2", "MAX_DELAY": "0.5"}
    with ServerProcess(tmp_path, **settings) as running:
        yield running


@pytest.fixture(scope="session")
def read():
    """Reads a file of the checkout by its path from the root."""
    return lambda path: (ROOT / Path(path)).read_text("utf-8")
