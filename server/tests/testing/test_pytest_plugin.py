"""The pytest plugin, in runs of pytest of its own."""

import os
import subprocess
import sys

import pytest

TESTS = """
import asyncio
import pytest

SEEN = {}

def test_has_a_server(translation_server):
    SEEN["first"] = translation_server.port, translation_server.password
    before = translation_server.clock.now()
    job_id = translation_server.client().start_job(simulate={"duration": 5400})
    assert translation_server.clock.now() == before
    assert translation_server.clock.advance_to_next_event() == 5400
    assert translation_server.client().get_status(job_id) == "completed"

def test_has_another(translation_server):
    assert SEEN["first"] != (translation_server.port, translation_server.password)
    assert not translation_server.requests

def test_asynchronous(translation_server):
    async def use():
        async with translation_server.async_client() as client:
            job_id = await client.start_job(simulate={"duration": 5, "outcome": "error"})
            waiting = asyncio.create_task(client.wait(job_id))
            translation_server.clock.advance(5)
            return await waiting
    assert asyncio.run(use()).status == "error"

@pytest.mark.translation_server(completion_time=60, stages="transcribing,translating")
class TestMarked:
    def test_by_the_class(self, translation_server):
        assert 60 <= self.hint(translation_server) < 61

    @pytest.mark.translation_server(completion_time=90, clock="real", username="ann")
    def test_by_itself_as_well(self, translation_server):
        assert 85 < self.hint(translation_server) <= 90.1
        assert translation_server.username == "ann"

    def hint(self, server):
        return server.client().get_job(server.client().start_job()).poll_after

def test_has_none():
    import sys
    assert SEEN
"""

SDKS = """
import json
import os
import ssl
import urllib.request

import pytest

BEFORE = dict(os.environ)

@pytest.mark.translation_server(formats=["replicate"], tls=True, completion_time=5)
def test_with_variables(translation_server, translation_server_environment):
    assert translation_server_environment == translation_server.environment_of("replicate")
    assert set(os.environ.items()) >= set(translation_server_environment.items())
    headers = {"Authorization": "Bearer " + os.environ["REPLICATE_API_TOKEN"], "Content-Type": "application/json"}
    url = os.environ["REPLICATE_BASE_URL"] + "/v1/predictions"
    request = urllib.request.Request(url, b'{"version": "v", "input": {}}', headers)
    with urllib.request.urlopen(request) as answer:
        started = json.load(answer)
    translation_server.clock.advance(5)
    with urllib.request.urlopen(urllib.request.Request(started["urls"]["get"], headers=headers)) as answer:
        assert json.load(answer)["status"] == "succeeded"

def test_they_are_gone():
    assert {**os.environ, "PYTEST_CURRENT_TEST": ""} == {**BEFORE, "PYTEST_CURRENT_TEST": ""}

def test_without_formats(translation_server_environment):
    pass
"""

LIGHT = """
import sys

def test_is_light():
    assert "translation_server.testing.pytest_plugin" in sys.modules
    assert not {"fastapi", "uvicorn", "pydantic"} & set(sys.modules)
"""


@pytest.fixture
def run_pytest(tmp_path):
    """Run pytest on a file, with the plugin and no other, in a process and a folder of its own."""

    def run(text, *options):
        (tmp_path / "test_it.py").write_text(text, "utf-8")
        command = [sys.executable, "-m", "pytest", "-p", "translation_server.testing.pytest_plugin", "-q", *options]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        ran = subprocess.run(  # noqa: S603 - pytest itself
            [*command, "--strict-markers", "-W", "error", "-p", "no:cacheprovider"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return ran.returncode, ran.stdout + ran.stderr

    return run


def test_each_test_that_asks_has_a_server_of_its_own(run_pytest):
    """With a stepped clock, or as the markers of the test and of its class say; also in asynchronous code."""
    status, told = run_pytest(TESTS)
    assert (status, "6 passed" in told) == (0, True), told


def test_official_sdks_find_the_server_by_their_variables(run_pytest):
    """They are set for the test alone; without a format there are none, and that is said."""
    status, told = run_pytest(SDKS)
    assert (status, "2 passed, 1 error" in told) == (1, True), told
    assert "there are no variables to set: @pytest.mark.translation_server(formats=['openai'])" in told


WRONG = {
    "formats=['replicat']": "there is no format 'replicat': allowed are ",
    "completion_tyme=5": "there is no setting 'completion_tyme': did you mean 'completion_time'?",
    "error_rate=2": "error_rate is 2: allowed is a number from 0 to 1",
    "5400": "settings have names: completion_time=5400",
    "clock='slow'": "clock is 'slow': allowed are 'real', 'stepped', a speed such as 60, or a clock",
}


def test_a_marker_that_makes_no_sense_is_an_error_in_few_words(run_pytest):
    """It names the setting, and shows none of our code."""
    tests = [
        f"@pytest.mark.translation_server({marker})\ndef test_{number}(translation_server): pass\n"
        for number, marker in enumerate(WRONG)
    ]
    status, told = run_pytest("import pytest\n" + "".join(tests))
    assert (status, f"{len(WRONG)} errors" in told) == (1, True), told
    for words in WRONG.values():
        assert f"\n@pytest.mark.translation_server: {words}" in told
    assert "Traceback" not in told
    assert "pytest_plugin.py" not in told


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--markers", "@pytest.mark.translation_server(**settings): what the fixture translation_server is made with"),
        ("--fixtures", "A translation job service of the test's own, on a free port"),
        ("--fixtures", "The environment variables by which official SDKs find `translation_server`, set for this test"),
    ],
)
def test_pytest_tells_of_it(run_pytest, option, words):
    """Whoever asks pytest what there is learns of fixture and marker."""
    status, told = run_pytest("", option)
    assert status == 0
    assert words in told


def test_who_does_not_ask_for_a_server_does_not_wait_for_one(run_pytest):
    """The plugin is loaded in every run of pytest: it imports nothing of the server."""
    status, told = run_pytest(LIGHT)
    assert (status, "1 passed" in told) == (0, True), told
