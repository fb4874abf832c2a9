"""What official SDKs do when a service's answers go wrong: each runs against this server, told only where it is.

    python reliability/vendor_sdks.py                               every SDK under every fault, as a table
    python reliability/vendor_sdks.py --rows openai-responses,luma-video-js --scenario lost-504
    python reliability/vendor_sdks.py --markdown matrix.md          the table in a file as well
    python reliability/vendor_sdks.py --setup                       only installs the SDKs, into `.sdks`
    python reliability/vendor_sdks.py --seeded-bug forgets-keys     shows that it can fail

The programs are in `sdks/`, one for each SDK, and `sdks/rows.toml` says what each does, as it was seen before: a
difference breaks the promise. The SDKs are pinned by the lock files beside it. Those of npm need Node.js 18 or newer.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
if str(ROOT / "server/src") not in sys.path:
    sys.path[1:1] = [str(ROOT / "server/src"), str(ROOT)]

import requests  # noqa: E402 - found once the path is set
from figures import Findings, parser, run  # noqa: E402 - as above
from sdks.rows import SCENARIOS, Row, load_rows, node_version, set_up  # noqa: E402 - as above

from translation_server.simulator.report.politeness import Offence  # noqa: E402 - as above
from translation_server.testing.server import TranslationServer  # noqa: E402 - as above
from translation_server.vendors.catalog import find_formats  # noqa: E402 - as above

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from translation_server.simulator.recording.exchange import Exchange
    from translation_server.vendors.format import Format

BUGS = ("forgets-keys",)
PASSWORD = "password-of-the-sdks"  # noqa: S105 - on loopback, for a few minutes
AT_ONCE = 5  # programs, which mostly wait; each needs half a second of a core
LEAST = 1.9  # of the two seconds of Retry-After, as timers are not exact
OBEYED, EARLY, NEVER = "obeyed", "too early", "never ended"


@dataclass(frozen=True)
class Result:
    """What one program did under one scenario.

    Attributes:
        row: The SDK.
        scenario: The name of the scenario.
        seen: What it did, in the words of `rows.toml`.
        waited: Seconds from the 429 to the next attempt, if there was one.
        offences: Those on the report card.
        trouble: Why it says nothing, if so.
        evidence: Its requests and its outcome.
        jobs: How many jobs it made.
    """

    row: Row
    scenario: str
    seen: str
    waited: float | None = None
    offences: frozenset[str] = frozenset()
    trouble: str = ""
    evidence: str = ""
    jobs: int = 0

    @property
    def cell(self) -> str:
        """What the table shows."""
        if self.seen == OBEYED:
            return f"✔ after {self.waited:.2f} s"
        if self.seen == EARLY:
            return f"✘ too early, after {self.waited:.2f} s"
        if self.scenario.startswith("lost"):
            return re.sub(r"^(\d+) jobs?", r"**\1**", self.seen)
        is_bad = SCENARIOS[self.scenario].fault or self.seen == NEVER
        return f"{'✘' if is_bad else '✔'} {self.seen}"


class Trial:
    """Servers on which SDKs are tried, each program as a user of its own.

    Args:
        rows: The SDKs.
        scenarios: The names of what happens to them.
        seed: Of the servers.
        bug: One of `BUGS`, or nothing.
    """

    def __init__(self, rows: Sequence[Row], scenarios: Collection[str], seed: int, bug: str = "") -> None:
        self._plan = [(row, name) for row in rows for name in scenarios if name in row.expected]
        self._seed = seed
        self._formats = _formats({row.mount for row in rows}, bug)
        self._servers: dict[bool, TranslationServer] = {}
        self._home = ""

    def run(self) -> Iterator[Result]:
        """Yield what each program did, in the order of the table."""
        with ExitStack() as stack:
            self._home = stack.enter_context(tempfile.TemporaryDirectory())
            for tls in {row.tls for row, _ in self._plan}:
                self._servers[tls] = stack.enter_context(self._server(tls=tls))
            with ThreadPoolExecutor(AT_ONCE) as pool:
                longest_first = sorted(self._plan, key=lambda one: one[0].mount != "runway")
                running = {one: pool.submit(self._try, *one) for one in longest_first}
                for one in self._plan:
                    yield running[one].result()

    def _server(self, *, tls: bool) -> TranslationServer:
        users = {_user(row, name): PASSWORD for row, name in self._plan if row.tls == tls}
        faults = [
            f"{SCENARIOS[name].fault} user={_user(row, name)} times=1 per=user"
            for row, name in self._plan
            if row.tls == tls and SCENARIOS[name].fault
        ]
        return TranslationServer(
            users=users, faults=faults, formats=self._formats, seed=self._seed, completion_time=0.5, tls=tls
        )

    def _try(self, row: Row, name: str) -> Result:
        server, scenario, user = self._servers[row.tls], SCENARIOS[name], _user(row, name)
        directive = f"[simulate {scenario.directive}]"
        arguments = [server.base_url_of(row.mount), f"{user}:{PASSWORD}", directive, scenario.action]
        environment = {"PATH": os.environ["PATH"], "HOME": self._home, "NO_PROXY": "*"}  # no vendor's variable
        if row.tls:
            environment["SSL_CERT_FILE"] = server.ca_file
        try:
            done = subprocess.run(
                [*row.command, *arguments],
                env=environment,
                capture_output=True,
                text=True,
                timeout=scenario.longest,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Result(row, name, NEVER, evidence=str(server.requests.where(user=user)))
        return self._judge(row, name, done.stdout, done.stderr)

    def _judge(self, row: Row, name: str, printed: str, complaints: str) -> Result:
        """Return what was seen, from the server's record and what the program printed."""
        server, scenario, user = self._servers[row.tls], SCENARIOS[name], _user(row, name)
        sent = server.requests.where(user=user)
        evidence = f"{sent}\n{printed}{complaints}"
        try:
            outcome = json.loads(printed)
        except ValueError:
            return Result(row, name, "no outcome", trouble="it broke down", evidence=evidence)
        offences = frozenset(one.offence.value for one in server.report().complaints if one.user == user)
        verify = server.ca_file if row.tls else True
        listed = requests.get(f"{server.base_url}/jobs", auth=(user, PASSWORD), timeout=10, verify=verify)
        jobs = len(listed.json()["jobs"])
        struck = [one for one in sent if one.fault]
        waited = _pause(sent, struck[0]) if struck else None
        seen = outcome["error"] or outcome["status"]
        if scenario.fault.startswith("lost"):
            seen = _about_jobs(jobs, outcome, charged_twice=Offence.REPEATED_START.value in offences)
        elif scenario.fault and outcome["error"] is None and waited is not None:
            seen = OBEYED if waited >= LEAST else EARLY
        trouble = f"the fault struck {len(struck)} times" if scenario.fault and len(struck) != 1 else ""
        if name == "completed" and not outcome["result"]:
            trouble = "it has no result"
        if name == "failed" and not outcome["message"]:
            trouble = "it does not say why it failed"
        return Result(row, name, seen, waited, offences, trouble, evidence, jobs)


