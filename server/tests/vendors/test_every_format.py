"""Each format that comes with the server is told, recorded, broken and judged like every other."""

import json

import pytest
import requests
from server.tests.vendors.starts import EXCHANGES, KEY

from translation_server.faults import LostAnswer
from translation_server.simulator.recording.exchange import Kind
from translation_server.testing.server import TranslationServer
from translation_server.vendors.catalog import built_in

USER, _, PASSWORD = KEY.partition(":")


@pytest.fixture(params=built_in())
def name(request):
    """Each format in turn."""
    return request.param


@pytest.fixture
def server(name):
    """A server with that format, whose clock stands still."""
    user = {"username": USER, "password": PASSWORD}
    with TranslationServer(formats=[name], completion_time=60, clock="stepped", seed=1, **user) as running:
        yield running


class Client:
    """Starts and polls jobs of one format."""

    def __init__(self, server, name, session):
        self._session = session
        self.form, self.asked = built_in()[name], EXCHANGES[name]
        self._server, self._base = server, server.base_url_of(name)
        self._number = 0

    def start(self):
        """Return the answer to a start, or None if none came; each call is a wish of its own."""
        self._number += 1
        return self.repeat()

    def repeat(self):
        """Ask once more for what was asked for last."""
        start, body, headers = json.loads(
            json.dumps([self.asked.start, self.asked.body, self.asked.headers])
            .replace(self.asked.named or "no name", self.id if self.asked.named else "")
            .replace("t-1", f"t-{self._number}")
        )
        return self._send(start, body if self.asked.named else body | {"wish": self._number}, headers)

    @property
    def id(self):
        """The id of the job that was started last."""
        if self.asked.named:
            return f"{self.asked.named}{self._number}"
        return self.form.ids.encode(self._server.requests.where(kind=Kind.START)[-1].job_id)

    def poll(self):
        """Return the answer to a poll of that job."""
        fill = json.dumps([self.asked.poll, self.asked.poll_body]).replace("{id}", self.id)
        poll, body = json.loads(fill)
        return self._send(poll, body, self.asked.headers | self.asked.poll_headers)

    def _send(self, line, body, headers):
        method, _, path = line.partition(" ")
        url = f"{self._base}{path}" + (f"?{self.asked.query}" if self.asked.query else "")
        kind = {"content-type": "application/json", "connection": "close"} | headers
        data = None if body is None else json.dumps(body)
        try:
            return self._session.request(method, url, data=data, headers=kind, timeout=10)
        except requests.ConnectionError:
            return None


@pytest.fixture
def client(server, name):
    """A client of that format."""
    with requests.Session() as session:
        yield Client(server, name, session)


def test_every_format_has_an_exchange():
    """Whoever adds one adds how its jobs are started and asked for."""
    assert EXCHANGES.keys() == built_in().keys()


def test_its_jobs_are_told_from_the_start_to_the_end(client, server):
    """What the answers mean is known to the record, which is what the report card judges by."""
    assert client.start().ok
    assert client.poll().ok
    server.clock.advance(61)
    assert client.poll().ok
    server.fates.add(outcome="error", duration=0)
    assert client.start().ok
    assert client.poll().ok
    told = [(one.kind, one.told) for one in server.requests]
    assert told[:3] == [(Kind.START, "pending"), (Kind.POLL, "pending"), (Kind.POLL, "completed")]
    assert told[4] == (Kind.POLL, "error")
    assert [one.job for one in server.requests] == [1, 1, 1, 2, 2]


def test_its_polls_are_struck_by_number(client, server):
    """And what is answered instead has its shape."""
    server.faults.add("503 retry_after=3 on_poll=2 job=1")
    client.start()
    answers = [client.poll() for _ in range(3)]
    assert [one.ok for one in answers] == [True, False, True]
    refused = answers[1]
    assert refused.headers["content-type"] != "application/problem+json"
    assert refused.headers["retry-after"] == "3"
    assert "title" not in refused.json() or client.form.mount in {
        "replicate",
        "revai",
    }  # which have that member as well


def test_its_status_can_be_unknown(client, server):
    """Where it has one; an operation of Google has none, and is told as it is."""
    server.faults.add("unknown_status paused times=1")
    client.start()
    first, second = client.poll(), client.poll()
    is_told = bool(client.form.status_at) and "paused" in first.text
    assert is_told or client.form.mount in {"google", "gemini"}
    assert "paused" not in second.text


def test_a_lost_start_is_judged_by_what_the_client_could_do(client, server):
    """With a name there is one job, and without one there are two, which the report card calls charged twice."""
    server.faults.add(LostAnswer(), times=1)
    assert client.start() is None
    again = client.repeat()
    assert again.ok or (client.form.reuse == "conflict" and again.status_code == 409)
    duplicates = 0 if client.asked.named else 1
    assert server.report().duplicates == duplicates
    assert {one.kind for one in server.requests} == {Kind.START}
