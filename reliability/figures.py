"""What every command of this folder prints: its figures, whether the promise was kept, and its exit status."""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Findings:
    """Counters of what was tried, and every breach of the promise."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.breaches: list[str] = []

    def count(self, name: str, number: int = 1) -> None:
        """Add to a counter."""
        self.counts[name] += number

    def breach(self, text: str) -> None:
        """Write down that the promise was broken."""
        self.breaches.append(text)

    def need(self, name: str, at_least: int = 1) -> None:
        """A zero without this many of those would say nothing, so it counts as a breach."""
        if self.counts[name] < at_least:
            self.breach(f"too little was tried: {name}: {self.counts[name]}, of at least {at_least}")

    def report(self, title: str, figures: Mapping[str, object] | None = None) -> int:
        """Print everything and give the exit status."""
        print(title)
        for name, value in {**self.counts, **(figures or {})}.items():
            print(f"  {name:<52} {value}")
        for text in self.breaches[:20]:
            print(f"BROKEN: {text}")
        if len(self.breaches) > 20:  # noqa: PLR2004 - enough to understand
            print(f"… and {len(self.breaches) - 20} more")
        print("the promise is BROKEN" if self.breaches else "the promise is kept")
        return 1 if self.breaches else 0


def parser(doc: str | None, bugs: Sequence[str] = ()) -> argparse.ArgumentParser:
    """With the options every command has."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6), help="repeats the choices")
    if bugs:
        made.add_argument("--seeded-bug", choices=bugs, default="", help="plant this bug: the command must fail")
    return made


def percentile(values: Sequence[float], share: float) -> float:
    """The value that so large a share does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def run(status: int) -> None:
    """Leave with it, once all is printed."""
    sys.stdout.flush()
    sys.exit(status)
