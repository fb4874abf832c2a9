"""What users install: both distributions, built, put away from the sources, and used with what they declare."""

import email
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest
from readme_renderer.markdown import render
from tests.declared import installed_pythons, promised_pythons

from server_process import ROOT, clean_environment

CLIENT, SERVER = "translation_client", "translation_server"
PACKAGES = [CLIENT, SERVER]
UV = [sys.executable, "-m", "uv", "--quiet", "--no-python-downloads"]
LITTER = [".env", "translation.db", "logs/server.log"]  # what a checkout that was used has beside its sources
INSTALLED = {  # an environment -> what a user asks for
    "client": [(CLIENT, "")],
    "server": [(SERVER, "")],
    "both": [(CLIENT, "[async,cli]"), (SERVER, "")],
    "tester": [(CLIENT, ""), (SERVER, ""), ("pytest", "")],
}
WHOLE_STORY = """
import asyncio, translation_client, translation_server
from translation_server import TranslationServer
from translation_server.faults import LostAnswer

async def main(server):
    async with server.async_client() as client:
        return await client.wait_for_completion(await client.start_job())

with TranslationServer(completion_time=5400, clock=1e6) as server:
    server.faults.add(LostAnswer(), times=1)
    with server.client() as client:
        print(client.wait_for_completion(client.start_job()), asyncio.run(main(server)))
print(translation_client.__file__, translation_server.__file__)
"""
TYPED_PROGRAM = """
from translation_client import Job, JobStatus, TranslationStatusClient
from translation_server import TranslationServer

def see(job: Job) -> None:
    print(job.status.value, job.elapsed_time)

with TranslationServer(completion_time=1.0) as server:
    with TranslationStatusClient(server.base_url, server.username, server.password, timeout=10) as client:
        status: JobStatus = client.wait_for_completion(client.start_job(), on_status_change=see)
"""
PLUGIN_TEST = "def test(translation_server):\n    assert translation_server.clock.advance(5400) is None\n"


def pythons():
    """The oldest and the newest promised Python that this machine has: version -> interpreter."""
    found = list(installed_pythons().items())
    return dict([found[0], found[-1]])


PYTHONS = pythons()


def run(command, folder, status=0):
    """Runs a command away from the sources and gives what it printed."""
    done = subprocess.run(
        command, cwd=folder, env=clean_environment(), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def distributions(fresh_clone, tmp_path_factory):
    """Builds both, as `python -m build` does: sources from a checkout that was used, and wheels from those sources."""
    folder = tmp_path_factory.mktemp("distributions")
    for name in ("client", "server"):
        used = shutil.copytree(fresh_clone / name, folder / "used" / name)
        for litter in LITTER:
            (used / litter).parent.mkdir(exist_ok=True)
            (used / litter).write_text("secret", "utf-8")
        build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder / "dist")]
        run([*build, str(used)], folder)
    return sorted((folder / "dist").iterdir())


@pytest.fixture(scope="module")
def wheels(distributions):
    """Package name -> its wheel."""
    return {path.name.split("-")[0]: path for path in distributions if path.suffix == ".whl"}


@pytest.fixture(scope="module")
def metadata(wheels):
    """Package name -> what its wheel says of itself."""
    found = {}
    for package, path in wheels.items():
        wheel = zipfile.ZipFile(path)
        name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        found[package] = email.message_from_bytes(wheel.read(name))
    return found


@pytest.fixture(scope="module", params=PYTHONS.values(), ids=PYTHONS.keys())
def users(request, wheels, tmp_path_factory):
    """Environments with wheels and what they declare, in the locked versions: no sources, and nothing else."""
    folder = tmp_path_factory.mktemp("users")
    lock = (ROOT / "requirements-dev.lock").read_text("utf-8").splitlines()
    pins = [re.sub(r"\[.*\]| \\$", "", line) for line in lock if not line.startswith((" ", "#"))]
    (folder / "pins.txt").write_text("\n".join(pins), "utf-8")

    def install(name):
        wanted = [f"{wheels[one]}{extras}" if one in wheels else one for one, extras in INSTALLED[name]]
        run([*UV, "venv", "--python", request.param, str(folder / name)], folder)
        python = str(folder / name / "bin/python")
        run([*UV, "pip", "install", "--python", python, "-c", "pins.txt", *wanted], folder)

    with ThreadPoolExecutor() as pool:
        list(pool.map(install, INSTALLED))
    return folder


@pytest.mark.parametrize("package", PACKAGES)
def test_a_wheel_holds_the_whole_package_and_nothing_else(fresh_clone, wheels, package):
    """Every file of the package is in its wheel: modules, `py.typed`, and no test."""
    source = fresh_clone / package.removeprefix("translation_") / "src"
    files = {str(path.relative_to(source)) for path in (source / package).rglob("*") if path.is_file()}
    packed = set(zipfile.ZipFile(wheels[package]).namelist())
    assert {name for name in packed if ".dist-info/" not in name} == {name for name in files if ".pyc" not in name}
    assert f"{package}/py.typed" in packed


@pytest.mark.parametrize("package", PACKAGES)
def test_sources_hold_what_a_wheel_is_made_of_and_no_secret(distributions, package):
    """The package, its licence and its page; never a `.env`, a database or a log that lay beside them."""
    path = next(path for path in distributions if path.name.startswith(package) and path.suffix == ".gz")
    with tarfile.open(path) as sources:
        inside = {name.partition("/")[2] for name in sources.getnames()}
    others = {name for name in inside if not name.startswith(f"src/{package}/")}
    assert others <= {"LICENSE", "README.md", "PKG-INFO", "pyproject.toml", ".gitignore"}
    assert {"LICENSE", "README.md", "pyproject.toml"} <= others


