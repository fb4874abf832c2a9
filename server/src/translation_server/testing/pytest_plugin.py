"""The pytest plugin: a translation job service for each test that asks for one.

```python
@pytest.mark.translation_server(completion_time=5400, error_rate=0.1)
def test_a_long_job(translation_server):
    client = translation_server.client()
    job_id = client.start_job()
    translation_server.clock.advance(5400)
    assert client.wait(job_id).status in {"completed", "error"}
```

With formats, official SDKs are tested, unchanged; ``translation_server_environment`` leads them here.

```python
@pytest.mark.translation_server(formats=["replicate"], completion_time=0.1)
def test_a_prediction(translation_server_environment):
    assert replicate.run("owner/model", input={"prompt": "a cat"})
```

The report of a test that fails has a section about the server: the line that makes the same one again, how the client
behaved, and the last requests.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    # Imported where it is needed: the plugin is loaded in every run of pytest, whether a server is wanted or not.
    from translation_server.testing.server import TranslationServer

_MARKER: Final = "translation_server"
_MARKER_HELP: Final = (
    "translation_server(**settings): what the fixture translation_server is made with, as TranslationServer has it: "
    "completion_time=5400, error_rate=0.1, seed=1, faults=['503 times=2'], incident='lost_start', clock='real', "
    "formats=['replicate'], tls=True, …"
)
_SERVER: Final = pytest.StashKey["TranslationServer"]()
"""The key under which a test's item keeps its server."""


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", _MARKER_HELP)


@pytest.fixture
def translation_server(request: pytest.FixtureRequest) -> Iterator[TranslationServer]:
    """A translation job service of the test's own, on a free port; its clock stands still until it is advanced.

    It serves synchronous and asynchronous tests: `translation_server.client()`, `.async_client()`, `.base_url`,
    `.clock.advance(5400)`, `.faults.add("503 times=2")`, `.requests`, `.report()`. Its settings are those of the marker
    `translation_server`.
    """
    with _make_server(request.node) as server:
        request.node.stash[_SERVER] = server
        yield server


@pytest.fixture
def translation_server_environment(
    translation_server: TranslationServer, monkeypatch: pytest.MonkeyPatch
) -> Mapping[str, str]:
    """The environment variables by which official SDKs find `translation_server`, set for this test: a mapping.

    Those of all formats of the marker `translation_server(formats=["openai"])`: their base URLs and keys, and with
    `tls=True` the file of the authority to trust. Make the SDK's client in the test; and import there an SDK that reads
    variables when it is imported.
    """
    environment = translation_server.environment_of()
    if not environment:
        pytest.fail(f"there are no variables to set: @pytest.mark.{_MARKER}(formats=['openai'])", pytrace=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return environment


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to a failed test's report how to see it again, the report card and the last requests."""
    report = yield
    if report.failed:
        report.sections += [("translation server", _describe(server)) for server in _servers_of(item, call)]
    return report


def _describe(server: TranslationServer) -> str:
    from translation_server.simulator.report.card import describe_failure  # noqa: PLC0415 - see above

    return describe_failure(server.requests, server.report(), server.replay_line)


def _servers_of(item: pytest.Item, call: pytest.CallInfo[None]) -> list[TranslationServer]:
    """Return the fixture's server and those of the functions that failed: `with TranslationServer() as server:`."""
    embedded = sys.modules.get("translation_server.testing.server")
    if embedded is None:
        return []
    values = [item.stash.get(_SERVER, None)]
    for entry in call.excinfo.traceback if call.excinfo else ():
        values += entry.frame.f_locals.values()
    return list({id(one): one for one in values if isinstance(one, embedded.TranslationServer)}.values())


def _make_server(item: pytest.Item) -> TranslationServer:
    from translation_server.testing.server import TranslationServer  # noqa: PLC0415 - see above

    settings: dict[str, Any] = {"clock": "stepped"}
    try:
        for marker in reversed(list(item.iter_markers(_MARKER))):
            if marker.args:
                raise TypeError("settings have names: completion_time=5400")  # noqa: TRY301 - reported like all others
            settings |= marker.kwargs
        return TranslationServer(**settings)
    except (ModuleNotFoundError, TypeError, ValueError) as error:
        pytest.fail(f"@pytest.mark.{_MARKER}: {error}", pytrace=False)
