"""The arrows point inwards: each module may use its own layer and the ones below, and nothing above.

A new module is put into a layer here before anything else. Imports for annotations count as well.
"""

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LONGEST_FILE = 250
LONGEST_TEST = 420  # tables of cases are long, and easy to read nevertheless


@dataclass(frozen=True)
class Part:
    """One package: its layers from the top to the bottom, and those of its modules that do no I/O."""

    package: str
    source: Path
    layers: tuple[tuple[str, ...], ...]
    pure: tuple[str, ...]
    exceptions: frozenset[tuple[str, str]] = frozenset()


# A module `_async_x` belongs where its twin `_x` is, or would be.
CLIENT = Part(
    "translation_client",
    ROOT / "client/src/translation_client",
    layers=(
        ("__main__", "_cli", "_cli_*"),
        ("__init__",),
        ("_client", "_async_client"),
        ("_driver", "_side_by_side", "_async_driver"),
        ("_transport", "_async_transport", "_callbacks", "_target"),
        ("_stream", "_exchange", "_async_stream", "_async_exchange"),
        ("_cutting", "_patience", "_resolver", "_async_resolver", "_turnstile", "_failures"),
        ("_operations",),
        ("_waiting", "_starting", "_many", "_calling", "_long_poll"),
        ("_observed", "_observed_many", "_flow", "_answers"),
        ("_protocol", "_events"),
        ("_polling", "_experience", "_models"),
        ("_errors", "_version"),
    ),
    pure=(
        *("_waiting", "_starting", "_many", "_calling", "_long_poll", "_observed", "_observed_many"),
        *("_flow", "_answers", "_protocol", "_events", "_polling", "_experience", "_models", "_errors"),
    ),
    # An error carries the job it is about; only its annotations say so.
    exceptions=frozenset({("_errors", "_models")}),
)

SERVER = Part(
    "translation_server",
    ROOT / "server/src/translation_server",
    layers=(
        ("pytest_plugin",),
        ("embedded", "faults", "incidents"),
        ("cli", "report_command", "__main__"),
        ("configured",),
        ("chosen", "lifecycle"),
        ("serving", "sockets"),
        ("app",),
        ("simulator.layers",),
        ("routes", "events", "simulator.report_api", "simulator.control"),
        ("status",),
        ("simulator.documents", "simulator.tables"),
        ("documentation", "openapi"),
        ("simulator.emptying",),
        ("service", "settling", "waiting", "schemas", "retention", "metrics", "probe"),
        ("simulator.recording", "simulator.faulty", "simulator.struck", "simulator.wire", "simulator.configured"),
        ("parameters",),
        ("stores", "stores.*"),
        ("representation", "errors"),
        ("simulator.simulator", "simulator.failure"),
        ("simulator.report", "simulator.job_report", "simulator.card", "simulator.trace"),
        ("simulator.politeness", "simulator.repeated_starts", "simulator.answers"),
        ("simulator.standing",),
        ("simulator.deciding", "simulator.altered"),
        ("simulator.exchange_log",),
        ("jobs", "simulation", "clock", "simulator.clocks", "turns", "agenda"),
        ("auth", "access", "bodies", "logs", "direct", "pauses", "recent", "shutdown", "guard"),
        ("accounts", "logins", "limits", "guarded_protocol", "connections"),
        ("listening",),
        ("cycle", "arrivals"),
        ("htpasswd", "joined", "keepalive", "lean", "outbox", "problems"),
        ("settings", "variables", "env_file", "rotation", "credentials", "log_lines"),
        ("simulator.incidents",),
        ("simulator.rule_text", "simulator.rules", "simulator.faults", "simulator.fields"),
        ("simulator.exchanges",),
        ("delays",),
        ("lognormal", "stages"),
        ("delay_model",),
        ("__init__", "_version", "simulator"),
    ),
    pure=(
        *("jobs", "simulation", "representation", "parameters", "errors", "credentials"),
        *("delay_model", "delays", "lognormal", "stages"),
        *("simulator.exchanges", "simulator.answers", "simulator.politeness", "simulator.repeated_starts"),
        *("simulator.job_report", "simulator.report", "simulator.card", "simulator.trace"),
        *("simulator.fields", "simulator.faults", "simulator.rules", "simulator.rule_text", "simulator.incidents"),
        *("simulator.deciding", "simulator.altered"),
    ),
    # The package's door leads, by name, to what testers use.
    exceptions=frozenset(
        {
            *(("__init__", one) for one in ("delays", "embedded", "lognormal")),
            *(("__init__", f"simulator.{one}") for one in ("clocks", "exchanges", "politeness", "report")),
        }
    ),
)

