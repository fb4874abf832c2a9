"""The log of exchanges, and how requests and jobs are numbered."""

import pytest

from translation_server.jobs.model import Job, Status
from translation_server.simulator.recording.exchange import Kind
from translation_server.simulator.recording.exchange_log import Exchanges


@pytest.fixture
def exchanges():
    return Exchanges(most=4)


def start(exchanges, **known):
    return exchanges.begin(Kind.START, "POST", "/start", **{"user": "alice", **known})


def poll(exchanges, job_id, **known):
    return exchanges.begin(Kind.POLL, "GET", f"/status/{job_id}", **{"user": "alice", "job_id": job_id, **known})


def job(job_id, owner="alice"):
    return Job(1, job_id, owner, 100.0, 105.0, Status.COMPLETED, None, None, None, "{}", "uniform:3.0:7.0")


def test_requests_are_numbered_as_they_arrive(exchanges):
    """The first is number 1, whoever sent it."""
    numbers = [start(exchanges, user=user).number for user in ("alice", "bob", "alice")]
    assert numbers == [1, 2, 3]


def test_a_users_jobs_are_numbered_by_their_starts(exchanges):
    """Each user has a job 1, and the starts of others do not count."""
    jobs = [start(exchanges, user=user).job for user in ("alice", "bob", "alice")]
    assert jobs == [1, 1, 2]


def test_a_start_repeated_with_its_key_is_the_same_job(exchanges):
    """The repetition is the second attempt of one start; another user's same key is another start."""
    begun = [start(exchanges, key="k"), start(exchanges, key="k"), start(exchanges, key="k", user="bob")]
    assert [(one.job, one.attempt) for one in begun] == [(1, 1), (1, 2), (1, 1)]


def test_starts_without_a_key_are_jobs_of_their_own(exchanges):
    """It cannot be known whether one repeats the other."""
    begun = [start(exchanges), start(exchanges)]
    assert [(one.job, one.attempt) for one in begun] == [(1, 1), (2, 1)]


def test_polls_are_counted_per_job(exchanges):
    """A poll has its job's number and its attempt number."""
    for job_id in ("a", "b"):
        exchanges.set_job(start(exchanges), job(job_id))
    polls = [poll(exchanges, job_id) for job_id in ("b", "a", "b", "unknown")]
    assert [(one.job, one.attempt) for one in polls] == [(2, 1), (1, 1), (2, 2), (None, 1)]


def test_a_start_answered_with_a_known_job_takes_its_number(exchanges):
    """A job has one number, in whatever order its two starts arrived."""
    exchanges.set_job(start(exchanges), job("a"))
    again = start(exchanges)
    exchanges.set_job(again, job("a"))
    assert again.job == 1


def test_another_users_job_has_no_number(exchanges):
    """A number would reveal that it exists."""
    exchanges.set_job(start(exchanges), job("a"))
    assert poll(exchanges, "a", user="eve").job is None


def test_the_newest_are_kept(exchanges):
    """Exchanges that are dropped are counted; the numbering continues."""
    for _ in range(6):
        start(exchanges)
    assert [one.number for one in exchanges.requests()] == [3, 4, 5, 6]
    assert exchanges.forgotten == 2


def test_jobs_are_forgotten_too(exchanges):
    """As many jobs are kept as exchanges."""
    for number in range(6):
        exchanges.set_job(start(exchanges), job(f"id-{number}"))
    assert list(exchanges.jobs()) == ["id-2", "id-3", "id-4", "id-5"]


def test_a_cancelled_job_ends_when_it_was_cancelled(exchanges):
    """The newer record replaces the one of the start; an unknown job is not added."""
    exchanges.set_job(start(exchanges), job("a"))
    exchanges.update_job(job("a")._replace(ends_at=101.0))
    exchanges.update_job(job("b"))
    assert {job_id: one.ends_at for job_id, one in exchanges.jobs().items()} == {"a": 101.0}


def test_cleared_it_begins_anew(exchanges):
    """The next request is number 1, of job 1."""
    start(exchanges)
    exchanges.clear()
    begun = start(exchanges)
    assert (begun.number, begun.job, len(exchanges.requests())) == (1, 1, 1)


def test_what_was_asked_for_does_not_change_any_more(exchanges):
    """Requests are copies: a request under way is answered in the log, not in them."""
    begun = start(exchanges)
    before = exchanges.requests()
    begun.status = 202
    assert (before[0].status, exchanges.requests()[0].status) == (None, 202)


def test_requests_can_be_narrowed(exchanges):
    """By any attribute, and again."""
    exchanges.set_job(start(exchanges), job("a"))
    poll(exchanges, "a")
    poll(exchanges, "a", wait=30.0)
    polls = exchanges.requests().where(kind="poll", job=1)
    assert [one.number for one in polls] == [2, 3]
    assert len(polls.where(wait=30.0)) == 1


def test_a_misspelt_attribute_is_refused(exchanges):
    """It would match nothing, and a test that expects nothing would pass."""
    with pytest.raises(AttributeError, match="no statsu"):
        exchanges.requests().where(statsu=200)


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        ({}, "#2 job 1: poll #1 GET /status/a wait=30 → under way"),
        (
            {"status": 200, "told": "pending", "retry_after": 1.0, "over": 10.5},
            "#2 job 1: poll #1 GET /status/a wait=30 → 200, pending, Retry-After: 1 after 0.500 s",
        ),
        ({"fault": "reset", "over": 10.0}, "#2 job 1: poll #1 GET /status/a wait=30 → reset (fault) after 0.000 s"),
        ({"left": True, "over": 12.0}, "#2 job 1: poll #1 GET /status/a wait=30 → the client left after 2.000 s"),
        ({"over": 12.0}, "#2 job 1: poll #1 GET /status/a wait=30 → no answer after 2.000 s"),
    ],
)
def test_an_exchange_is_a_line(exchanges, answer, line):
    """It has the request and what was answered."""
    exchanges.set_job(start(exchanges), job("a"))
    one = poll(exchanges, "a", wait=30.0, arrived=10.0)
    for name, value in answer.items():
        setattr(one, name, value)
    assert str(one) == line


def test_requests_print_a_line_each(exchanges):
    """In a debugger as in a failed assertion."""
    assert str(exchanges.requests()) == "nothing arrived"
    start(exchanges, key="k")
    assert repr(exchanges.requests()) == "<Requests: 1>\n#1 job 1: start #1 POST /start with a key → under way"
