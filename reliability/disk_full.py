"""Promise: a store that fails gives 503 with Retry-After and no false acknowledgement, and recovers by itself.

    python reliability/disk_full.py                                          all ways of failing
    python reliability/disk_full.py --seeded-bug acknowledge-before-commit   shows that it can fail

The ways to fail: no file may grow (a limit set on the running process), the disk is full (a small file system in
memory; needs root, and says so where it cannot be had), the database is locked by another process, the database is
deleted, replaced by a backup, or moved with its folder, and put back later.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import shutil
import sqlite3
import subprocess
import tempfile
import time
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from figures import Findings, run
from ledger import Ledger
from review import listed, query
from servers import Server, parser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from wire import Answer, Wire

_BUGS = ("acknowledge-before-commit",)
_SETTINGS = {"min_delay": 0.0, "max_delay": 0.0}
_READY, _ACCEPTED, _UNAVAILABLE = 200, 202, 503
_PATIENCE = 15.0  # seconds in which it must recover: a write waits five for a lock
_STARTS = 40


@contextmanager
def no_more_bytes(server: Server) -> Iterator[None]:
    """Let no file of the server grow."""
    none = resource.RLIM_INFINITY
    for worker in server.workers:
        resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (0, none))
    try:
        yield
    finally:
        for worker in server.workers:
            resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (none, none))


@contextmanager
def full_disk(server: Server) -> Iterator[None]:
    """Fill the file system the server's database is on."""
    filling = server.folder / "filling"
    try:
        with contextlib.suppress(OSError), filling.open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
        yield
    finally:
        filling.unlink()


