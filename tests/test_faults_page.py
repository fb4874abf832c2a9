"""docs/faults.md is true: its tables are made from the code, and its examples run."""

import json
import re
import subprocess
import sys

import pytest
import requests
from docs.tables import PAGE, fill

from server_process import ROOT, clean_environment
from translation_server import TranslationServer, incidents
from translation_server.simulator.fates import FATE_FIELDS

TEXT = PAGE.read_text("utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)


def run(words, folder):
    """Return what a command prints; it must succeed."""
    done = subprocess.run(
        words, env=clean_environment(), capture_output=True, text=True, timeout=60, check=False, cwd=folder
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_tables():
    """Each table is the one that is made from the code; `python3 docs/tables.py` writes them."""
    assert fill(TEXT) == TEXT


def test_a_changed_table_is_noticed():
    """One cell that differs, or a table that is missing, is not taken for the page."""
    assert fill(TEXT.replace("| job, user or server |", "| job or user |")) == TEXT
    with pytest.raises(LookupError, match="0 tables incidents"):
        fill(TEXT.replace("<!-- incidents -->", ""))


def test_the_example_in_python(tmp_path, monkeypatch):
    """It runs as it stands; its faults are applied, and its client handles them."""
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'server/src'}:{ROOT / 'client/src'}")
    printed = run([sys.executable, "-c", blocks("python")[0]], tmp_path)
    assert printed.splitlines()[:3] == [
        "completed",
        "1. status code=503 retry_after=1 kind=start times=1 (struck 1 times)",
        "2. lost_answer instead=close times=1 (struck 1 times)",
    ]


def test_the_example_for_pytest(tmp_path, monkeypatch):
    """It passes as it stands, with the plugin."""
    monkeypatch.setenv("PYTHONPATH", f"{ROOT / 'server/src'}:{ROOT / 'client/src'}")
    (tmp_path / "test_example.py").write_text(blocks("python")[1])
    plugin = ["-p", "no:cacheprovider", "-p", "translation_server.testing.pytest_plugin"]
    words = [sys.executable, "-m", "pytest", "-q", *plugin]
    assert "4 passed" in run([*words, "test_example.py"], tmp_path)


def test_the_commands(tmp_path):
    """Each command is understood by a server whose clock can be moved."""
    with TranslationServer(
        completion_time=60, clock="stepped", control_api="on", username="admin", password="secretpassword"
    ) as server:
        commands = blocks("bash")[0].replace("\\\n", " ").replace("http://127.0.0.1:8000", server.base_url)
        printed = [
            run(["bash", "-c", line.replace("curl", "curl --silent", 1)], tmp_path) for line in commands.splitlines()
        ]
    answers = [json.loads(text) for text in printed if text.startswith("{")]
    assert [one["text"] for one in answers[3]["faults"]] == [
        "lost_answer instead=close times=1",
        "latency seconds=0.5 kind=poll rate=0.2",
        "truncate share=0.5 on_poll=2-3",
        *map(str, incidents.LIBRARY["deploy_502"].rules),
    ]
    assert answers[4]["advanced"] == 3600
    assert len(answers[5]["faults"]) == 4
    assert answers[6] == {"jobs_deleted": 0}
    assert "No complaints." in printed[5]


def test_the_table_of_requests_is_complete():
    """It has every path of the control API."""
    with TranslationServer(control_api="on") as server:
        paths = requests.get(f"{server.base_url}/openapi.json", timeout=10).json()["paths"]
    named = set(re.findall(r"/simulator/[a-z{}_/]+(?=[`,])", TEXT.split("| request |")[1].split("\n\n")[0]))
    assert named == {path for path in paths if path.startswith("/simulator/")}


def test_the_table_of_fates_is_complete():
    """docs/testing.md has every value of a fate, and no other."""
    rows = (ROOT / "docs/testing.md").read_text("utf-8").split("| value | what it means |")[1].split("\n\n")[0]
    named = [name for line in rows.splitlines()[2:] for name in re.findall(r"`(\w+)`", line.split("|")[1])]
    assert sorted(named) == sorted(FATE_FIELDS)
