"""The benchmarks run, and their figures can be trusted where a calculation on paper gives the same."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from xml.etree import ElementTree as ET

import pytest
from benchmarks.best import best_schedule, follow
from benchmarks.durations import DISTRIBUTIONS, Lognormal, Uniform, sample, thinned
from benchmarks.hints import hints_for
from benchmarks.ours import ours
from benchmarks.peers import plain_loop
from benchmarks.strategies import BEST, HINTED, OURS, PEERS, Figures, Task, run
from benchmarks.tables import claims
from benchmarks.virtual import Clock, Help, Server

from server_process import ROOT, clean_environment

ROUND_TRIP = 0.05


def command(*arguments, timeout=120, **environment):
    """Run one of the commands and give its exit status and what it printed."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT / "benchmarks",  # it must not matter
        env=clean_environment() | environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout + done.stderr


def row(printed, name):
    """The cells of every table row of that name."""
    return [line.split(" | ")[1:] for line in printed.splitlines() if line.startswith(f"| {name} | ")]


def a_server(kind=Help.NONE, place=0):
    return Server(Clock(), kind, hints_for(DISTRIBUTIONS[place]), ROUND_TRIP)


@pytest.fixture(scope="module")
def waiting(tmp_path_factory):
    """The command, run small: status, what it printed, its CSV file."""
    file = tmp_path_factory.mktemp("benchmark") / "figures.csv"
    small = ["--jobs", "4", "--seed", "7", "--virtual-only", "--csv", str(file)]
    small += ["--plot", str(file.with_suffix(".svg"))]
    return *command("waiting.py", *small), file


@pytest.mark.prove
def test_waiting_prints_both_tables(waiting):
    """Every strategy has its row in both tables: figures, or that its library is not installed."""
    status, printed, _ = waiting
    assert status == 0, printed
    for peer in PEERS:
        assert len(row(printed, peer.name)) == 2, printed
        for cells in row(printed, peer.name):
            assert all(re.match(r"\d+\.\d / \d|not installed", cell) for cell in cells), cells


@pytest.mark.prove
def test_our_own_rows_need_no_library(waiting):
    """Ours and the best possible have figures whatever is installed."""
    _, printed, _ = waiting
    for name, tables in ((OURS, 2), (HINTED, 1), (BEST, 1)):
        assert len(row(printed, name)) == tables
        assert all(re.match(r"\d+\.\d / \d", cell) for cells in row(printed, name) for cell in cells)


@pytest.mark.prove
def test_waiting_writes_its_figures(waiting):
    """The CSV file has one line per cell, with numbers or why there are none."""
    _, printed, file = waiting
    with file.open(newline="", encoding="utf-8") as lines:
        cells = list(csv.DictReader(lines))
    assert f"{len(cells)} cells" in printed
    assert len(cells) == 3 * (2 * len(PEERS) + 4)
    assert all(cell["missing"] or float(cell["requests"]) >= 1 for cell in cells)


@pytest.mark.prove
def test_waiting_draws_its_figures(waiting):
    """The picture is well-formed, has a panel for each distribution, and names ours and the best possible in each."""
    drawn = ET.parse(waiting[2].with_suffix(".svg"))  # noqa: S314 - it is ours
    texts = [element.text for element in drawn.iter("{http://www.w3.org/2000/svg}text")]
    for distribution in DISTRIBUTIONS:
        assert texts.count(f"Jobs: {distribution.name}") == 1
    for name in ("ours, our server", "ours, server without help", "best possible without help"):
        assert texts.count(name) == len(DISTRIBUTIONS)


@pytest.mark.prove
def test_the_seed_determines_every_figure(waiting, tmp_path):
    """The same command gives the same figures, in another process with other hashes."""
    again = tmp_path / "again.csv"
    command("waiting.py", "--jobs", "4", "--seed", "7", "--virtual-only", "--csv", str(again), PYTHONHASHSEED="1")
    assert again.read_text("utf-8") == waiting[2].read_text("utf-8")


def test_a_library_that_is_missing_is_said_to_be(monkeypatch):
    """A row whose library cannot be imported says so, and is not imitated."""
    monkeypatch.setitem(sys.modules, "polling2", None)
    figures = run(Task("polling2, 1 s", Help.NONE, 0, 3, 1, ROUND_TRIP))
    assert (figures.missing, figures.jobs) == ("not installed", 0)


def test_a_library_that_gives_up_is_not_counted_as_told(monkeypatch):
    """What a library raises at its own limit is counted, and a row of nothing else has no figures."""

    def give_up(_):
        raise TimeoutError("enough")

    monkeypatch.setattr("benchmarks.strategies.PEERS", (PEERS[0].__class__("hasty", "", lambda _: give_up),))
    assert run(Task("hasty", Help.NONE, 0, 3, 1, ROUND_TRIP)).missing == "could not be driven: TimeoutError: enough"


@pytest.mark.parametrize(("duration", "requests"), [(0.01, 1), (0.5, 2), (4.0, 5), (60.0, 59)])
def test_the_loop_of_a_second_is_what_paper_says(duration, requests):
    """A look every second, each taking a round trip, is late by what is left of the last second."""
    server = a_server()
    with server.clock.in_place_of_time():
        plain_loop(server)(duration)
    assert server.requests == requests
    last_look = ROUND_TRIP + (requests - 1) * (1 + ROUND_TRIP)  # after the job began: start's answer, and half-way
    assert server.detection_delay == pytest.approx(last_look + ROUND_TRIP / 2 - duration, abs=1e-6)