PARTS = (CLIENT, SERVER)
# By these, settings check what they are given.
WHAT_THE_RIM_MAY_KNOW = ("__init__", "delays", "stages", "simulator.incidents", "simulator.fields")
RIM = (
    *("auth", "access", "accounts", "bodies", "connections", "credentials", "env_file", "guard", "guarded_protocol"),
    *(
        "arrivals",
        "cycle",
        "htpasswd",
        "joined",
        "keepalive",
        "lean",
        "outbox",
        "limits",
        "logins",
        "log_lines",
        "logs",
        "problems",
        "rotation",
    ),
    *("settings", "variables"),
)
SHUNNED_BY_PURE = (
    *(
        "aiohttp",
        "asyncio",
        "fastapi",
        "http.client",
        "http.server",
        "requests",
        "select",
        "selectors",
        "shutil",
        "socket",
        "sqlite3",
    ),
    *("ssl", "starlette", "subprocess", "tempfile", "threading", "time", "urllib.request", "urllib3", "uvicorn"),
)


def modules_of(source: Path) -> dict[str, str]:
    """Module name inside the package (`jobs`, `stores.sqlite`) -> its text."""
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


def arrows_of(part: Part, modules: Mapping[str, str]) -> set[tuple[str, str]]:
    """Who imports whom inside the package."""
    return {
        (module, target)
        for module, text in modules.items()
        for name in imports_of(text)
        if (target := target_of(part.package, name, modules)) not in (None, module)
    }


def target_of(package: str, name: str, modules: Iterable[str]) -> str | None:
    """The module of the package that an imported name is, or is in."""
    if name.split(".", maxsplit=1)[0] != package:
        return None
    inside = name.split(".")[1:]
    prefixes = (".".join(inside[:length]) for length in range(len(inside), 0, -1))
    return next((prefix for prefix in prefixes if prefix in modules), "__init__")


def height_of(part: Part, module: str) -> int:
    """How far from the bottom the module's layer is."""
    heights = [
        height
        for height, layer in enumerate(reversed(part.layers))
        if any(fnmatchcase(module.replace("_async_", "_"), pattern) for pattern in layer)
    ]
    assert len(heights) == 1, f"say in {Path(__file__).name} which layer {part.package}.{module} belongs to"
    return heights[0]


def arrows_upwards(part: Part, modules: Mapping[str, str]) -> list[str]:
    """Every import that goes against the layers."""
    return [
        f"{part.package}: {module} must not use {target}, which is above it"
        for module, target in sorted(arrows_of(part, modules) - part.exceptions)
        if height_of(part, target) > height_of(part, module)
    ]


def cycle_in(part: Part, modules: Mapping[str, str]) -> list[str]:
    """One ring of modules that import each other, or nothing."""
    uses: dict[str, set[str]] = {module: set() for module in modules}
    for module, target in arrows_of(part, modules) - part.exceptions:
        uses[module].add(target)
    try:
        TopologicalSorter(uses).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def impurities(part: Part, modules: Mapping[str, str]) -> list[str]:
    """Every module for I/O, time or threads that a pure module imports."""
    return [
        f"{part.package}.{module} is pure and must not import {name}"
        for module in part.pure
        for name in imports_of(modules.get(module, ""))
        if any(f"{name}.".startswith(f"{shunned}.") for shunned in SHUNNED_BY_PURE)
    ]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.package)
