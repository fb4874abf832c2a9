"""How long to ask the server to hold a request, learnt from what became of the ones before. Pure."""

from __future__ import annotations

import math

from translation_client._wire.requests import ANSWER_TIMEOUT

LONGEST_HOLD = 30.0
"""Seconds. Longer ones save little (one request in 30 s is few) and meet more proxies that cut them."""

_PROBE = 5.0  # what is asked of a server that did not hold the last one: it may have learnt to since
_SHORTEST_USEFUL = 2.0
_TOLERATED_CUTS = 4
_GRACE = 5.0
_HELD = 0.5  # of the time asked for: a server that confirms and answers sooner was not holding
_AT_ONCE = 0.01  # seconds; what is answered sooner was not held, whatever the server's clock says
_SHORTEST_HOLD = 0.5  # seconds; a server that promises less is asked no more often than one that promises nothing


class LongPoll:
    """The state of long polling within one wait.

    ``Prefer: wait=N`` (RFC 7240, section 4.3) is only a wish. A server that does not confirm it costs nothing but
    the header; something on the way that cuts held requests shortens the hold, then ends it.
    """

    def __init__(self) -> None:
        self._limit = LONGEST_HOLD
        self._confirmed: bool | None = None
        self._cuts = 0

    def hold(self, room: float) -> float:
        """Whole seconds to ask for, 0 for none: no more than ``room``."""
        longest = self._limit if self._confirmed is not False else min(self._limit, _PROBE)
        return max(float(math.floor(min(longest, room))), 0.0)

    @staticmethod
    def patience(asked: float) -> float:
        """Seconds after which a request that asked to be held this long is given up."""
        return max(ANSWER_TIMEOUT, asked + _GRACE)

    def answered(self, asked: float, applied: float | None, took: float, *, passed: float | None, ended: bool) -> bool:
        """Note an answer; True if the server really held the request, so that it may be asked again at once.

        Args:
            asked: Seconds it was asked to hold the request.
            applied: Seconds it confirmed; None if it did not.
            took: Seconds the answer took to come.
            passed: Seconds that passed on the server's clock meanwhile, for a simulator's may run fast; None where
                that cannot be told yet.
            ended: Whether the job has ended.
        """
        if not asked:
            return False
        self._confirmed = applied is not None
        held = applied is not None and (ended or _held(min(asked, applied), took, passed))
        if held:
            self._cuts = 0
        return held

    def failed(self, asked: float, took: float) -> bool:
        """Note a failure; True if it looks like a held request cut on the way rather than like an outage."""
        if not asked or took < 1.0:
            return False
        self._cuts += 1
        # Nothing came at all, not even late: no proxy closed it, so shorter by a little would not help.
        self._limit = _PROBE if took >= asked + _GRACE else min(self._limit, math.floor(0.8 * took))
        if self._limit < _SHORTEST_USEFUL or self._cuts >= _TOLERATED_CUTS:
            self._limit = 0.0
        return self._cuts < _TOLERATED_CUTS


def _held(promised: float, took: float, passed: float | None) -> bool:
    if took < _AT_ONCE or promised < _SHORTEST_HOLD:
        return False
    return passed is None or max(took, passed) >= _HELD * promised
