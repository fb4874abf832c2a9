"""Requests to a mounted API: started, read, cancelled, deleted and listed as any service does it."""

import threading

import pytest
import requests
from server.tests.vendors.studio import NAMED, STUDIO

from translation_server.testing.server import TranslationServer


@pytest.fixture
def server():
    """A server with both formats, whose clock stands still."""
    with TranslationServer(formats=[STUDIO, NAMED], completion_time=(10, 20), clock="stepped", seed=1) as running:
        yield running


@pytest.fixture
def ask(server):
    """Sends a request to the mount, with the key."""

    def send(method, path, *, key=server.api_key, **more):
        headers = {"authorization": f"Bearer {key}"} | more.pop("headers", {})
        return requests.request(method, server.base_url_of("studio") + path, headers=headers, timeout=10, **more)

    return send


@pytest.fixture
def start(ask):
    """Starts a job; returns its id."""

    def begin(prompt="a cat", **more):
        found = ask("POST", "/v1/jobs", json={"prompt": prompt} | more.pop("body", {}), **more)
        assert found.status_code == 201, found.text
        return found.json()["jobs"][0]["id"]

    return begin


def state(ask, job_id):
    """The word for a job's status."""
    return ask("GET", f"/v1/jobs/{job_id}").json()["data"]["state"]


def test_a_job_goes_through_the_words_of_its_format(ask, start, server):
    """By its progress, which the clock moves, and by its end."""
    job_id = start()
    assert job_id.startswith("job_")
    assert state(ask, job_id) == "queued"
    server.clock.advance(9.9)
    assert state(ask, job_id) == "running"
    server.clock.advance(20)
    done = ask("GET", f"/v1/jobs/{job_id}").json()["data"]
    assert (done["state"], done["input"]) == ("done", {"prompt": "a cat"})
    assert done["url"] == f"{server.base_url}/studio/files/{job_id}.mp4"
    assert requests.get(done["url"], timeout=5).headers["content-type"] == "video/mp4"


def test_the_own_api_tells_of_it_as_well(start, server):
    """With what was asked for in its metadata."""
    start("hello")
    [told] = server.client().list_jobs()
    assert told.metadata == {"format": "studio", "input": {"prompt": "hello"}, "path": "/v1/jobs"}


def test_a_start_may_make_several_jobs(ask):
    """Each with its number and a fate of its own."""
    made = ask("POST", "/v1/jobs", json={"prompt": "x", "count": 3}).json()["jobs"]
    assert [one["number"] for one in made] == [0, 1, 2]
    assert len({one["id"] for one in made}) == 3


def test_a_start_makes_all_its_jobs_or_none():
    """Where a limit allows only some of them, as a client that is refused does not know of any."""
    with TranslationServer(formats=[STUDIO], max_pending_jobs=3, completion_time=60) as server:
        url, key = server.base_url_of("studio") + "/v1/jobs", {"authorization": f"Bearer {server.api_key}"}
        made = [
            requests.post(url, json={"prompt": "x", "count": count}, headers=key, timeout=5).status_code
            for count in (2, 2, 1)
        ]
        assert made == [201, 429, 201]
        assert len(server.client().list_jobs()) == 3


def test_a_repeated_key_is_answered_with_the_same_jobs(ask):
    """In the same order, even if the body is another one, and without it there are new ones."""
    first, again, other = (
        ask("POST", "/v1/jobs", json=body, headers=headers).json()
        for body, headers in (
            ({"prompt": "x", "count": 2}, {"idempotency-key": "k"}),
            ({"prompt": "y", "count": 2}, {"idempotency-key": "k"}),
            ({"prompt": "x", "count": 2}, {}),
        )
    )
    assert (first["jobs"], first["old"], again["old"]) == (again["jobs"], False, True)
    assert {one["id"] for one in other["jobs"]}.isdisjoint(one["id"] for one in first["jobs"])


