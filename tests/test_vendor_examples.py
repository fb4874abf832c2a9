"""The examples of docs/vendors.md run as they stand, with the official SDKs, and print how their jobs ended.

The SDKs are in an environment of their own, made by `python reliability/vendor_sdks.py --setup`; SDK_PYTHON names
another interpreter that has them.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest
from tests.snippets import WRITTEN_URL, snippets_of

from server_process import ROOT, clean_environment
from translation_server import TranslationServer

PAGE = "docs/vendors.md"
KEY = '"admin:secretpassword"'  # which every example has, and no snippet of another kind
SDK_PYTHON = Path(os.environ.get("SDK_PYTHON", ROOT / ".sdks/python/bin/python"))
PATIENCE = 90.0  # seconds; the first pause of some SDKs is ten
EXAMPLES = [one for one in snippets_of(PAGE, (ROOT / PAGE).read_text("utf-8")) if KEY in one.code]
ENDED = re.compile(r"\.mp4|\b(completed|dubbed|succeeded|transcribed)\b", re.IGNORECASE)
MOUNTS = re.compile(rf"{re.escape(WRITTEN_URL)}/(\w+)")


def sections():
    """Each section of the page about a service, by its title."""
    parts = re.split(r"^## (.+)$", (ROOT / PAGE).read_text("utf-8"), flags=re.MULTILINE)
    titled = dict(zip(parts[1::2], parts[2::2], strict=True))
    return {title: text for title, text in titled.items() if KEY in text}


@pytest.fixture(scope="module")
def server():
    """A server with every format, and with the user that the page names."""
    user = {"username": "admin", "password": "secretpassword"}
    with TranslationServer(formats=["all"], completion_time=1, seed=1, **user) as running:
        yield running


def run(example, server, *, before=""):
    """Run an example against a server; return what became of it."""
    return subprocess.run(
        [SDK_PYTHON, "-c", before + example.code.replace(WRITTEN_URL, server.base_url)],
        env=clean_environment() | {"NO_PROXY": "*"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.prove
@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_an_example_ends_with_the_result(example, server):
    """It prints the result of its job, which is the only one it made."""
    if not SDK_PYTHON.exists():
        pytest.skip("there are no SDKs: python reliability/vendor_sdks.py --setup")
    jobs = len(server.client().list_jobs())
    done = run(example, server)
    assert done.returncode == 0, done.stderr
    assert ENDED.search(done.stdout), done.stdout
    assert len(server.client().list_jobs()) == jobs + 1


@pytest.mark.prove
def test_an_example_that_ends_otherwise_is_noticed(server):
    """A job that fails, and a key that is wrong, do not pass for a result."""
    if not SDK_PYTHON.exists():
        pytest.skip("there are no SDKs: python reliability/vendor_sdks.py --setup")
    [example] = [one for one in EXAMPLES if "LumaAI(" in one.code]
    server.fates.add(outcome="error", times=1)
    failed = run(example, server)
    assert failed.returncode != 0 or not ENDED.search(failed.stdout)
    server.fates.clear()
    example = type(example)(example.page, example.line, example.language, example.code.replace("admin:", "eve:"), None)
    assert run(example, server).returncode != 0


def test_every_mount_has_an_example(server):
    """All services that can be mounted have a section, and every URL in it leads to a mount."""
    mounted = {url.rpartition("/")[2] for url in map(server.base_url_of, names_of(server))}
    assert {name for text in sections().values() for name in MOUNTS.findall(text)} - {"docs"} == mounted


def names_of(server):
    """Return the names of all formats that are mounted."""
    from translation_server.vendors.catalog import built_in  # noqa: PLC0415 - only here

    return list(built_in())


@pytest.mark.parametrize("title", sections())
def test_every_section_says_the_same_things(title):
    """What is simulated, what is not, and how the SDK behaves."""
    said = re.findall(r"^- \*\*(.+?)\*\*: \w", sections()[title], re.MULTILINE)
    assert [one.replace("client", "SDK") for one in said] == ["Simulated", "Not simulated", "How your SDK behaves"]