def test_our_client_is_held_to_the_end():
    """Against our server a wait of 65 s is three requests, and told half a round trip after the end."""
    server = a_server(Help.HOLDS, 1)
    ours(server, 1)(65.0)
    assert server.requests == 3
    assert server.detection_delay == pytest.approx(ROUND_TRIP / 2, abs=1e-6)


def test_blind_our_client_gets_no_help():
    """Against a plain server our client polls, and learns of the end later."""
    server = a_server(Help.NONE, 1)
    ours(server, 1)(65.0)
    assert server.requests > 3
    assert server.detection_delay > ROUND_TRIP / 2


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=lambda one: one.name)
def test_a_sample_is_fair(distribution):
    """A sample, and what is left when it is thinned, has the mean of the distribution."""
    mean = sum(distribution.quantile((i + 0.5) / 10_000) for i in range(10_000)) / 10_000
    durations = sample(distribution, 400, 3)
    assert sum(durations) / 400 == pytest.approx(mean, rel=0.02)
    assert sum(thinned(durations, 40, 3)) / 40 == pytest.approx(mean, rel=0.05)
    assert durations == sample(distribution, 400, 3) != sample(distribution, 400, 4)


def test_the_tail_of_the_lognormal_jobs():
    """One job in twenty takes three times the median or longer."""
    assert Lognormal(60.0).quantile(0.95) == pytest.approx(180.0)
    assert Lognormal(60.0).share_ended(60.0) == pytest.approx(0.5)


def cost(schedule, durations, price):
    looks = [follow(schedule, duration) for duration in durations]
    return sum(price * number + age - duration for (number, age), duration in zip(looks, durations, strict=True)) / len(
        durations
    )


@pytest.mark.parametrize(
    ("price", "schedule"),
    [(2.0, [1.0]), (0.5, [0.75, 1.0]), (0.2, [8 / 15, 13 / 15, 1.0]), (0.1, [0.4, 0.7, 0.9, 1.0])],
)
def test_the_best_schedule_is_the_one_found_on_paper(price, schedule):
    """For durations from 0 to 1 s each interval is shorter than the one before by the price, down to nothing."""
    found = best_schedule(Uniform(0.0, 1.0), price)
    assert found[: len(schedule)] == pytest.approx(schedule, abs=0.002)
    assert found[-1] == 1.0


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=lambda one: one.name)
def test_no_other_schedule_is_cheaper(distribution):
    """Moving any look of the best schedule, dropping one, or a fixed interval of any length, costs more."""
    durations = [distribution.quantile((i + 0.5) / 4000) for i in range(4000)]
    best = best_schedule(distribution)
    least = cost(best, durations, 0.2)
    others = [[age * factor for age in best] for factor in (0.97, 1.03)]
    others += [best[:place] + best[place + 1 :] for place in range(4)]
    others += [[step * i for i in range(1, 2000)] for step in (0.5, 1.0, 2.0, 5.0, 10.0)]
    assert all(cost(other, durations, 0.2) > least * 0.999 for other in others)


@pytest.mark.parametrize(
    ("requests", "delay", "holds"), [(5.0, 1.0, False), (9.0, 0.5, False), (9.0, 2.0, True), (1.0, 3.0, True)]
)
def test_being_ahead_is_costing_less(requests, delay, holds):
    """A peer is behind only where it costs more, whether it asks more often or less."""
    mine = {"requests": 5.0, "delay": 1.5, "jobs": 1}
    results = {}
    for place in range(3):
        for name, one in ((OURS, mine), (BEST, mine), *((p.name, mine | {"delay": 9.0}) for p in PEERS)):
            results[name, Help.NONE, place] = Figures(Task(name, Help.NONE, place, 1, 1, ROUND_TRIP), **one)
    assert all(held for held, _ in claims(results))
    peer = PEERS[1].name
    results[peer, Help.NONE, 0] = Figures(
        Task(peer, Help.NONE, 0, 1, 1, ROUND_TRIP), requests=requests, delay=delay, jobs=1
    )
    assert [peer in text for held, text in claims(results) if not held] == ([] if holds else [True])


@pytest.mark.prove
def test_many_counts_requests_and_delays():
    """Twenty jobs awaited by one client: the command prints its requests and how late it was told."""
    status, printed = command("many.py", "--jobs", "20", "--spread", "0.5")
    assert status == 0, printed
    requests, median, *_ = row(printed, "`as_completed`")[0]
    assert int(requests) == 2
    assert float(median.split()[0]) > 0
    assert "GET /events" in printed


@pytest.mark.prove
def test_imports_compares_both():
    """The command prints both medians and their difference."""
    status, printed = command("imports.py", "--runs", "2")
    assert status == 0, printed
    assert len(row(printed, "`import requests`")[0]) == len(row(printed, "`import translation_client`")[0]) == 2
    assert re.search(r"-?\d+\.\d ms more, of the processor -?\d+\.\d ms more", printed)


@pytest.mark.prove
def test_embedded_compares_both():
    """The command prints how long each takes to answer and to stop."""
    status, printed = command("embedded.py", "--runs", "1")
    assert status == 0, printed
    assert len(row(printed, "`TranslationServer()`")[0]) == len(row(printed, "`uvicorn main:app`")[0]) == 2
    assert re.search(r"\d+ times as fast to start, \d+ times to stop", printed)


@pytest.mark.prove
def test_formats_compares_a_read_with_and_without_them():
    """The command prints how long each takes, and how far two equal servers are apart."""
    status, printed = command("formats.py", "--rounds", "3", "--reads", "5")
    assert status == 0, printed
    names = ("without formats", "the same again", "all formats mounted", "a poll below a mount")
    assert [len(row(printed, name)[0]) for name in names] == [2] * 4
    assert "3 rounds of 5 reads each" in printed
