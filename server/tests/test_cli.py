"""The command `translation-server`: what it refuses, what it shows, and what it sets up."""

import json
import re
import signal
import socket

import httpx
import pytest
from server.tests.command import CREDENTIALS, run, serving

from translation_server import __version__, cli
from translation_server.config.settings import Settings

AUTH = ("admin", "canary-secret")
SAMPLE = {"API_USERNAME": "admin", "API_PASSWORD": "secretpassword"}


def get(it, path: str, **options) -> httpx.Response:
    return httpx.get(it.url + path, auth=AUTH, timeout=10, trust_env=False, **options)


def test_version(tmp_path):
    """--version names the command and its version."""
    assert run(tmp_path, "--version").stdout == f"translation-server {__version__}\n"


@pytest.mark.parametrize("wrong", [[], ["serv"]])
def test_without_a_command_it_helps(tmp_path, wrong):
    """Without a command the whole help is shown on the error output, and the exit status is 2, as for a wrong one."""
    done = run(tmp_path, *wrong)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: translation-server ")
    assert ("run the server" in done.stderr) is (not wrong)
    assert run(tmp_path, "--help").stdout == done.stderr or wrong


def test_check_config_shows_what_is_in_force(tmp_path):
    """One variable per line, the environment's before the file's, secrets masked; nothing is made or started."""
    (tmp_path / ".env").write_text(
        "MIN_DELAY=1  # seconds\nMAX_DELAY=2\nDATABASE_URL=postgresql://me:canary-2@db/jobs\n"
    )
    done = run(tmp_path, "check-config", **CREDENTIALS, MAX_DELAY="9")
    lines = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert (done.returncode, done.stderr) == (0, "")
    assert (lines["MIN_DELAY"], lines["MAX_DELAY"], lines["API_PASSWORD"]) == ("1", "9", "***")
    assert lines["DATABASE_URL"] == "postgresql://me:***@db/jobs"
    assert lines["LOG_FILE"] == str(tmp_path / "logs/server.log")
    assert "canary" not in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == [".env"]


def test_check_config_reads_the_file_that_is_named(tmp_path):
    """--env-file wins over the current folder's, and relative paths are meant from its folder."""
    (tmp_path / ".env").write_text("NONSENSE\n")
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/server.env").write_text("API_USERNAME=zoe\nAPI_PASSWORD=x\nLOG_FILE=server.log\n")
    done = run(tmp_path, "check-config", "--env-file", "etc/server.env")
    assert f"LOG_FILE={tmp_path}/etc/server.log" in done.stdout.splitlines()


