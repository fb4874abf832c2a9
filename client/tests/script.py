"""Runs `client.py` as its users do, for the tests that need a process."""

import contextlib
import subprocess
import sys
from pathlib import Path

from server_process import clean_environment
from translation_client.cli.main import main

SCRIPT = Path(__file__).resolve().parents[1] / "client.py"
USERNAME, PASSWORD = "admin", "canary-pässword"
GENEROUS = 20.0  # seconds until a process that hangs fails its test
SETTINGS = {
    "API_USERNAME": USERNAME,
    "API_PASSWORD": PASSWORD,
    "MIN_DELAY": "0.5",
    "MAX_DELAY": "0.8",
    "ERROR_PROBABILITY": "0",
}


def in_process(base_url, folder, monkeypatch, capsys):
    """Gives a function that runs the command line in this process: its exit status and what it printed."""
    monkeypatch.setenv("API_USERNAME", USERNAME)
    monkeypatch.setenv("API_PASSWORD", PASSWORD)

    def runs(*argv):
        status = main(["--base-url", base_url, *argv], prog="client", folder=folder)
        said = capsys.readouterr()
        return status, said.out, said.err

    return runs


@contextlib.contextmanager
def scripts(base_url, default_log):
    """Gives a function that starts the script, its output piped unless said otherwise; no process is left."""
    processes = []

    def starts(*argv, environment=None, log_file=default_log, measured=True, **settings):
        command = [sys.executable, SCRIPT, "--base-url", base_url, "--log-file", log_file, *argv]
        credentials = {"API_USERNAME": USERNAME, "API_PASSWORD": PASSWORD, "PYTHONUTF8": "1", "PYTHONUNBUFFERED": ""}
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(  # noqa: S603 - our own script
            command,
            env=clean_environment(measured=measured) | credentials | (environment or {}),
            encoding="utf-8",
            **(pipes | settings),
        )
        processes.append(process)
        return process

    try:
        yield starts
    finally:
        for process in processes:
            process.kill()
            process.communicate()
