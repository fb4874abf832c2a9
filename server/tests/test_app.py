"""The application as a whole: what is open, what is not, and how it bears a store that fails."""

import re
import sqlite3
from contextlib import closing

import httpx
import pytest

from translation_server.config.settings import SettingsError


@pytest.fixture
async def anonymous(api):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(api.app), base_url="http://test") as client:
        yield client


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/docs", "/openapi.json"])
async def test_what_is_open_to_everyone(anonymous, path):
    """Health and documentation need no credentials."""
    assert (await anonymous.get(path)).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("POST", "/start"), ("POST", "/jobs"), ("POST", "/jobs/query"), ("GET", "/events")),
        *(("GET", "/status"), ("GET", "/status/x"), ("GET", "/jobs"), ("GET", "/jobs/x"), ("DELETE", "/jobs/x")),
        *(("GET", "/"), ("GET", "/unknown"), ("PUT", "/start"), ("GET", "/docsx"), ("GET", "//docs")),
    ],
)
async def test_everything_else_needs_credentials(anonymous, method, path):
    """Without them, or with wrong ones, every address answers alike."""
    for auth in (None, ("admin", "wrong"), ("nobody", "secret"), ("ädmin", "sécret")):
        answer = await anonymous.request(method, path, auth=auth and httpx.BasicAuth(*auth))
        assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
        assert answer.headers["www-authenticate"].startswith("Basic ")


async def test_the_documentation_page_needs_no_internet(anonymous):
    """Everything the page loads comes from this server."""
    page = (await anonymous.get("/docs")).text
    assets = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(assets) == 3
    for asset in assets:
        assert asset.startswith("/static-offline-docs/")
        assert (await anonymous.get(asset)).status_code == 200


@pytest.fixture
def locked(tmp_path, monkeypatch):
    """Give a lock on the database that outlasts the server's patience."""
    monkeypatch.setattr("translation_server.stores.sqlite.database_file.BUSY_TIMEOUT", 0.02)
    monkeypatch.setattr("translation_server.service.health.KEPT", 0.0)
    with closing(sqlite3.connect(tmp_path / "jobs.db", isolation_level=None)) as connection:
        yield connection


async def test_a_store_that_fails_is_said_and_got_over(locked, open_api):
    """No start is acknowledged, the server is not ready, reads go on; afterwards all is well by itself."""
    api = await open_api()
    job_id = (await api.admin.post("/start", json={"simulate": {"duration": 600}})).json()["job_id"]
    locked.execute("BEGIN IMMEDIATE")
    for request in (("POST", "/start"), ("DELETE", f"/jobs/{job_id}"), ("GET", "/health/ready")):
        answer = await api.admin.request(*request)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert answer.headers["content-type"] == "application/problem+json"
    assert (await api.admin.get("/health/live")).status_code == 200
    assert (await api.admin.get(f"/status/{job_id}")).json()["status"] == "pending"
    locked.execute("ROLLBACK")
    assert (await api.admin.get("/health/ready")).status_code == 200
    assert len((await api.admin.get("/jobs")).json()["jobs"]) == 1
    assert (await api.admin.post("/start")).status_code == 202


async def test_a_failed_start_can_be_repeated_with_its_key(locked, open_api):
    """A 503 is not stored under the key: repeated, it starts the job."""
    api = await open_api()
    headers = {"Idempotency-Key": "k"}
    locked.execute("BEGIN IMMEDIATE")
    assert (await api.admin.post("/start", headers=headers)).status_code == 503
    locked.execute("ROLLBACK")
    answer = await api.admin.post("/start", headers=headers)
    assert (answer.status_code, "idempotency-replayed" in answer.headers) == (202, False)


async def test_a_database_that_cannot_be_used_stops_the_start(make_app, tmp_path):
    """One line that names the variable, before anything is served."""
    (tmp_path / "jobs.db").write_text("precious notes")
    with pytest.raises(SettingsError, match=r"^DATABASE_URL: .*jobs\.db is not a file of this server"):
        make_app()
    assert (tmp_path / "jobs.db").read_text() == "precious notes"


async def test_in_memory(open_api, clock):
    """Without a file, all works the same, and two applications have nothing in common."""
    first, second = [await open_api(database_url="sqlite:///:memory:") for _ in range(2)]
    await first.admin.post("/start", json={"simulate": {"duration": 5, "outcome": "completed"}})
    clock.advance(5)
    assert (await first.admin.get("/status")).json()["status"] == "completed"
    assert (await second.admin.get("/status")).status_code == 404


async def test_no_answer_names_what_is_inside(api, monkeypatch):
    """An error nobody expected is a plain 500, and says nothing of where it happened."""

    def fail(*_):
        raise ZeroDivisionError("secret inside")

    monkeypatch.setattr(api.service, "find", fail)
    answer = await api.admin.get("/status/x")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "inside" not in answer.text
