"""The htpasswd file: what is taken, what is refused in which words, and that changes hold within a second."""

import logging
import unicodedata

import bcrypt
import pytest
from server.tests.steady import Steady

from translation_server.config.settings import SettingsError
from translation_server.middleware import htpasswd
from translation_server.middleware.htpasswd import HtpasswdFile, decoy, matches, parse

HASH = "$2y$05$zbd4bZCr7jR1pJXUfpWzEeSjBUBTJYVTdQwzbv3hkBaa5KUIqAEQu"
OTHER = HASH[:-1] + "e"


def hashed(password: str, *, cost: int = 4, kind: bytes = b"2b") -> str:
    return bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(cost)).replace(b"2b", kind, 1).decode()


def refusal(text: str, taken=()) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        parse(text, taken)
    return caught.value.problems


def test_file_of_apache():
    """Comments, empty lines, a third column and Windows line ends do no harm; the order does not matter."""
    text = f"# users\n\nzoë:{HASH}\r\nadmin:{OTHER}:Ada Admin\n   \n"
    assert parse(text) == {"zoë": HASH.encode(), "admin": OTHER.encode()}
    assert parse(unicodedata.normalize("NFD", text)) == parse(text)


@pytest.mark.parametrize("kind", [b"2a", b"2b", b"2y"])
@pytest.mark.parametrize("password", ["secret", "", "pässwörd密🔑", "a:b", "a\x00b", "x" * 72, "x" * 500])
def test_password(password, kind):
    """Every kind of bcrypt there is, and any password, are compared; beyond 72 bytes as htpasswd does: not at all."""
    mine = parse(f"admin:{hashed(password, kind=kind)}")["admin"]
    assert matches(password, mine)
    assert not matches(f"y{password}", mine)


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ("$apr1$canary.s$Vz0hsUEbHbOZfNbm8yPGp1", "MD5 (apr1)"),
        ("$1$canary$zIwOgYPaZ4CX7kvzJzH0I.", "MD5"),
        ("{SHA}canary8nVYAjnhJWkGVRbQAYYCM=", "SHA-1"),
        ("{SSHA}canary4CX7kvzJzH0Ixyz", "salted SHA-1"),
        ("$5$canary$4lU1o3fkkuy5Q4nbw0nXBG2", "SHA-256 (crypt)"),
        ("$6$canary$4lU1o3fkkuy5Q4nbw0nXBG2", "SHA-512 (crypt)"),
        ("$y$j9T$canary$4lU1o3fkkuy5Q4nbw0n", "yescrypt"),
        ("$argon2id$v=19$m=65536$canary", "Argon2"),
        ("$scrypt$ln=16$canary", "scrypt"),
        ("canary4CX7kvz", "DES (crypt)"),
        ("canary", "plain text or of an unknown kind"),
        (HASH[:-1], "a damaged bcrypt hash, or one that is not $2a$, $2b$ or $2y$"),
        (HASH[:28] + "a" + HASH[29:], "a damaged bcrypt hash, or one that is not $2a$, $2b$ or $2y$"),
        (HASH.replace("2y", "2x"), "a damaged bcrypt hash, or one that is not $2a$, $2b$ or $2y$"),
        (HASH.replace("05", "03"), "bcrypt of the cost 03, and 4 to 15 are allowed"),
        (HASH.replace("05", "31"), "bcrypt of the cost 31, and 4 to 15 are allowed"),
    ],
)
def test_other_hashes(given, kind):
    """A hash that is not bcrypt is refused by its kind and line, and never shown."""
    (line,) = refusal(f"admin:{HASH}\neve:{given}\n")
    assert line == f"line 2: the password of 'eve' is {kind}; only bcrypt is taken: htpasswd -B makes it"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", ["it holds no user"]),
        ("# admin\n\n", ["it holds no user"]),
        ("canary\n", ["line 1: it is not of the form name:hash"]),
        (f":{HASH}\n", ["line 1: it is not of the form name:hash"]),
        ("admin:\n", ["line 1: it is not of the form name:hash"]),
        (f"a\tb:{HASH}\n", [r"line 1: 'a\tb' holds a control character"]),
        (f"eve:{HASH}\n\neve:{OTHER}\n", ["line 3: 'eve' is there twice"]),
        (f"admin:{HASH}\n", ["line 1: 'admin' is API_USERNAME as well; a name stands in one place only"]),
        (
            f"canary\neve:{HASH}\neve:{HASH}\n",
            ["line 1: it is not of the form name:hash", "line 3: 'eve' is there twice"],
        ),
    ],
)
def test_refused(text, lines):
    """Whatever is wrong is said with its line, all at once; no part of a hash or password is."""
    assert list(refusal(text, taken={"admin"})) == lines


