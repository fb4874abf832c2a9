"""The comparison of the server with others runs, whole, and says what it could not compare."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from benchmarks import server_peers

from server_process import ROOT, clean_environment

SMALL = ("--rounds=1", "--seconds=0.2", "--stored=2000", "--waiters=50", "--waiting-rounds=1", "--without-npm")
READERS = {
    *("this server", "this server, job pending", "this server, 10,000 jobs in turn"),
    "this server, 100,000 jobs in turn",
    *(f"this server on uvicorn ({parser}), job pending" for parser in ("h11", "httptools")),
    *("bare ASGI", "bare ASGI on granian", "bare ASGI on uvicorn (h11)", "plain FastAPI"),
}
TABLES = (
    ("One status read, authenticated", READERS),
    ("by the number of jobs stored", {"1,000 jobs", "2,000 jobs"}),
    ("before the answer), 64 at the same time", {"this server", "plain FastAPI"}),
    ("before the answer), 256 at the same time", {"this server", "plain FastAPI"}),
    ("50 requests held", {"this server", "bare ASGI", "plain FastAPI"}),
)


@pytest.fixture(scope="module")
def printed():
    """What a small run prints."""
    done = subprocess.run(
        [sys.executable, "server.py", *SMALL],
        cwd=ROOT / "benchmarks",
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.prove
@pytest.mark.parametrize(("title", "servers"), TABLES)
def test_each_table_has_its_rows(printed, title, servers):
    """One row for each server that was compared, with figures in every cell (a run as brief as this may lack some)."""
    [section] = [part for part in printed.split("## ") if title in part.partition("\n")[0]]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    assert {name for name, *_ in rows[2:]} == servers
    assert all(re.match(r"\d|nan", cell) for _, *cells in rows[2:] for cell in cells)


@pytest.mark.prove
def test_what_was_left_out_is_said(printed):
    """A reader is told that the other simulators were not asked."""
    assert "json-server, Mockoon and WireMock were left out on request." in printed


def test_a_peer_that_cannot_be_had_is_named(monkeypatch):
    """Where its programs are missing, it is left out with the reason, and nothing is imitated."""
    monkeypatch.setattr(server_peers.shutil, "which", lambda _: None)
    assert server_peers.npm_peers({}) == (
        [],
        [
            "json-server is left out: there is no node and no npm.",
            "Mockoon is left out: there is no node and no npm.",
            "WireMock is left out: there is no npm and no java.",
        ],
    )
