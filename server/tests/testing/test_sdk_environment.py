"""Formats that are mounted in a test's server: where they are, and the variables by which SDKs find them."""

import shutil
import subprocess

import pytest
import requests

from translation_server import TranslationServer
from translation_server.formats import BEARER, POLL, START, Format, Route, of_first
from translation_server.testing.sdk_environment import called, environment_variables, mount_url
from translation_server.vendors.catalog import find_formats

PATIENCE = 10.0


def tell(view):
    return {"id": view.id, "status": view.word}


OWN = Format(
    name="dubs",
    mount="studio",
    keys=(BEARER,),
    words={0: "busy", "completed": "done", "error": "broken", "cancelled": "stopped"},
    error=lambda problem: {"message": problem.detail},
    routes=(Route("POST", "/dubs", START, of_first(tell), 201), Route("GET", "/dubs/{id}", POLL, tell)),
    environment={
        "DUBS_URL": "{base}/",
        "DUBS_HOST": "{host}",
        "DUBS_USER": "{username}",
        "DUBS_KEY": "{key}|{password}",
    },
)


def test_a_format_is_called_by_its_name_or_its_mount():
    """A mount's name stands for all its formats, a format's name for it alone."""
    openai = find_formats(["openai"])
    assert len(openai) > 1
    assert tuple(called("openai", [OWN, *openai])) == openai
    for form in (OWN, *openai):
        assert called(form.name, [OWN, *openai]) == [form]
    assert called("studio", [OWN]) == [OWN]


def test_a_name_prevails_over_a_mount():
    """Whatever the order."""
    other = Format(name="studio", mount="elsewhere", keys=(), words={}, routes=(), error=lambda _: None)
    assert called("studio", [OWN, other]) == called("studio", [other, OWN]) == [other]


@pytest.mark.parametrize(("mounted", "words"), [([OWN], "but studio, dubs"), ([], r"and no other: formats=\[…\]")])
def test_what_is_not_mounted_is_told_with_what_is(mounted, words):
    """Each name once."""
    with pytest.raises(ValueError, match=f"^no format 'replicate' is mounted, {words}$"):
        called("replicate", mounted)


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "[::1]:8000"])
def test_the_variables_are_filled_in(host):
    """With the mount, the host and its port, and the credentials, whatever is in them."""
    assert environment_variables([OWN], base_url=f"http://{host}", username="ann", password="{key}:x") == {
        "DUBS_URL": f"http://{host}/studio/",
        "DUBS_HOST": host,
        "DUBS_USER": "ann",
        "DUBS_KEY": "ann:{key}:x|{key}:x",
    }


def test_every_format_s_variables_can_be_filled_in():
    """No other words in braces than there are; and a variable says the same for all formats of a mount."""
    for form in find_formats(["all"]):
        given = {"base_url": "http://127.0.0.1:1", "username": "ann", "password": "x"}
        alone = environment_variables([form], **given)
        assert mount_url(form, "http://127.0.0.1:1") == f"http://127.0.0.1:1/{form.mount}"
        assert not any("{" in value for value in alone.values())
        together = environment_variables(called(form.mount, find_formats([form.mount])), **given)
        assert together.items() >= alone.items()


def test_with_tls_they_say_whom_to_trust():
    """What OpenSSL, requests, botocore and Node.js read, by the same path."""
    names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
    given = {"base_url": "https://127.0.0.1:1", "username": "ann", "password": "x", "ca_file": "ca.pem"}
    trust = dict.fromkeys(names, "ca.pem")
    assert environment_variables([], **given) == trust
    assert environment_variables([OWN], **given).items() > trust.items()


def test_a_server_has_the_formats_it_was_made_with():
    """By name and as a Format of the tester's own; its key is its user's name and password."""
    with TranslationServer(formats=["replicate", OWN], completion_time=5, clock="stepped") as server:
        assert server.api_key == f"{server.username}:{server.password}"
        assert server.base_url_of("replicate") == f"{server.base_url}/replicate"
        assert server.base_url_of("dubs") == server.base_url_of("studio") == f"{server.base_url}/studio"
        key = {"Authorization": f"Bearer {server.api_key}"}
        url = f"{server.environment_of('dubs')['DUBS_URL']}dubs"
        started = requests.post(url, json={}, headers=key, timeout=PATIENCE)
        assert (started.status_code, started.json()["status"]) == (201, "busy")
        server.clock.advance(5)
        polled = requests.get(f"{url}/{started.json()['id']}", headers=key, timeout=PATIENCE)
        assert polled.json()["status"] == "done"
        assert server.environment_of().keys() >= {"DUBS_URL", "REPLICATE_BASE_URL", "REPLICATE_API_TOKEN"}
        assert server.environment_of("studio").keys() == OWN.environment.keys()
        with pytest.raises(ValueError, match="'heygen' is mounted, but replicate, studio, dubs"):
            server.environment_of("dubs", "heygen")
        with pytest.raises(ValueError, match="'heygen' is mounted"):
            server.base_url_of("heygen")


def test_a_server_without_formats_has_no_mounts():
    """Nor variables, with TLS those of trust alone; and unless it runs, it is said how to use it."""
    server = TranslationServer(formats="replicate")
    for use in (lambda: server.base_url_of("replicate"), server.environment_of):
        with pytest.raises(RuntimeError, match="not running"):
            use()
    with TranslationServer() as server:
        assert server.environment_of() == {}
        with pytest.raises(ValueError, match="no other"):
            server.base_url_of("replicate")
    with TranslationServer(tls=True, formats=["fal"]) as server:
        variables = server.environment_of()
        assert variables["SSL_CERT_FILE"] == server.ca_file
        assert variables["FAL_QUEUE_RUN_HOST"] == f"127.0.0.1:{server.port}/fal"


def test_a_format_that_is_unknown_is_refused_at_once():
    """Before anything is started."""
    with pytest.raises(ValueError, match="there is no format 'replicat': allowed are "):
        TranslationServer(formats=["replicat"])


def test_the_same_again():
    """The line that makes the same server names its formats, also those of the tester's own."""
    server = TranslationServer(formats=(one for one in ("openai", OWN)), seed=7)
    assert server.replay_line == "TranslationServer(formats=['openai', 'dubs'], seed=7)"
    assert "formats" not in TranslationServer(seed=7).replay_line


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
def test_node_trusts_it_by_its_variable():
    """The npm SDKs use its own fetch."""
    program = "fetch(process.argv[1]).then(answer => console.log(answer.status))"
    with TranslationServer(tls=True) as server:
        done = subprocess.run(  # noqa: S603 - Node.js itself
            ["node", "-e", program, f"{server.base_url}/health/live"],  # noqa: S607 - likewise
            env=server.environment_of(),
            executable=shutil.which("node"),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    assert (done.stdout, done.stderr) == ("200\n", "")