def test_decoy():
    """An unknown user costs as much as most users do, and no password is the right one."""
    found = decoy([hashed("a", cost=5).encode(), hashed("b").encode(), hashed("c", cost=5).encode()])
    assert found.startswith(b"$2b$05$")
    assert not matches("", found)


# The file


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "users"
    path.write_text(f"admin:{HASH}\n")
    path.chmod(0o640)
    return path


@pytest.fixture
def steady():
    return Steady()


def problems(path, taken=()) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        HtpasswdFile(path, taken)
    return caught.value.problems


def test_missing(path):
    """A file that is not there, or no file, is refused at the start."""
    path.unlink()
    assert problems(path) == (f"HTPASSWD_FILE is '{path}', which cannot be read: No such file or directory",)
    assert problems(path.parent) == (f"HTPASSWD_FILE is '{path.parent}', which cannot be read: Is a directory",)


def test_wrong(path):
    """A file that is wrong is refused at the start, with a line for each thing."""
    path.write_bytes(b"\xff\n")
    assert problems(path) == (f"HTPASSWD_FILE is '{path}', which cannot be read: it is not UTF-8 text",)
    path.write_text("canary\ncanary\n")
    lines = [f"HTPASSWD_FILE is '{path}', line {n}: it is not of the form name:hash" for n in (1, 2)]
    assert list(problems(path)) == lines


def test_byte_order_mark(path):
    """A byte order mark is not part of the first name."""
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert list(HtpasswdFile(path).hashes()) == ["admin"]


def test_repr(path):
    """The file's text says where it is and how many users it holds, no hashes."""
    assert repr(HtpasswdFile(path)) == f"HtpasswdFile('{path}', 1 users)"


def replace(path, text):
    """Put another file in its place, as careful editors do."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)


@pytest.mark.parametrize("change", [lambda path, text: path.write_text(text), replace], ids=["written", "replaced"])
def test_change(path, steady, change, caplog):
    """A new version holds a second later, whichever way it was written."""
    caplog.set_level(logging.INFO)
    file = HtpasswdFile(path, monotonic=steady)
    before = file.hashes()
    change(path, f"eve:{hashed('x', cost=6)}\n")
    steady.now = 0.9
    assert file.hashes() is before
    steady.now = 1.0
    assert list(file.hashes()) == ["eve"]
    assert file.decoy.startswith(b"$2b$06$")
    assert "HTPASSWD_FILE has changed: 1 users" in caplog.messages


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [
        (lambda path: path.unlink(), "which cannot be read: No such file or directory"),
        (lambda path: path.write_text(""), "it holds no user"),
        (lambda path: path.write_text("canary\n"), "line 1: it is not of the form name:hash"),
        (lambda path: path.write_text(f"zoë:{HASH}\n"), "line 1: 'zoë' is API_USERNAME as well"),
    ],
)
def test_broken_change(path, steady, caplog, break_it, reason):
    """A new version that is wrong is logged once, and the users stay as they were; a right one holds again."""
    file = HtpasswdFile(path, {"zoë"}, monotonic=steady)
    break_it(path)
    for steady.now in (1.0, 2.0, 3.0):
        assert list(file.hashes()) == ["admin"]
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage().startswith("the users stay as they were: HTPASSWD_FILE is ")
    assert reason in record.getMessage()
    assert "canary" not in record.getMessage()
    path.write_text(f"eve:{HASH}\n")
    steady.now = 4.0
    assert list(file.hashes()) == ["eve"]


def test_looks_once_a_second(path, steady, monkeypatch):
    """However many ask, the file is looked at once a second."""
    looks = []
    file = HtpasswdFile(path, monotonic=steady)
    monkeypatch.setattr(htpasswd.HtpasswdFile, "_version_now", lambda _: looks.append(steady.now))
    monkeypatch.setattr(htpasswd.HtpasswdFile, "_read", lambda _: {"admin": HASH.encode()})
    for tenth in range(35):
        steady.now = tenth / 10
        file.hashes()
    assert looks == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o640, False), (0o644, True), (0o604, True)])
def test_readable_by_others(path, caplog, mode, warned):
    """A file that every user of the machine can read earns a warning."""
    path.chmod(mode)
    HtpasswdFile(path)
    assert [record.levelname for record in caplog.records] == ["WARNING"] * warned
