"""Draws waiting strategies: requests per job against the delay until the end is known. SVG, by hand: no library needed.

The same figures give the same bytes.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final, NamedTuple

from benchmarks.best import PRICE
from benchmarks.durations import DISTRIBUTIONS
from benchmarks.strategies import BEST, HINTED, OURS, Figures
from benchmarks.virtual import Help

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from benchmarks.tables import Results

_WIDTH: Final = 880
_LEFT, _RIGHT, _TOP, _PANEL, _GAP = 70, 20, 34, 320, 58
_NEAR: Final = 0.05  # powers of ten: what is one point to the eye
_LINE, _LETTER = 15, 7.1  # a line of text, and a letter on the average
_MARGIN: Final = 0.1  # powers of ten beside the outermost points
_GREY, _RED, _GREEN = "#5b6475", "#c62828", "#00796b"
_OUR_NAMES: Final = {
    Help.NONE: "ours, server without help",
    Help.HINTS: "ours, server with hints",
    Help.HOLDS: "ours, our server",
}
_STYLE: Final = (
    "text{font:12.5px system-ui,sans-serif;fill:#333}.title{font-weight:600}.axis{fill:#777;font-size:11px}"
    ".grid{stroke:#e8e8e8}.frame{stroke:#bbb;fill:none}"
)


class Box(NamedTuple):
    """A rectangle that something covers."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: Box) -> float:
        """How much of it the other one covers, in square pixels."""
        wide = min(self.right, other.right) - max(self.left, other.left)
        high = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(wide, 0.0) * max(high, 0.0)


@dataclass(frozen=True, slots=True)
class Scale:
    """Both axes of one panel, logarithmic: from and to in powers of ten, and where the panel begins."""

    requests: tuple[float, float]
    delay: tuple[float, float]
    top: float

    def holds(self, requests: float, delay: float) -> bool:
        """Whether a point is inside."""
        sides = ((self.requests, requests), (self.delay, delay))
        return all(first <= math.log10(value) <= last for (first, last), value in sides)

    def x(self, requests: float) -> float:
        """Pixels from the left."""
        first, last = self.requests
        return _LEFT + (math.log10(requests) - first) / (last - first) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, delay: float) -> float:
        """Pixels from the top."""
        first, last = self.delay
        return self.top + (last - math.log10(delay)) / (last - first) * _PANEL


def draw(results: Results, path: Path) -> None:
    """Write the picture: a panel for each distribution, one below the other, with the same scale of delays."""
    shown = [_shown(results, place) for place in range(len(DISTRIBUTIONS))]
    fastest, slowest = _range([one.delay for panel in shown for one in panel])
    delay = (fastest, slowest + _MARGIN)
    height = _TOP + len(shown) * (_PANEL + _GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
        "<title>Status requests per job against the mean delay until the end is known</title>",
        f'<style>{_STYLE}</style><rect width="{_WIDTH}" height="{height}" fill="#fff" rx="6"/>',
    ]
    for place, panel in enumerate(shown):
        scale = Scale(_range([one.requests for one in panel]), delay, _TOP + place * (_PANEL + _GAP))
        parts += [*_axes(scale, DISTRIBUTIONS[place].name), *_budget(scale, panel), *_points(scale, panel)]
    path.write_text("\n".join([*filter(None, parts), "</svg>\n"]), "utf-8")


def _shown(results: Results, place: int) -> list[Figures]:
    """Peers once, since they take no help; ours wherever it runs."""
    there = [one for one in results.values() if one.task.distribution == place and not one.missing]
    return [one for one in there if _is_ours(one) or one.task.help is Help.NONE]


def _range(values: Sequence[float]) -> tuple[float, float]:
    return math.log10(min(values)) - _MARGIN, math.log10(max(values)) + _MARGIN


def _ticks(span: tuple[float, float]) -> Iterator[float]:
    """1, 2, 5, 10, 20 … as far as they are inside."""
    for power, first in itertools.product(range(math.floor(span[0]), math.ceil(span[1]) + 1), (1, 2, 5)):
        if span[0] <= math.log10(first * 10**power) <= span[1]:
            yield first * 10**power


def _axes(scale: Scale, title: str) -> Iterator[str]:
    right, bottom = _WIDTH - _RIGHT, scale.top + _PANEL
    for tick in _ticks(scale.requests):
        x = scale.x(tick)
        yield f'<path class="grid" d="M{x:.1f} {scale.top}V{bottom}"/>'
        yield f'<text class="axis" x="{x:.1f}" y="{bottom + 15}" text-anchor="middle">{tick:g}</text>'
    for tick in (10.0**power for power in range(-3, 4) if scale.delay[0] <= power <= scale.delay[1]):
        y = scale.y(tick)
        yield f'<path class="grid" d="M{_LEFT} {y:.1f}H{right}"/>'
        yield f'<text class="axis" x="{_LEFT - 7}" y="{y + 4:.1f}" text-anchor="end">{tick:g} s</text>'
    yield f'<rect class="frame" x="{_LEFT}" y="{scale.top}" width="{right - _LEFT}" height="{_PANEL}"/>'
    yield f'<text class="title" x="{_LEFT}" y="{scale.top - 9}">Jobs: {escape(title)}</text>'
    end = f'<text class="axis" x="{right}" text-anchor="end"'
    yield f'{end} y="{scale.top - 9}">up: mean delay until the end is known</text>'
    yield f'{end} y="{bottom + 28}">to the right: status requests per job</text>'


