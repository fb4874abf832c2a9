"""README.md is true: its tables say what the software says.

Its examples are run by test_snippets.py, the commands that install something by test_commands.py, and those of run.py
by test_run.py.
"""

import inspect
import json
import os
import re
import subprocess
import sys

import pytest
import requests

from client import TranslationStatusClient
from server_process import ROOT, clean_environment, documented_variables
from translation_server.config.settings import Settings

README = (ROOT / "README.md").read_text("utf-8")
WRITTEN_URL = "http://127.0.0.1:8000"


def blocks(language):
    """The fenced blocks of README.md in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def table(heading):
    """The rows of the first table after a heading, each a list of its cells."""
    section = README.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split(" | ") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def names(cell):
    """What stands in back quotes."""
    return re.findall(r"`([^`]+)`", cell)


def run(command, **options):
    """Runs an example and gives what it printed."""
    environment = clean_environment() | {"PYTHONPATH": str(ROOT / "client/src")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("commands", blocks("bash"))
def test_an_example_with_curl_runs(server, commands):
    """Each command is answered with a job, of the form that README.md shows."""
    shown = json.loads(blocks("json")[0])
    printed = run(["bash", "-euc", commands.replace(WRITTEN_URL, server.base_url).replace("curl ", "curl --silent ")])
    jobs = [json.loads(text) for text in printed.replace("}{", "}\n{").splitlines()]
    assert len(jobs) == commands.count("curl ")
    assert [list(job) for job in jobs] == [list(shown)] * len(jobs)
    assert {job["job_id"] for job in jobs} == {jobs[0]["job_id"]}


def test_links_lead_somewhere():
    """Every file that README.md links to exists."""
    targets = re.findall(r"\]\(([^)#]+)", README)
    assert targets
    assert [target for target in targets if "://" not in target and not (ROOT / target).exists()] == []


def test_the_table_of_calls_is_complete():
    """It has every public method of the client, with arguments that exist, and no other."""
    calls = [name for row in table("The client") for name in names(row[0])]
    shown = {call.split("(")[0]: re.findall(r"\w+", call.split("(")[1]) for call in calls}
    methods = {
        name: inspect.signature(method).parameters
        for name, method in inspect.getmembers(TranslationStatusClient, inspect.isfunction)
        if not name.startswith("_")
    }
    assert shown.keys() == methods.keys()
    assert [name for name, arguments in shown.items() if not set(arguments) <= methods[name].keys()] == []


def test_the_table_of_requests_is_complete(server):
    """It has every route of the running server's OpenAPI document, and no other."""
    paths = requests.get(f"{server.base_url}/openapi.json", timeout=10).json()["paths"]
    routes = {f"{method.upper()} {path}" for path, item in paths.items() for method in item if method != "parameters"}
    assert {name for row in table("The HTTP API") for name in names(row[0])} == routes


def test_the_table_of_variables_is_complete():
    """It has every variable of `.env.example` and of the settings, with the default that holds."""
    rows = table("Configuration")
    shown = {
        name: default.strip("`") for row in rows for name, default in zip(names(row[0]), defaults(row), strict=True)
    }
    assert shown.keys() == documented_variables() == {name.upper() for name in Settings.model_fields}
    for name, default in shown.items():
        field = Settings.model_fields[name.lower()]
        held = "none: required" if field.is_required() else "unset" if field.default is None else field.default
        assert default == (f"{held:.16g}" if isinstance(held, float) else str(held)), name


def defaults(row):
    """The defaults of a row: one for each of its variables, or one for all."""
    values = row[1].split(", ")
    return values * len(names(row[0])) if len(values) == 1 else values


def test_the_exit_statuses_are_those_of_the_command_line():
    """Each exit status of `--help` is in the table, and no other."""
    helped = run([sys.executable, "client/client.py", "--help"], cwd=ROOT)
    explained = set(re.findall(r"^ +(\d+) ", helped.split("exit status:")[1], flags=re.MULTILINE))
    assert {row[0] for row in table("The command line")} == explained


def test_make_is_short_for_run():
    """`make demo` and `make test` are the two commands."""
    for command in ("demo", "test"):
        printed = run(["make", "--dry-run", command], cwd=ROOT)
        assert printed.strip() == f"python3 run.py {command}"
        assert f"$ python3 run.py {command}\n" in README
    assert os.access(ROOT / "run.py", os.R_OK)
