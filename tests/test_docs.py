"""docs/ becomes a site without a warning, from the code as it is, and needs nobody else's server to be read."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

import translation_client
import translation_server
from server_process import ROOT, clean_environment
from translation_server.config.settings import Settings

ELSEWHERE = re.compile(r"^(https?:)?//")
FETCHED = {("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src"), ("source", "src")}
NOT_FETCHED = {"canonical", "next", "prev", "edit"}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built as `mkdocs build --strict` builds it: a warning is an error, unless it is `--quiet`."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = clean_environment() | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def shown(site):
    """Reads a page as text, without its tags."""
    return lambda page: re.sub(r"<[^>]+>", "", (site / page / "index.html").read_text("utf-8"))


class Fetched(HTMLParser):
    """Collects what a browser fetches for a page."""

    def __init__(self):
        super().__init__()
        self.addresses = []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if given.get("rel") not in NOT_FETCHED:
            self.addresses += [value for name, value in attrs if (tag, name) in FETCHED and value]


def test_every_page_is_reached(site):
    """Each file of docs/ is a page of the site, named in its navigation."""
    navigation = (ROOT / "mkdocs.yml").read_text("utf-8")
    pages = [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")]
    assert [page for page in pages if f" {page}\n" not in navigation] == []
    assert (site / "index.html").exists()


def test_files_that_pages_name_exist():
    """A path in back quotes, from the root of the checkout, leads to a file."""
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    named = {
        (path, page.name)
        for page in pages
        for path in re.findall(
            r"`((?:client|server|tests|reliability|benchmarks|examples|docs)/[\w./-]+\.\w+)", page.read_text("utf-8")
        )
    }
    assert len(named) > 20
    assert [one for one in named if not (ROOT / one[0]).exists()] == []


def test_nothing_is_fetched_from_elsewhere(site):
    """Pages, styles and pictures are complete by themselves: no fonts, no scripts from other servers."""
    found = []
    for page in site.rglob("*.html"):
        parser = Fetched()
        parser.feed(page.read_text("utf-8"))
        found += [f"{page.name}: {address}" for address in parser.addresses if ELSEWHERE.match(address)]
    for file in [*site.rglob("*.css"), *site.rglob("*.svg")]:
        text = file.read_text("utf-8")
        found += [f"{file.name}: {address}" for address in re.findall(r"url\(\"?((?:https?:)?//[^)\"]+)", text)]
    assert found == []


@pytest.mark.parametrize("name", translation_client.__all__)
def test_the_reference_has_the_whole_client(shown, name):
    """Every public name of the client is explained."""
    assert re.search(rf"\b{name}\b", shown("reference/client"))


@pytest.mark.parametrize("name", translation_server.__all__)
def test_the_reference_has_the_whole_server(shown, name):
    """Every public name of the server in a test is explained."""
    assert re.search(rf"\b{name}\b", shown("reference/server"))


def test_the_reference_has_every_setting(shown):
    """Each variable is there, from the code."""
    page = shown("reference/settings")
    assert [name for name in Settings.model_fields if name.upper() not in page] == []


@pytest.mark.parametrize(
    "page", ["reference/settings", "reference/command-line", "reference/http", "reference/client", "changelog"]
)
def test_nothing_is_left_to_be_made(site, page):
    """No place for generated text stays empty."""
    text = (site / page / "index.html").read_text("utf-8")
    assert "made from:" not in text
    assert ":::" not in text


def test_the_reference_has_every_request_and_command(shown):
    """Requests come from the OpenAPI document, commands from their own help."""
    page = shown("reference/http")
    assert all(name in page for name in ("POST /start", "GET /status/{job_id}", "/simulator/faults", "Retry-After"))
    page = shown("reference/command-line")
    assert all(name in page for name in ("translation-client wait", "translation-server check-config", "--log-file"))


def test_a_dead_link_stops_the_build(tmp_path):
    """The build is strict: one link to a page that is not there, and there is no site."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/index.md").write_text("[nowhere](nowhere.md)", "utf-8")
    configuration = (ROOT / "mkdocs.yml").read_text("utf-8")
    rules = configuration[configuration.index("\nvalidation:") :]
    (tmp_path / "mkdocs.yml").write_text(f"site_name: x\n{rules}", "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict"],
        cwd=tmp_path,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "nowhere.md" in done.stderr
