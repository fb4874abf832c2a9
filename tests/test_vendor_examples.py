"""The examples of docs/vendors.md run as they stand, with the official SDKs, and print how their jobs ended.

The SDKs are in an environment of their own, as `python reliability/vendor_sdks.py --setup` makes it; SDK_PYTHON names
another interpreter that has them.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.snippets import WRITTEN_URL, snippets_of

from server_process import ROOT, clean_environment
from translation_server import TranslationServer
from translation_server.vendors.catalog import built_in

sys.path.append(str(ROOT / "reliability"))  # where the command finds its own modules

from sdks.rows import set_up

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


@pytest.fixture
def server():
    """A server with every format, and with the user that the page names."""
    user = {"username": "admin", "password": "secretpassword"}
    with TranslationServer(formats=["all"], completion_time=1, seed=1, **user) as running:
        yield running


@pytest.fixture
def run(server):
    """Runs an example against the server, with other text in it if need be."""
    if "SDK_PYTHON" not in os.environ:
        set_up({"python"})

    def run(example, *, patience=PATIENCE, **replaced):
        code = example.code.replace(WRITTEN_URL, server.base_url)
        for old, new in replaced.items():
            code = code.replace(old, new)
        return subprocess.run(
            [SDK_PYTHON, "-c", code],
            env=clean_environment() | {"NO_PROXY": "*"},
            capture_output=True,
            text=True,
            timeout=patience,
            check=False,
        )

    return run


def example_with(words):
    """Return the single example in which these words stand."""
    [found] = [one for one in EXAMPLES if words in one.code]
    return found


@pytest.mark.prove
@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_an_example_ends_with_the_result(example, run, server):
    """It prints the result of its job, which is the only one it made."""
    done = run(example)
    assert done.returncode == 0, done.stderr
    assert ENDED.search(done.stdout), done.stdout
    assert len(server.client().list_jobs()) == 1


@pytest.mark.prove
@pytest.mark.parametrize("spoilt", ["outcome", "key"])
def test_an_example_that_ends_otherwise_is_noticed(run, server, spoilt):
    """A job that fails, or a key that is wrong, does not pass for a result."""
    example = example_with("LumaAI(")
    if spoilt == "outcome":
        server.fates.add(outcome="error")
        done = run(example)
        assert server.requests.where(told="error")
    else:
        done = run(example, admin="eve")
    assert done.returncode != 0 or not ENDED.search(done.stdout)


@pytest.mark.prove
def test_a_wait_that_never_ends(run, server):
    """The synchronous wait of ``runwayml`` goes on although it was told that the task is cancelled."""
    server.fates.add(outcome="cancelled", duration=0)
    with pytest.raises(subprocess.TimeoutExpired):
        run(example_with("RunwayML("), patience=30)
    [job] = server.report().jobs
    assert job.after_end >= 2


@pytest.mark.prove
@pytest.mark.parametrize(
    ("words", "raised"), [("replicate.Client(", "ValidationError"), ("RevAiAPIClient(", "KeyError: 'ABORTED'")]
)
def test_a_word_nobody_documented(run, server, words, raised):
    """SDKs that know a list of words break on another one."""
    server.fates.add(outcome="aborted", duration=0.2)
    done = run(example_with(words))
    assert done.returncode != 0
    assert raised in done.stderr


def test_every_mount_has_an_example(server):
    """All services that can be mounted have a section, and every URL in it leads to a mount."""
    mounted = {form.mount for form in built_in().values()}
    assert {server.base_url_of(name) for name in mounted} == {f"{server.base_url}/{name}" for name in mounted}
    assert {name for text in sections().values() for name in MOUNTS.findall(text)} == mounted


@pytest.mark.parametrize("title", sections())
def test_every_section_says_the_same_things(title):
    """What is simulated, what is not, and how the SDK behaves."""
    said = re.findall(r"^- \*\*(.+?)\*\*: \w", sections()[title], re.MULTILINE)
    assert [one.replace("client", "SDK") for one in said] == ["Simulated", "Not simulated", "How your SDK behaves"]
