"""The last look: what a server tells of every job, against what was told before."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

from servers import PASSWORD, PATIENCE, USERNAME
from wire import Wire, read_head

if TYPE_CHECKING:
    from figures import Findings
    from ledger import Ledger
    from servers import Server

_CHUNK = 500


async def review(server: Server, ledger: Ledger, findings: Findings) -> None:
    """Wait until all jobs have ended, then compare each with what was told, the list, and the stream of what ended."""
    wire = server.wire()
    try:
        found = await _query_until_ended(wire, ledger, findings)
        known = await listed(wire)
    finally:
        wire.close()
    for job_id in set(ledger.jobs) - found:
        findings.breach(f"lost: {job_id} was acknowledged, and is unknown")
    for job_id in known - set(ledger.by_key.values()):
        findings.breach(f"duplicated: {job_id} is listed, and answers no key's start")
    for job_id in set(ledger.by_key.values()) - known:
        findings.breach(f"lost: {job_id} was acknowledged, and is not listed")
    ended = [job_id for job_id in ledger.jobs if job_id in found]
    streamed = await _stream(server, len(ended))
    findings.count("jobs streamed from the beginning", len(streamed))
    if sorted(streamed) != sorted(ended):
        findings.breach(f"the stream tells of {len(set(streamed))} jobs in {len(streamed)} events, of {len(ended)}")


async def _query_until_ended(wire: Wire, ledger: Ledger, findings: Findings) -> set[str]:
    """Ids of the jobs that are known."""
    give_up = time.monotonic() + PATIENCE
    while True:
        found, pending = set(), 0
        for job in await query(wire, list(ledger.jobs)):
            found.add(str(job["job_id"]))
            pending += job["status"] == "pending"
            ledger.hear(job)
        if not pending:
            return found
        if time.monotonic() > give_up:
            findings.breach(f"{pending} jobs stay pending")
            return found
        await asyncio.sleep(0.2)


async def query(wire: Wire, job_ids: list[str]) -> list[dict[str, Any]]:
    """What is told of these jobs."""
    jobs: list[dict[str, Any]] = []
    for start in range(0, len(job_ids), _CHUNK):
        answer = await wire.request("POST", "/jobs/query", {"job_ids": job_ids[start : start + _CHUNK]})
        jobs += answer.json()["jobs"]
    return jobs


async def listed(wire: Wire) -> set[str]:
    """Ids of all jobs of the user."""
    found: set[str] = set()
    cursor = ""
    while True:
        page = (await wire.request("GET", f"/jobs?limit=1000{cursor}")).json()
        found |= {str(job["job_id"]) for job in page["jobs"]}
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


async def _stream(server: Server, number: int) -> list[str]:
    """Ids in the order of ending, from the first on; a few seconds longer than it should take."""
    told: list[str] = []
    wire = Wire(server.port, USERNAME, PASSWORD)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=2**20)
    writer.write(wire.message("GET", "/events?since=0"))
    try:
        async with asyncio.timeout(PATIENCE):
            await read_head(reader)
            while len(told) < number:
                line = await reader.readline()
                if line.startswith(b"data: "):
                    told.append(str(json.loads(line[6:])["job_id"]))
    except TimeoutError:
        pass
    finally:
        writer.transport.abort()
    return told
