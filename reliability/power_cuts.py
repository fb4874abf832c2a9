"""Promise: a 2xx from start survives power loss: the store's file is whole, with every acknowledged job and end.

    python reliability/power_cuts.py                                   400 power cuts in the writing of 3,000 jobs
    python reliability/power_cuts.py --seeded-bug synchronous-normal   shows that it can fail

The server's own SQLite store runs on a file system that records each write and each sync (apsw's VFS). Then the power
is cut at random moments: of what was not synced, random sectors are lost (see `disk_image`). Each disk image that is
left is opened as the server would open it, and compared with what had been acknowledged by that moment.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import disk_image
from figures import Findings, parser, run
from servers import ROOT  # noqa: F401 - it sets the path

from translation_server.jobs.delays import Uniform
from translation_server.jobs.model import Draft, Job
from translation_server.jobs.simulation import Simulation
from translation_server.stores import Accepted, StoreError
from translation_server.stores.sqlite import database_file
from translation_server.stores.sqlite.store import SqliteStore

if TYPE_CHECKING:
    import argparse

_BUGS = {"synchronous-normal": "NORMAL", "synchronous-off": "OFF"}
_OWNER = "traveller"
_AT_A_TIME = 20
_FILE = "jobs.db"


class Acknowledged:
    """The jobs and ends that were acknowledged, each with the number of the disk's events before that."""

    def __init__(self) -> None:
        self.jobs: list[tuple[int, Job]] = []
        self.ends: list[tuple[int, str]] = []


async def write(options: argparse.Namespace, path: Path, recorder: disk_image.Recorder) -> Acknowledged:
    """Accept jobs, cancel some, write down ends, and record every acknowledgement."""
    acknowledged = Acknowledged()
    store = SqliteStore(str(path))
    simulation = Simulation(Uniform(0.0, 5.0), 0.3, options.seed)
    now = 1_800_000_000.0

    async def user(numbers: range) -> None:
        for number in numbers:
            draft = Draft(_OWNER, now + number * 0.01, key=f"k{number}", fingerprint=b"x")
            accepted = await store.insert(draft, simulation.accept, 10**9)
            if isinstance(accepted, Accepted):
                acknowledged.jobs.append((len(recorder.events), accepted.job))
                await finish(accepted.job, number)

    async def finish(job: Job, number: int) -> None:
        ended = list((await store.cancel(_OWNER, job.job_id, job.created_at)).ended) if number % 5 == 0 else []
        if number % 7 == 0:
            ended += await store.settle(_OWNER, job.created_at)
        acknowledged.ends += [(len(recorder.events), job_id) for job_id in ended]

    await asyncio.gather(*(user(range(lane, options.jobs, _AT_A_TIME)) for lane in range(_AT_A_TIME)))
    await store.close()
    return acknowledged


def cut(events: list[disk_image.Event], acknowledged: Acknowledged, choices: random.Random, findings: Findings) -> None:
    """Cut the power at a random moment after the first acknowledgement, and examine what is left."""
    moment = choices.randint(acknowledged.jobs[0][0], len(events))
    images, lost = disk_image.after_power_cut(events[:moment], choices)
    findings.count("power cuts")
    findings.count("power cuts that lost unsynced sectors", lost > 0)
    findings.count("sectors lost", lost)
    jobs = {job.job_id: job for at, job in acknowledged.jobs if at <= moment}
    ends = {job_id for at, job_id in acknowledged.ends if at <= moment}
    with tempfile.TemporaryDirectory(prefix="power-cut-") as folder:
        for name, image in images.items():
            (Path(folder) / name).write_bytes(image)
        try:
            found = read(Path(folder) / _FILE)
        except (StoreError, sqlite3.Error) as error:
            findings.breach(f"cut after event {moment}: {error}")
            return
    findings.count("acknowledged jobs looked for", len(jobs))
    findings.count("acknowledged ends looked for", len(ends))
    missing = [job_id for job_id, job in jobs.items() if found.get(job_id, (None,))[0] != job.created_at]
    pending = [job_id for job_id in ends if found.get(job_id, (0, None))[1] is None]
    if missing or pending:
        findings.breach(f"cut after event {moment}: {len(missing)} of {len(jobs)} jobs lost, {len(pending)} ends")


def read(path: Path) -> dict[str, tuple[float, int | None]]:
    """Return what a server that starts now finds: moment of acceptance and place in the order of ending, by id."""
    database_file.prepare(str(path))
    with closing(database_file.connect(str(path))) as connection:
        rows = connection.execute("SELECT job_id, created_at, ending FROM jobs").fetchall()
        if (verdict := connection.execute("PRAGMA integrity_check(1)").fetchone()[0]) != "ok":
            raise StoreError(f"the file is damaged: {verdict}")
    return {job_id: (created_at, ending) for job_id, created_at, ending in rows}


def record(options: argparse.Namespace, path: Path) -> tuple[disk_image.Recorder, Acknowledged]:
    """Let the store write on the recording file system, in its own mode of durability or in the mode of the bug."""
    recorder = disk_image.Recorder()
    right = database_file.connect

    def connect(path: str) -> sqlite3.Connection:
        connection: Any = recorder.connect(path)  # close enough: the store uses what both libraries have
        connection.set_busy_timeout(5000)
        connection.execute(f"PRAGMA synchronous = {_BUGS.get(options.seeded_bug, level)}")
        return connection  # type: ignore[no-any-return]

    with closing(right(":memory:")) as probe:
        level = probe.execute("PRAGMA synchronous").fetchone()[0]
    database_file.connect = connect
    try:
        database_file.prepare(str(path))
        return recorder, asyncio.run(write(options, path, recorder))
    finally:
        database_file.connect = right


def main() -> int:
    """Carry it out and give the exit status."""
    made = parser(__doc__, tuple(_BUGS))
    made.add_argument("--jobs", type=int, default=3000)
    made.add_argument("--cuts", type=int, default=400)
    options = made.parse_args()
    findings = Findings()
    with tempfile.TemporaryDirectory(prefix="power-cuts-") as folder:
        recorder, acknowledged = record(options, Path(folder) / _FILE)
    events = recorder.events
    findings.count("writes recorded", sum(event.data is not None for event in events))
    findings.count("syncs recorded", sum(event.is_sync for event in events))
    choices = random.Random(options.seed)  # noqa: S311 - repeatable
    for _ in range(options.cuts):
        cut(events, acknowledged, choices, findings)
    findings.need("power cuts that lost unsynced sectors", options.cuts // 4)
    findings.need("acknowledged ends looked for")
    return findings.report("power cuts", {"seed": options.seed})


if __name__ == "__main__":
    run(main())
