"""Whatever is sent to whichever address, the server does not fail."""

import asyncio
import base64

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ADMIN = (b"authorization", b"Basic " + base64.b64encode(b"admin:secret"))
ids = st.sampled_from(["x", "\x00", "\ufffd", "🔑", "a" * 9000, "0" * 36, "'--", "..", "%s", "query"])
paths = st.one_of(
    st.sampled_from(["/start", "/jobs", "/status", "/events", "/jobs/query", "/health/ready", "/", "", "//", "/docs"]),
    st.builds("{}/{}".format, st.sampled_from(["/jobs", "/status", "/events"]), st.one_of(ids, st.text(max_size=20))),
)
values = st.sampled_from(
    [b"", b"0", b"1", b"-1", b"nan", b"1e999", b"%00", b"%FF", b"\xff", b"9" * 400, b"2026-99-99T00:00:00Z"]
)
names = st.sampled_from([b"wait", b"limit", b"cursor", b"status", b"since", b"job_id", b"x", b""])
queries = st.one_of(
    st.binary(max_size=30), st.lists(st.builds(b"%b=%b".__mod__, st.tuples(names, values)), max_size=3).map(b"&".join)
)
header_names = st.sampled_from(
    [b"prefer", b"if-none-match", b"idempotency-key", b"last-event-id", b"content-type", b"content-length", b"cookie"]
)
header_values = st.one_of(
    st.binary(max_size=30),
    st.sampled_from(
        [b"wait=30", b"wait=1, wait=\xff", b'"', b'"a"', b"W/", b"*", b"0a1b2c3d-" + b"9" * 18, b"application/json"]
    ),
)
headers = st.lists(st.tuples(header_names, header_values), max_size=3)
json = st.sampled_from(
    [b'{"video_length":%b}', b'{"metadata":{"a":%b}}', b'{"simulate":{"duration":%b}}', b'{"job_ids":[%b]}']
)
literals = st.sampled_from(
    [b"1", b"-0.0", b"1e308", b"1e309", b"NaN", b'"\\ud800"', b'"\\u0000"', b"null", b"[" * 40 + b"]" * 40]
)
bodies = st.one_of(st.binary(max_size=40), st.builds(bytes.__mod__, json, literals))


requests = st.tuples(
    st.sampled_from(["GET", "POST", "DELETE", "PUT", "HEAD", "OPTIONS", "X"]), paths, queries, headers, bodies
)


async def answer(app, request) -> int | None:
    """The status of the answer; None if there is none, because the client left meanwhile."""
    method, path, query, given_headers, body = request
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "headers": [ADMIN, *given_headers],
    }
    statuses = []
    messages = iter([{"type": "http.request", "body": body}])

    async def receive():
        return next(messages, {"type": "http.disconnect"})

    async def send(message):
        statuses.append(message.get("status"))

    await asyncio.wait_for(app(scope, receive, send), 10)
    return statuses[0] if statuses else None


@pytest.fixture
def call(make_app):
    """Send a request to an application that keeps running from example to example."""
    with asyncio.Runner() as runner:
        app = make_app(database_url="sqlite:///:memory:")
        lifespan = app.running()
        runner.run(lifespan.__aenter__())
        yield lambda *request: runner.run(answer(app, request))
        runner.run(lifespan.__aexit__(None, None, None))


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(requests)
def test_no_request_is_an_error_of_the_server(call, request_):
    """Every combination of address, parameters, headers and body is answered, and never with a 5xx."""
    status = call(*request_)
    assert status is None or 200 <= status < 500


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(json, literals, st.sampled_from(["/start", "/jobs/query"]))
def test_no_json_is_an_error_of_the_server(call, shape, literal, path):
    """Odd numbers, odd text and deep nesting are accepted or refused, and what is accepted can be told again."""
    content = [(b"content-type", b"application/json")]
    assert call("POST", path, b"", content, shape % literal) in {200, 202, 400, 422}
    assert call("GET", "/jobs", b"", [], b"") == 200
