"""Promise: the OpenAPI document is true, and no request it allows or forbids is an error of the server.

    python reliability/schema.py                            schemathesis, 100 examples for each operation
    python reliability/schema.py --seeded-bug lenient-json  shows that it can fail

Runs schemathesis, which reads the document from a running server. The stream of events is left out, since it does not
end; `fuzz.py` sends it what it can. The package is wanted by this command only: pip install schemathesis
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from figures import Findings, run
from servers import PASSWORD, USERNAME, Server, parser

_BUGS = ("lenient-json", "draw-at-every-start")
_SETTINGS = {"min_delay": 0.0, "max_delay": 0.2, "max_wait": 0.02}
_CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance"
)
_LONGEST = 300.0  # seconds


def main() -> int:
    """Carry it out and give the exit status."""
    made = parser(__doc__, _BUGS)
    made.add_argument("--examples", type=int, default=100, help="of each operation")
    options = made.parse_args()
    findings = Findings()
    with tempfile.TemporaryDirectory(prefix="schema-") as name:
        server = Server(Path(name), _SETTINGS, bug=options.seeded_bug, kind=options.server)
        try:
            asyncio.run(server.start())
            printed = check(server, options.examples, options.seed, findings)
        finally:
            server.kill()
    count(printed, findings)
    findings.need("test cases", options.examples)
    if findings.breaches:
        print(printed)
    return findings.report("the OpenAPI document", {"seed": options.seed, "server": options.server})


def check(server: Server, examples: int, seed: int, findings: Findings) -> str:
    """Run it against the server; what it printed."""
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{server.port}/openapi.json"]
    command += ["--auth", f"{USERNAME}:{PASSWORD}", "--checks", _CHECKS, "--max-examples", str(examples)]
    command += ["--seed", str(seed), "--exclude-path", "/events", "--generation-database", "none", "--no-color"]
    done = subprocess.run(command, cwd=server.folder, capture_output=True, text=True, timeout=_LONGEST, check=False)
    if done.returncode:
        findings.breach(f"schemathesis ended with {done.returncode}; what it printed is above")
    return done.stdout + done.stderr


def count(printed: str, findings: Findings) -> None:
    """Take its own counters over."""
    for number, what in re.findall(r"(\d+) (generated|passed|failed|errors?|skipped)\b", printed):
        name = "test cases" if what == "generated" else f"operations or cases {what}"
        findings.counts[name] = max(findings.counts[name], int(number))


if __name__ == "__main__":
    run(main())
