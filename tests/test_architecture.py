"""The rooms of the two packages, and the arrows between them: who may import whom.

`docs/design.md` draws the same picture. Imports for annotations count as well.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Each line is a room and what it may import besides itself. Modules beside the rooms are called by their own names.
SERVER = {
    "jobs": "",
    "config": "jobs",
    "observability": "config jobs _version",
    "stores": "jobs",
    "service": "stores jobs",
    "http": "service stores observability config jobs",
    "middleware": "http observability config",
    "simulator": "middleware http service stores config jobs",
    "testing": "app uvicorn_server simulator middleware service config jobs",
}
# What these import is read and written nowhere: they decide, and are given the time and the randomness.
PURE = {"translation_server": ("jobs",), "translation_client": ("_wire", "_core")}
INPUT_AND_OUTPUT = (
    *("aiohttp", "asyncio", "fastapi", "http.client", "http.server", "requests", "select", "selectors", "shutil"),
    *("socket", "sqlite3", "ssl", "starlette", "subprocess", "tempfile", "threading", "time", "urllib.request"),
    *("urllib3", "uvicorn"),
)
ROOMS = {"translation_server": SERVER}
SOURCES = {"translation_server": ROOT / "server/src", "translation_client": ROOT / "client/src"}
# Arrows that are still to be cut.
KNOWN = {"config -> simulator", "jobs -> config", "service -> http", "stores -> outbox", "http -> simulator"}
LEAVING = {"guard", "guarded_protocol", "arrivals", "cycle", "lean", "joined", "outbox", "keepalive", "pauses"}


def modules_of(package: str) -> dict[str, str]:
    """Module name inside the package (`jobs.model`) -> its text."""
    source = SOURCES[package] / package
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


def wrong_arrows(package: str, modules: Mapping[str, str], rooms: Mapping[str, str]) -> set[str]:
    """Each arrow between rooms that is drawn in the imports and not in the table."""
    arrows = {
        (module.partition(".")[0], name.split(".")[1])
        for module, text in modules.items()
        for name in imports_of(text)
        if name.startswith(f"{package}.")
    }
    return {f"{one} -> {other}" for one, other in arrows if one in rooms and other not in (one, *rooms[one].split())}


def impurities(modules: Mapping[str, str], pure: tuple[str, ...]) -> list[str]:
    """Each module for I/O, time or threads that a room without them imports."""
    return [
        f"{module} imports {name}"
        for module, text in modules.items()
        for name in imports_of(text)
        if module.partition(".")[0] in pure and any(f"{name}.".startswith(f"{one}.") for one in INPUT_AND_OUTPUT)
    ]


@pytest.mark.parametrize("package", ROOMS)
def test_arrows_are_those_of_the_table(package):
    """A room imports the rooms it may, and no other."""
    wrong = wrong_arrows(package, modules_of(package), ROOMS[package])
    assert {one for one in wrong - KNOWN if one.split()[-1] not in LEAVING} == set()


@pytest.mark.parametrize("package", PURE)
def test_decisions_do_no_input_or_output(package):
    """What decides is given the time and the randomness, and touches nothing outside."""
    assert impurities(modules_of(package), PURE[package]) == []


def test_client_and_server_never_meet():
    """Neither imports the other, nor what stands at the top; but a server inside a test makes clients for it."""
    for package, other in ("translation_client", "translation_server"), ("translation_server", "translation_client"):
        modules = modules_of(package)
        modules.pop("testing.server", None)
        names = {name.split(".")[0] for text in modules.values() for name in imports_of(text)}
        assert names.isdisjoint({other, "client", "server", "main", "tests"})


@pytest.mark.parametrize(
    ("module", "planted", "complaint"),
    [
        ("jobs.model", "from translation_server.service.waiters import Waiters", "jobs -> service"),
        ("stores.sqlite.store", "def late():\n    import translation_server.http.routes", "stores -> http"),
        ("service.waiters", "if TYPE_CHECKING:\n    from translation_server import simulator", "service -> simulator"),
    ],
)
def test_a_planted_import_is_found(module, planted, complaint):
    """An import that is not allowed is noticed, wherever in a module it stands."""
    modules = modules_of("translation_server")
    modules[module] += f"\n{planted}\n"
    assert complaint in wrong_arrows("translation_server", modules, SERVER)
    assert impurities({"jobs.model": "from urllib.request import urlopen\nimport time"}, ("jobs",)) != []
