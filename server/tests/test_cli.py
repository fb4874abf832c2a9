"""The command `translation-server`: what it refuses, what it shows, and what it sets up."""

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
        ([], CREDENTIALS | {"CONTROL_API": "on"}, "CONTROL_API: for tests, not for users: translation-server simulate"),
        ([], CREDENTIALS | {"CLOCK_SPEED": "2", "FAULTS": "reset"}, "CLOCK_SPEED and FAULTS: for tests, not for users"),
        (["--workers", "2"], CREDENTIALS | {"HTPASSWD_FILE": "nowhere"}, "HTPASSWD_FILE is "),
        (
            ["--workers", "2"],
            CREDENTIALS | {"LOG_FILE": "/dev/null/log"},
            "LOG_FILE is '/dev/null/log', which cannot be",
        ),
        (["--workers", "2"], CREDENTIALS | {"MIN_DELAY": "8"}, "MIN_DELAY is 8 and MAX_DELAY is 7"),
        (["--workers", "0"], CREDENTIALS, "argument --workers: allowed is a whole number from 1 to 256, not '0'"),
        (["--port", "65536"], CREDENTIALS, "argument --port: allowed is a whole number from 0 to 65535"),
        (["--http", "3"], CREDENTIALS, "argument --http: invalid choice: '3'"),
        (
            ["--header-timeout", "0.5"],
            CREDENTIALS,
            "argument --header-timeout: allowed is a number of seconds from 1 to",
        ),
        (["--header-timeout", "soon"], CREDENTIALS, "argument --header-timeout: allowed is a number of seconds from 1"),
        (
            ["--trusted-proxies", "10.0.0.1/8"],
            CREDENTIALS,
            "argument --trusted-proxies: allowed are addresses and netw",
        ),
        (["--tls-cert", "a.pem"], CREDENTIALS, "--tls-cert and --tls-key belong together"),
        (["--tls-cert", "a.pem", "--tls-key", "a.pem"], CREDENTIALS, "--tls-cert is 'a.pem', which cannot be read: No"),
        (["--tls-cert", __file__, "--tls-key", __file__], CREDENTIALS, "allowed is a certificate in PEM, and its own"),
    ],
)
def test_what_is_not_served(tmp_path, arguments, variables, line):
    """What would be unsafe or wrong is refused before anything is served, once, with several workers as well."""
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


def test_simulate_has_a_control_api_and_a_clock(tmp_path):
    """It says where it is; the options win over the environment; the clock steps, and faults strike."""
    options = ("--clock", "stepped", "--faults", "503 kind=poll times=1")
    with serving(tmp_path, *options, command="simulate", FAULTS="reset", CLOCK_SPEED="60", CONTROL_API="off") as it:
        job_id = httpx.post(f"{it.url}/start", auth=AUTH, timeout=10, trust_env=False).json()["job_id"]
        assert [get(it, f"/status/{job_id}").status_code for _ in range(2)] == [503, 200]
        advanced = httpx.post(f"{it.url}/simulator/clock", json={"advance": 60}, auth=AUTH, timeout=10, trust_env=False)
        assert advanced.status_code == 200
        assert get(it, f"/status/{job_id}").json()["status"] != "pending"
        assert get(it, "/simulator/report").json()["all"]["starts"] == 1
        assert it.stop() < 5
        assert it.process.returncode in {0, -signal.SIGTERM}
    said = it.said.read_text()
    assert f"  control API  {it.url}/simulator/" in said
    assert "  clock        stepped" in said
    assert "  faults       503 kind=poll times=1" in said
    assert "canary" not in said


def test_simulate_mounts_other_services(tmp_path):
    """The option wins over the environment; each mount is told of once, with its key in words, and answers."""
    with serving(tmp_path, "--formats", "replicate,openai", command="simulate", FORMATS="heygen") as it:
        key = {"Authorization": "Bearer admin:canary-secret"}
        answer = httpx.get(f"{it.url}/replicate/v1/predictions", headers=key, timeout=10, trust_env=False)
        assert (answer.status_code, answer.json()["results"]) == (200, [])
        assert get(it, "/heygen/v3/video-translations").status_code == 404
    said = it.said.read_text()
    assert said.count(f"  replicate    {it.url}/replicate, API key admin:PASSWORD\n") == 1
    assert said.count(f"  openai       {it.url}/openai, API key admin:PASSWORD\n") == 1
    assert "heygen" not in said
    assert "canary" not in said


@pytest.mark.parametrize("command", ["check-config", "simulate"])
def test_a_service_that_is_unknown(tmp_path, command):
    """It is refused in a line that names the variable, and what there is."""
    done = run(tmp_path, command, **CREDENTIALS, FORMATS="replicat")
    assert done.returncode == 2
    assert "FORMATS is 'replicat': " in done.stderr
    assert "replicate" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "variables", "line"),
    [
        (["--host", "0.0.0.0"], SAMPLE, "API_PASSWORD is the one of .env.example, which everyone can read"),  # noqa: S104 - refused
        (["--clock", "fast"], CREDENTIALS, "argument --clock: allowed is real, stepped, or a speed up to 1000000"),
        (["--clock", "nan"], CREDENTIALS, "argument --clock: allowed is real, stepped, or a speed up to 1000000"),
        (["--faults", "bogus"], CREDENTIALS, "FAULTS is 'bogus'"),
        (["--env-file", "nowhere"], CREDENTIALS, "--env-file is 'nowhere': there is no such file"),
    ],
)
def test_what_is_not_simulated(tmp_path, arguments, variables, line):
    """A simulator refuses what it cannot do as plainly as a server."""
    done = run(tmp_path, "simulate", *arguments, **variables)
    assert (done.returncode, done.stderr.count(line)) == (2, 1)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["serve", "simulate"])
def test_a_port_that_is_taken(tmp_path, command):
    """The address is named, there is no traceback, and the exit status is 1."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        done = run(tmp_path, command, "--port", port, **CREDENTIALS)
    assert done.returncode == 1
    assert "address already in use" in done.stderr.lower()
    assert port in done.stderr
    assert "Traceback" not in done.stderr