@pytest.mark.parametrize(
    ("sent", "where"),
    [
        ({"json": {}}, ["body", "prompt"]),
        ({"json": {"prompt": "x", "count": 9}}, ["body", "count"]),
        ({"json": {"prompt": "x"}, "headers": {"x-no": "1"}}, ["header", "x-no"]),
        ({"files": {"video": b"abc"}, "data": {"count": "1"}}, ["body", "prompt"]),
        ({}, ["body", "prompt"]),
    ],
)
def test_a_start_is_checked_as_the_service_does(ask, server, sent, where):
    """What is wrong where leaves in its shape with its status, and no job is made."""
    refused = ask("POST", "/v1/jobs", **sent)
    assert (refused.status_code, refused.json()["where"]) == (400, [where])
    assert server.client().list_jobs() == []


@pytest.mark.parametrize("sent", [{"data": b"{", "headers": {"content-type": "application/json"}}, {"json": [1]}])
def test_a_body_that_cannot_be_read_is_refused(ask, sent):
    """In the shape of the service."""
    refused = ask("POST", "/v1/jobs", **sent)
    assert refused.status_code in {400, 422}
    assert refused.json()["oops"].startswith("The body")


def test_a_form_is_read_and_its_files_are_not_kept(ask):
    """Of a file, only its name and its length; of a field, its text; of a repeated one, a list."""
    fields = [("prompt", "x"), ("tags", "a"), ("tags", "b"), ("ids[]", "1")]
    made = ask("POST", "/v1/jobs", data=fields, files={"video": ("cat.mp4", b"\0" * 300_000)})
    told = made.json()["jobs"][0]["input"]
    assert told == {"prompt": "x", "tags": ["a", "b"], "ids": ["1"], "video": "<cat.mp4, 300000 bytes>"}


def test_the_fields_of_a_form_have_a_limit(ask):
    """That of all bodies."""
    refused = ask("POST", "/v1/jobs", files={"prompt": (None, "x" * 70_000)})
    assert refused.status_code == 413


@pytest.mark.parametrize("key", ["tester:wrong", "nobody", "", "tester"])
def test_a_wrong_key_is_refused_in_the_shape_of_the_service(ask, key):
    """And the answer says what a key is here; nothing is said of Basic authentication."""
    refused = ask("GET", "/v1/jobs", key=key)
    assert refused.status_code == 401
    assert "username:password" in refused.json()["oops"]
    assert "www-authenticate" not in refused.headers


def test_the_key_may_be_in_any_header_of_the_format(server):
    """The first that fits."""
    url = server.base_url_of("studio") + "/v1/jobs"
    assert requests.get(url, headers={"X-Api-Key": server.api_key}, timeout=5).json() == {"jobs": [], "more": False}
    assert requests.get(url, auth=(server.username, server.password), timeout=5).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v2/jobs", 404), ("PATCH", "/v1/jobs", 405), ("GET", "/v1/jobs/job_0", 404), ("GET", "/", 404)],
)
def test_what_is_not_there_is_refused_in_the_shape_of_the_service(ask, method, path, status):
    """Unknown addresses, methods and jobs."""
    refused = ask(method, path)
    assert (refused.status_code, refused.json()["status"]) == (status, status)


def test_another_user_has_no_such_job():
    """The answer is that to an unknown one."""
    with TranslationServer(formats=[STUDIO], users={"ann": "1", "bob": "2"}) as server:
        url = server.base_url_of("studio") + "/v1/jobs"
        ann, bob = ({"authorization": f"Bearer {key}"} for key in ("ann:1", "bob:2"))
        job_id = requests.post(url, json={"prompt": "x"}, headers=ann, timeout=5).json()["jobs"][0]["id"]
        assert requests.get(f"{url}/{job_id}", headers=ann, timeout=5).status_code == 200
        hidden = requests.get(f"{url}/{job_id}", headers=bob, timeout=5)
        unknown = requests.get(f"{url}/job_{'0' * 32}", headers=bob, timeout=5)
        assert (hidden.status_code, hidden.json()) == (404, unknown.json())


def test_jobs_of_one_format_are_unknown_to_another(ask, start, server):
    """So are our own."""
    job_id = start()
    own = server.client().start_job()
    assert ask("POST", "/named/find", json={"name": job_id}).status_code == 404
    assert ask("GET", f"/v1/jobs/job_{own.replace('-', '')}").status_code == 404


