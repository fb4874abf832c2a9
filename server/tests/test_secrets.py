"""Secrets that anybody would recognise go through the whole server, and stay unseen."""

import base64
import contextlib
import itertools
import logging
import traceback

import bcrypt
import httpx
import pytest
from server.tests.wire import connect, serving, until_closed

from translation_server.app import create_app
from translation_server.config.settings import Settings, SettingsError
from translation_server.middleware.basic_auth import BasicAuth
from translation_server.middleware.users import accounts_of
from translation_server.observability import log_file

OWN, HASHED, WRONG = "kanarienvogel-47", "singdrossel-47", "elster-47"
HASH = bcrypt.hashpw(HASHED.encode(), bcrypt.gensalt(4)).decode()
USERS = {"keeper": OWN, "guest": HASHED}


def header(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


SHAPES = [*USERS.values(), WRONG, HASH, HASH[7:29], HASH[29:]]
SHAPES += [header(user, password) for user in (*USERS, "nobody") for password in (OWN, HASHED, WRONG)]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "users").write_text(f"guest:{HASH}\n")
    (tmp_path / "users").chmod(0o600)
    (tmp_path / ".env").write_text(f"API_USERNAME=keeper\nAPI_PASSWORD={OWN}\nHTPASSWD_FILE=users\nLOG_LEVEL=DEBUG\n")
    return tmp_path


@contextlib.contextmanager
def logging_to(settings):
    """Log as the server does, and leave this process's logging as it was."""
    names = [None, "translation_server", "uvicorn", "uvicorn.access", "httpx", "httpcore"]
    before = [
        (logging.getLogger(name), list(logging.getLogger(name).handlers), logging.getLogger(name).level)
        for name in names
    ]
    file = log_file.configure(settings)
    logging.getLogger().setLevel(logging.DEBUG)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # the client's own, which is not under test
    logging.getLogger("httpcore").setLevel(logging.WARNING)
    try:
        yield file
    finally:
        file.close()
        for logger, handlers, level in before:
            logger.handlers, logger.propagate = handlers, True
            logger.setLevel(level)


@pytest.fixture
def surface(folder, capfd):
    """Run the server through success, refusal, attack and failure; return all text that came of it, by where it was."""
    settings = Settings.load({}, folder / ".env")
    with logging_to(settings):
        app = create_app(settings)
        app._framework.add_api_route("/fails", fail)
        layers = list(layers_of(app))
        users = next(one._logins._users for one in layers if isinstance(one, BasicAuth))
        with serving(app) as port:
            told = [*everything_asked(port, app.openapi()), *raw(port)]
            shown = [repr(one) for one in (settings, app, vars(app.state), layers, users)]
    return {
        "answers": "\n".join(told),
        "log": (folder / "logs/server.log").read_text("utf-8"),
        "terminal": "".join(capfd.readouterr()),
        "reprs": "\n".join([*shown, str(settings), str(settings.effective())]),
        "errors": "\n".join(errors(folder, settings)),
    }


def layers_of(app):
    """Give the layers in front of the framework, from the outermost to the innermost."""
    layer = app
    while layer is not None:
        yield layer
        layer = getattr(layer, "_handler", None)


async def fail() -> None:
    password = OWN
    raise RuntimeError("it fails", len(password))


def everything_asked(port, document):
    """Ask every operation as everybody who is, who is not, and who has it nearly right; give what they are told."""
    everybody = [None, *USERS.items(), ("keeper", WRONG), ("guest", WRONG), ("nobody", OWN), ("guest", OWN)]
    paths = {**document["paths"], "/fails": {"get": {}}, "/docs": {"get": {}}, "/openapi.json": {"get": {}}}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        for path, methods in paths.items():
            for method in methods:
                for who, query in itertools.product(everybody, ("", f"?password={WRONG}")):
                    url = path.replace("{job_id}", "0" * 36) + query
                    with client.stream(method, url, auth=who) as answer:
                        text = answer.read().decode() if "event-stream" not in answer.headers["content-type"] else ""
                        yield f"{answer.status_code} {answer.headers.multi_items()} {text}"


def raw(port):
    """Send what is no HTTP, or nearly, with secrets in it; give what comes back."""
    for head in (
        f"Basic {header('keeper', OWN)}\r\n\r\n",
        f"GET /jobs HTTP/1.1\r\nAuthorization: Basic {header('keeper', WRONG)}\r\nAuthorization: {OWN}\r\n\r\n",
        f"GET /jobs HTTP/1.1\r\nAuthorization: Bearer {OWN}\r\nConnection: close\r\n\r\n",
        f"GET /jobs HTTP/1.1\r\nAuthorization: Basic {header('keeper', OWN)}\r\nContent-Length: x\r\n\r\n",
        f"GET /jobs HTTP/1.1\r\nConnection: close\r\nAuthorization: {'x' * 70_000}{OWN}\r\n\r\n",
    ):
        with connect(port) as connection:
            connection.settimeout(1)
            connection.sendall(head.encode())
            with contextlib.suppress(TimeoutError):
                yield until_closed(connection).decode()


def errors(folder, settings):
    """Give every form of the errors that a wrong configuration leads to, with the variables on the way."""
    for text in (f"guest:{WRONG}", f"guest:{HASH[:-1]}", HASH, f"keeper:{HASH}"):
        (folder / "users").write_text(text)
        with pytest.raises(SettingsError) as caught:
            accounts_of(settings)
        yield f"{caught.value!r} {caught.value} {caught.value.__context__!r}"
    for value in (f"{OWN}\n", f"{OWN}\x00"):
        with pytest.raises(SettingsError) as caught:
            Settings(api_username="keeper", api_password=value)
        yield "".join(traceback.format_exception(caught.value))


def test_nothing_shows_a_secret(surface):
    """No answer, log, terminal, repr or error shows a password, a header that holds one, or a part of a hash."""
    assert [(where, shape) for where, text in surface.items() for shape in SHAPES if shape in text] == []


def test_there_was_something_to_see(surface):
    """The search was not in empty texts: each place tells of what happened."""
    statuses = {int(line[:3]) for line in surface["answers"].splitlines() if line[:3].isdigit()}
    assert {200, 202, 401, 404, 422, 429, 500} <= statuses
    for text in (
        "RuntimeError",
        "Traceback",
        "user=keeper",
        "user=guest",
        "many wrong logins from 127.0.0.1",
        "API_PASSWORD=***",
    ):
        assert text in surface["log"], text
    assert "Traceback" in surface["terminal"]
    assert "HashedAccounts(" in surface["reprs"]
    assert "line 1: 'keeper' is API_USERNAME as well" in surface["errors"]


@pytest.mark.parametrize(
    "leak",
    [
        f"password={OWN}",
        repr({"password": HASHED}),
        str({b"authorization": b"Basic " + header("keeper", OWN).encode()}),
        f"Authorization: Basic {header('nobody', WRONG)}",
        repr({"guest": HASH.encode()}),
    ],
    ids=range(5),  # the salt differs from run to run
)
def test_a_leak_would_be_found(leak):
    """Whichever way a secret slips into a text, one of the forms that are searched for is in it."""
    assert any(shape in leak for shape in SHAPES)
