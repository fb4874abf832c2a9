"""docs/report-card.md is true: its example runs, and its tables are complete."""

import inspect
import re
from dataclasses import fields

from server_process import ROOT
from translation_server import Politeness, Report
from translation_server.simulator.report import card

TEXT = (ROOT / "docs/report-card.md").read_text("utf-8")


def block(language):
    return re.search(rf"^```{language}\n(.*?)^```$", TEXT, flags=re.MULTILINE | re.DOTALL)[1]


def first_cells(heading):
    """Return the first column of the table with this heading."""
    table = TEXT.partition(f"| {heading} |")[2].partition("\n\n")[0]
    return [row.split("|")[1].strip() for row in table.splitlines()[2:]]


def test_the_example_prints_what_is_shown(capsys):
    """To the byte."""
    exec(compile(block("python"), "docs/report-card.md", "exec"), {})  # noqa: S102 - it is ours
    assert capsys.readouterr().out == block("text")


def test_every_column_is_explained():
    """In the order of the table."""
    assert first_cells("column") == [*(name.replace("_", " ") for name in card.COUNTS), "detection delay"]


def test_every_limit_is_named_with_its_default():
    """As they are in the code."""
    rows = [row.split("|") for row in TEXT.splitlines() if row.startswith("| `") and row.count("|") == 4]
    named = {
        name: float(default)
        for row in rows
        for name, default in zip(re.findall(r"`(\w+)`", row[1]), row[2].split(","), strict=False)
    }
    assert named == {field.name: field.default for field in fields(Politeness)}


def test_every_assertion_is_named():
    """And no other."""
    named = re.findall(r"`report\.(assert_\w+)\(", TEXT)
    assert set(named) == {name for name, _ in inspect.getmembers(Report) if name.startswith("assert_")}
