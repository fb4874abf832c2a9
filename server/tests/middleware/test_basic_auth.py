"""Who may come in, and what everyone else is told."""

import asyncio
import base64
import json
import unicodedata

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from server.tests.wire import exchange, serving
from starlette.responses import PlainTextResponse

from translation_server.http.answers import as_asgi
from translation_server.middleware.basic_auth import BasicAuth, is_open_path
from translation_server.middleware.credentials import read
from translation_server.middleware.users import Accounts

ACCOUNTS = Accounts({"admin": "secret", "zoë": "pässwörd密🔑", "colon": "a:b:c", "space": " "})
CHALLENGE = 'Basic realm="translation", charset="UTF-8"'


def basic(user: str, password: str, encoding: str = "utf-8") -> bytes:
    return b"Basic " + base64.b64encode(f"{user}:{password}".encode(encoding))


async def endpoint(scope, receive, send):
    await PlainTextResponse(f"{scope['type']} {scope.get('user')}")(scope, receive, send)


def verify(accounts: Accounts, header: bytes | None) -> str | None:
    """The user whose header this is, whether it was seen before or not."""
    given = read(header) if header is not None else None
    if header is None or given is None:
        return None
    return accounts.recall(header) or asyncio.run(accounts.check(header, given))


APP = as_asgi(BasicAuth(endpoint, ACCOUNTS))


async def get(path: str, *values: bytes, app=APP) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server") as client:
        return await client.get(path, headers=[(b"Authorization", value) for value in values])


@pytest.mark.parametrize(
    ("user", "password"), [("admin", "secret"), ("zoë", "pässwörd密🔑"), ("colon", "a:b:c"), ("space", " ")]
)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_right_credentials(user, password, form):
    """Any Unicode name and password are taken, however they are composed, also the second time."""
    header = basic(unicodedata.normalize(form, user), unicodedata.normalize(form, password))
    assert verify(ACCOUNTS, header) == user
    assert verify(ACCOUNTS, header) == user


def test_credentials_do_not_show_themselves():
    """What was read can stand in an error or a log line, with neither name nor password."""
    found = read(basic("admin", "canary"))
    assert found == ("admin", "canary")
    assert repr(found) == str(found) == f"{found}" == "Credentials(***)"


def test_scheme_in_any_case():
    """The scheme's name is not case-sensitive, and more spaces may follow it."""
    token = basic("admin", "secret").removeprefix(b"Basic ")
    for start in (b"basic ", b"BASIC ", b"bAsIc   "):
        assert verify(ACCOUNTS, start + token) == "admin"
    assert verify(ACCOUNTS, b"Basic " + token + b" \t") == "admin"


def test_latin_1():
    """Latin-1 is understood as well: the library requests sends it."""
    accounts = Accounts({"zoë": "pässwörd"})
    assert verify(accounts, basic("zoë", "pässwörd", "latin-1")) == "zoë"
    assert verify(accounts, basic("zoë", "passwörd", "latin-1")) is None


@pytest.mark.parametrize(
    ("user", "password"),
    [
        ("admin", "Secret"),
        ("admin", "secret "),
        ("admin", ""),
        ("admin", "secretsecret"),
        ("Admin", "secret"),
        ("nobody", "secret"),
        ("", ""),
        ("", "secret"),
        ("space", ""),
        ("colon", "a"),
        ("admin\x00", "secret"),
        ("nobody", "of no account"),
    ],
)
def test_wrong_credentials(user, password):
    """A wrong name or password is refused."""
    assert verify(ACCOUNTS, basic(user, password)) is None


MALFORMED = [
    None,
    b"",
    b"Basic",
    b"Basic ",
    b"Basic:YWRtaW46c2VjcmV0",
    b"Basic\tYWRtaW46c2VjcmV0",
    b"YWRtaW46c2VjcmV0",
    b"Bearer YWRtaW46c2VjcmV0",
    b"Basic YWRtaW46c2Vj cmV0",
    b"Basic YWRtaW46c2VjcmV0 x",
    b"Basic YWRtaW46c2VjcmV0, Basic x",
    b"Basic \xff\xfe",
    b"Basic \x00",
    b"Basic " + base64.b64encode(b"admin"),
    b"Basic " + base64.b64encode(b"admin:secret\xff"),
    b"Basic " + base64.b64encode(b"\xff\xfe:\xfd"),
    b"Basic " + base64.b64encode(b"x" * 100_000 + b":y"),
    b"Basic " + b"=" * 70_000,
]


@pytest.mark.parametrize("header", MALFORMED)
def test_malformed(header):
    """A header that is not RFC 7617 lets nobody in and is no error."""
    assert verify(ACCOUNTS, header) is None
    assert verify(Accounts({"": ""}), header) is None


@given(st.binary() | st.binary().map(lambda octets: b"Basic " + base64.b64encode(octets)))
def test_any_header(header):
    """Whatever the header's bytes are, the answer is that nobody is known."""
    assert verify(ACCOUNTS, header) is None


