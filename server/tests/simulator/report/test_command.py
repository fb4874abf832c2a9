"""`translation-server report`: the report card of a running simulator."""

import json

import pytest
from server.tests.simulated import simulated
from server.tests.wire import serving
from starlette.responses import HTMLResponse

from translation_server.cli import main
from translation_server.simulator.report.command import CLEAN, COMPLAINTS, REFUSED, UNREACHABLE, WRONG_OPTION


@pytest.fixture(autouse=True)
def credentials(monkeypatch):
    monkeypatch.setenv("API_USERNAME", "admin")
    monkeypatch.setenv("API_PASSWORD", "secret")


@pytest.fixture
def served():
    with simulated(control_api="on") as served:
        yield served


def report(served, *options):
    return main(["report", "--base-url", f"http://127.0.0.1:{served.port}", *options])


def misbehave(served):
    job_id = served.start()
    for _ in range(3):
        served.send("GET", f"/status/{job_id}")


def test_it_shows_the_report_card(served, capsys):
    """As a table, like the one a Python test prints."""
    misbehave(served)
    assert report(served) == CLEAN
    assert capsys.readouterr().out == f"{served.simulator.report()}\n"


def test_in_json_it_is_for_programs(served, capsys):
    """The whole report."""
    misbehave(served)
    assert report(served, "--json") == CLEAN
    told = json.loads(capsys.readouterr().out)
    assert (told["clean"], told["all"]["polls"], told["all"]["early"]) == (False, 3, 2)


@pytest.mark.parametrize("options", [["--check"], ["--check", "--json"]])
def test_it_can_be_a_check(served, options):
    """Then the exit status says whether there is a complaint."""
    served.start()
    assert report(served, *options) == CLEAN
    misbehave(served)
    assert report(served, *options) == COMPLAINTS


def test_without_a_password_it_asks(served, monkeypatch, capsys):
    """It need not be in a command line."""
    monkeypatch.delenv("API_PASSWORD")
    monkeypatch.setattr("getpass.getpass", lambda prompt: {"Password of eve: ": "secret"}[prompt])
    assert report(served, "--username", "eve") == CLEAN
    assert "No request was about a job." in capsys.readouterr().out


def test_wrong_credentials_are_refused(served, monkeypatch, capsys):
    """The server's reason is printed, the password is not."""
    monkeypatch.setenv("API_PASSWORD", "canary-secret")
    assert report(served) == REFUSED
    said = capsys.readouterr().err
    assert f"http://127.0.0.1:{served.port} answers 401: " in said
    assert "canary" not in said


def test_a_server_that_is_no_simulator_is_named(capsys):
    """So is the setting that is missing."""
    with simulated(control_api="off") as plain:
        assert report(plain) == REFUSED
    assert "it is not a simulator, or its CONTROL_API is off" in capsys.readouterr().err


def test_a_page_from_a_proxy_is_no_report(capsys):
    """The answer has no reason that could be printed."""

    async def proxy(scope, receive, send):
        if scope["type"] == "http":
            await HTMLResponse("<h1>Bad Gateway</h1>", 502)(scope, receive, send)

    with serving(proxy, lifespan="off") as port:
        assert main(["report", "--base-url", f"http://127.0.0.1:{port}"]) == REFUSED
    assert "answers 502: it gave no reason" in capsys.readouterr().err


def test_nobody_there_is_said(capsys):
    """The message has the address, without any credentials in it."""
    assert main(["report", "--base-url", "http://admin:canary@127.0.0.1:1"]) == UNREACHABLE
    said = capsys.readouterr().err
    assert said.startswith("http://127.0.0.1:1 does not answer: ")
    assert "canary" not in said


@pytest.mark.parametrize("address", ["127.0.0.1:8000", "ftp://here", "http://", "http://[", "http://here:99999"])
def test_an_address_that_is_none_is_refused(address, capsys):
    """The message has an example."""
    assert main(["report", "--base-url", address]) == WRONG_OPTION
    assert "such as http://127.0.0.1:8000" in capsys.readouterr().err


def test_somebody_must_ask(served, monkeypatch, capsys):
    """The user's name has no default."""
    monkeypatch.delenv("API_USERNAME")
    assert report(served) == WRONG_OPTION
    assert "--username is missing" in capsys.readouterr().err
