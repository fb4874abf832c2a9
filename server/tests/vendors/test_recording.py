"""Faults, limits, the record and the report card know the requests to a mounted API as they know our own."""

import time

import pytest
import requests
from server.tests.vendors.studio import NAMED, STUDIO

from translation_server import incidents
from translation_server.faults import LostAnswer, NotFound, Status, UnknownStatus
from translation_server.simulator.recording.exchange import Kind
from translation_server.testing.server import TranslationServer


@pytest.fixture
def server():
    """A server with both formats, whose clock stands still."""
    with TranslationServer(formats=[STUDIO, NAMED], completion_time=20, clock="stepped", seed=1) as running:
        yield running


@pytest.fixture
def ask(server):
    """Sends a request to the mount, with the key; None: no answer came."""

    def send(method, path, **more):
        headers = {"authorization": f"Bearer {server.api_key}"} | more.pop("headers", {})
        try:
            return requests.request(method, server.base_url_of("studio") + path, headers=headers, timeout=10, **more)
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
            return None

    return send


def start(ask, prompt="x", **more):
    return ask("POST", "/v1/jobs", json={"prompt": prompt}, **more).json()["jobs"][0]["id"]


def test_each_kind_of_request_is_known(ask, server):
    """With the job it is about, and what its answer told."""
    job_id = start(ask)
    ask("GET", f"/v1/jobs/{job_id}")
    ask("GET", "/v1/jobs")
    ask("GET", f"/v1/some?ids={job_id}")
    ask("GET", "/v1/about")
    server.clock.advance(30)
    ask("GET", f"/v1/jobs/{job_id}")
    ask("GET", f"/v1/jobs/{job_id}/result")
    ask("GET", f"/v1/jobs/{job_id}/events?after=0")
    ask("DELETE", f"/v1/jobs/{job_id}")
    ask("GET", f"/v1/jobs/{job_id}")
    seen = [(one.kind, one.job, one.told, one.status) for one in server.requests]
    assert seen == [
        (Kind.START, 1, "pending", 201),
        (Kind.POLL, 1, "pending", 200),
        (Kind.LIST, None, None, 200),
        (Kind.QUERY, None, None, 200),
        (Kind.OTHER, None, None, 200),
        (Kind.POLL, 1, "completed", 200),
        (Kind.RESULT, 1, None, 200),
        (Kind.EVENTS, 1, "completed", 200),
        (Kind.DELETE, 1, None, 204),
        (Kind.POLL, 1, None, 404),
    ]


def test_words_are_read_as_what_they_mean(ask, server):
    """Every end but a completed one is an error, as in our own API."""
    for outcome in ("completed", "error", "cancelled", "aborted"):
        server.fates.add(outcome=outcome, duration=0, times=1)
        ask("GET", f"/v1/jobs/{start(ask)}")
    told = [one.told for one in server.requests.where(kind=Kind.POLL)]
    assert told == ["completed", "error", "error", None]  # nobody knows the last word, so no client does


def test_the_report_judges_what_was_done(ask, server):
    """A poll before the pause that its own header asked for is early; the end is found, once more is too much."""
    job_id = start(ask)
    first = ask("GET", f"/v1/jobs/{job_id}")
    assert float(first.headers["x-ms-retry-after-ms"]) > 1000
    ask("GET", f"/v1/jobs/{job_id}")
    server.clock.advance(30)
    for _ in range(3):
        ask("GET", f"/v1/jobs/{job_id}")
    report = server.report()
    [job] = report.jobs
    assert (job.starts, job.polls, job.early, job.after_end, job.outcome) == (1, 5, 1, 2, "completed")
    assert job.detection_delay == pytest.approx(10, abs=0.1)


def test_a_repeated_start_is_charged_twice(ask, server):
    """After an answer that was lost, with the same fields, whatever divides the parts of the form."""
    server.faults.add(LostAnswer(), times=1)
    for _ in range(2):
        ask("POST", "/v1/jobs", data={"prompt": "x"}, files={"video": b"123"})
    report = server.report()
    assert (report.repeated_starts, report.duplicates) == (1, 1)
    assert "charged twice" in str(report)


def test_a_library_may_say_that_it_repeats(ask, server):
    """Then it is a repetition though it asks in other words."""
    server.faults.add(LostAnswer(), times=1)
    ask("POST", "/v1/jobs", json={"prompt": "x", "at": 1})
    ask("POST", "/v1/jobs", json={"prompt": "x", "at": 2}, headers={"x-stainless-retry-count": "1"})
    assert server.report().duplicates == 1
    server.reset()
    server.faults.add(LostAnswer(), times=1)
    ask("POST", "/v1/jobs", json={"prompt": "x", "at": 3})
    ask("POST", "/v1/jobs", json={"prompt": "x", "at": 4}, headers={"x-stainless-retry-count": "0"})
    assert server.report().duplicates == 0


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [("/v1/jobs", {"prompt": "x"}, {"idempotency-key": "k"}), ("/named", {"prompt": "x", "name": "n"}, {})],
)
def test_a_key_or_a_name_makes_one_job(ask, server, path, body, headers):
    """However often it is repeated, and the report is clean."""
    server.faults.add(LostAnswer(), times=2)
    for _ in range(3):
        ask("POST", path, json=body, headers=headers)
    assert len(server.client().list_jobs()) == 1
    assert server.report().repeated_starts == 0
    assert {one.job for one in server.requests.where(kind=Kind.START)} == {1}


