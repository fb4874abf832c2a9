"""The layers of the whole server together: what everybody is told, and what is never done for them."""

import base64
import json

import pytest
from server.tests.conftest import silent_client
from server.tests.wire import connect, exchange, serving, until_closed

CREDENTIALS = b"Authorization: Basic " + base64.b64encode(b"admin:secret") + b"\r\n"
ALWAYS = {"cache-control": "no-store", "x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}


@pytest.fixture
def port(make_app):
    with serving(make_app()) as port:
        yield port


def head(line: bytes, *headers: bytes) -> bytes:
    return line + b" HTTP/1.1\r\nHost: x\r\n" + b"".join(header + b"\r\n" for header in headers)


async def every_answer(client, document):
    """Ask every operation, rightly and wrongly; the stream, which has no end, wrongly only."""
    for path, methods in document["paths"].items():
        for method in (*methods, "options", "patch"):
            url = path.replace("{job_id}", "0" * 36) + ("?x" if path == "/events" else "")
            yield await client.request(method, url)
            yield await client.request(method, url, auth=("admin", "wrong"))


async def test_headers_of_every_answer(api):
    """Every answer, whatever its status, is kept by no cache, taken for nothing else and shown in no frame."""
    statuses = set()
    async for answer in every_answer(api.admin, api.app.openapi()):
        statuses.add(answer.status_code)
        assert ALWAYS.items() <= dict(answer.headers).items()
        assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert answer.headers["x-request-id"]
    assert {200, 202, 401, 404, 405, 422} <= statuses


async def test_every_operation_needs_credentials(api):
    """Without them nothing is told but the health checks: the same 401 everywhere, as the document has it."""
    told = set()
    for path, methods in api.app.openapi()["paths"].items():
        for method, operation in methods.items():
            url = path.replace("{job_id}", "0" * 36) + ("?x" if path == "/events" else "")
            answer = await api.admin.request(method, url, auth=None)
            assert path.startswith("/health/") == (answer.status_code != 401) == (operation.get("security") == []), path
            if answer.status_code == 401:
                told.add((answer.headers["www-authenticate"], answer.text))
    assert len(told) == 1


async def test_every_change_from_another_site_is_refused(api):
    """No operation that changes anything is done for a page of another site, whoever's credentials it borrows."""
    changes = {
        (method, path)
        for path, methods in api.app.openapi()["paths"].items()
        for method in methods.keys() - {"get", "head", "options"}
    }
    assert len(changes) >= 4
    for method, path in changes:
        url = path.replace("{job_id}", "0" * 36)
        for header in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "http://evil"}):
            answer = await api.admin.request(method, url, headers=header)
            assert (answer.status_code, answer.json()["status"]) == (403, 403)
    assert (await api.admin.get("/jobs")).json()["jobs"] == []


@pytest.mark.parametrize("body", [b'{"video_length": 1}', b"video_length=1", b""])
@pytest.mark.parametrize("kind", [b"text/plain", b"application/x-www-form-urlencoded", b"multipart/form-data"])
def test_forms_start_no_job(port, body, kind):
    """What a form of another site could send, without any header that gives it away, is no job unless it is empty."""
    request = head(b"POST /jobs", CREDENTIALS[:-2], b"Content-Type: " + kind, b"Content-Length: %d" % len(body))
    assert exchange(port, request + b"\r\n" + body).status == (415 if body else 202)


@pytest.mark.parametrize("path", [b"/jobs", b"/start", b"/jobs/query", b"/nothing"])
@pytest.mark.parametrize("length", [b"Content-Length: 314572800", b"Transfer-Encoding: chunked"])
def test_answered_before_the_body(port, path, length):
    """Whoever has no credentials is told so before a byte of the body was sent, at every address."""
    assert exchange(port, head(b"POST " + path, length) + b"\r\n").status == 401


def test_too_large_is_told_before_the_body(port):
    """A body that is announced as too large is not waited for."""
    assert exchange(port, head(b"POST /jobs", CREDENTIALS[:-2], b"Content-Length: 65537") + b"\r\n").status == 413


def test_rate(make_app):
    """A user who asks too much is told 429, with the standard headers, before the body; others are served."""
    with serving(make_app(rate_limit=0.001, rate_burst=2)) as port:
        request = head(b"POST /jobs", CREDENTIALS[:-2], b"Content-Length: 0") + b"\r\n"
        waiting = head(b"POST /jobs", CREDENTIALS[:-2], b"Content-Length: 100") + b"\r\n"
        assert [exchange(port, request).status for _ in range(2)] == [202, 202]
        answer = exchange(port, waiting)
        assert (answer.status, answer.headers["retry-after"]) == (429, "1000")
        assert answer.headers["ratelimit-policy"] == '"requests";q=2;w=2000'
        assert answer.headers["ratelimit"] == '"requests";r=0;t=1000'
        other = b"Authorization: Basic " + base64.b64encode(b"eve:secret")
        assert exchange(port, head(b"GET /jobs", other) + b"\r\n").status == 200
        assert exchange(port, head(b"GET /health/live", CREDENTIALS[:-2]) + b"\r\n").status == 200


async def test_limits_of_jobs_and_waiters(open_api):
    """The other limits of a user are told in the same headers."""
    api = await open_api(max_pending_jobs=1, max_waiters=1)
    job = (await api.admin.post("/jobs")).json()["job_id"]
    answer = await api.admin.post("/jobs")
    assert (answer.status_code, answer.headers["ratelimit-policy"]) == (429, '"pending-jobs";q=1')
    assert answer.headers["ratelimit"] == f'"pending-jobs";r=0;t={answer.headers["retry-after"]}'
    with api.service.waiters.enter("admin", job, silent_client()):
        answer = await api.admin.get(f"/jobs/{job}?wait=1")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    assert answer.headers["ratelimit-policy"] == '"waiters";q=1;qu="concurrent-requests"'


def test_guessing(port):
    """After ten wrong passwords the next is 429, over the wire too; health checks and the documentation go on."""
    wrong = [b"Authorization: Basic " + base64.b64encode(b"admin:%d" % number) for number in range(12)]
    assert exchange(port, head(b"GET /jobs", CREDENTIALS[:-2]) + b"\r\n").status == 200
    statuses = [exchange(port, head(b"GET /jobs", header) + b"\r\n").status for header in wrong]
    assert statuses == [401] * 10 + [429] * 2
    assert exchange(port, head(b"GET /jobs", CREDENTIALS[:-2]) + b"\r\n").status == 200
    assert exchange(port, head(b"GET /openapi.json", wrong[0]) + b"\r\n").status == 200


def test_endless_body_of_a_user(port):
    """A body that is larger than allowed is cut off by a 413, however it comes."""
    with connect(port) as connection:
        chunks = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        start = head(b"POST /jobs", CREDENTIALS[:-2], b"Content-Type: application/json", b"Transfer-Encoding: chunked")
        connection.sendall(start + b"\r\n" + chunks * 3)
        connection.sendall(b"zz\r\n")
        received = until_closed(connection)
    assert received.startswith(b"HTTP/1.1 413 ")
    assert json.loads(received.partition(b"\r\n\r\n")[2])["status"] == 413
