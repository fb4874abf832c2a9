"""What depends on how the command line was installed."""

import os
import stat
import sys
from pathlib import Path

import pytest

from translation_client.cli.advice import Place, checkout, installed, short_path
from translation_client.cli.main import main


@pytest.fixture
def command(monkeypatch):
    """The installed command, with credentials, and an address that ends it before anything is sent."""
    monkeypatch.setenv("API_USERNAME", "ada")
    monkeypatch.setenv("API_PASSWORD", "pw")
    monkeypatch.setenv("API_BASE_URL", "http://")
    monkeypatch.setattr("sys.argv", ["translation-client", "list"])
    return main


@pytest.mark.skipif(sys.platform != "linux", reason="each system has its own folder")
def test_an_installed_command_keeps_its_log_in_the_users_state_folder(command, monkeypatch, tmp_path, capsys):
    """Private, and never in the folder it happens to run in."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert command() == 2
    log = tmp_path / "state" / "translation-client" / "client.log"
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert list(elsewhere.iterdir()) == []
    assert "translation-client: API_BASE_URL must be like http://host:port, not 'http://'" in capsys.readouterr().err


def test_a_checkout_keeps_its_log_beside_the_script(command, monkeypatch, tmp_path):
    """Wherever it is run."""
    monkeypatch.chdir(tmp_path)
    assert command(folder=tmp_path / "client") == 2
    assert (tmp_path / "client" / "logs" / "client.log").exists()
    assert not (tmp_path / "logs").exists()


def test_without_platformdirs_there_is_no_log_unless_asked_for(command, monkeypatch, tmp_path, capsys):
    """Nothing is written, nothing is complained of, and `--log-file` works."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "platformdirs", None)
    assert command() == 2
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().err.count("\n") == 1
    assert command(["list", "--log-file", "here.log"]) == 2
    assert Path("here.log").exists()


def test_without_a_log_a_bug_says_how_to_get_one(command, monkeypatch, capsys):
    """The details would be lost otherwise."""
    monkeypatch.setitem(sys.modules, "platformdirs", None)
    monkeypatch.setenv("API_BASE_URL", "http://127.0.0.1:1")
    monkeypatch.setattr("translation_client.TranslationStatusClient.list_jobs", lambda *_, **__: {}["surprise"])
    assert command() == 70
    assert "unexpected KeyError: 'surprise'; --log-file FILE keeps the details" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_a_note(command, monkeypatch, tmp_path, capsys):
    """One line, and on with the command."""
    (tmp_path / "file").touch()
    place = Place("translation-client", tmp_path / "file" / "folder" / "client.log")
    monkeypatch.setattr("translation_client.cli.main.installed", lambda _: place)
    assert command() == 2
    assert "no log is kept: cannot open " in capsys.readouterr().err


def test_a_checkout_is_told_the_commands_that_work_there(monkeypatch, tmp_path):
    """From the folder the user is in."""
    client = tmp_path / "client"
    client.mkdir()
    for folder, server, needed in ((tmp_path, "server", "client/"), (client, "../server", "")):
        monkeypatch.chdir(folder)
        place = checkout("python3 client.py", client)
        assert place.serve == f"cd {server} && uvicorn main:app"
        assert place.needs == f"pip install -r {needed}requirements.txt"


def test_an_installed_command_is_told_the_commands_that_are_installed():
    """No checkout is at hand."""
    place = installed("translation-client")
    assert (place.serve, place.needs) == ("translation-server serve", "pip install 'translation-client[cli]'")


def test_a_path_is_written_as_people_do(monkeypatch, tmp_path):
    """From the current folder, or from home, or whole."""
    monkeypatch.chdir(tmp_path)
    home = Path.home()
    assert short_path(tmp_path / "logs" / "client.log") == f"logs{os.sep}client.log"
    monkeypatch.chdir("/")
    monkeypatch.setattr("os.path.relpath", lambda _: "../../x")
    assert short_path(home / "state" / "client.log") == f"~{os.sep}state{os.sep}client.log"
    assert short_path(Path("/somewhere/client.log")) == "/somewhere/client.log"