def test_metadata_of_our_own_jobs_passes_for_nothing_else(ask, server):
    """Whatever users write there, in whatever spelling."""
    user, kind = (server.username, server.password), {"content-type": "application/json"}
    for kept in ('{"format":"studio"}', ' {"format": "studio", "input": {"prompt": "x"}}'):
        body = f'{{"metadata": {kept}}}'
        made = requests.post(f"{server.base_url}/start", data=body, auth=user, headers=kind, timeout=5).json()
        assert made["metadata"]["format"] == "studio"
        assert ask("GET", f"/v1/jobs/job_{made['job_id'].replace('-', '')}").status_code == 404
    assert ask("GET", "/v1/jobs").json()["jobs"] == []


def test_cancelling(ask, start, server):
    """Ends a pending job at once; of one that had ended, the format says how."""
    first, second = start(), start()
    assert ask("POST", f"/v1/jobs/{first}/cancel").json()["data"]["state"] == "stopped"
    server.clock.advance(30)
    assert state(ask, first) == "stopped"
    assert ask("POST", f"/v1/jobs/{second}/cancel").status_code == 400
    assert ask("POST", "/v1/jobs/job_1/cancel").status_code == 404


def test_deleting(ask, start, server):
    """Makes a job unknown, pending or not."""
    pending, ended = start(), start()
    assert ask("DELETE", f"/v1/jobs/{pending}").status_code == 204
    server.clock.advance(30)
    assert ask("DELETE", f"/v1/jobs/{ended}").status_code == 204
    assert [ask(*one).status_code for one in (("GET", f"/v1/jobs/{pending}"), ("DELETE", f"/v1/jobs/{ended}"))] == [
        404,
        404,
    ]
    assert server.client().list_jobs() == []


def test_lists_and_queries(ask, start, server):
    """A list is the newest first, in pieces; a query tells of those that it names and knows."""
    ids = [start() for _ in range(5)]
    server.client().start_job()
    page = ask("GET", "/v1/jobs?limit=3").json()
    assert page == {"jobs": ids[:1:-1], "more": True}
    assert ask("GET", f"/v1/jobs?limit=3&after={page['jobs'][-1]}").json() == {"jobs": ids[1::-1], "more": False}
    found = ask("GET", f"/v1/some?ids={ids[3]},job_{'0' * 32},{ids[0]},nonsense").json()
    assert found == {ids[3]: "queued", ids[0]: "queued"}
    assert ask("GET", "/v1/some").status_code == 400


def test_results(ask, start, server):
    """The format says what is answered early."""
    job_id = start()
    assert ask("GET", f"/v1/jobs/{job_id}/result").status_code == 425
    server.clock.advance(30)
    assert ask("GET", f"/v1/jobs/{job_id}/result").json() == {"ok": True}


def test_a_start_and_a_poll_can_be_held(ask, start, server):
    """Until the job ends or the time is over, by the server's clock."""
    job_id = start()
    found = {}
    held = threading.Thread(
        target=lambda: found.update(ask("GET", f"/v1/jobs/{job_id}", headers={"prefer": "wait=60"}).json())
    )
    held.start()
    while not server.held:
        pass
    server.clock.advance(30)
    held.join(10)
    assert found["data"]["state"] == "done"


def test_a_stream_tells_what_happens_when_it_happens(ask, start, server):
    """It wakes when the word changes, ends with the job, and can be resumed anywhere."""
    job_id = start()
    lines = []
    with ask("GET", f"/v1/jobs/{job_id}/events?after=0", stream=True) as stream:
        told = stream.iter_lines()
        assert next(told) == b"event: queued"
        server.clock.advance(10)
        lines += [next(told) for _ in range(3)]
        server.clock.advance(30)
        lines += list(told)
    names = [line for line in lines if line.startswith((b"event", b"id"))]
    assert names == [b"event: running", b"event: ended", b"id: last"]
    rest = ask("GET", f"/v1/jobs/{job_id}/events?after=2").text
    assert rest.startswith("event: ended\nid: last\ndata: {")
    assert ask("GET", f"/v1/jobs/{job_id}/events?after=3").text == ""


