"""The house is in order: lists that say the same thing agree, and nothing of one machine got in."""

import os
import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from server_process import ROOT

DISTRIBUTIONS = {"client": "translation_client", "server": "translation_server"}
EXTRAS_OF_THE_CHECKOUT = {"client": ("cli",), "server": ()}
TRACES = [
    re.compile(r"/(?:work|root|home/\w+)/"),
    re.compile(
        r"\b(?:" + "|".join(["pypi" + r"\.", "files.python" + "hosted", "index" + "-url=", "find" + "-links="]) + ")"
    ),
]


def project(part):
    return tomllib.loads((ROOT / part / "pyproject.toml").read_text("utf-8"))["project"]


def requirements(path):
    lines = (line.partition("#")[0].strip() for line in (ROOT / path).read_text("utf-8").splitlines())
    return {Requirement(line) for line in lines if line}


def pins(path):
    """Name -> version of a lock file."""
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / path).read_text("utf-8"), flags=re.MULTILINE))


def wanted(part, extras):
    """What a distribution asks for, with some of its extras."""
    declared = project(part)
    optional = declared.get("optional-dependencies", {})
    return {Requirement(line) for line in sum((optional[extra] for extra in extras), declared["dependencies"])}


@pytest.mark.parametrize("part", DISTRIBUTIONS)
def test_requirements_say_what_the_distribution_says(part):
    """`requirements.txt` holds what the distribution needs, and what its command line needs, and nothing else."""
    assert requirements(f"{part}/requirements.txt") == wanted(part, EXTRAS_OF_THE_CHECKOUT[part])


@pytest.mark.parametrize(
    ("lock", "every_extra"), [("requirements.lock", False), ("requirements-dev.lock", True)], ids=["run", "dev"]
)
@pytest.mark.parametrize("part", DISTRIBUTIONS)
def test_the_lock_files_are_up_to_date(part, lock, every_extra):
    """All that a distribution asks for is pinned, at a version it accepts; if not: `python3 run.py lock`."""
    extras = project(part).get("optional-dependencies", {}) if every_extra else EXTRAS_OF_THE_CHECKOUT[part]
    pinned = pins(lock)
    stale = [
        str(want) for want in wanted(part, extras) if pinned.get(canonicalize_name(want.name)) not in want.specifier
    ]
    assert stale == []


def test_the_tools_are_locked():
    """Every tool of the workshop is pinned as well."""
    group = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]["dev"]
    assert {canonicalize_name(Requirement(line).name) for line in group} <= pins("requirements-dev.lock").keys()


def test_both_lock_files_pin_the_same_versions():
    """What is tested is what runs."""
    run, dev = pins("requirements.lock"), pins("requirements-dev.lock")
    assert run == {name: dev.get(name) for name in run}


def test_every_pin_has_its_hash():
    """An installation refuses a file that is not the one that was locked."""
    for lock in ("requirements.lock", "requirements-dev.lock"):
        entries = re.split(r"^(?=[a-z0-9-]+==)", (ROOT / lock).read_text("utf-8"), flags=re.MULTILINE)[1:]
        assert entries
        assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_the_licence_is_the_same_everywhere():
    """Each distribution brings the licence of the project along."""
    licence = (ROOT / "LICENSE").read_text("utf-8")
    assert "MIT License" in licence
    assert {(ROOT / part / "LICENSE").read_text("utf-8") for part in DISTRIBUTIONS} == {licence}


def test_ci_runs_the_command_of_the_readme(read):
    """`.ci/run` can be executed, stops at the first fault, and runs what README.md tells a reader to run."""
    assert os.access(ROOT / ".ci/run", os.X_OK)
    assert "set -euo pipefail" in read(".ci/run")
    assert "run.py test" in read(".ci/run")
    assert "python3 run.py test" in read("README.md")


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
