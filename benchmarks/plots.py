"""Draws waiting strategies: requests per job against the delay until the end is known."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import matplotlib as mpl

mpl.use("svg")  # no window
import matplotlib.pyplot as plt

from benchmarks.best import PRICE
from benchmarks.durations import DISTRIBUTIONS
from benchmarks.strategies import BEST, HINTED, OURS, Figures
from benchmarks.virtual import Help

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from benchmarks.tables import Results

_INK, _PEER, _OURS, _BEST = "#555555", "#8d99ae", "#d62828", "#2a9d8f"
_NEAR, _ROOM = 0.09, 0.5  # powers of ten
_OUR_NAMES = {Help.NONE: "ours, no help", Help.HINTS: "ours, hints", Help.HOLDS: "ours, long poll"}


def draw(results: Results, path: Path) -> None:
    """Write the picture: one part for each distribution, both axes logarithmic."""
    mpl.rcParams.update(
        {"svg.hashsalt": "waiting", "font.size": 9, "svg.fonttype": "none", "font.family": "sans-serif"}
    )
    figure, parts = plt.subplots(1, len(DISTRIBUTIONS), figsize=(13, 6), layout="constrained")
    for place, (axes, distribution) in enumerate(zip(parts, DISTRIBUTIONS, strict=True)):
        _draw_part(axes, [one for one in results.values() if one.task.distribution == place and not one.missing])
        axes.set_title(distribution.name, color=_INK)
    parts[0].set_ylabel("mean delay until the end is known (s)", color=_INK)
    figure.savefig(path, format="svg", transparent=False, metadata={"Date": None, "Creator": None})
    plt.close(figure)


def _draw_part(axes: Axes, figures: Sequence[Figures]) -> None:
    axes.set(xscale="log", yscale="log", xlabel="status requests per job")
    axes.grid(visible=True, which="major", color="#e6e6e6", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlim(0.12, max(one.requests for one in figures) * 9)  # room for the last names
    groups = _groups(figures)
    for group in groups:
        first = group[0]
        colour = _colour(first)
        axes.scatter(first.requests, first.delay, color=colour, s=30 if colour == _PEER else 60, zorder=3)
        left, up = _side(first, groups)
        axes.annotate(
            "\n".join(_name(one) for one in group),
            (first.requests, first.delay),
            xytext=(-7 if left else 7, up),
            textcoords="offset points",
            ha="right" if left else "left",
            va="center" if len(group) == 1 else "bottom",
            color=colour,
            fontsize=7.5,
        )
        if first.task.strategy == BEST:
            _draw_cost(axes, first.cost)


def _groups(figures: Sequence[Figures]) -> list[list[Figures]]:
    """Those whose places are the same to the eye share a point and a label; what is ours stands alone."""
    groups: list[list[Figures]] = []
    for one in figures:
        if _colour(one) == _PEER and one.task.help is not Help.NONE:
            continue  # peers take no help, so they do the same there
        near = [group for group in groups if _colour(one) == _colour(group[0]) == _PEER and _is_near(one, group[0])]
        if near:
            near[0].append(one)
        else:
            groups.append([one])
    return groups


def _side(one: Figures, groups: Sequence[Sequence[Figures]]) -> tuple[bool, int]:
    """Whether the label stands to the left of its point, and how many points of type above it."""
    if one.task.strategy == BEST:
        return True, -7
    if _colour(one) == _OURS:
        return one.task.help is Help.HINTS, 6 if one.task.help is not Help.NONE else 11
    return _is_crowded(one, groups), 0


def _is_crowded(one: Figures, groups: Sequence[Sequence[Figures]]) -> bool:
    """Whether another point stands where the label would."""
    distances = [
        (math.log10(other.requests / one.requests), math.log10(other.delay / one.delay)) for other, *_ in groups
    ]
    return any(0 < right < _ROOM and abs(up) < _NEAR for right, up in distances)


def _is_near(one: Figures, other: Figures) -> bool:
    return abs(math.log10(one.requests / other.requests)) < _NEAR and abs(math.log10(one.delay / other.delay)) < _NEAR


def _draw_cost(axes: Axes, cost: float) -> None:
    """The line of all that cost as much as the best possible without help."""
    requests = [cost / PRICE * share / 200 for share in range(4, 200)]
    axes.plot(requests, [cost - PRICE * one for one in requests], color=_BEST, linewidth=1, linestyle="--", zorder=2)


def _colour(one: Figures) -> str:
    return {OURS: _OURS, HINTED: _OURS, BEST: _BEST}.get(one.task.strategy, _PEER)


def _name(one: Figures) -> str:
    if one.task.strategy in {OURS, HINTED}:
        return _OUR_NAMES[one.task.help]
    return "best possible without help" if one.task.strategy == BEST else one.task.strategy.replace("`", "")