def test_several_jobs_of_one_start_have_numbers(ask, server):
    """The start is about the first."""
    made = ask("POST", "/v1/jobs", json={"prompt": "x", "count": 2}).json()["jobs"]
    for one in made:
        ask("GET", f"/v1/jobs/{one['id']}")
    assert [one.job for one in server.requests] == [1, 1, 2]
    assert start(ask)
    assert server.requests[-1].job == 3


@pytest.mark.parametrize("code", [429, 500, 503])
def test_an_error_on_purpose_leaves_in_the_shape_of_the_service(ask, server, code):
    """With its headers, and those that the service has for them."""
    server.faults.add(Status(code, retry_after=2), times=1, kind="start")
    refused = ask("POST", "/v1/jobs", json={"prompt": "x"})
    assert (refused.status_code, refused.json()["status"]) == (code, code)
    assert (refused.headers["retry-after"], refused.headers["retry-after-ms"]) == ("2", "2000")


def test_a_job_can_be_unknown_on_purpose(ask, server):
    """As in our own API."""
    job_id = start(ask)
    server.faults.add(NotFound(), on_poll=2)
    assert [ask("GET", f"/v1/jobs/{job_id}").status_code for _ in range(3)] == [200, 404, 200]


def test_a_status_can_be_unknown_on_purpose(ask, server):
    """Where the format has it."""
    server.faults.add(UnknownStatus("paused"), times=1)
    job_id = start(ask)
    told = [ask("GET", f"/v1/jobs/{job_id}").json()["data"] for _ in range(2)]
    assert [one["state"] for one in told] == ["paused", "queued"]
    assert told[0]["id"] == job_id


def test_conditions_are_about_jobs_and_users(ask, server):
    """The number of the job and of the poll, and its age."""
    ids = [start(ask) for _ in range(2)]
    server.faults.add("503 job=2 on_poll=2")
    found = [[ask("GET", f"/v1/jobs/{one}").status_code for _ in range(3)] for one in ids]
    assert found == [[200, 200, 200], [200, 503, 200]]
    server.faults.clear()
    server.faults.add("503 after=5 kind=poll")
    assert ask("GET", f"/v1/jobs/{ids[0]}").status_code == 200
    server.clock.advance(6)
    assert ask("GET", f"/v1/jobs/{ids[0]}").status_code == 503


def test_a_link_to_a_result_can_expire(ask, server):
    """It needs no key, and is a request for a result."""
    job_id = start(ask, "[simulate duration=0]")
    url = ask("GET", f"/v1/jobs/{job_id}").json()["data"]["url"]
    assert requests.get(url, timeout=5).status_code == 200
    server.faults.add("403 kind=result")
    assert requests.get(url, timeout=5).json()["status"] == 403
    server.faults.clear()
    assert requests.post(url, timeout=5).status_code == 405


HELD = [("POST", "/v1/jobs"), ("GET", "/v1/jobs/{}"), ("GET", "/v1/jobs/{}/events?after=0")]


@pytest.mark.parametrize(("method", "path"), HELD)
def test_what_is_held_can_be_cut(ask, server, method, path):
    """A start, a poll and a stream; without a wait, nothing is."""
    job_id = start(ask)
    server.faults.add("cut_long_poll 0.1 instead=504")
    body = {"json": {"prompt": "y"}} if method == "POST" else {}
    held = ask(method, path.format(job_id), headers={"prefer": "wait=30"}, **body)
    assert "events" in path or held.status_code == 504
    assert server.requests[-1].fault == "cut_long_poll"
    if "events" not in path:
        assert ask(method, path.format(job_id), **body).ok


@pytest.mark.parametrize("name", incidents.ALL)
def test_every_incident_works_under_a_mount(name):
    """A patient client that asks again gets to the end, and what struck is written down."""
    with TranslationServer(formats=[STUDIO], completion_time=0.3, incident=name, seed=1) as server:
        headers = {"authorization": f"Bearer {server.api_key}", "idempotency-key": "k"}
        until = time.monotonic() + 20

        def get(method, path, **more):
            url = server.base_url_of("studio") + path
            while time.monotonic() < until:
                try:
                    found = requests.request(method, url, headers=headers, timeout=5, **more)
                    if found.ok and (read := found.json()):
                        return read
                except (requests.RequestException, ValueError):
                    pass
                time.sleep(0.05)  # a real network is waited for
            raise AssertionError(f"no answer: {server.requests}")

        job_id = get("POST", "/v1/jobs", json={"prompt": "x"})["jobs"][0]["id"]
        while get("GET", f"/v1/jobs/{job_id}")["data"]["state"] != "done":
            assert time.monotonic() < until
        get("GET", f"/v1/jobs/{job_id}/result")
        holds = all(rule.fault.name == "cut_long_poll" for rule in incidents.LIBRARY[name].rules)
        assert holds or any(one.fault for one in server.requests), "nothing went wrong"
        assert len(server.client().list_jobs()) == 1


def test_a_start_that_is_repeated_without_a_key_is_counted_with_the_first(ask, server):
    """So a library that tries again gets through, and the next job meets the fault once more."""
    server.faults.add(Status(429), times=1, kind="start")
    codes = [ask("POST", "/v1/jobs", json={"prompt": "x"}).status_code for _ in range(4)]
    assert codes == [429, 201, 429, 201]
    assert ask("POST", "/v1/jobs", json={"prompt": "y"}).status_code == 429
    assert [one.repeats for one in server.requests] == [1, 1, 3, 3, 5]


def test_a_fault_in_place_of_the_service_does_not_wait_for_the_client(ask, server):
    """Its body has been read already."""
    server.faults.add(Status(429), kind="start")
    began = time.monotonic()
    ask("POST", "/v1/jobs", json={"prompt": "x"})
    assert time.monotonic() - began < 4  # it was five seconds
