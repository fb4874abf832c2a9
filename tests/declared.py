"""What the checkout declares: what each distribution needs, and on which Pythons it runs."""

import functools
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

from server_process import ROOT


def project(part):
    """The table `project` of a distribution's `pyproject.toml`."""
    return tomllib.loads((ROOT / part / "pyproject.toml").read_text("utf-8"))["project"]


def requirements(path):
    """The requirements that a `requirements.txt` names."""
    lines = (line.partition("#")[0].strip() for line in (ROOT / path).read_text("utf-8").splitlines())
    return {Requirement(line) for line in lines if line}


def wanted(part, extras):
    """What a distribution asks for, with some of its extras."""
    declared = project(part)
    optional = declared.get("optional-dependencies", {})
    return {Requirement(line) for line in sum((optional[extra] for extra in extras), declared["dependencies"])}


def promised_pythons():
    """The versions that the classifiers name, the oldest first."""
    prefix = "Programming Language :: Python :: "
    named = (line.removeprefix(prefix) for line in project("client")["classifiers"] if line.startswith(prefix))
    return [version for version in named if "." in version]


@functools.cache
def installed_pythons():
    """Version -> interpreter, for each promised version that this machine has, on the path or among pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = {}
    for version in promised_pythons():
        own = sys.executable if sys.version_info[:2] == tuple(map(int, version.split("."))) else None
        others = map(str, pyenv.glob(f"versions/*/bin/python{version}"))
        for python in filter(None, [own, shutil.which(f"python{version}"), *others]):
            if subprocess.run([python, "-c", "import venv"], capture_output=True, check=False).returncode == 0:
                found[version] = python
                break
    return found
