"""The lock files: complete, in step with what is declared, and installable by every pip a reader may have.

pip before 24 does not take `coverage==1` for an answer to a package that asks for `coverage[toml]`: it looks for the
newest one, whose hash is in no lock. Such a lock works until there is a newer one, so extras are kept in it.
"""

import itertools
import re
import subprocess
import tomllib
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tests.declared import installed_pythons, project, requirements, wanted

from server_process import ROOT, clean_environment

LOCKS = {"requirements.lock": ("cli",), "requirements-dev.lock": None}  # with which extras; None: all there are
PIN = re.compile(r"^([a-z0-9-]+)(?:\[([a-z0-9,-]+)\])?==(\S+)", re.MULTILINE)


def locked(text):
    """Name -> version and extras of each package of a lock file."""
    return {name: (version, set(extras.split(",")) - {""}) for name, extras, version in PIN.findall(text)}


def pins(lock):
    """Name -> version of a lock file of the checkout."""
    return {name: version for name, (version, _) in locked((ROOT / lock).read_text("utf-8")).items()}


def missing_extras(pinned, asked):
    """What locked packages ask for, with an extra that the lock does not have.

    Args:
        pinned: What `locked` gives.
        asked: Gives the requirements that a locked package declares; none of one that is not installed here.
    """
    found = set()
    for name, (_, extras) in pinned.items():
        for line in asked(name):
            want = Requirement(line)
            applies = want.marker is None or any(want.marker.evaluate({"extra": extra}) for extra in extras | {""})
            has = pinned.get(canonicalize_name(want.name), ("", set()))[1]
            if applies and not set(want.extras) <= has:
                found.add(f"{name} asks for {want}")
    return found


def declared(name):
    """The requirements of an installed package."""
    try:
        return metadata.requires(name) or []
    except metadata.PackageNotFoundError:  # for another Python or another system
        return []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_has_the_extras_that_its_packages_ask_for(lock):
    """Where a locked package asks for `x[extra]`, the lock has `x[extra]` and not `x` alone."""
    pinned = locked((ROOT / lock).read_text("utf-8"))
    assert len([name for name in pinned if declared(name)]) > 10
    assert missing_extras(pinned, declared) == set()


def test_a_lock_without_an_extra_is_noticed():
    """A lock that has `coverage` where `pytest-cov` asks for `coverage[toml]` is named."""
    text = (ROOT / "requirements-dev.lock").read_text("utf-8")
    assert "coverage[toml]==" in text
    stale = locked(text.replace("coverage[toml]==", "coverage=="))
    assert [line.partition(">")[0] for line in missing_extras(stale, declared)] == [
        "pytest-cov asks for coverage[toml]"
    ]


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("part", ["client", "server"])
def test_the_lock_files_are_up_to_date(part, lock):
    """All that a distribution asks for is pinned, at a version it accepts; if not: `python3 run.py lock`."""
    offered = project(part).get("optional-dependencies", {})
    extras = [extra for extra in offered if LOCKS[lock] is None or extra in LOCKS[lock]]
    pinned = pins(lock)
    asked = wanted(part, extras)
    stale = [str(want) for want in asked if pinned.get(canonicalize_name(want.name)) not in want.specifier]
    assert stale == []


@pytest.mark.parametrize("part", ["client", "server"])
def test_what_a_reader_installs_by_hand_is_locked(part):
    """Every line of `requirements.txt` is pinned in the lock of `python3 run.py demo`."""
    pinned = pins("requirements.lock")
    assert {str(one) for one in requirements(f"{part}/requirements.txt") if one.name not in pinned} == set()


def test_the_tools_are_locked():
    """Every tool of the workshop is pinned as well."""
    group = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]["dev"]
    assert {canonicalize_name(Requirement(line).name) for line in group} <= pins("requirements-dev.lock").keys()


def test_both_lock_files_pin_the_same_versions():
    """What is tested is what runs."""
    run, dev = pins("requirements.lock"), pins("requirements-dev.lock")
    assert run == {name: dev.get(name) for name in run}


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_its_hash(lock):
    """An installation refuses a file that is not the one that was locked."""
    text = (ROOT / lock).read_text("utf-8")
    starts = [pin.start() for pin in PIN.finditer(text)]
    entries = [text[start:end] for start, end in itertools.pairwise([*starts, len(text)])]
    assert len(entries) > 10
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def pips(version):
    """The pips to try on a Python: its own (23.2.1 of 3.12, 24 and newer ones), and on the oldest that of Debian 12."""
    return ["23.0.1", "newest"] if version == "3.11" else ["bundled"]


@pytest.mark.prove
@pytest.mark.parametrize(
    ("python", "pip"),
    [
        pytest.param(python, pip, id=f"{version}-{pip}")
        for version, python in installed_pythons().items()
        for pip in pips(version)
    ],
)
def test_every_pip_accepts_the_locks(python, pip, tmp_path):
    """On each Python, the pip that comes with it, old ones and the newest find everything that a lock file names."""
    in_venv = str(tmp_path / "bin/python")
    subprocess.run([python, "-m", "venv", str(tmp_path)], check=True)
    install = [in_venv, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    environment = clean_environment()
    if pip != "bundled":
        subprocess.run(
            [*install, "--upgrade", "pip" if pip == "newest" else f"pip=={pip}"], check=True, env=environment
        )
    for lock in LOCKS:
        done = subprocess.run(
            [*install, "--dry-run", "--require-hashes", "-r", str(ROOT / lock)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