def test_a_package_index_would_take_them(distributions):
    """`twine check --strict` has nothing to say."""
    assert len(distributions) == 4
    printed = run([sys.executable, "-m", "twine", "--no-color", "check", "--strict", *map(str, distributions)], ROOT)
    assert printed.count("PASSED") == 4


@pytest.mark.parametrize("package", PACKAGES)
def test_a_wheel_says_what_it_is(wheels, metadata, package):
    """Name, version, licence and the Python it needs are in the metadata, and the licence's text comes along."""
    said = metadata[package]
    version = (ROOT / package.removeprefix("translation_") / "src" / package / "_version.py").read_text("utf-8")
    assert said["Name"] == package.replace("_", "-")
    assert f'__version__ = "{said["Version"]}"' in version
    assert (said["License-Expression"], said["Requires-Python"]) == ("MIT", ">=3.11")
    licence = f"{package}-{said['Version']}.dist-info/licenses/LICENSE"
    assert b"MIT License" in zipfile.ZipFile(wheels[package]).read(licence)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_page_of_a_package_index_can_be_read(metadata, package):
    """Its headings and code are rendered, and no link leads to a file that is not there."""
    page = render(metadata[package].get_payload())
    assert re.search(rf"<h1[^>]*>{package.replace('_', '-')}<", page)
    assert '<pre lang="python"><span' in page
    assert [address for address in re.findall(r'href="([^"]*)', page) if address[:1] != "#"] == []


def test_both_promise_the_same_pythons(metadata):
    """From the oldest that is needed, without a gap, and alike for both."""
    for said in metadata.values():
        named = [line.rsplit(" ", 1)[1] for line in said.get_all("Classifier") if "Python :: 3." in line]
        assert named == promised_pythons() == [f"3.{11 + place}" for place in range(len(named))]
        assert said["Requires-Python"] == f">={named[0]}"


def test_the_client_needs_only_requests(metadata):
    """Its one hard dependency is requests; the progress bar and the async client are extras."""
    hard = [line for line in metadata[CLIENT].get_all("Requires-Dist", []) if "extra ==" not in line]
    assert [line.split(">")[0] for line in hard] == ["requests"]
    assert sorted(metadata[CLIENT].get_all("Provides-Extra", [])) == ["async", "cli"]


@pytest.mark.prove
def test_both_work_with_what_they_declare(users):
    """A lost answer, two clients, one server: the main story, from where they were installed."""
    first, places = run(["both/bin/python", "-Werror", "-c", WHOLE_STORY], users).splitlines()
    assert first == "completed completed"
    assert [place.startswith(str(users / "both")) for place in places.split()] == [True, True]


@pytest.mark.prove
def test_the_client_alone_is_enough_for_a_service_elsewhere(users, server):
    """Without extras, the sync client and the command line work; asking for the rest names the extra."""
    options = ["--base-url", server.base_url, "--username", "admin", "--password", "secretpassword"]
    command = ["client/bin/translation-client", "start", "--quiet", *options]
    job_id = run(command, users).strip()
    asked = f"C({server.base_url!r}, 'admin', 'secretpassword').wait({job_id!r}, timeout=30).job_id"
    code = f"from translation_client import TranslationStatusClient as C; print({asked})"
    assert run(["client/bin/python", "-c", code], users).strip() == job_id
    asked = "from translation_client import AsyncTranslationStatusClient"
    assert 'pip install "translation-client[async]"' in run(["client/bin/python", "-c", asked], users, status=1)


@pytest.mark.prove
def test_the_server_alone_serves(users, metadata):
    """Its command is there, and asking it for a client says what to install."""
    version = metadata[SERVER]["Version"]
    assert version in run(["server/bin/translation-server", "--version"], users)
    asked = "from translation_server import TranslationServer as S\nwith S() as server: server.client()"
    assert "pip install 'translation-client'" in run(["server/bin/python", "-c", asked], users, status=1)


@pytest.mark.prove
def test_pytest_finds_the_plugin(users):
    """Once the server is installed, the fixture is there, without a word about it anywhere."""
    (users / "test_it.py").write_text(PLUGIN_TEST, "utf-8")
    command = ["tester/bin/python", "-m", "pytest", "-q", "-Werror", "-p", "no:cacheprovider", "test_it.py"]
    assert "1 passed" in run(command, users)


@pytest.mark.prove
@pytest.mark.parametrize("users", [sys.executable], ids=["once"], indirect=True)
def test_types_reach_the_user(users):
    """`mypy --strict` accepts a user's program, and finds the mistake in another one."""
    mypy = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", "cache", "--python-executable", "both/bin/python"]
    (users / "program.py").write_text(TYPED_PROGRAM, "utf-8")
    (users / "mistake.py").write_text(f"{TYPED_PROGRAM}\nclient.start_job() + 1\n", "utf-8")
    found = [
        line for line in run([*mypy, "program.py", "mistake.py"], users, status=1).splitlines() if ": error:" in line
    ]
    assert [line.partition(":")[0] for line in found] == ["mistake.py"]
    assert 'Unsupported operand types for + ("str" and "int")' in found[0]
