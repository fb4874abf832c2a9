"""The documentation page in a real Chromium: it draws itself under its own content security policy.

`.ci/run` installs the browser and needs it (BROWSER_NEEDED); elsewhere these tests are skipped where there is none.
"""

import html
import os
import re
import shutil
import subprocess

import pytest
import requests

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--enable-logging=stderr"]
TIME_TO_DRAW = 10_000  # milliseconds of the page's own time, which passes as fast as the page has nothing to do
COMPLAINT = re.compile(r"^\[.*CONSOLE.*$", re.MULTILINE)


@pytest.fixture(scope="module")
def browser():
    """The command of a Chromium on this machine."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None and not os.environ.get("BROWSER_NEEDED"):
        pytest.skip("there is no Chromium on this machine; CI has one")
    assert found is not None, "there must be a Chromium: apt-get install chromium"
    return found


@pytest.fixture
def visit(browser, tmp_path):
    """Open a page as a stranger does; what it looks like in the end, and what the browser complained of."""

    def visit_(url):
        command = [browser, *OPTIONS, f"--user-data-dir={tmp_path}", f"--virtual-time-budget={TIME_TO_DRAW}"]
        done = subprocess.run(
            [*command, "--dump-dom", url], capture_output=True, text=True, timeout=120, check=True, cwd=tmp_path
        )
        return html.unescape(re.sub("\u200b|<wbr>", "", done.stdout)), COMPLAINT.findall(done.stderr)

    return visit_


def test_the_documentation_draws_itself_under_its_policy(server, visit):
    """Every operation is on the page, and the browser had to block nothing."""
    document = requests.get(f"{server.base_url}/openapi.json", timeout=10).json()
    page, complaints = visit(f"{server.base_url}/docs")
    assert complaints == []
    drawn = re.findall(r'opblock-summary-method">(\w+)<.*?data-path="([^"]+)"', page)
    assert sorted(drawn) == sorted(
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods
    )
    assert "Authorize" in page


def test_a_page_that_is_blocked_would_be_noticed(server, visit):
    """What a policy blocks shows in the browser's complaints."""
    policy = "<meta http-equiv=Content-Security-Policy content=\"img-src 'none'\">"
    _, complaints = visit(f"data:text/html,{policy}<img src='{server.base_url}/x'>")
    assert "Content Security Policy" in "".join(complaints)