def test_arrows_point_inwards(part):
    """A module uses its own layer and the ones below."""
    assert arrows_upwards(part, modules_of(part.source)) == []


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.package)
def test_no_modules_go_round_in_a_ring(part):
    """Modules that import each other do not exist, inside a layer either."""
    assert cycle_in(part, modules_of(part.source)) == []


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.package)
def test_decisions_do_no_io(part):
    """What decides is given the time and the randomness, and touches nothing outside."""
    assert impurities(part, modules_of(part.source)) == []


def test_the_rim_of_the_server_knows_nothing_of_its_heart():
    """Credentials, bodies, problems, logs and settings would serve any other application as well."""
    arrows = arrows_of(SERVER, modules_of(SERVER.source))
    assert [arrow for arrow in arrows if arrow[0] in RIM and arrow[1] not in (*RIM, *WHAT_THE_RIM_MAY_KNOW)] == []


@pytest.mark.parametrize(("part", "stranger"), [(CLIENT, SERVER), (SERVER, CLIENT)], ids=["client", "server"])
def test_client_and_server_never_meet(part, stranger):
    """Neither imports the other, nor what stands at the top; but a server inside a test makes clients for it."""
    modules = modules_of(part.source)
    modules.pop("embedded", None)
    names = {name.split(".")[0] for text in modules.values() for name in imports_of(text)}
    assert names.isdisjoint({stranger.package, "client", "server", "main", "tests"})


def test_files_stay_short():
    """No file of ours has more than 250 lines; a test with its tables may have some more."""
    files = [path for folder in ("client", "server", "tests") for path in (ROOT / folder).rglob("*.py")]
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in [*files, *ROOT.glob("*.py")]}
    allowed = {path: LONGEST_TEST if "tests" in path.parts else LONGEST_FILE for path in lengths}
    assert [f"{path}: {length}" for path, length in lengths.items() if length > allowed[path]] == []


TOY = Part(
    "toy", Path(), layers=(("top",), ("left", "right"), ("base", "stores", "stores.*"), ("__init__",)), pure=("base",)
)


@pytest.mark.parametrize(
    ("modules", "complaint"),
    [
        ({"top": "", "base": "from toy.top import go"}, "base must not use top"),
        ({"top": "", "base": "def late():\n    import toy.top"}, "base must not use top"),
        (
            {"left": "", "stores.sqlite": "if TYPE_CHECKING:\n    from toy import left"},
            "stores.sqlite must not use left",
        ),
        ({"__init__": "", "left": "from toy.right import x", "right": "from toy import left"}, "left, right"),
        ({"base": "import socket"}, "must not import socket"),
        ({"base": "from urllib.request import urlopen"}, "must not import urllib.request"),
    ],
)
def test_a_planted_fault_is_found(modules, complaint):
    """Each check complains about the very fault that it is there for."""
    ring = ", ".join(sorted(set(cycle_in(TOY, modules))))
    assert complaint in "\n".join([*arrows_upwards(TOY, modules), ring, *impurities(TOY, modules)])


def test_a_module_without_a_layer_is_found():
    """Nobody adds a module without deciding where it belongs."""
    with pytest.raises(AssertionError, match=r"which layer toy\.stranger belongs to"):
        arrows_upwards(TOY, {"base": "", "stranger": "from toy.base import x"})


def test_sound_modules_pass():
    """Arrows that point downwards or sideways earn no complaint."""
    sound = {"top": "from toy.left import x", "left": "import toy.base", "base": "from json import dumps"}
    assert arrows_upwards(TOY, sound) == cycle_in(TOY, sound) == impurities(TOY, sound) == []
