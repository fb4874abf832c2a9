import io
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from translation_client import ErrorDetail, Job, JobStatus
from translation_client.cli.bar import Bar
from translation_client.cli.display import Board, Display, Estimate, Lines, Snapshot, fit_row, open_display
from translation_client.cli.options import Options
from translation_client.cli.output import Output, columns, wants_colour

PENDING = Job("0192f0c3a1b2c3d4e5f6", JobStatus.PENDING, elapsed_time=2.0, progress=0.4, poll_after=3.0)
COMPLETED = replace(PENDING, status=JobStatus.COMPLETED, elapsed_time=4.2, progress=1.0, poll_after=None)
ERROR = replace(PENDING, status=JobStatus.ERROR, elapsed_time=4.2, error=ErrorDetail("cancelled", ""))

fractions = st.floats(0, 1)
pauses = st.floats(0, 1e6)
answers = st.builds(
    lambda progress, hint: replace(PENDING, progress=progress, poll_after=hint), fractions, st.none() | pauses
)


@given(st.lists(st.tuples(pauses, answers | st.none())))
def test_the_bar_never_goes_back_and_never_says_done_before_it_is(history):
    """Whatever the answers say and however long they are apart: it only rises, and stays below 100 %."""
    estimate, now, shown = Estimate(), 0.0, 0.0
    for pause, answer in history:
        now += pause
        if answer is not None:
            estimate = estimate.corrected(answer, now)
        before, shown = shown, estimate.at(now)
        assert before <= shown < 1.0


def test_between_two_answers_the_bar_moves_by_itself():
    """A request in thirty seconds must not look like a standstill; the hint sets the pace."""
    estimate = Estimate().corrected(PENDING, 0.0)
    steps = [estimate.at(now) for now in (0.0, 1.0, 3.0, 10.0, 30.0)]
    assert steps == sorted(set(steps))
    assert steps[0] == pytest.approx(0.4)
    assert 0.7 < steps[2] < 0.8


snapshots = st.builds(
    Snapshot,
    label=st.text("abc", max_size=12),
    fraction=fractions,
    elapsed=st.floats(0, 1e5),
    text=st.sampled_from(["pending", "x" * 50]),
    is_trouble=st.booleans(),
)


@given(snapshots, st.integers(1, 200))
def test_the_line_fits_any_terminal(snapshot, width):
    """It is never broken, whatever is in it: on a narrow terminal less is said."""
    row = fit_row(snapshot, width)
    columns = len(row.text) + (row.bar + 2 if row.bar else 0) + (len(row.label) + 2 if row.label else 0)
    assert columns < max(width, 2)


@pytest.mark.parametrize(
    ("width", "label", "bar", "text"),
    [
        (80, "0192f0c3..", 40, "41 %  2.0 s  pending"),
        (40, "", 15, "41 %  2.0 s  pending"),
        (30, "", 14, "41 %  2.0 s"),
        (15, "", 0, "41 %  2.0 s"),
    ],
)
def test_what_a_narrow_terminal_leaves_out(width, label, bar, text):
    """First the label, then the words, then the bar; the figures stay."""
    row = fit_row(Snapshot("0192f0c3..", 0.41, 2.0, "pending"), width)
    assert (row.label, row.bar, row.text) == (label, bar, text)


@pytest.mark.parametrize(
    ("width", "bar", "text"),
    [
        (120, 40, " 0 %  2.0 s  connection refused; trying again for up to 15 s"),
        (60, 0, " 0 %  2.0 s  connection refused; trying again for up to.."),
    ],
)
def test_trouble_is_told_rather_than_drawn(width, bar, text):
    """Where there is no room for both, the words stay and the bar goes."""
    trouble = "connection refused; trying again for up to 15 s"
    row = fit_row(Snapshot("0192f0c3..", 0.0, 2.0, trouble, is_trouble=True), width)
    assert (row.bar, row.text) == (bar, text)


def test_one_job_is_shown_with_its_own_time():
    """A resumed wait shows the job's age, not its own."""
    board = Board(1, began=100.0)
    assert board.snapshot(101.0) == Snapshot("", 0.0, 1.0, "pending")
    board.update(PENDING, 101.0)
    assert board.snapshot(101.5).elapsed == pytest.approx(2.5)
    board.update(COMPLETED, 103.2)
    assert board.snapshot(110.0) == Snapshot("..c3d4e5f6", 1.0, 4.2, "completed")


def test_many_jobs_are_shown_as_one():
    """One bar for all: the mean of their progress, and how many ended how."""
    board = Board(4, began=0.0)
    for name, job in {"a": PENDING, "b": COMPLETED, "c": ERROR}.items():
        board.update(replace(job, job_id=name), 1.0)
    snapshot = board.snapshot(1.0)
    assert (snapshot.label, snapshot.text) == ("4 jobs", "1 completed, 1 error, 2 pending")
    assert snapshot.fraction == pytest.approx((0.4 + 1 + 1 + 0) / 4)


