"""Figures as Markdown and CSV, and what they show."""

from __future__ import annotations

import csv
import sys
from typing import TYPE_CHECKING

from benchmarks.durations import DISTRIBUTIONS
from benchmarks.strategies import BEST, OURS, PEERS, Figures
from benchmarks.virtual import Help

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

WITHIN = 1.4
"""How many times the best possible cost a blind wait may cost."""

Results = dict[tuple[str, Help, int], Figures]


def say(text: str = "") -> None:
    """Print a line."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def table(results: Results, servers: Sequence[tuple[str, Help]]) -> str:
    """One row per strategy (and what the server does for it), one column per distribution."""
    rows = [
        [name, *(_cell(results, name, server, place) for place in range(len(DISTRIBUTIONS)))]
        for name, server in servers
    ]
    return markdown(["", *(distribution.name for distribution in DISTRIBUTIONS)], rows)


def _cell(results: Results, name: str, server: Help, place: int) -> str:
    figures = results[name, server, place]
    if figures.missing:
        return figures.missing
    ratio = figures.cost / results[BEST, Help.NONE, place].cost
    notes = f" ({figures.gave_up} of {figures.jobs + figures.gave_up} given up)" if figures.gave_up else ""
    return f"{figures.requests:.1f} / {_short(figures.delay)} / {_short(figures.delay_p95)} ({ratio:.2f}x){notes}"


def _short(seconds: float) -> str:
    return f"{seconds:.2f}" if seconds < 10 else f"{seconds:.0f}"  # noqa: PLR2004 - three digits are enough


def claims(results: Results) -> list[tuple[bool, str]]:
    """What the blind rows must show, and whether they do."""
    found = []
    for place, distribution in enumerate(DISTRIBUTIONS):
        mine = results[OURS, Help.NONE, place]
        best = results[BEST, Help.NONE, place].cost
        text = f"{distribution.name}: blind, {mine.cost:.2f} s is {mine.cost / best:.2f} times the best possible cost"
        found.append((mine.cost <= WITHIN * best, f"{text} of {best:.2f} s (at most {WITHIN})"))
        found += [_against(mine, results[peer.name, Help.NONE, place], distribution.name) for peer in PEERS]
    return found


def _against(mine: Figures, peer: Figures, jobs: str) -> tuple[bool, str]:
    """A peer that asks as often or less often must learn later; one that asks more often must cost more."""
    if peer.missing:
        return True, f"{jobs}: {peer.task.strategy} was not compared ({peer.missing})"
    fewer = "fewer or as many" if peer.requests <= mine.requests else "more"
    text = f"{jobs}: costs {mine.cost:.2f} s, {peer.task.strategy} with {fewer} requests {peer.cost:.2f} s"
    dominated = peer.requests <= mine.requests and peer.delay <= mine.delay
    return mine.cost < peer.cost and not dominated, text


def write_csv(path: Path, results: Iterable[Figures]) -> None:
    """All figures, one line per cell."""
    header = ["strategy", "server", "distribution", "jobs", "gave_up", "requests", "mean", "p95", "cost", "missing"]
    with path.open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(header)
        for one in results:
            jobs = [one.task.strategy, one.task.help.value, DISTRIBUTIONS[one.task.distribution].name]
            figures = [one.requests, one.delay, one.delay_p95, one.cost]
            lines.writerow([*jobs, one.jobs, one.gave_up, *(f"{value:.6g}" for value in figures), one.missing])
