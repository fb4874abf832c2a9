"""The servers to compare, each started as its users start it, on a free loopback port.

json-server, Mockoon and WireMock are installed by npm (WireMock needs Java as well) into a cache folder of the user
when they are asked for; one that cannot be had is left out, and the table says so.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from server_process import ROOT, clean_environment, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

USERNAME, PASSWORD = "traveller", "of-the-benchmark"
JOB_ID = "0190a000-0000-7000-8000-000000000000"
CACHE = Path.home() / ".cache/translation-benchmarks"
_PATIENCE = 60.0
_UVICORN = ("--host", "127.0.0.1", "--loop", "uvloop", "--no-access-log", "--log-level", "error")
_GRANIAN = ("--interface", "asgi", "--http", "1", "--no-ws", "--host", "127.0.0.1", "--log-level", "error")
_SERVE = ("-m", "translation_server", "serve")


@dataclass
class Peer:
    """One server.

    Attributes:
        command: What starts it, given its folder and port.
        cwd: Where.
        environment: In addition to that of this process.
    """

    name: str
    command: Callable[[Path, int], list[str]]
    cwd: Path = ROOT
    environment: Mapping[str, str] = field(default_factory=dict)


def ours(folder: Path, *, served: str = "granian", **more: str) -> Peer:
    """The service as it is, request log included, without the limits that protect it from a load like this one.

    Args:
        folder: For its files.
        served: `granian`: by `translation-server serve`; otherwise by uvicorn with this parser.
        more: Further settings.
    """
    environment = {
        "API_USERNAME": USERNAME,
        "API_PASSWORD": PASSWORD,
        "DATABASE_URL": f"sqlite:///{folder / 'ours.db'}",
        "LOG_FILE": str(folder / "ours.log"),
        "RATE_LIMIT": "0",
        "MAX_PENDING_JOBS": "100000000",
        "MAX_WAITERS": "100000",
        "MAX_CONNECTIONS": "100000",
        "MAX_WAIT": "600",
        **more,
    }
    if served == "granian":
        environment["PYTHONPATH"] = str(ROOT / "server/src")
        return Peer("this server", lambda _, port: [sys.executable, *_SERVE, "--port", str(port)], folder, environment)
    environment |= {name: value.replace("ours.", f"ours-{served}.") for name, value in environment.items()}
    return Peer(f"this server on uvicorn ({served})", _uvicorn("main:app", served), ROOT / "server", environment)


def bare(body: bytes) -> list[Peer]:
    """Three lines of ASGI that answer the same bytes, on each server; the first is what all is compared with."""
    environment, folder = {"BODY": body.decode()}, ROOT / "benchmarks"
    return [
        Peer("bare ASGI", _uvicorn("server_apps:bare"), folder, environment),
        Peer("bare ASGI on uvicorn (h11)", _uvicorn("server_apps:bare", "h11"), folder, environment),
        Peer("bare ASGI on granian", _granian("server_apps:bare"), folder, environment),
    ]


def holding() -> Peer:
    """A few lines of ASGI that hold requests."""
    return Peer(
        "bare ASGI", _uvicorn("server_apps:holding"), ROOT / "benchmarks", {"BODY": json.dumps({"job": "x" * 250})}
    )


def usual(folder: Path) -> Peer:
    """FastAPI as it is usually written."""
    environment = {"API_USERNAME": USERNAME, "API_PASSWORD": PASSWORD, "DATABASE": str(folder / "usual.db")}
    return Peer("plain FastAPI", _uvicorn("server_apps:usual"), ROOT / "benchmarks", environment)


def npm_peers(job: Mapping[str, object]) -> tuple[list[Peer], list[str]]:
    """json-server, Mockoon and WireMock, each answering this job, and why some are missing.

    None checks who asks but WireMock.
    """

    def json_server(folder: Path, port: int) -> list[str]:
        (folder / "db.json").write_text(json.dumps({"status": [{**job, "id": JOB_ID}]}))
        return [*_node("json-server"), str(folder / "db.json"), "--quiet", "--host", "127.0.0.1", "--port", str(port)]

    def mockoon(folder: Path, port: int) -> list[str]:
        (folder / "mockoon.json").write_text(json.dumps(_mockoon(port, json.dumps(job))))
        return [*_node("mockoon-cli"), "start", "--data", str(folder / "mockoon.json"), "--disable-log-to-file"]

    def wiremock(folder: Path, port: int) -> list[str]:
        stub = {
            "request": {"method": "GET", "urlPath": f"/status/{JOB_ID}", "basicAuth": _CREDENTIALS},
            "response": {"jsonBody": dict(job), "headers": {"Content-Type": "application/json"}},
        }
        (folder / "mappings").mkdir(exist_ok=True)
        (folder / "mappings/status.json").write_text(json.dumps(stub))
        jar = next((CACHE / "node_modules/wiremock/build").glob("*.jar"))
        options = ["--bind-address", "127.0.0.1", "--no-request-journal", "--use-chunked-encoding", "never"]
        return ["java", "-jar", str(jar), "--port", str(port), "--root-dir", str(folder), *options]

    makers = {"json-server": json_server, "Mockoon": mockoon, "WireMock": wiremock}
    missing = {name: _missing(name) for name in makers}
    peers = [Peer(name, maker) for name, maker in makers.items() if not missing[name]]
    return peers, [f"{name} is left out: {why}." for name, why in missing.items() if why]


def _node(name: str) -> list[str]:
    return ["node", str(CACHE / "node_modules/.bin" / name)]


_CREDENTIALS = {"username": USERNAME, "password": PASSWORD}


_PACKAGES = {
    "json-server": ("json-server@0.17", ".bin/json-server", ("node", "npm")),
    "Mockoon": ("@mockoon/cli@9", ".bin/mockoon-cli", ("node", "npm")),
    "WireMock": ("wiremock@3", "wiremock/build", ("npm", "java")),
}  # what npm installs, where that is found then, and which programs it takes


def _missing(name: str) -> str:
    """Why it cannot be had; nothing if it can. Installing it takes two minutes at most."""
    package, place, programs = _PACKAGES[name]
    absent = [program for program in programs if not shutil.which(program)]
    if absent:
        return f"there is no {' and no '.join(absent)}"
    if (CACHE / "node_modules" / place).exists():
        return ""
    CACHE.mkdir(parents=True, exist_ok=True)
    command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(CACHE), package]
    try:
        done = subprocess.run(command, capture_output=True, timeout=120, check=False)  # noqa: S603 - it is above
    except subprocess.TimeoutExpired:
        return "npm install took more than two minutes"
    return "" if done.returncode == 0 else f"npm install failed ({done.stderr.decode().strip()[:200]})"


@contextmanager
def running(peer: Peer, folder: Path) -> Iterator[tuple[int, int]]:
    """Its port and process id, once it takes connections; everything it started is ended afterwards."""
    port = free_port()
    with (folder / f"{peer.name.replace(' ', '-')}.printed").open("wb") as printed:
        process = subprocess.Popen(  # noqa: S603 - the commands are above
            peer.command(folder, port),
            cwd=peer.cwd,
            env=clean_environment() | dict(peer.environment),
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=printed,
            start_new_session=True,
        )
    try:
        _await(port, process, peer.name)
        yield port, process.pid
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(_PATIENCE)


def _await(port: int, process: subprocess.Popen[bytes], name: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        main = psutil.Process(process.pid)
        found = (found for one in (main, *main.children(recursive=True)) for found in one.net_connections("tcp"))
        if any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in found):
            return
        time.sleep(0.05)
    raise RuntimeError(f"{name} did not start")


def _uvicorn(app: str, parser: str = "httptools") -> Callable[[Path, int], list[str]]:
    return lambda _, port: [sys.executable, "-m", "uvicorn", app, "--http", parser, *_UVICORN, "--port", str(port)]


def _granian(app: str) -> Callable[[Path, int], list[str]]:
    return lambda _, port: [sys.executable, "-m", "granian", *_GRANIAN, "--port", str(port), app]


def _mockoon(port: int, body: str) -> dict[str, object]:
    header = {"key": "Content-Type", "value": "application/json"}
    response = {
        "uuid": str(uuid.uuid4()), "body": body, "latency": 0, "statusCode": 200, "label": "", "headers": [header],
        "bodyType": "INLINE", "filePath": "", "databucketID": "", "sendFileAsBody": False, "rules": [],
        "rulesOperator": "OR", "disableTemplating": True, "fallbackTo404": False, "default": True, "crudKey": "id",
        "callbacks": [],
    }  # fmt: skip
    route = {
        "uuid": str(uuid.uuid4()), "type": "http", "documentation": "", "method": "get", "endpoint": "status/:id",
        "responses": [response], "responseMode": None, "streamingMode": None, "streamingInterval": 0,
    }  # fmt: skip
    return {
        "uuid": str(uuid.uuid4()), "lastMigration": 33, "name": "benchmark", "port": port, "hostname": "127.0.0.1",
        "endpointPrefix": "", "latency": 0, "folders": [], "routes": [route], "proxyMode": False, "proxyHost": "",
        "proxyRemovePrefix": False, "tlsOptions": {"enabled": False, "type": "CERT", "pfxPath": "", "certPath": "",
        "keyPath": "", "caPath": "", "passphrase": ""}, "cors": True, "headers": [], "proxyReqHeaders": [],
        "proxyResHeaders": [], "data": [], "callbacks": [],
        "rootChildren": [{"type": "route", "uuid": route["uuid"]}],
    }  # fmt: skip