def test_a_start_can_be_a_stream(ask, server):
    """It begins with the job, which is there."""
    with ask("POST", "/v1/streams", json={"prompt": "x"}, stream=True) as stream:
        assert next(stream.iter_lines()) == b"event: queued"
        assert len(server.client().list_jobs()) == 1
        server.clock.advance(30)
        assert b"ended" in stream.content if not stream.raw.closed else True


def test_a_route_may_want_a_header(ask, start):
    """Otherwise there is nothing at its address."""
    job_id = start()
    assert ask("POST", f"/v1/jobs/{job_id}", headers={"x-method": "get"}).json()["data"]["id"] == job_id
    assert ask("POST", f"/v1/jobs/{job_id}").status_code == 405


def test_a_name_that_the_client_chooses_is_the_id(ask):
    """It is found by it, whatever it is, and a name that is taken is refused."""
    made = ask("POST", "/named", json={"prompt": "x", "name": "my job/1"})
    assert made.json()["data"]["id"] == "my job/1"
    assert ask("POST", "/named/find", json={"name": "my job/1"}).json() == made.json()
    assert ask("POST", "/named", json={"prompt": "x", "name": "my job/1"}).status_code == 409
    assert ask("POST", "/named/find", json={"name": "other"}).status_code == 404
    assert ask("POST", "/named/find", json={}).status_code == 422


def test_a_job_is_found_by_what_it_was_started_with(ask):
    """The newest of those."""
    for name in ("one", "two"):
        ask("POST", "/named", json={"prompt": "cat", "name": name})
    assert ask("GET", "/named/by/cat").json()["data"]["id"] == "two"
    assert ask("GET", "/named/by/dog").status_code == 404


def test_a_start_may_need_another_job(ask, server):
    """Without it nothing is started, and the answer is that to an unknown job."""
    refused = ask("POST", "/named/one/more", json={"prompt": "x", "name": "two"})
    assert (refused.status_code, server.client().list_jobs()) == (404, [])
    ask("POST", "/named", json={"prompt": "x", "name": "one"})
    assert ask("POST", "/named/one/more", json={"prompt": "x", "name": "two"}).ok


def test_the_words_of_an_order_in_a_text_are_obeyed(ask, start):
    """In any text of the body, in the query or in a header; what is unknown is refused and named."""
    assert state(ask, start('[simulate outcome=error duration=0 message="No."]')) == "broken"
    assert state(ask, start("x", body={"more": [{"deep": "[simulate outcome=cancelled duration=0]"}]})) == "stopped"
    assert state(ask, start("x", params={"q": "[simulate outcome=aborted duration=0]"})) == "aborted"
    assert state(ask, start("x", headers={"X-Simulate": "outcome=completed duration=0"})) == "done"
    refused = ask("POST", "/v1/jobs", json={"prompt": "[simulate luck=1]"})
    assert (refused.status_code, "luck" in refused.json()["oops"]) == (422, True)


def test_a_fate_wins_over_an_order(ask, start, server):
    """So the code under test need not be touched; it may be for one format only."""
    server.fates.add(outcome="error", duration=0, times=1, format="studio")
    assert state(ask, start("[simulate outcome=completed duration=0]")) == "broken"
    assert state(ask, start("[simulate outcome=completed duration=0]")) == "done"
    server.fates.add(outcome="error", duration=0, format="other")
    assert state(ask, start()) == "queued"


def test_what_is_mounted_is_shown(server, ask):
    """On a page for people, without secrets."""
    page = requests.get(f"{server.base_url}/docs/formats", timeout=5)
    assert f"{server.base_url}/studio" in page.text
    assert "STUDIO_KEY=USERNAME:PASSWORD" in page.text
    assert server.password not in page.text
    assert ask("GET", "/v1/about?x=1&x=2").json() == {"base": server.base_url_of("studio"), "q": {"x": "2"}}
