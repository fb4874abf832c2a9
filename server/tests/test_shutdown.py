"""Told to stop, the server tells everyone who waits to come again, and is out within ten seconds."""

import asyncio
import base64
import contextlib
import json
import re
import signal
import socket
import time

import httpx
import pytest
from server.tests.command import PATIENCE, serving

AUTH = ("admin", "canary-secret")
BASIC = base64.b64encode(":".join(AUTH).encode()).decode()
LONG = {"MIN_DELAY": "600", "MAX_DELAY": "600"}
HELD, STREAMS = 200, 20


def request(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {BASIC}\r\n\r\n".encode()


async def ask(port: int, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request(path))
    await writer.drain()
    return reader, writer


async def last_words(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the server closes the connection."""
    async with asyncio.timeout(PATIENCE):
        return await reader.read()


def start(it, **body) -> str:
    answer = httpx.post(f"{it.url}/start", json=body, auth=AUTH, timeout=10, trust_env=False)
    return answer.json()["job_id"]


def wait_for_waiters(it, count: int) -> None:
    deadline = time.monotonic() + PATIENCE
    told = ""
    while time.monotonic() < deadline:
        told = httpx.get(f"{it.url}/metrics", auth=AUTH, timeout=10, trust_env=False).text
        found = [line.split()[-1] for line in told.splitlines() if line.startswith("translation_waiters{")]
        if sum(map(float, found)) == count:
            return
        time.sleep(0.02)
    pytest.fail(told)


def wait_until_stuck(it) -> None:
    """Return once no more of the many requests for lists are answered."""
    answered = re.compile(r'^http_requests_total{method="GET",route="/jobs",status="200"[^}]*} (.+)$', re.MULTILINE)
    numbers = []
    deadline = time.monotonic() + PATIENCE
    while len(numbers) < 3 or len(set(numbers[-3:])) > 1:
        assert time.monotonic() < deadline
        numbers += answered.findall(httpx.get(f"{it.url}/metrics", auth=AUTH, timeout=10, trust_env=False).text)
        time.sleep(0.05)
    assert float(numbers[-1]) < 100


async def test_everyone_is_told_to_come_again(tmp_path):
    """Held requests get the pending job and when to ask again, streams end in order; nobody is cut off."""
    with serving(tmp_path, **LONG) as it:
        job_id = await asyncio.to_thread(start, it)
        held = [await ask(it.port, f"/status/{job_id}?wait=60") for _ in range(HELD)]
        streams = [await ask(it.port, "/events") for _ in range(STREAMS)]
        await asyncio.to_thread(wait_for_waiters, it, HELD + STREAMS)
        stopping = asyncio.create_task(asyncio.to_thread(it.stop))
        answers = [await last_words(reader) for reader, _ in held]
        endings = [await last_words(reader) for reader, _ in streams]
        seconds = await stopping
        for _, writer in held + streams:
            writer.close()
    assert seconds < 5
    assert it.process.returncode in {0, -signal.SIGTERM}
    for answer in answers:
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        assert b"\nretry-after: " in head.lower()
        assert json.loads(body)["status"] == "pending"
    assert all(ending.endswith(b"\r\n0\r\n\r\n") for ending in endings)
    assert "Traceback" not in it.said.read_text()


def test_a_client_that_reads_nothing_does_not_keep_it(tmp_path):
    """Though a client leaves megabytes unread, the server is out within ten seconds."""
    with serving(tmp_path, MIN_DELAY="0", MAX_DELAY="0") as it, contextlib.ExitStack() as stack:
        for _ in range(50):
            start(it, metadata={"text": "x" * 4000})
        deaf = stack.enter_context(socket.socket())
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", it.port))
        deaf.sendall(request("/jobs") * 100)  # answers of 20 MB, one after the other
        wait_until_stuck(it)
        assert it.stop() < 10
        assert it.process.returncode in {0, -signal.SIGTERM}


def test_a_second_signal_is_not_needed_with_workers(tmp_path):
    """Several workers stop as one does, on one signal to the process that was started."""
    with serving(tmp_path, "--workers", "2", **LONG) as it:
        job_id = start(it)
        with contextlib.ExitStack() as stack:
            for _ in range(10):
                held = stack.enter_context(socket.create_connection(("127.0.0.1", it.port)))
                held.sendall(request(f"/status/{job_id}?wait=60"))
            assert it.stop() < 10
