"""What pytest reports of a test that failed with a server in it."""

import pytest

pytest_plugins = ["pytester"]

HEAD = "-* translation server -*"


@pytest.fixture
def run(pytester):
    """Run a test file with the plugin; return what pytest said."""

    def run(text):
        pytester.makepyfile(text)
        return pytester.runpytest_inprocess("-p", "translation_server.testing.pytest_plugin", "-p", "no:asyncio")

    return run


def test_a_failed_test_tells_what_the_server_saw(run):
    """The line that makes the same server again, the report card, the last requests."""
    result = run("""
        import pytest

        @pytest.mark.translation_server(completion_time=60.0, seed=7)
        def test_it(translation_server):
            translation_server.client().start_job()
            assert False
    """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "-* translation server -*",
            "To see it again: TranslationServer(completion_time=60.0, *seed=7)",
            "*detection delay",
            "No complaints.",
            "The last requests:",
            "  #1 job 1: start #1 POST /start with a key → 202, pending, *",
        ]
    )


def test_a_test_that_passes_tells_nothing(run):
    """Nobody reads it."""
    result = run("""
        def test_it(translation_server):
            translation_server.client().start_job()
    """)
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line(HEAD)


def test_a_server_made_in_the_test_is_found(run):
    """It is a variable where the test failed, stopped or not."""
    result = run("""
        from translation_server.testing.server import TranslationServer

        def broken(base_url):
            raise ValueError(base_url)

        def test_it():
            with TranslationServer(seed=9) as server:
                broken(server.base_url)
    """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["To see it again: TranslationServer(*seed=9)", "*  nothing arrived"])


def test_a_test_without_a_server_fails_as_ever(run):
    """The plugin is loaded in every run of pytest."""
    result = run("""
        def test_it():
            assert False
    """)
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line(HEAD)


def test_a_fixture_that_fails_later_is_told_of_too(run):
    """The test fails in its setup."""
    result = run("""
        import pytest

        @pytest.fixture
        def broken(translation_server):
            raise ValueError

        def test_it(broken):
            pass
    """)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([HEAD, "To see it again: *"])


def test_an_assertion_of_the_report_card_is_the_failure(run):
    """Its words are pytest's summary line."""
    result = run("""
        def test_it(translation_server):
            translation_server.report().assert_polite()
    """)
    result.stdout.fnmatch_lines(["*AssertionError: no request arrived, so there is nothing to judge*"])


def test_the_line_of_the_test_is_shown_not_ours(run):
    """Whoever reads a failure wants to see what was asserted."""
    result = run("""
        def test_it(translation_server):
            translation_server.report().assert_polite()
    """)
    result.stdout.fnmatch_lines([">*translation_server.report().assert_polite()"])
    result.stdout.no_fnmatch_line("*report.py*")