def test_memory_is_bounded():
    """One password spelt in a thousand ways does not fill the memory, and is still right."""
    accounts = Accounts({"admin": "secret"})
    token = basic("admin", "secret").removeprefix(b"Basic ")
    for spaces in range(1, 3000):
        assert verify(accounts, b"Basic" + b" " * spaces + token) == "admin"
    assert len(accounts._remembered) <= 1024


def test_wrong_headers_are_not_remembered():
    """What was refused leaves nothing behind."""
    accounts = Accounts({"admin": "secret"})
    for number in range(100):
        verify(accounts, basic("admin", str(number)))
    assert not accounts._remembered


def test_repr_shows_no_secret():
    """The accounts' text says how many there are, and no more."""
    verify(ACCOUNTS, basic("admin", "secret"))
    assert repr(ACCOUNTS) == "Accounts(4 users)"
    assert not hasattr(ACCOUNTS, "__dict__")


async def test_user_is_told_to_the_app():
    """The app behind finds the user's name in the scope."""
    assert (await get("/jobs", basic("zoë", "pässwörd密🔑"))).text == "http zoë"


@pytest.mark.parametrize("path", ["/", "/jobs", "/status/x", "/healthy", "/docsx", "/metrics", "/openapi.json.bak"])
async def test_no_credentials(path):
    """Without credentials there is a challenge (RFC 7617, section 2) and a problem."""
    answer = await get(path)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, CHALLENGE)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"] == "Give a user name and a password (HTTP Basic)."


async def test_wrong_password_and_unknown_user_look_alike():
    """Nobody learns which names exist."""
    wrong, unknown = await get("/jobs", basic("admin", "x")), await get("/jobs", basic("nobody", "x"))
    assert (wrong.status_code, wrong.content, wrong.headers) == (401, unknown.content, unknown.headers)
    assert wrong.json()["detail"] == "The user name or the password is wrong."


async def test_several_headers():
    """Several Authorization headers are ambiguous and refused, even if each is right."""
    header = basic("admin", "secret")
    assert (await get("/jobs", header, header)).status_code == 401


@pytest.mark.parametrize(
    "path", ["/health/live", "/docs", "/docs/oauth2-redirect", "/static-offline-docs/x.js", "/openapi.json"]
)
async def test_open_paths(path):
    """Health checks and documentation need no credentials, and are no place to guess some."""
    app = as_asgi(BasicAuth(endpoint, Accounts({"admin": "secret"})))
    for header in ([], [basic("admin", "x")], [basic("admin", "secret")]):
        assert (await get(path, *header, app=app)).text == "http None"
    await get("/jobs", basic("admin", "secret"), app=app)
    assert (await get(path, basic("admin", "secret"), app=app)).text == "http admin"


async def test_open_paths_below_a_root_path():
    """Behind a proxy that adds a path, the same addresses are open, and no others."""
    transport = httpx.ASGITransport(APP, root_path="/api")
    async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
        assert (await client.get("/api/docs")).status_code == 200
        assert (await client.get("/apidocs")).status_code == 401
        assert (await client.get("/api/jobs")).status_code == 401


async def test_own_rule_for_open_paths():
    """Which paths are open can be said by whoever puts the app together."""
    app = as_asgi(BasicAuth(endpoint, ACCOUNTS, is_open=lambda path: path == "/jobs"))
    assert (await get("/jobs", app=app)).status_code == 200
    assert (await get("/docs", app=app)).status_code == 401
    assert is_open_path("/docs")


async def test_lifespan_passes():
    """Starting and stopping the app needs no credentials."""
    seen = []

    async def app(scope, _receive, _send):
        seen.append(scope)

    await BasicAuth(app, ACCOUNTS)({"type": "lifespan"}, None, None)
    assert seen == [{"type": "lifespan"}]


@pytest.mark.parametrize("length", [b"Content-Length: 314572800", b"Transfer-Encoding: chunked"])
def test_answered_before_the_body(length):
    """The 401 comes although not a byte of the announced body was sent."""
    with serving(APP) as port:
        reply = exchange(port, b"POST /jobs HTTP/1.1\r\nHost: x\r\n" + length + b"\r\n\r\n")
    assert (reply.status, reply.headers["www-authenticate"]) == (401, CHALLENGE.lower())
    assert json.loads(reply.body)["status"] == 401


def test_expect_continue():
    """A client that asks first is not told to send its body."""
    head = b"POST /jobs HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n"
    with serving(APP) as port:
        assert exchange(port, head).status == 401


@pytest.mark.parametrize(
    "header", [value for value in MALFORMED if value and b"\x00" not in value and len(value) < 2**16]
)
def test_malformed_on_the_wire(header):
    """A malformed header over a real connection is a 401."""
    with serving(APP) as port:
        request = b"GET /jobs HTTP/1.1\r\nHost: x\r\nAuthorization: " + header + b"\r\n\r\n"
        assert exchange(port, request).status == 401
