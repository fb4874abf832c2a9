"""What users install: both wheels, built, put away from the sources, and used from there."""

import email
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from server_process import ROOT

CLIENT, SERVER = "translation_client", "translation_server"
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]


@pytest.fixture(scope="module")
def wheels(fresh_clone, tmp_path_factory):
    """Package name -> its wheel, built from a clean checkout with the locked build backend."""
    folder = tmp_path_factory.mktemp("wheels")
    sources = [str(fresh_clone / "client"), str(fresh_clone / "server")]
    run([*PIP, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), *sources], folder)
    return {path.name.split("-")[0]: path for path in folder.iterdir()}


@pytest.fixture(scope="module")
def user(wheels, tmp_path_factory):
    """A user's virtual environment with both wheels in it, and no sources near; other packages come from here."""
    folder = tmp_path_factory.mktemp("user")
    run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], folder)
    python = folder / "venv/bin/python"
    site = Path(run([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], folder).strip())
    (site / "others.pth").write_text(sysconfig.get_path("purelib"), "utf-8")
    run([*PIP, "--python", str(python), "install", "--no-deps", "--no-index", *map(str, wheels.values())], folder)
    return folder


def run(command, folder):
    """Runs a command away from the sources and gives what it printed."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("package", [CLIENT, SERVER])
def test_a_wheel_holds_the_whole_package_and_nothing_else(fresh_clone, wheels, package):
    """Every file of the package is in its wheel: modules, `py.typed`, and no test."""
    source = fresh_clone / package.removeprefix("translation_") / "src"
    files = {str(path.relative_to(source)) for path in (source / package).rglob("*") if path.is_file()}
    packed = set(zipfile.ZipFile(wheels[package]).namelist())
    assert {name for name in packed if ".dist-info/" not in name} == {name for name in files if ".pyc" not in name}
    assert f"{package}/py.typed" in packed


@pytest.mark.parametrize("package", [CLIENT, SERVER])
def test_a_wheel_says_what_it_is(wheels, package):
    """Name, version, licence and the Python it needs are in the metadata, and the licence's text comes along."""
    wheel = zipfile.ZipFile(wheels[package])
    folder = next(name.split("/")[0] for name in wheel.namelist() if ".dist-info/" in name)
    metadata = email.message_from_bytes(wheel.read(f"{folder}/METADATA"))
    version = (ROOT / package.removeprefix("translation_") / "src" / package / "_version.py").read_text("utf-8")
    assert metadata["Name"] == package.replace("_", "-")
    assert f'__version__ = "{metadata["Version"]}"' in version
    assert (metadata["License-Expression"], metadata["Requires-Python"]) == ("MIT", ">=3.11")
    assert b"MIT License" in wheel.read(f"{folder}/licenses/LICENSE")


def test_the_client_needs_only_requests(wheels):
    """Its one hard dependency is requests; the progress bar and the async client are extras."""
    wheel = zipfile.ZipFile(wheels[CLIENT])
    metadata = email.message_from_bytes(wheel.read(next(n for n in wheel.namelist() if n.endswith("METADATA"))))
    hard = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert [line.split(">")[0] for line in hard] == ["requests"]
    assert sorted(metadata.get_all("Provides-Extra", [])) == ["async", "cli"]


@pytest.mark.parametrize("package", [CLIENT, SERVER])
def test_an_installed_package_is_imported_from_where_it_was_installed(user, package):
    """The package works without the checkout."""
    place = run(["venv/bin/python", "-c", f"import {package}; print({package}.__file__)"], user)
    assert place.startswith(str(user / "venv"))


def test_the_installed_client_is_used_by_its_name(user):
    """`from translation_client import TranslationStatusClient` works once installed."""
    code = "from translation_client import TranslationStatusClient as C; print(C('http://127.0.0.1:1', 'a', 'b'))"
    assert "TranslationStatusClient" in run(["venv/bin/python", "-c", code], user)


def test_the_command_is_installed(user):
    """`translation-client` is there once installed, and knows its version."""
    assert "0.1.0" in run(["venv/bin/translation-client", "--version"], user)


def test_pytest_finds_the_plugin(user):
    """Once the server is installed, the fixture is there, without a word about it anywhere."""
    test = "def test(translation_server):\n    assert translation_server.clock.advance(5400) is None\n"
    (user / "test_it.py").write_text(test, "utf-8")
    command = ["venv/bin/python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py"]
    assert "1 passed" in run(command, user)


def test_types_reach_the_user(user):
    """A type checker sees the client's annotations, and finds the user's mistake with them."""
    mistake = "from translation_client import TranslationStatusClient\nTranslationStatusClient().start_job() + 1\n"
    (user / "mistake.py").write_text(mistake, "utf-8")
    command = [sys.executable, "-m", "mypy", "--python-executable", "venv/bin/python", "mistake.py"]
    done = subprocess.run(command, cwd=user, capture_output=True, text=True, timeout=120, check=False)
    assert 'Unsupported operand types for + ("str" and "int")' in done.stdout