@pytest.mark.parametrize("command", ["serve", "check-config"])
@pytest.mark.parametrize(
    ("arguments", "variables", "line"),
    [
        ([], {"API_USERNAME": "admin"}, "API_PASSWORD is missing from the environment"),
        ([], CREDENTIALS | {"MIN_DELAY": "soon"}, "MIN_DELAY is 'soon': allowed is a number of seconds"),
        ([], CREDENTIALS | {"HTPASSWD_FILE": "nowhere"}, "HTPASSWD_FILE is "),
        (["--env-file", "nowhere"], CREDENTIALS, "--env-file is 'nowhere': there is no such file"),
    ],
)
def test_a_wrong_configuration_is_refused_in_plain_lines(tmp_path, command, arguments, variables, line):
    """Exit status 2, a line that names what is wrong, no traceback."""
    done = run(tmp_path, command, *arguments, **variables)
    assert done.returncode == 2
    assert line in done.stderr
    assert "Traceback" not in done.stderr
    assert "canary" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "variables", "line"),
    [
        (["--host", "0.0.0.0"], SAMPLE, "API_PASSWORD is the one of .env.example, which everyone can read"),  # noqa: S104 - refused
        (["--workers", "2"], CREDENTIALS | {"DATABASE_URL": "sqlite:///:memory:"}, "DATABASE_URL is sqlite:///:memory"),
        (["--workers", "2"], CREDENTIALS | {"DATABASE_URL": "sqlite:///no/such/jobs.db"}, "DATABASE_URL: "),
        (["--workers", "2"], CREDENTIALS | {"CONTROL_API": "on"}, "CONTROL_API is for one process, and every worker"),
        (["--workers", "2"], CREDENTIALS | {"FAULTS": "reset"}, "FAULTS is for one process, and every worker would"),
        (["--workers", "2"], CREDENTIALS | {"MIN_DELAY": "8"}, "MIN_DELAY is 8 and MAX_DELAY is 7"),
        (["--workers", "0"], CREDENTIALS, "argument --workers: allowed is a whole number from 1 to 256, not '0'"),
        (["--port", "65536"], CREDENTIALS, "argument --port: allowed is a whole number from 0 to 65535"),
    ],
)
def test_what_is_not_served(tmp_path, arguments, variables, line):
    """What would be unsafe or wrong is refused before anything is served, once, with workers as well."""
    done = run(tmp_path, "serve", *arguments, **variables)
    assert (done.returncode, done.stderr.count(line)) == (2, 1)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        *[(host, True) for host in ("127.0.0.1", "127.1.2.3", "::1", "localhost")],
        *[(host, False) for host in ("0.0.0.0", "::", "192.168.1.1", "example.org", "", "localhost.example.org")],  # noqa: S104 - asked, not served
    ],
)
def test_the_sample_password_stays_on_this_machine(host, expected):
    """Only where nobody else can reach it is the sample password served."""
    settings = Settings(api_username="admin", api_password="secretpassword")
    assert cli.is_loopback(host) is expected
    assert (list(cli.refusals(settings, host, 1)) == []) is expected


def test_serve(tmp_path):
    """It serves what `.env` says, says nothing of what it is made of, and believes no stranger's headers."""
    (tmp_path / ".env").write_text("MIN_DELAY=0\nMAX_DELAY=0\nLOG_FORMAT=json\n")
    with serving(tmp_path) as it:
        answer = get(it, "/jobs", headers={"X-Forwarded-For": "203.0.113.9"})
        assert (answer.status_code, "server" in answer.headers) == (200, False)
        assert it.stop() < 10
        assert it.process.returncode in {0, -signal.SIGTERM}
    lines = [json.loads(line) for line in (tmp_path / "logs/server.log").read_text().splitlines()]
    request = next(line for line in lines if line.get("path") == "/jobs")
    assert (request["user"], request["status"], request["client"]) == ("admin", 200, "127.0.0.1")
    assert request["request_id"] == answer.headers["x-request-id"]
    assert "canary" not in str(lines) + it.said.read_text()


def test_trusted_proxies_are_believed(tmp_path):
    """With --trusted-proxies, the log tells the address that such a proxy tells."""
    with serving(tmp_path, "--trusted-proxies", "127.0.0.1") as it:
        get(it, "/jobs", headers={"X-Forwarded-For": "203.0.113.9"})
        it.stop()
    assert "client=203.0.113.9" in (tmp_path / "logs/server.log").read_text()


def test_workers_share_the_work(tmp_path):
    """Several workers answer alike, and each names itself on its figures."""
    with serving(tmp_path, "--workers", "2") as it:
        job_id = httpx.post(f"{it.url}/start", auth=AUTH, timeout=10, trust_env=False).json()["job_id"]
        workers = set()
        for _ in range(100):
            assert get(it, f"/status/{job_id}").status_code == 200
            workers |= set(re.findall(r'worker="(\d+)"', get(it, "/metrics").text))
            if len(workers) == 2:
                break
        assert len(workers) == 2
        assert it.stop() < 10


def test_a_port_that_is_taken(tmp_path):
    """The address is named, there is no traceback, and the exit status is not 0."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = run(tmp_path, "serve", "--port", str(listener.getsockname()[1]), **CREDENTIALS)
    assert done.returncode != 0
    assert "address already in use" in done.stderr
    assert "Traceback" not in done.stderr
