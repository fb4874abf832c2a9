import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from translation_client import (
    ApiError,
    AuthenticationError,
    ErrorDetail,
    InvalidRequestError,
    Job,
    JobNotFoundError,
    JobStatus,
    ProtocolError,
    RateLimitError,
    StartError,
    StatusUnavailableError,
    WaitTimeoutError,
)
from translation_client.cli.advice import Place, explain, interruption
from translation_client.cli.messages import (
    Marks,
    duration,
    exit_status,
    job_table,
    json_line,
    outcome_line,
    percent,
    printable,
    status_line,
    totals_line,
    worst,
)
from translation_client.cli.options import Options

ACCEPTED = datetime(2026, 11, 24, 19, 5, 9, 300_000, timezone(timedelta(hours=1)))
PENDING = Job("0192f0c3a1b2c3d4", JobStatus.PENDING, elapsed_time=1.25, progress=0.419)
COMPLETED = replace(PENDING, status=JobStatus.COMPLETED, elapsed_time=4.21, progress=1.0)
ERROR = replace(
    PENDING, status=JobStatus.ERROR, elapsed_time=61.0, error=ErrorDetail("translation_failed", "no voices")
)
OPTIONS = Options(base_url="http://host:1", username="ada", password="canary", timeout=60.0)
PLACE = Place("python3 client.py", serve="cd server && uvicorn main:app")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0.0 s"),
        (4.24, "4.2 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (125.4, "2 min 05 s"),
        (3599.6, "1 h 00 min"),
        (7322, "2 h 02 min"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds, words):
    """Never "60.0 s" or "60 min", at no rounding."""
    assert duration(seconds) == words


@pytest.mark.parametrize(("fraction", "number"), [(0.0, 0), (0.29, 29), (0.999, 99), (1.0, 100)])
def test_percent_is_rounded_down(fraction, number):
    """100 % is said of a whole only."""
    assert percent(fraction) == number


@pytest.mark.parametrize(
    ("job", "line"),
    [
        (COMPLETED, "✓ job 0192f0c3a1b2c3d4: completed in 4.2 s"),
        (ERROR, "✗ job 0192f0c3a1b2c3d4: error after 1 min 01 s: translation_failed: no voices"),
        (replace(ERROR, error=None), "✗ job 0192f0c3a1b2c3d4: error after 1 min 01 s: the server gave no reason"),
        (PENDING, "… job 0192f0c3a1b2c3d4: pending for 1.2 s"),
    ],
)
def test_the_outcome_of_a_job_is_one_line(job, line):
    """It says which job ended, how, after how long, and why; the name is left out where it stands right above."""
    assert outcome_line(job, Marks()) == line
    assert outcome_line(job, Marks(), named=False) == line.replace("job 0192f0c3a1b2c3d4: ", "")


def test_a_look_at_a_job_names_it():
    """`status` may be asked without an id, so the answer says which job it is about."""
    assert status_line(PENDING) == "0192f0c3a1b2c3d4  pending for 1.2 s, 41 %"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", None, "no-such-encoding"])
def test_marks_can_be_printed_in_any_encoding(encoding):
    """Where ✓ cannot be encoded there are words."""
    assert outcome_line(COMPLETED, Marks.for_encoding(encoding), named=False) == "OK: completed in 4.2 s"


def test_the_words_of_the_server_cannot_steer_the_terminal():
    """Escape sequences and line breaks in a reason or an id are made visible, not obeyed."""
    job = replace(ERROR, error=ErrorDetail("x", "\x1b]0;title\x07\nsecond line"))
    assert outcome_line(job, Marks()).isprintable()
    assert printable("a\u202eb\r\x9b") == "a\ufffdb\ufffd\ufffd"


def test_json_is_the_servers_own():
    """A field this version does not know is handed on; the line has no break in it."""
    raw = {"job_id": "a", "status": "pending", "colour": "grün\n"}
    line = json_line(Job("a", JobStatus.PENDING, raw=raw))
    assert json.loads(line) == raw
    assert line.isascii()
    assert "\n" not in line


def test_the_table_stands_in_columns_and_cuts_nothing():
    """In a pipe every id and every reason is whole."""
    lines = job_table([COMPLETED, ERROR, replace(PENDING, job_id="short")])
    assert [line.status for line in lines] == [None, "completed", "error", "pending"]
    assert [line.text for line in lines] == [
        "JOB_ID            STATUS           TIME  DETAILS",
        "0192f0c3a1b2c3d4  completed       4.2 s",
        "0192f0c3a1b2c3d4  error      1 min 01 s  translation_failed: no voices",
        "short             pending         1.2 s  41 %",
    ]
    assert job_table([]) == []


@pytest.mark.parametrize("created", [False, True])
@pytest.mark.parametrize("width", [30, 40, 60, 80, 120])
def test_the_table_fits_the_terminal(width, created):
    """No line is broken, and no reason cut: it goes on below; moments and ids are shortened where they must be."""
    reasons = ErrorDetail("translation_failed", "The video could not be translated, because nobody in it says a word.")
    jobs = [replace(one, created_at=ACCEPTED) for one in (COMPLETED, replace(ERROR, job_id="x" * 32, error=reasons))]
    lines = job_table(jobs, width, created=created)
    texts = [line.text for line in lines]
    assert all(len(text) < width for text in texts)
    assert "completed" in texts[1]
    assert ("x" * 32 in texts[2]) == (width >= (80 if created else 60))
    assert " ".join(" ".join(texts[2:]).split()).endswith(
        "failed: The video could not be translated, because nobody in it says a word."
    )
    assert [line.status for line in lines[1:]] == ["completed", "error"] + [None] * (len(lines) - 3)


@pytest.mark.parametrize(
    ("width", "moment"),
    [(None, "2026-11-24T18:05:09Z"), (120, "2026-11-24T18:05:09Z"), (60, "11-24 18:05:09"), (40, None)],
)
def test_the_table_says_when_each_job_was_accepted(width, moment):
    """In UTC, wherever the server was; shorter on a narrow terminal."""
    jobs = [replace(COMPLETED, job_id="x" * 36, created_at=ACCEPTED), replace(COMPLETED, job_id="y" * 36)]
    head, first, second = (line.text for line in job_table(jobs, width, created=True))
    assert (" CREATED (UTC) " in head) == (moment is not None)
    assert (f"  {moment}  " in first, "  -  " in second) == (moment is not None, moment is not None)


def test_a_pipe_gets_a_line_for_each_job():
    """However long a reason is."""
    jobs = [replace(ERROR, error=ErrorDetail("x", "word " * 200))] * 3
    assert len(job_table(jobs, created=True)) == 4


def test_the_sum_of_many_jobs_counts_those_that_never_answered():
    """Whatever has no outcome is pending."""
    assert totals_line([COMPLETED, ERROR, COMPLETED], 5, 7.1) == "5 jobs in 7.1 s: 2 completed, 1 error, 2 pending"


def test_the_exit_status_of_many_jobs_is_the_worst():
    """Refused, unreachable, deadline, error, completed: in this order."""
    assert [exit_status(job) for job in (COMPLETED, ERROR, PENDING)] == [0, 1, 3]
    assert [worst(known) for known in ([], [0, 0], [0, 1], [1, 3], [3, 5, 1], [5, 4, 0])] == [0, 0, 1, 3, 5, 4]


def caused(error, cause):
    error.__cause__ = cause
    return error


def late(job_id, last_job=PENDING):
    error = WaitTimeoutError("late", job_id=job_id, last_job=last_job, elapsed=60.0)
    error.last_error = ConnectionError("connection refused")
    return error


def late_ones(*job_ids):
    error = WaitTimeoutError("late", elapsed=60.0)
    error.pending = job_ids
    return error


def limited(pause):
    error = RateLimitError("the server answered 429", status_code=429)
    error.retry_after = pause
    return error


REFUSED = ConnectionError("connection refused")
RESUME = "python3 client.py wait a --base-url http://host:1 --username ada"


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (AuthenticationError("x", status_code=401), 4, ["http://host:1", "(401)", "API_PASSWORD"]),
        (JobNotFoundError("x", status_code=404, job_id="a"), 4, ["no job a", "python3 client.py list"]),
        (JobNotFoundError("answered 404", status_code=404), 5, ["not answer like", "answered 404", "--base-url"]),
        (InvalidRequestError("the server answered 422: too long", status_code=422), 4, ["422: too long"]),
        (ApiError("job a: the server answered 409: it has ended", status_code=409), 4, ["409: it has ended"]),
        (ApiError("the server answered 503", status_code=503), 5, ["is there but fails", "503", "try again later"]),
        (ProtocolError("a redirect", status_code=302), 5, ["a redirect", "--base-url"]),
        (limited(3.0), 5, ["429", "try again in 3.0 s"]),
        (limited(None), 5, ["429", "try again later"]),
        (late("a"), 3, ["job a is still pending after 1 min 00 s", "connection refused", RESUME]),
        (late("a", None), 3, ["the status of job", RESUME]),
        (late_ones("a"), 3, ["job a is still pending after 1 min 00 s", RESUME]),
        (late_ones("b", "c"), 3, ["2 jobs have not ended after 1 min 00 s", "python3 client.py wait b c"]),
        (caused(StartError("x"), REFUSED), 5, ["cannot reach http://host:1: connection refused", "its address right"]),
        (
            caused(StartError("x", maybe_created=True, idempotency_key="k1"), REFUSED),
            5,
            [
                "a job may have been started, see 'python3 client.py list",
                "repeat the same start with --idempotency-key k1",
            ],
        ),
        (StatusUnavailableError("max_polls=3 used up", job_id="a"), 5, ["max_polls=3 used up", RESUME]),
        (caused(StartError("x"), ApiError("answered 502", status_code=502)), 5, ["is there but fails: answered 502"]),
        (caused(StatusUnavailableError("x"), REFUSED), 5, ["cannot reach http://host:1: connection refused"]),
        (StatusUnavailableError("max_polls=3 used up"), 5, ["max_polls=3 used up"]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_an_error_says_what_happened_and_what_to_do(error, status, words):
    """Each kind of error has its exit status, and one line without a secret in it."""
    code, line = explain(error, OPTIONS, PLACE)
    assert (code, "\n" in line, "canary" in line) == (status, False, False)
    assert [word for word in words if word not in line] == []


@pytest.mark.parametrize(
    ("job_ids", "starting", "words"),
    [
        ([], False, "interrupted"),
        ([], True, "interrupted while starting a job; it may go on, see 'python3 client.py list --base-url "),
        (["a"], False, f"interrupted; the job goes on; resume with: {RESUME}"),
        (["it's"], False, "wait 'it'\"'\"'s'"),
        (["a", "b"], True, "2 jobs go on; resume with: python3 client.py wait a b"),
        (["a"] * 21, False, "21 jobs go on; see them with: python3 client.py list --status pending --base-url"),
    ],
)
def test_an_interrupted_user_is_told_how_to_resume(job_ids, starting, words):
    """The command can be copied as it stands; of too many ids it gives none."""
    assert words in interruption(job_ids, OPTIONS, PLACE, starting=starting)


@pytest.mark.parametrize(
    ("url", "place", "advice"),
    [
        ("http://127.0.0.1:8000", PLACE, "Start it with 'cd server && uvicorn main:app'"),
        ("http://localhost:8123", PLACE, "Start it with 'cd server && uvicorn main:app --port 8123'"),
        ("http://[::1]:81", Place("translation-client"), "Start it with 'translation-server serve --port 81'"),
        ("https://example.org", PLACE, "Is the server running, and is its address right?"),
    ],
)
def test_the_advice_fits_the_server_and_the_way_of_installation(url, place, advice):
    """A server on this machine can be started, by a command that exists here; another one cannot."""
    _, line = explain(caused(StartError("x"), REFUSED), replace(OPTIONS, base_url=url), place)
    assert line.endswith(advice)


def test_the_command_to_resume_with_names_the_server_that_was_named():
    """Even if it is the usual one: the environment may name another."""
    given = Options(base_url_given=True)
    assert interruption(["a"], given, PLACE, starting=False).endswith("wait a --base-url http://127.0.0.1:8000")
    assert interruption(["a"], Options(), PLACE, starting=False).endswith("python3 client.py wait a")
