"""The pictures of README.md and docs/ are made by commands of the repository, and show what there is."""

import re
import subprocess
import sys
from xml.etree import ElementTree as ET

import pytest

from server_process import ROOT, clean_environment

PICTURES = ROOT / "docs/pictures"
SVG = "{http://www.w3.org/2000/svg}"


def lines_of(picture):
    """What can be read in it, line by line."""
    drawn = ET.parse(picture)  # noqa: S314 - it is ours
    return ["".join(text.itertext()).replace("\N{NO-BREAK SPACE}", " ") for text in drawn.iter(f"{SVG}text")]


def essence(picture):
    """What can be read, without what is different each time: ids and times."""
    text = "".join(lines_of(picture))
    return re.sub(r"[━╸╺ ]+", " ", re.sub(r"[0-9a-f-]{8,}|\d+(\.\d)?", "N", text))


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """A session recorded now, by the command."""
    file = tmp_path_factory.mktemp("pictures") / "session.svg"
    command = [sys.executable, "docs/record.py", str(file)]
    done = subprocess.run(
        command, cwd=ROOT, env=clean_environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return file


def test_the_session_is_recorded_from_the_real_command(session):
    """A terminal shows a job half way, with its bar, and then its end."""
    text = "".join(lines_of(session))
    assert re.search(r"python3 client/client\.py.*[56]\d ?%.*pending.*completed ?in ?\d+\.\d ?s", text, re.DOTALL)


def test_the_picture_of_the_session_is_up_to_date(session):
    """What the command line prints today is what the picture shows, up to ids and times."""
    assert essence(PICTURES / "session.svg") == essence(session)


@pytest.mark.parametrize("picture", sorted(PICTURES.iterdir()), ids=lambda path: path.name)
def test_a_picture_is_shown_and_complete_by_itself(picture):
    """It is well-formed, can be read, needs no font and no file from elsewhere, and stands on some page."""
    assert lines_of(picture)
    assert re.findall(r"(?:url\(|href=\")[\"']?(?!#)", picture.read_text("utf-8")) == []
    assert any(picture.name in page.read_text("utf-8") for page in (ROOT / "docs").rglob("*.md"))


def test_the_waiting_picture_has_the_figures_of_the_readme():
    """Every library of the table stands in the picture, in each of its panels."""
    readme = (ROOT / "README.md").read_text("utf-8").split("| | jobs of 3 to 7 s")[1].split("\n\n")[0]
    named = re.findall(r"^\| ([a-z-]+)", readme, re.MULTILINE)
    lines = lines_of(PICTURES / "waiting.svg")
    assert len(named) >= 5
    for name in named:
        assert sum(line.startswith(name) for line in lines) >= 3, name
