"""Whatever is sent to a mounted API: no answer is a server error, and every refusal has the service's shape."""

import asyncio
import json
import re
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from server.tests.vendors.starts import BEARER, EXCHANGES, KEY
from server.tests.vendors.studio import STUDIO

from translation_server.app import create_app
from translation_server.config.settings import Settings
from translation_server.middleware.users import Accounts
from translation_server.simulator.clocks import SteppedClock
from translation_server.simulator.simulator import Simulator
from translation_server.vendors.catalog import built_in

USER, _, PASSWORD = KEY.partition(":")
WORDS = st.sampled_from(
    [
        "",
        "x",
        "%00",
        "..",
        "\x00",
        "ü",
        "019b76da-a800-7000-8000-000000000000",
        "1" * 26,
        "é" * 30,
        "a/b",
        "[simulate x]",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(-1e9, 1e9) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FURTHER = ("prefer", "idempotency-key", "x-simulate", "x-stainless-retry-count", "amz-sdk-request")
HOSTS = re.compile(rb"https?://([^/\"\\\s:?]+)")
OWN_HOSTS = {b"127.0.0.1", b"x", b"example.com"}  # ours, those of the starts above, and one that belongs to nobody
KINDS = ["application/json", "multipart/form-data; boundary=b", "application/x-www-form-urlencoded", "text/plain", ""]


def bodies(name, route):
    """Bodies that are right but for some members, and any bytes."""
    names = list(route.accepts.model_fields) if route.accepts else []
    names += ["operationName", "TranscriptionJobName", "name", "input", "metadata"]
    members = st.dictionaries(st.sampled_from(names), JSON | st.just({"type": "url", "url": "x"}), max_size=2)
    known = EXCHANGES[name].body | ({"output_languages": ["es", "fr"]} if name == "heygen" else {})
    return (
        st.just(json.dumps(known).encode())
        | members.map(lambda more: json.dumps(known | more).encode())
        | members.map(lambda more: json.dumps(more).encode())
        | st.binary(max_size=40)
        | st.just(b'--b\r\ncontent-disposition: form-data; name="prompt"\r\n\r\nx\r\n--b--\r\n')
    )


async def ask(app, scope, body):
    """Send one request to the application; return the status, the headers and the body of the answer."""
    sent = iter([{"type": "http.request", "body": body, "more_body": False}])
    told = []

    async def receive():
        return next(sent, {"type": "http.disconnect"})

    async def send(message):
        told.append(message)

    async with asyncio.timeout(10):
        await app(scope, receive, send)
    head = next((one for one in told if one["type"] == "http.response.start"), None)
    if head is None:
        return 499, {}, b""  # it was held, and the client left
    return head["status"], dict(head["headers"]), b"".join(one.get("body", b"") for one in told)


def scope_of(form, method, path, query, headers):
    given = [(b"host", b"127.0.0.1"), *headers]
    full = f"/{form.mount}{path}"
    common = {"type": "http", "http_version": "1.1", "scheme": "http", "client": ("127.0.0.1", 1), "server": ("x", 1)}
    return common | {
        "method": method,
        "path": full,
        "raw_path": quote(full).encode(),
        "query_string": quote(query, safe="=&").encode(),
        "headers": given,
        "asgi": {"version": "3.0"},
    }


async def exchange(form, requests):
    settings_ = Settings(api_username=USER, api_password=PASSWORD, database_url="sqlite:///:memory:")
    clock = SteppedClock()
    simulator = Simulator(clock=clock, seed=1)
    app = create_app(settings_, accounts=Accounts({USER: PASSWORD}), clock=clock, simulator=simulator, formats=[form])
    answers = []
    async with app.running():
        for scope, body in requests:
            answers.append(await ask(app, scope, body))
            clock.advance(3)
    return answers


@pytest.mark.parametrize("name", built_in())
@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_request_gives_a_server_error(name, data):
    """Any words in the path and the query, any headers, and bodies that are nearly right."""
    form = built_in()[name]
    requests = []
    for _ in range(data.draw(st.integers(1, 4))):
        route = data.draw(st.sampled_from(form.routes))
        path = route.path
        for part in route.path.replace("}", "{").split("{")[1::2]:
            path = path.replace("{" + part + "}", data.draw(WORDS) or "x")
        names = [one[1:] for one in route.when if one[0] == "?"] + ["limit", "starting_after", "token"]
        asked = data.draw(st.dictionaries(st.sampled_from(names), WORDS | st.just("true"), max_size=3))
        query = "&".join(f"{one}={value}" for one, value in {"api-version": "2026-03-01", **asked}.items())
        given = EXCHANGES[name].headers | {"operation-id": data.draw(WORDS | st.just("op-1"))}
        given |= {one: value for one, value in route.when.items() if one[0] != "?"}
        given |= data.draw(st.dictionaries(st.sampled_from(FURTHER), WORDS | st.just("wait=1"), max_size=3))
        given["content-type"] = data.draw(st.sampled_from(KINDS) | st.just("application/json"))
        headers = [(one.encode(), value.encode()) for one, value in given.items()]
        requests.append((scope_of(form, route.method, path, query, headers), data.draw(bodies(name, route))))
    for (scope, body), (status, headers, answer) in zip(requests, asyncio.run(exchange(form, requests)), strict=True):
        assert status < 500, (scope["method"], scope["path"], scope["query_string"], scope["headers"], body, answer)
        assert headers.get(b"content-type") != b"application/problem+json"
        assert {*HOSTS.findall(answer)} <= OWN_HOSTS


@pytest.mark.parametrize(("control", "state"), [("off", "queued"), ("on", "broken")])
def test_users_of_an_ordinary_server_script_nothing(control, state):
    """An order in a text is only text, unless the control API says that this server is for tests."""
    given = {"api_username": USER, "api_password": PASSWORD, "database_url": "sqlite:///:memory:"}
    app = create_app(Settings(**given, control_api=control), formats=[STUDIO])
    headers = [(name.encode(), value.encode()) for name, value in BEARER.items()]
    headers += [(b"content-type", b"application/json")]
    body = json.dumps({"prompt": "[simulate outcome=error duration=0]"}).encode()

    async def start():
        async with app.running():
            return await ask(app, scope_of(STUDIO, "POST", "/v1/jobs", "", headers), body)

    status, _, answer = asyncio.run(start())
    assert (status, json.loads(answer)["jobs"][0]["state"]) == (201, state)
