"""The house is in order: lists that say the same thing agree, and nothing of one machine got in."""

import os
import re

import pytest
from tests.declared import requirements, wanted

from server_process import ROOT

DISTRIBUTIONS = {"client": "translation_client", "server": "translation_server"}
EXTRAS_OF_THE_CHECKOUT = {"client": ("cli",), "server": ()}
TRACES = [
    re.compile(r"/(?:work|root|home/\w+)/"),
    re.compile(
        r"\b(?:" + "|".join(["pypi" + r"\.", "files.python" + "hosted", "index" + "-url=", "find" + "-links="]) + ")"
    ),
]


@pytest.mark.parametrize("part", DISTRIBUTIONS)
def test_requirements_say_what_the_distribution_says(part):
    """`requirements.txt` holds what the distribution needs, and what its command line needs, and nothing else."""
    assert requirements(f"{part}/requirements.txt") == wanted(part, EXTRAS_OF_THE_CHECKOUT[part])


def test_the_licence_is_the_same_everywhere():
    """Each distribution brings the licence of the project along."""
    licence = (ROOT / "LICENSE").read_text("utf-8")
    assert "MIT License" in licence
    assert {(ROOT / part / "LICENSE").read_text("utf-8") for part in DISTRIBUTIONS} == {licence}


def test_ci_runs_the_command_of_the_readme(read):
    """`.ci/run` can be executed, stops at the first fault, and runs both commands that README.md tells a reader."""
    assert os.access(ROOT / ".ci/run", os.X_OK)
    assert "set -euo pipefail" in read(".ci/run")
    for command in ("run.py test", "run.py prove"):
        assert command in read(".ci/run")
        assert f"python3 {command}" in read("README.md")
    assert "rm -rf .venv" in read(".ci/run")


def test_the_changelog_keeps_its_form(read):
    """Keep a Changelog: a section of what is not released yet, known headings, the newest release first."""
    text = read("CHANGELOG.md")
    versions = re.findall(r"^## \[(.+?)\](?: - (\d{4}-\d\d-\d\d))?$", text, flags=re.MULTILINE)
    assert versions[0] == ("Unreleased", "")
    assert all(date for _, date in versions[1:])
    assert [date for _, date in versions[1:]] == sorted((date for _, date in versions[1:]), reverse=True)
    headings = set(re.findall(r"^### (.+)$", text, flags=re.MULTILINE))
    assert headings <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_nothing_of_one_machine_is_committed(fresh_clone, committed_files):
    """No file holds a path of somebody's machine or the name of a package index."""
    found = [
        f"{path}: {match.group()}"
        for path in committed_files
        for pattern in TRACES
        for match in pattern.finditer((fresh_clone / path).read_text("utf-8", "ignore"))
    ]
    assert found == []
