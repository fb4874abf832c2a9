"""Runs `client.py` as its users do, for the tests that need a process."""

import contextlib
import subprocess
import sys
from pathlib import Path

from server_process import clean_environment

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


@contextlib.contextmanager
def scripts(base_url, default_log):
    """Gives a function that starts the script, its output piped unless said otherwise; no process is left at the end."""
    processes = []

    def starts(*argv, environment=None, log_file=default_log, **settings):
        command = [sys.executable, SCRIPT, "--base-url", base_url, "--log-file", log_file, *argv]
        credentials = {"API_USERNAME": USERNAME, "API_PASSWORD": PASSWORD, "PYTHONUTF8": "1"}
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(  # noqa: S603 - our own script
            command, env=clean_environment() | credentials | (environment or {}), encoding="utf-8", **(pipes | settings)
        )
        processes.append(process)
        return process

    try:
        yield starts
    finally:
        for process in processes:
            process.kill()
            process.communicate()
