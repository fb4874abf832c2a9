"""The rooms of the two packages, and the arrows between them: who may import whom.

`docs/design.md` has the list, for people and for this test. Imports for annotations count as well.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {"server": ROOT / "server/src/translation_server", "client": ROOT / "client/src/translation_client"}
PURE = {"jobs", "_wire", "_core"}
SHARED = {"_errors", "_models", "_version"}  # beside the client's rooms, for all of them
WIRING = {"testing": {"app"}, "cli": {"__init__"}, "observability": {"_version"}}  # beside the rooms, for these alone
INPUT_AND_OUTPUT = (
    *("aiohttp", "asyncio", "fastapi", "http.client", "http.server", "requests", "select", "selectors", "shutil"),
    *("socket", "sqlite3", "starlette", "subprocess", "tempfile", "threading", "time", "urllib.request"),
    *("urllib3", "uvicorn", "granian"),
)
CATALOGUES = {"formats"}  # folders of files that are all alike, and that no other file names
MOST_FILES, LONGEST_FILE, LONGEST_TEST = 11, 400, 420  # tables of cases are long, and easy to read nevertheless


def rooms() -> dict[str, dict[str, set[str]]]:
    """What each room of each part may import, as the page on the design says."""
    text = (ROOT / "docs/design.md").read_text("utf-8")
    blocks = re.findall(r"^(server|client)\n((?:    .*\n)+)", text, re.MULTILINE)
    return {
        part: {
            room: {*allowed} - {"nothing"} | WIRING.get(room, set()) | SHARED
            for room, *allowed in map(str.split, lines.splitlines())
        }
        for part, lines in blocks
    }


ROOMS = rooms()


def modules_of(part: str) -> dict[str, str]:
    """Module name inside the package (`jobs.model`) -> its text."""
    source = PACKAGES[part]
    return {
        ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__"): path.read_text("utf-8")
        for path in sorted(source.rglob("*.py"))
    }


def imports_of(text: str) -> Iterator[str]:
    """The dotted names a module imports, wherever in it; names taken from a module are given with it."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where things come from"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def wrong_arrows(part: str, modules: Mapping[str, str]) -> set[str]:
    """Each import of one room from another that the list does not have."""
    package, found = PACKAGES[part].name, set()
    for module, text in modules.items():
        room = module.partition(".")[0]
        for name in imports_of(text):
            first, _, rest = name.partition(".")
            target = rest.partition(".")[0]
            inside = target if target in ROOMS[part] or target in modules else "__init__"
            if first == package and room in ROOMS[part] and inside not in {room, *ROOMS[part][room]}:
                found.add(f"{room} -> {inside}")
    return found


def impurities(modules: Mapping[str, str]) -> list[str]:
    """Each module for I/O, time or threads that a room without them imports."""
    return [
        f"{module} imports {name}"
        for module, text in modules.items()
        for name in imports_of(text)
        if module.partition(".")[0] in PURE and any(f"{name}.".startswith(f"{one}.") for one in INPUT_AND_OUTPUT)
    ]


@pytest.mark.parametrize("part", PACKAGES)
def test_the_list_names_every_room(part):
    """No folder is missing from it, and the picture shows each."""
    folders = {path.name for path in PACKAGES[part].iterdir() if path.is_dir() and path.name != "__pycache__"}
    picture = (ROOT / "docs/pictures/design.svg").read_text("utf-8")
    assert folders == set(ROOMS[part])
    assert [room for room in folders if f">{room}<" not in picture] == []


@pytest.mark.parametrize("part", PACKAGES)
def test_a_room_imports_what_it_may(part):
    """And nothing else."""
    assert wrong_arrows(part, modules_of(part)) == set()


@pytest.mark.parametrize("part", PACKAGES)
def test_decisions_do_no_input_or_output(part):
    """What decides is given the time and the random numbers, and touches nothing outside."""
    assert impurities(modules_of(part)) == []


@pytest.mark.parametrize("part", PACKAGES)
def test_client_and_server_never_meet(part):
    """Neither imports the other, nor what stands at the top; but a server inside a test makes clients for it."""
    modules = modules_of(part)
    modules.pop("testing.server", None)
    names = {name.split(".")[0] for text in modules.values() for name in imports_of(text)}
    others = {package.name for other, package in PACKAGES.items() if other != part}
    assert names.isdisjoint(others | {"client", "server", "main", "tests"})


@pytest.mark.parametrize("part", PACKAGES)
def test_rooms_and_files_stay_small(part):
    """A room has eleven files at most, a file 400 lines, a test with its tables some more."""
    files = [*PACKAGES[part].rglob("*.py"), *(ROOT / part / "tests").rglob("*.py"), *(ROOT / "tests").glob("*.py")]
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in [*files, *ROOT.glob("*.py")]}
    allowed = {path: LONGEST_TEST if "tests" in path.parts else LONGEST_FILE for path in lengths}
    assert [f"{path}: {length}" for path, length in lengths.items() if length > allowed[path]] == []
    folders = {path.parent for path in PACKAGES[part].rglob("*.py") if path.parent.name not in CATALOGUES}
    assert [str(folder) for folder in folders if len([*folder.glob("*.py")]) > MOST_FILES] == []


def test_nothing_names_an_entry_of_a_catalogue():
    """So that one more service is one more file; and its files decide only: they touch nothing outside."""
    entries = "translation_server.vendors.formats."
    modules = modules_of("server")
    named = [
        f"{module} imports {name}" for module in modules for name in imports_of(modules[module]) if entries in name
    ]
    assert named == []
    formats = {f"jobs.{name}": text for name, text in modules.items() if name.startswith("vendors.formats.")}
    assert impurities(formats) == []


@pytest.mark.parametrize(
    ("part", "module", "planted", "complaint"),
    [
        ("server", "jobs.model", "from translation_server.service.waiters import Waiters", "jobs -> service"),
        ("server", "stores.protocol", "def late():\n    import translation_server.http.routes", "stores -> http"),
        (
            "server",
            "service.waiters",
            "if TYPE_CHECKING:\n    from translation_server import simulator",
            "service -> simulator",
        ),
        ("server", "http.routes", "from translation_server.app import create_app", "http -> app"),
        ("client", "_core.wait", "from translation_client._sync import driver", "_core -> _sync"),
    ],
)
def test_a_planted_import_is_found(part, module, planted, complaint):
    """An import that is not on the list is noticed, wherever in a module it stands."""
    modules = modules_of(part)
    modules[module] += f"\n{planted}\n"
    assert complaint in wrong_arrows(part, modules)


@pytest.mark.parametrize("planted", ["import time", "from urllib.request import urlopen", "import asyncio.events"])
def test_planted_input_and_output_is_found(planted):
    """In whatever form it is imported."""
    assert impurities({"jobs.model": planted}) != []
