"""Whatever README.md and docs/ show is true: every snippet runs, and prints what stands below it.

Weighed: sybil and pytest-examples. Both run Python in the process of the tests, and neither knows a shell, a terminal
or a server that a page takes for granted; what they would spare is finding fences, which is one regular expression.
"""

import shutil

import pytest
from tests.snippets import RUN, SHOWN, Runner, Snippet, matches, snippets_of

from server_process import ROOT, ServerProcess

READMES = ["README.md", "client/README.md", "server/README.md", "examples/README.md", "benchmarks/README.md"]
PAGES = [*READMES, *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
# What cannot be run here, or is run better elsewhere: where, and what is to be found there.
ELSEWHERE = {
    "python3 run.py demo": ("tests/test_run.py", "demo"),
    "python3 run.py test": (".ci/run", "run.py test"),
    "pip install -r requirements.txt && ": ("tests/test_commands.py", "pip install -r requirements.txt && "),
    "python3 test_integration.py": ("tests/test_commands.py", "python3 test_integration.py"),
    '"admin:secretpassword"': ("tests/test_vendor_examples.py", '"admin:secretpassword"'),
    '--8<-- "examples/caught/': ("tests/test_report_card.py", "caught"),
    '--8<-- "examples/': ("tests/test_examples.py", "test_every_example_has_a_row"),
}
PAGES_ELSEWHERE = {  # with a clock that is moved, and with a record of their own
    "docs/faults.md": ("tests/test_faults_page.py", "docs/faults.md"),
    "docs/report-card.md": ("tests/test_report_card_page.py", "docs/report-card.md"),
}
SNIPPETS = [snippet for page in PAGES for snippet in snippets_of(page, (ROOT / page).read_text("utf-8"))]
TO_RUN = [
    snippet
    for snippet in SNIPPETS
    if snippet.language in RUN
    and snippet.page not in PAGES_ELSEWHERE
    and not any(words in snippet.code for words in ELSEWHERE)
]
SETTINGS = {
    "API_USERNAME": "admin",
    "API_PASSWORD": "secretpassword",
    "MIN_DELAY": "0.2",
    "MAX_DELAY": "0.5",
    "ERROR_PROBABILITY": "0",
    "CONTROL_API": "on",
}


def placed(snippet):
    """The snippet as a parameter; one that installs something takes long."""
    marks = [pytest.mark.prove] if "pip install" in snippet.code else []
    return pytest.param(snippet, id=str(snippet), marks=marks)


@pytest.fixture(scope="module")
def runner(fresh_clone, tmp_path_factory):
    """Runs snippets at the root of a fresh clone, beside a server with quick jobs."""
    commands = tmp_path_factory.mktemp("bin")
    with ServerProcess(tmp_path_factory.mktemp("server"), **SETTINGS) as server:
        yield Runner(server.base_url, fresh_clone, commands)
    for made in (fresh_clone / "server/.env", fresh_clone / "test_snippet.py"):
        made.unlink(missing_ok=True)
    shutil.rmtree(fresh_clone / "logs", ignore_errors=True)


@pytest.mark.parametrize("snippet", [placed(snippet) for snippet in TO_RUN])
def test_a_snippet_runs(runner, snippet):
    """It runs as it stands, and prints what its page says."""
    runner.run(snippet)


def test_every_snippet_is_of_a_kind_that_is_known():
    """None escapes because nobody knows what it is."""
    assert [str(snippet) for snippet in SNIPPETS if snippet.language not in RUN + SHOWN] == []


@pytest.mark.parametrize("words", [*ELSEWHERE, *PAGES_ELSEWHERE])
def test_what_runs_elsewhere_does(words):
    """Each exception is needed by a page, and kept by the file that is named."""
    assert any(words in snippet.code or words == snippet.page for snippet in SNIPPETS)
    file, kept = (ELSEWHERE | PAGES_ELSEWHERE)[words]
    assert kept in (ROOT / file).read_text("utf-8")


@pytest.mark.parametrize(
    "broken",
    [
        Snippet("broken", 1, "python", "from translation_client import Nothing", None),
        Snippet("broken", 1, "python", "print(1)", "2\n"),
        Snippet("broken", 1, "python", "def test_it():\n    assert False\n", None),
        Snippet("broken", 1, "bash", "translation-client --sing", None),
        Snippet("broken", 1, "bash", "false; true", None),
        Snippet("broken", 1, "console", "$ echo one\ntwo\n", None),
        Snippet("broken", 1, "console", "$ true\n$ translation-client wait no-such-job\n", None),
        pytest.param(Snippet("broken", 1, "console", "$ pip install ./servant\n", None), marks=pytest.mark.prove),
        Snippet("broken", 1, "console", "$ MAX_DELAY=never translation-server serve\n", None),
    ],
)
def test_a_broken_snippet_is_noticed(runner, broken):
    """Wrong names, wrong output, failing tests, wrong options, refused starts: none of them passes."""
    with pytest.raises(AssertionError):
        runner.run(broken)


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [("a …\nc", "a b\nb\nc\n", True), ("a", "a \n\n", True), ("a", "ab", False), ("a.c", "abc", False)],
)
def test_output_is_compared(shown, printed, same):
    """To the letter, but for spaces at the ends of lines, and for what `…` stands for."""
    assert matches(shown, printed) is same


def test_fences_are_found_with_what_they_print():
    """A fence of output right below belongs to the code above it; one after some text does not."""
    page = "```python\n1\n```\n\n```text\n2\n```\n\n  ```bash\n  3\n  ```\n\nSays:\n\n```text\n4\n```\n"
    found = [(one.line, one.language, one.code, one.prints) for one in snippets_of("page", page)]
    assert found == [(1, "python", "1\n", "2\n"), (9, "bash", "3\n", None), (15, "text", "4\n", None)]