def _budget(scale: Scale, panel: Sequence[Figures]) -> Iterator[str]:
    """The line of all that cost as much as the best possible without help."""
    for best in (one for one in panel if one.task.strategy == BEST):
        looks = [best.cost / PRICE * share / 100 for share in range(1, 100)]
        costs = [(one, best.cost - PRICE * one) for one in looks if scale.holds(one, best.cost - PRICE * one)]
        path = " ".join(f"{scale.x(one):.1f},{scale.y(delay):.1f}" for one, delay in costs)
        yield f'<polyline points="{path}" fill="none" stroke="{_GREEN}" stroke-dasharray="4 3"/>'


def _points(scale: Scale, panel: Sequence[Figures]) -> Iterator[str]:
    groups = _groups(panel)
    places = [(scale.x(group[0].requests), scale.y(group[0].delay)) for group in groups]
    taken = [Box(x - 6, y - 6, x + 6, y + 6) for x, y in places]
    order = sorted(range(len(groups)), key=lambda place: _is_ours(groups[place][0]), reverse=True)
    for place in order:
        (x, y), lines, colour = places[place], [_name(one) for one in groups[place]], _colour(groups[place][0])
        box = _free(x, y, lines, [*taken[:place], *taken[place + 1 :]], scale)
        taken.append(box)
        yield _leader(x, y, box)
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{4 if colour == _GREY else 5.5}" fill="{colour}"/>'
        side, anchor = (box.left, "start") if box.left > x else (box.right, "end")
        for number, line in enumerate(lines):
            at = f'x="{side:.1f}" y="{box.top + 11 + number * _LINE:.1f}" text-anchor="{anchor}"'
            yield f'<text {at} style="fill:{colour}">{escape(line)}</text>'


def _groups(panel: Sequence[Figures]) -> list[list[Figures]]:
    """Peers whose places are the same to the eye share a point; what is ours stands alone."""
    groups: list[list[Figures]] = []
    for one in panel:
        near = (group for group in groups if _colour(one) == _colour(group[0]) == _GREY and _is_near(one, group[0]))
        found = next(near, None)
        if found is None:
            groups.append([one])
        else:
            found.append(one)
    return groups


def _free(x: float, y: float, lines: Sequence[str], taken: Sequence[Box], scale: Scale) -> Box:
    """Where the names cover least of what is there already: beside the point if possible."""
    wide, high = max(map(len, lines)) * _LETTER, len(lines) * _LINE
    boxes = [
        Box(x + right, y - high / 2 + up, x + right + wide, y + high / 2 + up)
        for up, beside in itertools.product(range(-96, 97, 8), (10, 30, 60))
        for right in (beside, -beside - wide)
    ]
    return min(
        boxes, key=lambda box: 50 * (sum(map(box.overlap, taken)) + _outside(box, scale)) + _away(x, y, box) ** 2
    )


def _away(x: float, y: float, box: Box) -> float:
    """How far the middle of the nearer side is from the point, in pixels."""
    return math.dist((x, y), _side(x, box))


def _side(x: float, box: Box) -> tuple[float, float]:
    return (box.left if box.left > x else box.right), (box.top + box.bottom) / 2


def _leader(x: float, y: float, box: Box) -> str:
    """A thin line from a point to names that do not stand right beside it."""
    to_x, to_y = _side(x, box)
    if math.dist((x, y), (to_x, to_y)) < _LINE:
        return ""
    return f'<path d="M{x:.1f} {y:.1f}L{to_x + (-2 if to_x > x else 2):.1f} {to_y:.1f}" stroke="#aab"/>'


def _outside(box: Box, scale: Scale) -> float:
    panel = Box(_LEFT, scale.top, _WIDTH - _RIGHT, scale.top + _PANEL)
    return (box.right - box.left) * (box.bottom - box.top) - box.overlap(panel)


def _is_near(one: Figures, other: Figures) -> bool:
    ratios = (one.requests / other.requests, one.delay / other.delay)
    return all(abs(math.log10(ratio)) < _NEAR for ratio in ratios)


def _is_ours(one: Figures) -> bool:
    return one.task.strategy in {OURS, HINTED}


def _colour(one: Figures) -> str:
    return _RED if _is_ours(one) else _GREEN if one.task.strategy == BEST else _GREY


def _name(one: Figures) -> str:
    if _is_ours(one):
        return _OUR_NAMES[one.task.help]
    return "best possible without help" if one.task.strategy == BEST else one.task.strategy.replace("`", "")