def test_trouble_is_shown_until_the_next_answer():
    """Whoever watches learns why nothing moves, and that it is over."""
    board = Board(1, began=0.0)
    board.update(PENDING, 0.0)
    board.trouble = "connection refused; trying again"
    assert board.snapshot(1.0).text == "connection refused; trying again"
    board.update(PENDING, 2.0)
    assert board.snapshot(2.0).text == "pending"


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def short_path(stdout=None, *, jobs=1):
    clock, stderr = Clock(), io.StringIO()
    return Lines(Output(stdout, stderr), Board(jobs, 0.0), clock, server="http://host"), clock, stderr


def test_lines_tell_each_new_status_and_a_sign_of_life_every_ten_seconds():
    """A pipe is not flooded: the same status again is told at most every ten seconds."""
    lines, clock, stderr = short_path()
    for clock.now in (0.0, 2.0, 9.9, 10.0, 12.0):
        lines.update(replace(PENDING, elapsed_time=clock.now))
    lines.update(COMPLETED)
    assert stderr.getvalue().splitlines() == [
        "job 0192f0c3a1b2c3d4e5f6: pending for 0.0 s, 40 %",
        "job 0192f0c3a1b2c3d4e5f6: pending for 10.0 s, 40 %",
        "job 0192f0c3a1b2c3d4e5f6: completed in 4.2 s",
    ]


def test_lines_of_many_jobs_count_the_ends():
    """Each end says how many there were."""
    lines, _, stderr = short_path(jobs=2)
    lines.update(ERROR)
    lines.update(replace(COMPLETED, job_id="b"))
    assert stderr.getvalue().splitlines() == [
        "job 0192f0c3a1b2c3d4e5f6: error after 4.2 s: cancelled (1 of 2 ended)",
        "job b: completed in 4.2 s (2 of 2 ended)",
    ]


def test_lines_leave_the_end_to_the_result_where_both_are_seen():
    """On a terminal without a bar the outcome is not said twice."""
    lines, _, stderr = short_path(Terminal())
    lines.update(PENDING)
    lines.update(COMPLETED)
    assert len(stderr.getvalue().splitlines()) == 1


def test_the_same_trouble_is_told_every_ten_seconds_and_anew_after_an_answer():
    """An outage of a minute makes a handful of lines."""
    lines, clock, stderr = short_path()
    for clock.now in (0.0, 1.0, 5.0, 10.5):
        lines.show_failure("connection refused; trying again")
    assert stderr.getvalue().splitlines() == ["http://host: connection refused; trying again"] * 2
    clock.now = 11.0
    lines.update(PENDING)
    lines.show_failure("connection refused; trying again")
    assert len(stderr.getvalue().splitlines()) == 4


@pytest.mark.parametrize(
    ("options", "stderr", "term", "expected"),
    [
        (Options(), Terminal(), "xterm", Bar),
        (Options(command="wait"), Terminal(), "xterm", Bar),
        (Options(command="start"), Terminal(), "xterm", Lines),
        (Options(), Terminal(), "dumb", Lines),
        (Options(), io.StringIO(), "xterm", Lines),
        (Options(quiet=True), Terminal(), "xterm", Display),
        (Options(verbose=True), Terminal(), "xterm", Display),
    ],
)
def test_the_display_suits_where_it_is_seen(options, stderr, term, expected, monkeypatch):
    """A bar on a terminal that can move, lines elsewhere, nothing where it is not wanted."""
    monkeypatch.setenv("TERM", term)
    assert type(open_display(options, Output(None, stderr), Board(1, 0.0))) is expected


