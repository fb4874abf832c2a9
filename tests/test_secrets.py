"""A password that anybody would recognise goes through server, client and command line, and stays unseen."""

import base64
import json
import logging
import pickle
import subprocess
import sys
import traceback
from urllib.parse import quote

import pytest
import requests

from server_process import ROOT, ServerProcess, clean_environment
from translation_client import TranslationClientError, TranslationStatusClient

CANARY = "kanarienvögel-singen-47"
WRONG = "elstern-stehlen-47"


def disguises(password):
    """The ways in which a password could show itself."""
    header = base64.b64encode(f"canary-keeper:{password}".encode()).decode()
    return [password, password.encode("unicode_escape").decode(), header, password.split("-", 1)[1]]


SHAPES = [shape for password in (CANARY, WRONG) for shape in disguises(password)]


@pytest.fixture(scope="module")
def everything_written(tmp_path_factory):
    """Runs server, client and command line through success and failure, and gives all text that came of it."""
    folder = tmp_path_factory.mktemp("canary")
    settings = {"API_USERNAME": "canary-keeper", "API_PASSWORD": CANARY, "LOG_LEVEL": "DEBUG", "MAX_DELAY": "0.2"}
    with ServerProcess(folder, **settings, MIN_DELAY="0.1") as server:
        texts = {
            "client library": library_texts(server.base_url),
            "command line": command_line_texts(server.base_url, folder, CANARY),
            "command line, refused": command_line_texts(server.base_url, folder, WRONG),
        }
    return texts | {path.name: path.read_text("utf-8", "replace") for path in folder.glob("*.log")}


def library_texts(base_url):
    """What the client logs, what it looks like, and what its errors say, also after a journey through pickle."""
    records = []
    handler = logging.Handler(logging.DEBUG)
    handler.emit = lambda record: records.append(f"{record.getMessage()} {record.__dict__}")
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        return "\n".join(
            [*shown(base_url, CANARY), *shown(base_url, WRONG), *shown("http://127.0.0.1:1", CANARY), *records]
        )
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


def shown(base_url, password):
    """Every form in which a client and what it gives back can be shown."""
    with TranslationStatusClient(base_url, "canary-keeper", password, timeout=1) as client:
        yield f"{client!r} {client} {sorted(map(str, vars(client)))} {list(map(repr, vars(client).values()))}"
        try:
            yield repr(client.wait(client.start_job()))
        except TranslationClientError as error:
            yield f"{error!r} {error} {vars(error)} {pickle.dumps(error)!r}"
            error.with_traceback(error.__traceback__.tb_next)  # without the variables of this function
            yield "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


def command_line_texts(base_url, folder, password):
    """What the command line prints and logs, given the password as an argument."""
    options = ["--base-url", base_url, "--username", "canary-keeper", "--password", password, "--json"]
    command = [sys.executable, "client/client.py", *options, "--log-file", str(folder / "command-line.log")]
    done = subprocess.run(
        command, cwd=ROOT, env=clean_environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("shape", SHAPES)
def test_no_output_shows_a_password(everything_written, shape):
    """Neither a log, nor the screen, nor a repr, a pickle or a traceback with its variables shows it, in any form."""
    assert [name for name, text in everything_written.items() if shape in text] == []


def test_there_was_something_to_see(everything_written):
    """The search was not in empty texts: each source tells of this user's jobs."""
    assert {"server.log", "uvicorn.log", "command-line.log"} <= everything_written.keys()
    assert "canary-keeper" in everything_written["server.log"]
    assert "job_id" in everything_written["command line"]
    assert "401" in everything_written["server.log"]
    assert "Traceback" in everything_written["client library"]


@pytest.mark.parametrize(
    "leak",
    [
        f"password={CANARY}",
        repr({"password": CANARY}),
        json.dumps({"password": WRONG}),
        quote(CANARY),
        str(requests.Request("GET", "http://a", auth=("canary-keeper", WRONG)).prepare().headers),
        str({"Authorization": b"Basic " + base64.b64encode(f"canary-keeper:{CANARY}".encode())}),
    ],
)
def test_a_leak_would_be_found(leak):
    """Whichever way a password slips into a text, one of the forms searched for is in it."""
    assert any(shape in leak for shape in SHAPES)
