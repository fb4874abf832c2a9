"""The same waits in real time, on real sockets: how far the virtual figures are from them, and how late one wait is."""

from __future__ import annotations

import json
import math
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING, NamedTuple

import requests

from benchmarks.durations import DISTRIBUTIONS, sample
from benchmarks.hints import hints_for
from benchmarks.ours import ours
from benchmarks.peers import plain_loop
from benchmarks.tables import markdown, say
from benchmarks.virtual import Clock, Help, Server
from server_process import ServerProcess, ServerStartError
from translation_client import TranslationStatusClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.peers import Wait

_AT_ONCE = 20  # waits side by side, each a thread: more of them would measure this machine
_REPEATED = 100  # times in virtual time, so that the jitter of one run does not pass for a difference
_ROUND_TRIP = 0.003  # seconds, about what this loopback takes
_BRIEF = [0.1 + 0.01 * i for i in range(30)]  # seconds; one wait after the other, undisturbed


class Told(NamedTuple):
    """What one wait cost: requests, and seconds from the job's end until its end was known."""

    looks: float
    delay: float


class _Run(NamedTuple):
    """Waits in real time, and against which kind of server; without one: the loop that sleeps a second."""

    name: str
    server: Help | None
    told: list[Told]


def check(seed: int) -> None:
    """Run some waits in real time, then their virtual twins, and print both."""
    durations = sample(DISTRIBUTIONS[0], _AT_ONCE, seed)
    say(f"\n### The same in real time: {_AT_ONCE} jobs of 3 to 7 s at a time, on loopback\n")
    try:
        note = _one_at_a_time()
    except ServerStartError as failure:
        say(f"Our server does not start here: {str(failure).splitlines()[-1]}")
        return
    with ThreadPoolExecutor(1) as aside, _plain_server() as plain:
        beside = aside.submit(_without_help, plain, durations)
        runs = [_with_our_server(durations), *beside.result()]
    rows = [_row(run, _virtual(durations, run.server)) for run in runs]  # by now nobody needs the real clock
    say(markdown(["", "requests, real / virtual", "mean delay, real / virtual"], rows))
    say(f"\n{note}")


def _one_at_a_time() -> str:
    with _own_server() as client:
        brief = [_wait_at_ours(client, duration) for duration in _BRIEF]
    looks, late = fmean(told.looks for told in brief), [told.delay * 1000 for told in brief]
    note = f"One wait at a time, {len(brief)} jobs: {looks:.2f} status requests per job, "
    return f"{note}told {median(late):.1f} ms after the end (median; slowest {max(late):.1f} ms)."


def _with_our_server(durations: list[float]) -> _Run:
    with _own_server() as client:
        told = _side_by_side(lambda t: _wait_at_ours(client, t), durations)
    return _Run("ours, our server", Help.HOLDS, told)


def _without_help(plain: _Plain, durations: list[float]) -> list[_Run]:
    with TranslationStatusClient(plain.base_url, "any", "any") as client:
        told = _side_by_side(lambda t: _wait_at_plain(client, plain, t), durations)
    usual = _side_by_side(plain.look_every_second, durations)
    return [_Run("ours, plain server", Help.NONE, told), _Run("`while` and `sleep(1)`, plain server", None, usual)]


def _side_by_side(wait: Callable[[float], Told], durations: list[float]) -> list[Told]:
    with ThreadPoolExecutor(len(durations)) as threads:
        return list(threads.map(wait, durations))


def _row(run: _Run, virtual: list[Told]) -> list[str]:
    looks = f"{fmean(told.looks for told in run.told):.2f} / {fmean(told.looks for told in virtual):.2f}"
    delay = f"{fmean(told.delay for told in run.told):.3f} s / {fmean(told.delay for told in virtual):.3f} s"
    return [run.name, looks, delay]


def _virtual(durations: list[float], kind: Help | None) -> list[Told]:
    """The same waits in virtual time; without a kind of server, those of a loop that sleeps a second."""
    server = Server(Clock(), kind or Help.NONE, hints_for(DISTRIBUTIONS[0]), _ROUND_TRIP)
    wait: Wait = ours(server, 1) if kind else plain_loop(server)
    told = []
    with server.clock.in_place_of_time():
        for duration in durations * _REPEATED:
            wait(duration)
            told.append(Told(server.requests, server.detection_delay))
    return told


@contextmanager
def _own_server() -> Iterator[TranslationStatusClient]:
    with (
        tempfile.TemporaryDirectory() as folder,
        ServerProcess(Path(folder), python=sys.executable, MIN_DELAY="3", MAX_DELAY="7") as server,
        TranslationStatusClient(server.base_url, server.username, server.password) as client,
    ):
        yield client


def _wait_at_ours(client: TranslationStatusClient, duration: float) -> Told:
    job_id = client.start_job(simulate={"duration": duration, "outcome": "completed"})
    job = client.wait(job_id)
    known = time.time()  # the server runs on this machine, by the same clock
    if job.ended_at is None or job.wait_stats is None:
        return Told(math.nan, math.nan)
    return Told(job.wait_stats.polls, known - job.ended_at.timestamp())


class _Plain:
    """A server that tells statuses and nothing else, in threads of this process."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.ends: dict[str, float] = {}

    def status(self, job_id: str) -> str:
        return "completed" if time.monotonic() >= self.ends[job_id] else "pending"

    def start(self, duration: float) -> str:
        job_id = f"job-{len(self.ends)}-{duration}"
        self.ends[job_id] = time.monotonic() + duration
        return job_id

    def look_every_second(self, duration: float) -> Told:
        """What is usually written."""
        job_id, looks = self.start(duration), 1
        with requests.Session() as session:
            while session.get(f"{self.base_url}/status/{job_id}", timeout=10).json()["status"] == "pending":
                time.sleep(1.0)
                looks += 1
        return Told(looks, time.monotonic() - self.ends[job_id])


def _wait_at_plain(client: TranslationStatusClient, plain: _Plain, duration: float) -> Told:
    job_id = client.start_job(metadata={"duration": duration})
    job = client.wait(job_id)
    known = time.monotonic()
    return Told(job.wait_stats.polls if job.wait_stats else math.nan, known - plain.ends[job_id])


@contextmanager
def _plain_server() -> Iterator[_Plain]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            job_id = self.path.rpartition("/")[2]
            self._tell(200, job_id, plain.status(job_id))

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._tell(202, plain.start(asked["metadata"]["duration"]), "pending")

        def _tell(self, code: int, job_id: str, status: str) -> None:
            body = json.dumps({"job_id": job_id, "status": status}).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        plain = _Plain(f"http://127.0.0.1:{http.server_address[1]}")
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield plain
        finally:
            http.shutdown()
            thread.join()