@contextmanager
def locked(server: Server) -> Iterator[None]:
    """Hold the database's lock for writing, as another process would."""
    with closing(sqlite3.connect(server.folder / "jobs.db", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


@contextmanager
def deleted(server: Server) -> Iterator[None]:
    """Delete the database; a second name by which it can be brought back is kept."""
    file = server.folder / "jobs.db"
    kept = file.with_name("kept.db")
    os.link(file, kept)
    file.unlink()
    yield
    kept.replace(file)


@contextmanager
def replaced(server: Server) -> Iterator[None]:
    """Put a copy in the place of the database."""
    with deleted(server):
        shutil.copy(server.folder / "kept.db", server.folder / "jobs.db")
        yield


@contextmanager
def moved(server: Server) -> Iterator[None]:
    """Rename the folder of the database."""
    elsewhere = server.folder.with_name("elsewhere")
    server.folder.rename(elsewhere)
    yield
    elsewhere.rename(server.folder)


async def fail_and_recover(
    name: str, server: Server, failing: Callable[[Server], AbstractContextManager[None]], findings: Findings
) -> None:
    """Start jobs before, during and after the failure, and look for every one that was acknowledged."""
    ledger, wire = Ledger(findings), server.wire()
    await server.start()
    await _start_some(wire, ledger, "before", _STARTS)
    await _settle(wire, ledger)
    with failing(server):
        refused = await _start_some(wire, ledger, "during", _STARTS, at_once=server)
        _check_refusals(refused, findings)
        await _await_readiness(name, wire, _UNAVAILABLE, findings)
        told = await query(wire, list(ledger.jobs)[:5])
        findings.count("jobs read while nothing can be written", len(told))
    await _recover(name, wire, ledger, findings)
    wire.close()
    server.kill()
    await server.start()
    await _review(server.wire(), ledger, findings)


async def _settle(wire: Wire, ledger: Ledger) -> None:
    """Ask until all jobs are returned; by then their ends are written down, so that they can be read later."""
    give_up = time.monotonic() + _PATIENCE
    while len(await query(wire, list(ledger.jobs))) < len(ledger.jobs) and time.monotonic() < give_up:  # noqa: ASYNC110 - nothing announces it
        await asyncio.sleep(0.05)


async def _start_some(
    wire: Wire, ledger: Ledger, when: str, number: int, at_once: Server | None = None
) -> list[Answer]:
    """Start so many jobs, and return the answers that are no acknowledgement."""
    wires = [at_once.wire() for _ in range(number)] if at_once else [wire] * number

    async def start(one: Wire, place: int) -> Answer | None:
        key = f"{when}-{place}"
        answer = await one.request("POST", "/start", {"metadata": {"x": "x" * 2000}}, {"Idempotency-Key": key})
        if answer.status == _ACCEPTED:
            ledger.acknowledged(key, answer.json())
        return None if answer.status == _ACCEPTED else answer

    if at_once is None:
        answers = [await start(one, place) for place, one in enumerate(wires)]
    else:
        answers = await asyncio.gather(*(start(one, place) for place, one in enumerate(wires)))
        for one in wires:
            one.close()
    return [answer for answer in answers if answer is not None]


def _check_refusals(refused: list[Answer], findings: Findings) -> None:
    findings.count("starts refused", len(refused))
    for answer in refused:
        if answer.status != _UNAVAILABLE or "retry-after" not in answer.headers:
            findings.breach(
                f"a start was refused with {answer.status}, Retry-After {answer.headers.get('retry-after')}"
            )
    if not refused:
        findings.breach("every start was accepted: the store did not fail, or not everything is written down")


async def _recover(name: str, wire: Wire, ledger: Ledger, findings: Findings) -> None:
    begun = time.monotonic()
    while await _start_some(wire, ledger, f"after-{time.monotonic()}", 1):
        if time.monotonic() - begun > _PATIENCE:
            findings.breach(f"{name}: it has not recovered after {_PATIENCE:g} s")
            return
        await asyncio.sleep(0.1)
    await _await_readiness(name, wire, _READY, findings)
    findings.count("recoveries without a restart")


async def _await_readiness(name: str, wire: Wire, wanted: int, findings: Findings) -> None:
    """Wait until readiness is as wanted: it is checked once a second, and a full disk may have room for that write."""
    begun = time.monotonic()
    while (await wire.request("GET", "/health/ready")).status != wanted:
        if time.monotonic() - begun > _PATIENCE:
            findings.breach(f"{name}: after {_PATIENCE:g} s readiness is still not {wanted}")
            return
        await asyncio.sleep(0.1)
    findings.count(f"readiness turned {wanted}")
    findings.count(f"{name}: milliseconds until readiness was {wanted}", round((time.monotonic() - begun) * 1000))


async def _review(wire: Wire, ledger: Ledger, findings: Findings) -> None:
    """Check that exactly the acknowledged jobs are there after a restart."""
    there = await listed(wire)
    wire.close()
    missing = set(ledger.jobs) - there
    if missing:
        findings.breach(f"{len(missing)} jobs were acknowledged, and are not there")
    if there - set(ledger.jobs):
        findings.breach(f"{len(there - set(ledger.jobs))} jobs are there, and no start was told so")
    findings.count("acknowledged jobs looked for", len(ledger.jobs))


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Make the folder a file system of sixteen megabytes, and yield whether that was possible."""
    mount, unmount = shutil.which("mount"), shutil.which("umount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
    done = mount and unmount and os.geteuid() == 0 and not subprocess.run(command, check=False).returncode
    try:
        yield bool(done)
    finally:
        if done:
            subprocess.run([unmount or "umount", "--lazy", str(folder)], check=False)


def main() -> int:
    """Carry it out and give the exit status."""
    options = parser(__doc__, _BUGS).parse_args()
    findings = Findings()
    ways = {
        "no more bytes": no_more_bytes,
        "locked": locked,
        "full disk": full_disk,
        "deleted": deleted,
        "replaced": replaced,
        "moved": moved,
    }
    for name, way in ways.items():
        with tempfile.TemporaryDirectory(prefix="disk-full-") as top, contextlib.ExitStack() as stack:
            folder = Path(top) / "data"
            folder.mkdir()
            if way is full_disk and not stack.enter_context(small_disk(folder)):
                print("full disk: left out, since a file system cannot be mounted here")
                continue
            settings = {**_SETTINGS, "log_file": str(Path(top) / "server.log")}
            server = Server(folder, settings, bug=options.seeded_bug, kind=options.server)
            stack.callback(server.kill)
            asyncio.run(fail_and_recover(name, server, way, findings))
            findings.count(f"way tried: {name}")
    findings.need("readiness turned 503", len(ways) - 1)
    findings.need("recoveries without a restart", len(ways) - 1)
    return findings.report("a store that fails", {"seed": options.seed, "server": options.server})


if __name__ == "__main__":
    run(main())