def test_without_rich_there_are_lines(monkeypatch):
    """The bar is an extra; the command line works without it."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setitem(__import__("sys").modules, "translation_client.cli.bar", None)
    assert type(open_display(Options(), Output(None, Terminal()), Board(1, 0.0))) is Lines


@pytest.mark.parametrize(
    ("stream", "environment", "coloured"),
    [
        (Terminal, {}, True),
        (Terminal, {"NO_COLOR": "1"}, False),
        (Terminal, {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        (Terminal, {"TERM": "dumb"}, False),
        (Terminal, {"TERM": "dumb", "FORCE_COLOR": "1"}, True),
        (io.StringIO, {}, False),
        (io.StringIO, {"FORCE_COLOR": "1"}, True),
        (io.StringIO, {"FORCE_COLOR": "0"}, False),
        (io.StringIO, {"FORCE_COLOR": ""}, False),
    ],
)
def test_colours_are_for_those_who_want_them(stream, environment, coloured):
    """A terminal has them, a pipe has not; NO_COLOR is obeyed before FORCE_COLOR, and that before TERM=dumb."""
    assert wants_colour(stream(), {"TERM": "xterm"} | environment) == coloured


@pytest.mark.parametrize(
    ("line", "status", "shown"),
    [
        ("✓ completed in 1.0 s", "completed", "<32>✓</> <32>completed</> in 1.0 s"),
        ("✗ job error: error after 1.0 s: error", "error", "<31>✗</> job error: <31>error</> after 1.0 s: error"),
        ("j1  pending  1.0 s  41 %", "pending", "j1  <36>pending</>  1.0 s  41 %"),
        ("error  completed  1.0 s", "completed", "error  <32>completed</>  1.0 s"),
    ],
)
def test_the_mark_and_the_status_are_coloured(line, status, shown, monkeypatch):
    """Green for completed, red for error, calm for pending; a job that is called like a status is none."""
    monkeypatch.setenv("TERM", "xterm")
    stdout = Terminal()
    Output(stdout, None).result(line, JobStatus(status))
    assert re.sub(r"\x1b\[(\d+)m", r"<\1>", stdout.getvalue()).replace("<0>", "</>") == f"{shown}\n"


@pytest.mark.parametrize(
    ("wished", "width"), [("40", 40), ("200", 120), ("0", 120), ("wide", 120), (None, 120), ("9" * 9, 120)]
)
def test_a_terminal_is_as_wide_as_it_is_or_less_if_so_wished(wished, width, monkeypatch):
    """`COLUMNS` may ask for less; more would break every line."""
    monkeypatch.setattr("os.get_terminal_size", lambda _: os.terminal_size((120, 40)))
    if wished is not None:
        monkeypatch.setenv("COLUMNS", wished)
    with Path(os.devnull).open() as stream:
        assert columns(stream) == width


def test_closed_streams_are_no_trouble():
    """`>&-` and `2>&-` do not end a wait."""
    output = Output(None, None)
    output.result("x")
    output.print_note("x")
    assert output.encodable("ü") == "ü"
    closed = io.StringIO()
    closed.close()
    Output(None, closed).print_note("x")
    assert not Output(closed, closed).on_terminal


def test_what_cannot_be_encoded_is_spelt_out():
    """A terminal that knows ASCII only shows the rest as escapes, and no error."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    Output(stream, None).result("grün")
    stream.seek(0)
    assert stream.read() == "gr\\xfcn\n"


def test_the_bar_is_one_line_that_tells_id_percent_time_and_status(monkeypatch):
    """What rich draws is what was laid out, in ASCII too."""
    stderr = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    clock = Clock()
    bar = Bar(Output(None, stderr), Board(1, 0.0), clock)
    monkeypatch.setattr(bar, "_console", Console(file=io.StringIO(), width=60))
    bar.update(PENDING)
    clock.now = 1.0
    plain = Console(file=stderr, width=60, color_system=None)
    plain.print(bar._row())
    stderr.seek(0)
    text = stderr.read()
    assert text.startswith("..c3d4e5f6  ---")
    assert text.rstrip().endswith("57 %  3.0 s  pending")
    assert text.count("\n") == 1


def test_a_result_is_printed_while_the_bar_is_away(monkeypatch):
    """The bar is wiped before a result is written, and drawn again after it."""
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    output = Output(terminal, terminal)
    with Bar(output, Board(2, 0.0), Clock()) as bar:
        with bar.hidden():
            output.result("the result")
        drawn_again = terminal.getvalue().partition("the result\n")[2]
    before = terminal.getvalue().partition("the result\n")[0]
    assert "2 jobs" in before
    assert before.endswith("\x1b[1A\x1b[2K")
    assert "2 jobs" in drawn_again


def test_the_latest_job_is_introduced_once():
    """The line that says which job it is names it already."""
    stderr = io.StringIO()
    bar = Bar(Output(None, stderr), Board(1, 0.0), Clock())
    bar.show_latest(PENDING.job_id)
    bar.update(PENDING)
    assert stderr.getvalue() == f"the latest job is {PENDING.job_id}\n"


@pytest.mark.parametrize(
    ("options", "jobs", "expected"),
    [(Options(json=True), 2, Lines), (Options(json=True), 1, Bar), (Options(), 2, Bar)],
)
def test_results_that_flow_through_a_pipe_meanwhile_meet_no_bar(options, jobs, expected, monkeypatch):
    """What the program behind the pipe prints, and when, is not known: only whole lines cannot be torn by it."""
    monkeypatch.setenv("TERM", "xterm")
    read, write = os.pipe()
    with os.fdopen(read), os.fdopen(write, "w") as piped:
        assert type(open_display(options, Output(piped, Terminal()), Board(jobs, 0.0))) is expected
