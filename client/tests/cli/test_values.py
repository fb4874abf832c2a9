"""What the options that describe a job take."""

import json

import pytest

from client.tests.cli.test_arguments import parsed


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["-m", "title=Holiday"], {"title": "Holiday"}),
        (["-m", "a=1", "-m", "b:=[1, true]", "-m", "a=2"], {"a": "2", "b": [1, True]}),
        (["--metadata", '{"a": {"b": null}}', "-m", "c=x=y:=z"], {"a": {"b": None}, "c": "x=y:=z"}),
        (["-m", "a=1", "start", "-m", "b="], {"a": "1", "b": ""}),
        (["-m", "{}"], {}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_metadata_is_gathered(argv, expected):
    """Text, JSON and whole objects, given as often as one likes, before and after the command; the last one wins."""
    assert parsed(*argv).metadata == expected


def test_metadata_and_a_fate_can_come_from_a_file(tmp_path):
    """`@FILE` names a JSON object."""
    file = tmp_path / "job.json"
    file.write_text(json.dumps({"duration": 2, "outcome": "error"}), "utf-8")
    options = parsed("-m", f"@{file}", "-s", f"@{file}")
    assert options.metadata == options.simulate == {"duration": 2, "outcome": "error"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("duration=5", {"duration": 5}),
        ("duration=0.5,outcome=error", {"duration": 0.5, "outcome": "error"}),
        ("outcome=completed", {"outcome": "completed"}),
        ("delay_model=lognormal:3:7", {"delay_model": "lognormal:3:7"}),
        ('{"duration": 0, "delay_model": "fixed:1"}', {"duration": 0, "delay_model": "fixed:1"}),
    ],
)
def test_a_fate_is_a_few_pairs_or_json(text, expected):
    """The duration is a number, the rest is text."""
    assert parsed("--simulate", text).simulate == expected


METADATA, FATE, KEY = "argument -m/--metadata: ", "argument -s/--simulate: ", "argument -k/--idempotency-key: "
DURATION = FATE + "duration must be a finite number of seconds, at least 0, not "


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["-m", "abc"], METADATA + "must be KEY=TEXT, KEY:=JSON, a JSON object or @FILE, not 'abc'"),
        (["-m", "=x"], METADATA + "must be KEY=TEXT"),
        (["-m", "a:=x"], METADATA + "must be JSON after ':=', not 'x'"),
        (["-m", "a:=NaN"], METADATA + "must be JSON after ':=', not 'NaN'"),
        (["-m", '{"a": '], METADATA + "must be a JSON object, not '{\"a\": '"),
        (["-m", "{" * 100_000], METADATA + "must be a JSON object, not '{{{"),
        (["-m", "@no/such/file"], METADATA + "cannot read no/such/file (no such file or directory)"),
        (["-s", "fast"], FATE + "must be like duration=5,outcome=error, a JSON object or @FILE, not 'fast'"),
        (["-s", "speed=5"], FATE + "knows duration, outcome, delay_model, not 'speed'"),
        (["-s", "duration=x"], DURATION + "'x'"),
        (["-s", "duration=-1"], DURATION + "-1.0"),
        (["-s", '{"duration": true}'], DURATION + "True"),
        (["-s", '{"duration": "5"}'], DURATION + "'5'"),
        (["-s", "outcome=pending"], FATE + "outcome must be one of completed, error, not 'pending'"),
        (["-s", '{"delay_model": 5}'], FATE + "delay_model must be text, not 5"),
        (["-k", ""], KEY + "must be 1 to 255 visible ASCII characters without quote and backslash, not ''"),
        (["-k", "with space"], KEY + "must be 1 to 255 visible ASCII characters"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_a_wrong_value_is_told_in_one_line(argv, message, capsys):
    """Exit status 2, the option and what is allowed."""
    with pytest.raises(SystemExit) as stop:
        parsed(*argv)
    said = capsys.readouterr()
    assert (stop.value.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert message in said.err


@pytest.mark.parametrize("content", [b"[1]", b"\xff", b""], ids=str)
def test_a_file_without_an_object_in_it_is_refused(content, tmp_path, capsys):
    """The message names the file."""
    file = tmp_path / "job.json"
    file.write_bytes(content)
    with pytest.raises(SystemExit):
        parsed("-m", f"@{file}")
    assert "must be a JSON object in " in capsys.readouterr().err
