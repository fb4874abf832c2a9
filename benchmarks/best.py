"""The best anyone could do without help who knows how long jobs take, but not this one: the yardstick of the tables."""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.durations import Distribution

PRICE = 0.2
"""Seconds of detection delay that one request is worth."""

_STEPS = 1500


def best_schedule(distribution: Distribution, price: float = PRICE) -> list[float]:
    """Ages of a job, in seconds, at which to look: of all schedules the one that costs least.

    Found by dynamic programming, backwards over a grid of ages: having looked at one age in vain, the next look costs
    its price and the delay of the jobs that end before it, and then what is best from there.
    """
    grid = _grid(distribution)
    ended = [distribution.share_ended(age) for age in grid]
    area = _areas(distribution, grid)
    cost, following = [0.0] * len(grid), [0] * len(grid)
    for i in range(len(grid) - 2, -1, -1):
        least = math.inf
        for j in range(i + 1, len(grid)):
            look = price * (1.0 - ended[i]) + area[j] - area[i] - (grid[j] - grid[i]) * ended[i]
            if look > least:  # grows with j, so nothing later can be better
                break
            if look + cost[j] < least:
                least, following[i] = look + cost[j], j
        cost[i] = least
    ages, i = [], following[0]
    while i:
        ages.append(grid[i])
        i = following[i]
    return ages


def follow(schedule: list[float], duration: float) -> tuple[int, float]:
    """Looks made and the age at the last one, for one job; beyond the schedule its last interval goes on."""
    place = bisect_left(schedule, duration)
    if place < len(schedule):
        return place + 1, schedule[place]
    step = schedule[-1] - schedule[-2]
    more = math.ceil((duration - schedule[-1]) / step)
    return len(schedule) + more, schedule[-1] + more * step


def _grid(distribution: Distribution) -> list[float]:
    width = (distribution.longest - distribution.shortest) / _STEPS
    ages = [distribution.shortest + i * width for i in range(_STEPS + 1)]
    return ages if ages[0] == 0.0 else [0.0, *ages]


def _areas(distribution: Distribution, grid: list[float]) -> list[float]:
    """The integral of the distribution function up to each age of the grid (Simpson's rule)."""
    areas = [0.0]
    for left, right in pairwise(grid):
        middle = distribution.share_ended((left + right) / 2)
        ends = distribution.share_ended(left) + distribution.share_ended(right)
        areas.append(areas[-1] + (right - left) / 6 * (ends + 4 * middle))
    return areas
