"""The `.env` file: what is understood, what is refused, and how relative paths are resolved."""

from functools import partial

import pytest
from server.tests.configuration import CREDENTIALS, SAMPLE, load, refusal, write_env

from translation_server.config.settings import Settings


@pytest.fixture
def env(tmp_path):
    """Return a function that writes a `.env` file and returns its path."""
    return partial(write_env, tmp_path)


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("MIN_DELY=1", "MIN_DELY is not a variable of this server: did you mean MIN_DELAY?"),
        ("min_delay=1", "min_delay is not a variable of this server: did you mean MIN_DELAY?"),
        ("APIPASSWORD=1", "APIPASSWORD is not a variable of this server: did you mean API_PASSWORD?"),
        ("QX=1", "QX is not a variable of this server: known are API_USERNAME, API_PASSWORD, HTPASSWD_FILE,"),
        ("MIN\x1bDELAY=1", r"'MIN\x1bDELAY' is not a variable of this server: did you mean MIN_DELAY?"),
    ],
)
def test_unknown_variable_in_the_file(env, line, hint):
    """A variable of the file that the server does not know is refused, with its line and the nearest known one."""
    path = env(f"# credentials\n\n{SAMPLE}{line}\n")
    (found,) = refusal({}, path)
    assert found.startswith(f"{path}, line 9: {hint}")


def test_unknown_variable_in_the_environment():
    """The environment holds variables of other programs, so unknown ones are ignored."""
    assert load(MIN_DELY="1", PATH="/bin").min_delay == 3


@pytest.mark.parametrize("line", ["canary", "export", "canary: 3", '"canary', "API_PASSWORD='canary", "API_PASSWORD"])
def test_line_not_understood(env, line):
    """A line that sets nothing is refused by its number, and never shown: it may be part of a password."""
    path = env(f"\n\n{line}\nMIN_DELAY=3\n")
    lines = refusal(CREDENTIALS, path)
    assert f"{path}, line 3, is not of the form NAME=value" in lines
    assert "canary" not in "".join(lines)


@pytest.mark.parametrize(
    ("written", "password"),
    [
        ("p$HOME${HOME}#x", "p$HOME${HOME}#x"),
        ("'p #1 \"quoted\"'", 'p #1 "quoted"'),
        ('"p #1 \\"quoted\\""', 'p #1 "quoted"'),
        ("p   # the comment", "p"),
        ("пароль密碼🔑", "пароль密碼🔑"),
        ("'it\\'s'", "it's"),
        ("a=b==", "a=b=="),
    ],
)
def test_password_in_the_file(env, written, password):
    """Any Unicode password survives the file; one with " #" in it is quoted."""
    settings = Settings.load({"API_USERNAME": "admin"}, env(f"API_PASSWORD={written}\n"))
    assert settings.api_password.get_secret_value() == password


@pytest.mark.parametrize("text", [f"\ufeff{SAMPLE}", SAMPLE.replace("\n", "\r\n"), f"export {SAMPLE.strip()}"])
def test_file_of_another_editor(env, text):
    """A byte order mark, Windows line ends and `export` are accepted."""
    assert Settings.load({}, env(text)).api_username == "admin"


def test_file_is_not_utf8(env):
    """A file in another encoding is refused with one line."""
    path = env("API_PASSWORD=pässword\n".encode("latin-1"))
    assert refusal(CREDENTIALS, path) == (f"{path} cannot be read: it is not UTF-8 text",)


def test_file_is_a_folder(tmp_path):
    """A file that cannot be read is refused with one line."""
    assert refusal(CREDENTIALS, tmp_path) == (f"{tmp_path} cannot be read: Is a directory",)


def test_file_is_missing(tmp_path):
    """The environment alone is enough."""
    assert Settings.load(CREDENTIALS, tmp_path / ".env").api_username == "admin"


def test_environment_wins(env):
    """A variable of the environment wins over the file; the last of two lines wins within it."""
    settings = Settings.load({"MAX_DELAY": "9"}, env(f"{SAMPLE}MIN_DELAY=1\nMIN_DELAY=2\n"))
    assert (settings.min_delay, settings.max_delay) == (2, 9)


def test_current_folder_does_not_matter(env, tmp_path, monkeypatch):
    """Relative paths are resolved beside the `.env` file, whatever the current folder is."""
    path = env(SAMPLE)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    (elsewhere / ".env").write_text("API_USERNAME=wrong")
    settings = Settings.load({"DATABASE_URL": "sqlite:///data/jobs.db", "HTPASSWD_FILE": "users"}, path)
    assert settings.api_username == "admin"
    assert settings.log_file == path.parent / "logs/server.log"
    assert settings.htpasswd_file == path.parent / "users"
    assert settings.database_url == f"sqlite:///{path.parent}/data/jobs.db"
    assert Settings.load({}, path).database_url == f"sqlite:///{path.parent}/translation.db"


def test_absolute_files_stay(env, tmp_path):
    """Absolute paths are taken as they are."""
    files = {"LOG_FILE": str(tmp_path / "x.log"), "DATABASE_URL": f"sqlite:///{tmp_path}/x.db"}
    settings = Settings.load(files, env(SAMPLE))
    assert settings.log_file == tmp_path / "x.log"
    assert settings.database_url == f"sqlite:///{tmp_path}/x.db"
