"""What the server is compared with, in Python: the least that this stack can do, and the way it is usually done.

Run by uvicorn, with the settings the service itself gets. The configuration comes from the environment: `BODY` is the
answer of the bare application, `DATABASE` the file of the usual one.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sqlite3
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from pydantic import BaseModel

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

_BODY = os.environ.get("BODY", "{}").encode()
_HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(_BODY))]


async def bare(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - the ASGI signature
    """The same bytes to everyone, whatever was asked for: what the server stack alone costs."""
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": _BODY})


_CANCELLED = asyncio.Event()


async def holding(scope: Scope, receive: Receive, send: Send) -> None:
    """Hold who asks for it in the address until somebody sends a DELETE; then answer as ``bare`` does."""
    if scope["type"] == "http":
        if scope["method"] == "DELETE":
            _CANCELLED.set()
        elif scope["query_string"]:
            await _CANCELLED.wait()
    await bare(scope, receive, send)


class Job(BaseModel):
    """The answer."""

    job_id: str
    status: str
    created_at: datetime
    ended_at: datetime | None
    elapsed_time: float
    progress: float
    poll_after: float | None
    video_length: float | None
    metadata: dict[str, Any]
    error: dict[str, str] | None


class NewJob(BaseModel):
    """The request."""

    video_length: float | None = None
    metadata: dict[str, Any] = {}


usual = FastAPI()
_basic = HTTPBasic()
_TABLE = "CREATE TABLE IF NOT EXISTS jobs (job_id TEXT PRIMARY KEY, owner TEXT, created_at TEXT, ends_at TEXT)"


def _user(credentials: Annotated[HTTPBasicCredentials, Depends(_basic)]) -> str:
    name = secrets.compare_digest(credentials.username.encode(), os.environ["API_USERNAME"].encode())
    password = secrets.compare_digest(credentials.password.encode(), os.environ["API_PASSWORD"].encode())
    if not (name and password):
        raise HTTPException(401, headers={"WWW-Authenticate": "Basic"})
    return credentials.username


def _database() -> sqlite3.Connection:
    connection = sqlite3.connect(os.environ["DATABASE"], timeout=30)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(_TABLE)
    return connection


@usual.post("/start", status_code=202)
def start(new: NewJob, user: Annotated[str, Depends(_user)]) -> Job:
    """A connection, an insert and a commit for each request."""
    connection, now = _database(), datetime.now(UTC)
    try:
        job_id = str(uuid.uuid4())
        connection.execute("INSERT INTO jobs VALUES (?, ?, ?, ?)", (job_id, user, now.isoformat(), now.isoformat()))
        connection.commit()
    finally:
        connection.close()
    return _job(job_id, now, now + timedelta(seconds=5), now).model_copy(update=new.model_dump())


@usual.get("/status/{job_id}")
def status(job_id: str, user: Annotated[str, Depends(_user)]) -> Job:
    """A connection and a query for each request."""
    connection = _database()
    try:
        row = connection.execute(
            "SELECT created_at, ends_at FROM jobs WHERE job_id = ? AND owner = ?", (job_id, user)
        ).fetchone()
    finally:
        connection.close()
    if row is None:
        raise HTTPException(404)
    created_at, ends_at = (datetime.fromisoformat(text) for text in row)
    return _job(job_id, created_at, ends_at, datetime.now(UTC))


@usual.get("/wait/{job_id}")
async def wait(job_id: str, user: Annotated[str, Depends(_user)]) -> Job:  # noqa: ARG001 - who it is was checked
    """Held until somebody cancels."""
    await _CANCELLED.wait()
    now = datetime.now(UTC)
    return _job(job_id, now, now, now)


@usual.delete("/jobs/{job_id}")
async def cancel(job_id: str, user: Annotated[str, Depends(_user)]) -> Job:  # noqa: ARG001 - who it is was checked
    """End all the waiting."""
    _CANCELLED.set()
    now = datetime.now(UTC)
    return _job(job_id, now, now, now)


def _job(job_id: str, created_at: datetime, ends_at: datetime, now: datetime) -> Job:
    ended = now >= ends_at
    return Job(
        job_id=job_id,
        status="completed" if ended else "pending",
        created_at=created_at,
        ended_at=ends_at if ended else None,
        elapsed_time=(min(now, ends_at) - created_at).total_seconds(),
        progress=1.0 if ended else 0.5,
        poll_after=None if ended else 1.0,
        video_length=None,
        metadata={},
        error=None,
    )
