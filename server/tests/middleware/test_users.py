"""Users of a htpasswd file: hashed once, in a thread, remembered for as long as the file says the same."""

import asyncio
import base64
import threading

import bcrypt
import pytest
from server.tests.steady import Steady

from translation_server.config.settings import Settings, SettingsError
from translation_server.middleware import credentials, htpasswd
from translation_server.middleware import users as users_module
from translation_server.middleware.htpasswd import HtpasswdFile
from translation_server.middleware.users import Accounts, HashedAccounts, accounts_of


def hashed(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()


def basic(user: str, password: str) -> bytes:
    return b"Basic " + base64.b64encode(f"{user}:{password}".encode())


@pytest.fixture
def steady():
    return Steady()


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "users"
    path.write_text(f"zoë:{hashed('pässwörd')}\neve:{hashed('secret')}\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def users(path, steady):
    return HashedAccounts(HtpasswdFile(path, monotonic=steady), Accounts({"admin": "secret"}))


@pytest.fixture
def hashes(monkeypatch):
    """Return the threads in which something was hashed so far."""
    threads = []
    matches = htpasswd.matches

    def counted(password, hashed):
        threads.append(threading.current_thread())
        return matches(password, hashed)

    monkeypatch.setattr(htpasswd, "matches", counted)
    return threads


async def check(users, user, password):
    header = basic(user, password)
    return await users.check(header, credentials.read(header))


@pytest.mark.parametrize(("user", "password"), [("zoë", "pässwörd"), ("eve", "secret"), ("admin", "secret")])
async def test_right(users, user, password):
    """Users of the file and the one of the variables come in, and are known from then on."""
    assert users.recall(basic(user, password)) is None
    assert await check(users, user, password) == user
    assert users.recall(basic(user, password)) == user


@pytest.mark.parametrize(
    ("user", "password"), [("zoë", "passwörd"), ("eve", "pässwörd"), ("admin", "x"), ("nobody", "secret"), ("eve", "")]
)
async def test_wrong(users, hashes, user, password):
    """A wrong password costs one hash, like an unknown user, and is not remembered."""
    assert await check(users, user, password) is None
    assert len(hashes) == 1
    assert users.recall(basic(user, password)) is None


async def test_hashed_in_a_thread(users, hashes):
    """The event loop goes on while a password is hashed, and hashes none itself."""
    await check(users, "eve", "secret")
    assert threading.main_thread() not in hashes


async def test_hashed_once(users, hashes):
    """A header that was right is not hashed again."""
    await check(users, "eve", "secret")
    assert [users.recall(basic("eve", "secret")) for _ in range(100)] == ["eve"] * 100
    assert len(hashes) == 1


async def test_memory_is_bounded(users, monkeypatch):
    """Beyond so many headers the one used longest ago is forgotten, and is right nevertheless."""
    monkeypatch.setattr(users_module, "_MOST_HASHED_REMEMBERED", 3)
    headers = [basic("eve", "secret").replace(b" ", b" " * spaces) for spaces in range(1, 5)]
    for header in headers:
        users.recall(headers[0])
        assert await users.check(header, credentials.read(header)) == "eve"
    assert [users.recall(header) for header in headers] == ["eve", None, "eve", "eve"]


async def test_no_password_is_kept(users):
    """What is remembered of a header is a digest that differs from process to process."""
    await check(users, "eve", "secret")
    assert b"secret" not in repr(users._remembered).encode()
    assert basic("eve", "secret") not in users._remembered
    other = HashedAccounts(users._file, users._others)
    await check(other, "eve", "secret")
    assert users._remembered.keys().isdisjoint(other._remembered)


async def test_changed_file(users, path, steady):
    """A user whose password changed or who was removed is out within a second; the others stay in, without a hash."""
    await check(users, "zoë", "pässwörd")
    await check(users, "eve", "secret")
    lines = path.read_text().splitlines()
    path.write_text(f"{lines[0]}\neve:{hashed('new')}\n")
    steady.now += 1
    assert users.recall(basic("zoë", "pässwörd")) == "zoë"
    assert users.recall(basic("eve", "secret")) is None
    assert await check(users, "eve", "secret") is None
    assert await check(users, "eve", "new") == "eve"
    path.write_text(f"{lines[0]}\n")
    steady.now += 1
    assert users.recall(basic("eve", "new")) is None


async def test_file_changes_during_a_hash(users, path, steady, monkeypatch):
    """What is hashed against an old file does not count for the new one."""
    matches = htpasswd.matches

    def slow(password, hash_):
        result = matches(password, hash_)
        if result:
            path.write_text(f"eve:{hashed('new')}\n")
            steady.now += 1
        return result

    monkeypatch.setattr(htpasswd, "matches", slow)
    assert await asyncio.wait_for(check(users, "eve", "secret"), 10) is None
    assert users.recall(basic("eve", "secret")) is None


async def test_repr_shows_no_secret(users):
    """The text of the users says how many there are."""
    await check(users, "eve", "secret")
    assert repr(users).endswith(", 2 users), Accounts(1 users))")


def test_users_of_the_settings(path):
    """The settings say who comes in: the user of the variables, those of the file, or both."""
    one = {"api_username": "admin", "api_password": "secret"}
    assert repr(accounts_of(Settings(**one))) == "Accounts(1 users)"
    assert repr(accounts_of(Settings(htpasswd_file=path))).endswith(" 2 users), Accounts(0 users))")
    assert repr(accounts_of(Settings(**one, htpasswd_file=path))).endswith(" 2 users), Accounts(1 users))")


def test_user_in_two_places(path):
    """A user cannot have two passwords, however the name is spelt."""
    with pytest.raises(SettingsError, match="line 1: 'zoë' is API_USERNAME as well"):
        accounts_of(Settings(api_username="zoe\u0308", api_password="x", htpasswd_file=path))
