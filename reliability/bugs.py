"""Bugs in what the client decides, one a row: what is right, what stands there instead, and who must notice."""

# ruff: noqa: E501 - a table, and a row that is folded is harder to compare

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bug:
    """One bug: a piece of a file, what stands there instead, and who must notice.

    Attributes:
        file: In the sources of the part.
        tests: Files of the part's tests; or of any, named from the root.
        part: `client` or `server`.
    """

    name: str
    file: str
    right: str
    wrong: str
    tests: tuple[str, ...] = ("core/test_wait.py", "core/test_wait_ends.py", "core/test_wait_properties.py")
    part: str = "client"

    @property
    def path(self) -> str:
        """The file, from the root."""
        return f"{self.part}/src/translation_{self.part}/{self.file}"

    @property
    def suite(self) -> tuple[str, ...]:
        """The tests, from the root."""
        return tuple(
            name if name.startswith(("tests/", "client/", "server/")) else f"{self.part}/tests/{name}"
            for name in self.tests
        )


MANY = ("core/test_wait_many.py",)
CALLS = ("core/test_call.py",)
ANSWERS = ("wire/test_responses.py",)
NUMBERS = ("core/test_schedule.py",)
WAITING = "_core/wait.py"
SCHEDULE = "_core/schedule.py"