def _formats(mounts: Collection[str], bug: str) -> list[Format]:
    formats = find_formats(sorted(mounts))
    return [replace(one, idempotency=None) if bug == "forgets-keys" else one for one in formats]


def _user(row: Row, scenario: str) -> str:
    return f"{row.name}.{scenario}"


def _pause(sent: Sequence[Exchange], struck: Exchange) -> float | None:
    """Return the seconds from an answer to the next request of the same kind; None: there was none."""
    later = [one for one in sent if one.kind is struck.kind and one.number > struck.number]
    return later[0].arrived_monotonic - struck.answered_monotonic if later and struck.answered_monotonic else None


def _about_jobs(number: int, outcome: Mapping[str, str | None], *, charged_twice: bool) -> str:
    parts = [f"{number} job{'' if number == 1 else 's'}"]
    parts += [outcome["error"]] if outcome["error"] else []
    parts += ["charged twice"] if charged_twice else []
    return ", ".join(parts)


def compare(row: Row, results: Collection[Result]) -> list[str]:
    """Return how what an SDK did differs from what was seen before.

    Args:
        row: The SDK.
        results: What it did; those of other rows are left out.
    """
    own = [one for one in results if one.row is row]
    differences = [f"{row.name}, {one.scenario}: {one.trouble}\n{one.evidence}" for one in own if one.trouble]
    differences += [
        f"{row.name}, {one.scenario}: {one.seen!r}, expected was {row.expected[one.scenario]!r}\n{one.evidence}"
        for one in own
        if one.seen != row.expected[one.scenario]
    ]
    if len(own) == len(row.expected) and (card := _card(own)) != sorted(row.card):
        differences.append(f"{row.name}: its report card says {card}, expected was {sorted(row.card)}")
    return differences


def _card(results: Collection[Result]) -> list[str]:
    """Return the offences of an SDK; after a cancellation, two of its requests may race, so that is left out."""
    return sorted({offence for one in results for offence in one.offences if one.scenario != "cancelled"})


def draw(rows: Sequence[Row], results: Sequence[Result], scenarios: Collection[str]) -> str:
    """Return the table in Markdown."""
    titles = ["SDK", "version", *(SCENARIOS[name].title for name in scenarios), "report card"]
    lines = [titles, ["---"] * len(titles)]
    for row in rows:
        own = {one.scenario: one for one in results if one.row is row}
        cells = [own[name].cell if name in own else "no call" for name in scenarios]
        lines.append(
            [f"`{row.name}`", f"{row.package} {row.version}", *cells, ", ".join(_card(own.values())) or "clean"]
        )
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    ran_by = f"Python {platform.python_version()}"
    if any(row.environment == "node" for row in rows):
        ran_by += f", Node.js {node_version()}"
    return f"Made on {datetime.now(UTC):%Y-%m-%d} by `python reliability/vendor_sdks.py` with {ran_by}.\n\n{table}\n"


def main() -> int:
    """Run the command and return its exit status."""
    made = parser(__doc__, BUGS)
    made.add_argument("--rows", default="", help="names of rows, separated by commas (default: all)")
    made.add_argument("--scenario", action="append", choices=SCENARIOS, help="only this one; may be repeated")
    made.add_argument("--markdown", type=Path, help="write the table to this file")
    made.add_argument("--setup", action="store_true", help="install the SDKs, and do no more")
    options = made.parse_args()
    rows = load_rows([name for name in options.rows.split(",") if name])
    set_up({row.environment for row in rows})
    if options.setup:
        return 0
    scenarios, begun = options.scenario or list(SCENARIOS), time.monotonic()
    results, findings = list(Trial(rows, scenarios, options.seed, options.seeded_bug).run()), Findings()
    table = draw(rows, results, scenarios)
    if options.markdown:
        options.markdown.write_text(table, "utf-8")
    print(table)
    findings.breaches += [text for row in rows for text in compare(row, results)]
    findings.count("SDKs", len(rows))
    findings.count("programs run", len(results))
    findings.count("jobs made", sum(one.jobs for one in results))
    findings.count(
        "faults that struck", sum(bool(SCENARIOS[one.scenario].fault) and not one.trouble for one in results)
    )
    findings.need("programs run", sum(name in row.expected for row in rows for name in scenarios))
    took = f"{time.monotonic() - begun:.0f}"
    return findings.report("official SDKs against this server", {"seconds": took, "seed": options.seed})


if __name__ == "__main__":
    run(main())
