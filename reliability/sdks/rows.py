"""The SDKs of the command `vendor_sdks`: what each is, what it did, how it is installed; and what happens to them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

HERE = Path(__file__).resolve().parent
INSTALLED = HERE.parent.parent / ".sdks"
LOCKS = {"python": "requirements.lock", "python-veo": "requirements-veo.lock", "node": "package-lock.json"}


class Scenario(NamedTuple):
    """One thing that happens to every SDK.

    Attributes:
        title: The column of the table.
        directive: How the job goes.
        action: What the program does, ``wait`` or ``cancel``.
        fault: What goes wrong, if anything.
        longest: Seconds after which a program that has not ended never will.
    """

    title: str
    directive: str = "outcome=completed duration=0.5"
    action: str = "wait"
    fault: str = ""
    longest: float = 75.0


SCENARIOS = {
    "completed": Scenario("completed"),
    "failed": Scenario("failed", "outcome=error duration=0.5"),
    "cancelled": Scenario("cancelled", "outcome=completed duration=30", "cancel"),
    "elsewhere": Scenario("cancelled elsewhere while it waits", "outcome=cancelled duration=0.5", longest=25.0),
    "poll-429": Scenario(
        "429 + Retry-After: 2 on a poll", "outcome=completed duration=0.7", fault="429 retry_after=2 kind=poll"
    ),
    "start-429": Scenario("the same on the start", fault="429 retry_after=2 kind=start"),
    "lost-close": Scenario("start lost, connection closed: jobs", fault="lost_answer"),
    "lost-504": Scenario("start lost, 504: jobs", fault="lost_answer instead=504"),
}


@dataclass(frozen=True, eq=False)
class Row:
    """One SDK in one language.

    Attributes:
        name: Of the row; that of the program with the language.
        mount: Of the format it speaks.
        package: The SDK, as its registry calls it.
        environment: Where it is installed, a key of `LOCKS`.
        program: Its file, below `sdks`.
        expected: What was seen, by the name of the scenario; one that is missing cannot be tried.
        card: The offences on the report card, over all scenarios but ``cancelled``, where two requests may race.
        tls: Whether the server must speak https.
    """

    name: str
    mount: str
    package: str
    environment: str
    program: str
    expected: Mapping[str, str]
    card: Collection[str]
    tls: bool = False

    @property
    def command(self) -> list[str]:
        """What runs the program."""
        if self.environment == "node":
            return ["node", str(INSTALLED / self.program)]
        return [str(_python(INSTALLED / self.environment)), str(HERE / self.program)]

    @property
    def version(self) -> str:
        """The SDK's version, from the lock file."""
        text = (HERE / LOCKS[self.environment]).read_text("utf-8")
        if self.environment == "node":
            return str(json.loads(text)["packages"][f"node_modules/{self.package}"]["version"])
        found = re.search(rf"^{re.escape(self.package)}(?:\[.*\])?==([^ ;]+)", text, re.MULTILINE | re.IGNORECASE)
        return found[1] if found else ""


def load_rows(names: Iterable[str] = ()) -> list[Row]:
    """Return the rows of the table, or those with these names.

    Raises:
        ValueError: There is no such row.
    """
    known = tomllib.loads((HERE / "rows.toml").read_text("utf-8"))
    rows = {name: _row(name, values) for name, values in known.items()}
    if unknown := set(names) - rows.keys():
        raise ValueError(f"no rows: {', '.join(sorted(unknown))}; there are {', '.join(rows)}")
    return [rows[name] for name in names or rows]


def _row(name: str, values: dict[str, Any]) -> Row:
    seen = dict(zip(SCENARIOS, values.pop("seen"), strict=True))
    is_node = name.endswith("-js")
    file = name.removesuffix("-js").replace("-", "_")
    return Row(
        name,
        program=f"javascript/{file}.mjs" if is_node else f"python/{file}.py",
        environment=values.pop("environment", "node" if is_node else "python"),
        expected={scenario: text for scenario, text in seen.items() if text},
        card=frozenset(values.pop("card")),
        **values,
    )


def set_up(environments: Collection[str]) -> None:
    """Install the SDKs into `.sdks`, unless what the lock files pin is there.

    Raises:
        CalledProcessError: A registry cannot be reached, or has not what is pinned.
        FileNotFoundError: There is no ``npm``.
    """
    INSTALLED.mkdir(exist_ok=True)
    for name in sorted(environments):
        lock, stamp = HERE / LOCKS[name], INSTALLED / f"{name}.installed"
        digest = sha256(lock.read_bytes()).hexdigest()
        if not stamp.exists() or stamp.read_text("utf-8") != digest:
            stamp.unlink(missing_ok=True)
            _install_node(lock) if name == "node" else _install_python(INSTALLED / name, lock)
            stamp.write_text(digest, "utf-8")
    if "node" in environments:  # modules are looked for in the folders above a program
        shutil.copytree(HERE / "javascript", INSTALLED / "javascript", dirs_exist_ok=True)


def _install_node(lock: Path) -> None:
    for one in (lock, lock.with_name("package.json")):
        shutil.copy(one, INSTALLED)
    npm = shutil.which("npm") or "npm"
    subprocess.run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=INSTALLED, check=True)


def _install_python(folder: Path, lock: Path) -> None:
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder], check=True)
    subprocess.run(
        [*uv, "pip", "sync", "--quiet", "--compile-bytecode", "--python", folder, "--require-hashes", lock], check=True
    )


def _python(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def node_version() -> str:
    """Return the version of Node.js, which must be there."""
    node = shutil.which("node") or "node"
    return (
        subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip().removeprefix("v")
    )