BUGS = (
    Bug("the deadline is forgotten", WAITING, "now + config.timeout", "math.inf"),
    Bug("the deadline comes early", WAITING, "yield from self._sleep(self._deadline)", "pass"),
    Bug("no last look at the deadline", WAITING, "return moment if moment < look - _MERGE else max(look, self._now)",
        "return moment"),
    Bug("an attempt may outlast the deadline", WAITING, "self._deadline + LAST_LOOK if last_look else min(",
        "self._deadline + 9 if last_look else max("),
    Bug("the last look ignores how slow answers are", WAITING, "early = 1.5 * self._round_trip", "early = 0.0"),
    Bug("a new look after the end", WAITING, "if isinstance(seen, _Answer) and seen.job.status.is_terminal:",
        "if isinstance(seen, _Answer) and seen.job.status.is_terminal and self._record.polls > 1:"),
    Bug("Retry-After beyond the deadline is waited for", SCHEDULE, "if pause and now + pause > deadline:",
        "if False:"),
    Bug("Retry-After of a failure is undercut", WAITING,
        "return max(self._not_after_last_look(moment), self._now + (failure.retry_after or 0.0))",
        "return self._not_after_last_look(self._now)"),
    Bug("Retry-After of a pending answer is undercut", WAITING, ", answer.demand)\n", ", 0.0)\n"),
    Bug("failures that are not consecutive add up", WAITING,
        "self._consecutive_failures, self._record.last_error = 0, None", "self._record.last_error = None"),
    Bug("max_polls allows one more", WAITING, "self._record.polls >= limit", "self._record.polls > limit"),
    Bug("max_retries allows one less", SCHEDULE, "failures > config.max_retries", "failures >= config.max_retries"),
    Bug("a 404 right after the start is final", WAITING, "sent < self._fresh_until", "False"),
    Bug("a 404 is never final", WAITING, "sent < self._fresh_until", "True"),
    Bug("a confirmed hold is not renewed at once", WAITING, "if answer.at_once and (", "if False and ("),
    Bug("asked again at once, without time to be held", WAITING, "or self._hold())", "or True)"),
    Bug("a clock that runs fast is no reason to believe in a hold", "_core/schedule.py", "max(took, passed)", "took"),
    Bug("a promise to hold for a moment is believed", "_core/schedule.py", "promised < _SHORTEST_HOLD", "promised <= 0.0"),
    Bug("an end that the start told is asked for", WAITING, "            if job.status.is_terminal:\n                return", "            if False:\n                return"),
    Bug("first sight is not told", WAITING, "if job.status is not self._told:",
        "if previous is not None and job.status is not self._told:"),
    Bug("a status is told again with every answer", WAITING, "            self._told = job.status\n", ""),
    Bug("first sight waits for a held request", WAITING, "look_first and may_hold", "False"),
    Bug("the look is followed by a pause although the server holds", WAITING, "held or expected", "held"),
    Bug("a hint is undercut after the look", "_core/schedule.py", "not hinted if self", "True if self"),
    Bug("first sight of a job started here is asked for", "_core/wait_many.py",
        "        yield from self._notify_first_sight(job for job, _ in self._known)\n", "", MANY),
    Bug("the end is told with every answer", WAITING, "        if job.status.is_terminal:\n            yield",
        "        if True:\n            yield"),
    Bug("a cut hold is counted as a failure", WAITING, "+= not cut", "+= 1"),
    Bug("a cut hold is asked for again as long", "_core/schedule.py", "min(self._limit, math.floor(0.8 * took))",
        "self._limit"),
    Bug("an unheld confirmation is believed", "_core/schedule.py",
        "if took < _AT_ONCE or promised < _SHORTEST_HOLD:\n        return False", "if took < 99:\n        return True"),
    Bug("a server is asked to hold once and never again", "_core/schedule.py", "else min(self._limit, _PROBE)", "else 0.0"),
    Bug("the age of a resumed job is forgotten", "_core/record.py", "min(self._accepted_at, seen_at - job.elapsed_time)", "min(self._accepted_at, seen_at)"),
    Bug("an unknown status is warned of every time", "_core/record.py", "            self._warned = True\n", ""),
    Bug("retries in step, without jitter", "_core/schedule.py", "return ceiling * randomness()", "return ceiling"),
    Bug("retries without a ceiling", "_core/schedule.py", "min(self.max_delay, _LAST_RETRY_CEILING))", "1e9)", NUMBERS),
    Bug("a hint is trusted without a cap", "_core/schedule.py", "min(hint, self.max_delay)", "hint"),
    Bug("a hint of nothing is a tight loop", "_core/schedule.py", "max(floor, min(hint", "max(0.001, min(hint"),
    Bug("infinity is a number", "_wire/arguments.py", "and number <= most", "and number == number", NUMBERS),
    Bug("an unknown status is terminal", "_wire/responses.py", "return JobStatus.PENDING  #", "return JobStatus.COMPLETED  #"),
    Bug("somebody else's answer is taken", "_wire/responses.py", "if job_id is not None and found != job_id:", "if False:",
        ANSWERS),
    Bug("a 502 is final", "_wire/responses.py", "if status not in _TRANSIENT and status < 500:",
        "if status not in _TRANSIENT:"),
    Bug("a 401 is retried", "_wire/responses.py", "_TRANSIENT = frozenset({408, 425, 429})",
        "_TRANSIENT = frozenset({401, 408, 425, 429})"),
    Bug("a redirect is transient", "_wire/responses.py", "status not in _TRANSIENT and status < 500",
        "status not in _TRANSIENT and status != 302 and status < 500", ANSWERS),
    Bug("the server's words reach the terminal raw", "_wire/responses.py", 'c if c.isprintable() else " "', "c", ANSWERS),
    Bug("NaN is JSON", "_wire/responses.py", ", parse_constant=_no_such_number", "", ANSWERS),
    Bug("a date in Retry-After is seen from the wrong moment", "_wire/responses.py",
        '_http_date(response.headers.get("date", ""))', "datetime.now(UTC)", ANSWERS),
    Bug("an id may hold a slash", "_wire/arguments.py", r"\x7f/?#%", r"\x7f?#%", ANSWERS),
    Bug("a new key with every attempt", "_core/call.py", "yield Send(self._request,",
        'yield Send(self._request._replace(headers={"Idempotency-Key": str(self._now)}),', CALLS),
    Bug("a start is never known to be lost", "_core/call.py", "any(failure.maybe_received for failure in failures)",
        "False", CALLS),
    Bug("a start ignores Retry-After", SCHEDULE, "now + max(pause, config", "now + max(0.0, config", CALLS),
    Bug("a start is tried for ever", "_core/call.py", "now + config.timeout", "math.inf", CALLS),
    Bug("the query comes before the stream", "_core/wait_many.py",
        "elif (yield from self._open()) and (self._last_event_id or (yield from self._query(list(left)))):",
        "elif (self._last_event_id or (yield from self._query(list(left)))) and (yield from self._open()):", MANY),
    Bug("a broken stream is not resumed but begun anew", "_core/wait_many.py", "self._last_event_id = event.last_event_id",
        "pass", MANY),
    Bug("a stream begun anew is not asked what was missed", "_core/wait_many.py",
        "(self._last_event_id or (yield from self._query(list(left))))",
        "(self._record.polls > 2 or (yield from self._query(list(left))))", MANY),
    Bug("a job is told twice", "_core/record.py", "        self.left.pop(job.job_id, None)\n",
        "        self.left.pop(job.job_id) if now % 2 < 1 else None\n", MANY),
    Bug("the jobs of a query come in any order", "_core/wait_many.py", "sorted(jobs, key=_moment_of_end)", "jobs", MANY),
    Bug("an unknown job is waited for until the deadline", "_core/wait_many.py", "                raise self._record.complete(error, self._now)\n",
        "                pass\n", MANY),
    Bug("a dead stream is listened to for ever", "_core/wait_many.py", "case None if self._now >= heard + _SILENCE:",
        "case None if False:", MANY),
    Bug("many jobs have no deadline", "_core/wait_many.py", "now + config.timeout", "math.inf", MANY),
    Bug("an event of many lines loses all but the last", "_wire/events.py", '"\\n".join(self._data)',
        'self._data[-1] if self._data else ""', ("wire/test_events.py",)),
    Bug("a line end cut in half is two", "_wire/events.py", 'held = "\\r" if text.endswith("\\r") else ""', 'held = ""',
        ("wire/test_events.py",)),
    Bug("an endless event fills the memory", "_wire/events.py", "if len(self._rest) + self._size > MAX_EVENT:", "if False:",
        ("wire/test_events.py",)),
    Bug("redirects are followed", "_sync/transport.py", "allow_redirects=False", "allow_redirects=True", ("test_faults.py",)),
    Bug("a slow drip outlives the deadline", "_sync/interruptible.py",
        "any(self._under_way.acquire(timeout=left) for left in slices(self.deadline))", "self._under_way.acquire()",
        ("test_deadline.py",)),
    Bug("an answer of any length is read", "_sync/transport.py", "if len(body) > MAX_BODY:", "if False:",
        ("test_faults.py",)),
)  # fmt: skip
