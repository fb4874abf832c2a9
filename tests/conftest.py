"""What the tests of the whole share: a copy of the checkout, and a server in its own process."""

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from server_process import ROOT, ServerProcess
from translation_server import TranslationServer

PATIENCE = 10.0  # seconds
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


@pytest.fixture
def stepped():
    """A server in this process whose jobs take ninety minutes, at a time that stands still."""
    with TranslationServer(completion_time=5400.0, clock="stepped") as running:
        yield running


@pytest.fixture
def pool():
    """Threads for what waits."""
    with ThreadPoolExecutor() as threads:
        yield threads


@pytest.fixture
def until():
    """Returns once a condition holds, which nothing announces."""

    def wait(condition):
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, "it did not come about"
            time.sleep(0.001)

    return wait


@pytest.fixture
def asking():
    """Gives what makes a request of an embedded server, without our client."""

    def make(server, path, method="GET", **body):
        credentials = server.username, server.password
        return lambda: requests.request(method, server.base_url + path, auth=credentials, timeout=PATIENCE, **body)

    return make
