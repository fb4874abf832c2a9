"""Fates of jobs on a running server: given in Python and over HTTP, and seen by the client."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from server.tests.simulated import simulated

from translation_server import SteppedClock, TranslationServer
from translation_server.simulator.fates import Fates
from translation_server.simulator.faults.fields import RuleError
from translation_server.simulator.simulator import Simulator


@pytest.fixture
def server():
    """A server whose jobs take an hour, and whose clock stands still."""
    with TranslationServer(
        completion_time=3600, clock="stepped", seed=5, username="ann", users={"ann": "a", "ben": "b"}
    ) as running:
        yield running


def errors_of(client, job_ids):
    """Return the error codes of jobs, in order; None: it has none."""
    jobs = map(client.get_job, job_ids)
    return [job.error and job.error.code for job in jobs]


@pytest.mark.parametrize(
    ("outcome", "status", "error"),
    [
        ("completed", "completed", None),
        ("error", "error", ("translation_failed", "The video could not be translated.")),
        ("cancelled", "error", ("cancelled", "The job was cancelled.")),
        ("expired", "error", ("expired", "The job expired before it was done.")),
        ("aborted", "error", ("aborted", "The job ended: aborted.")),
    ],
)
def test_a_job_ends_as_decided(server, outcome, status, error):
    """It takes as long as decided, and ends with this error; its client notices no difference."""
    server.fates.add(outcome=outcome, duration=2)
    client = server.client()
    job_id = client.start_job()
    server.clock.advance(1.9)
    assert client.get_status(job_id) == "pending"
    server.clock.advance(0.1)
    job = client.wait(job_id)
    assert job.status == status
    assert (job.error and (job.error.code, job.error.message)) == error
    assert [one.given for one in server.fates.list()] == [1]
    assert server.report().is_clean


def test_a_message_is_told(server):
    """The words of the tester reach the client."""
    server.fates.add('outcome=error duration=0 message="The video has no sound."')
    client = server.client()
    assert client.wait(client.start_job()).error.message == "The video has no sound."


def test_a_job_that_was_decided_to_be_cancelled_is(server):
    """To cancel it again changes nothing, as with every cancelled job."""
    server.fates.add(outcome="cancelled", duration=0)
    client = server.client()
    job_id = client.start_job()
    assert client.cancel_job(job_id).error.code == "cancelled"


def test_a_fate_for_some_jobs(server):
    """The next ones of each user, one user's only, or a job by its number."""
    server.fates.add(outcome="first", duration=0, job=1, user="ben")
    server.fates.add(outcome="next", duration=0, times=2)
    ann, ben = server.client(), server.client(username="ben")
    assert errors_of(ann, [ann.start_job() for _ in range(3)]) == ["next", "next", None]
    assert errors_of(ben, [ben.start_job() for _ in range(4)]) == ["first", "next", "next", None]


def test_a_fate_for_another_api_leaves_native_jobs_alone(server):
    """It names a format, and the native API has none."""
    server.fates.add(outcome="error", duration=0, format="heygen")
    client = server.client()
    assert client.get_status(client.start_job()) == "pending"
    assert server.fates.list()[0].given == 0


def test_what_a_start_scripts_itself_wins(server):
    """A fate decides the rest."""
    server.fates.add(outcome="expired", duration=0)
    client = server.client()
    scripted = client.start_job(simulate={"duration": 5})
    failing = client.start_job(simulate={"outcome": "error"})
    assert client.get_status(scripted) == "pending"
    assert client.get_job(failing).error.code == "translation_failed"
    server.clock.advance(5)
    assert client.get_job(scripted).error.code == "expired"


def test_a_repeated_start_is_about_the_same_job(server):
    """With its key it uses up nothing; without, it is another job, and gets the next fate."""
    server.fates.add(outcome="error", duration=0, times=1)
    server.fates.add(outcome="expired", duration=0)
    server.faults.add("lost_answer times=2", kind="start")
    client = server.client()
    job_id = client.start_job(idempotency_key="mine")
    assert client.start_job(idempotency_key="mine") == job_id
    assert len(server.requests.where(kind="start")) == 4
    assert errors_of(client, [job_id]) == ["translation_failed"]
    assert errors_of(client, [client.start_job()]) == ["expired"]


def test_a_reset_takes_fates_away(server):
    """Those that were added; and jobs are counted from 1 again."""
    client = server.client()
    server.fates.add(outcome="error", duration=0, times=1)
    assert errors_of(client, [client.start_job()]) == ["translation_failed"]
    server.reset()
    assert server.fates.list() == ()
    assert errors_of(client, [client.start_job()]) == [None]
    server.reset()
    server.fates.add(outcome="expired", duration=0, job=1)
    assert errors_of(client, [client.start_job(), client.start_job()]) == ["expired", None]


def test_a_simulator_begins_with_fates():
    """They come back with a reset; a wrong one is refused at once."""
    simulator = Simulator(fates=["outcome=error times=1"])
    simulator.fates.clear()
    simulator.reset()
    assert str(simulator.fates) == "1. fate outcome=error times=1 (given 0 times)"
    with pytest.raises(RuleError, match="duration: is 'x'"):
        Simulator(fates=["duration=x"])


def test_other_jobs_are_those_of_the_seed():
    """A fate changes the jobs it is for, and what it leaves out of these is drawn as without it."""

    def jobs(*fates):
        with TranslationServer(delay_model="lognormal:60:180", error_rate=0.5, clock="stepped", seed=3) as server:
            for fate in fates:
                server.fates.add(fate)
            client = server.client()
            made = [client.start_job() for _ in range(6)]
            server.clock.advance(1e6)
            return [(job.status, job.elapsed_time) for job in map(client.get_job, made)]

    usual, decided = jobs(), jobs("outcome=expired job=2", "duration=7 job=4")
    assert decided[1] == ("error", usual[1][1])
    assert decided[3] == (usual[3][0], 7.0)
    assert [decided[i] for i in (0, 2, 4, 5)] == [usual[i] for i in (0, 2, 4, 5)]


def test_many_clients_at_once(server):
    """Exactly so many jobs of each user get a fate, however many threads start them."""
    server.fates.add(outcome="expired", duration=0, times=7)
    clients = [server.client(username=user) for user in ("ann", "ben") for _ in range(4)]

    def start(client):
        return [client.start_job() for _ in range(10)]

    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(start, clients))
    for first in (0, 4):
        codes = errors_of(clients[first], [job_id for part in made[first : first + 4] for job_id in part])
        assert (codes.count("expired"), codes.count(None)) == (7, 33)
    decided = Fates(["outcome=expired times=7"])
    expected = {job for job in range(1, 41) if decided.decide("ann", job)}
    ended = {one.job for one in server.requests.where(kind="poll", user="ann") if one.told == "error"}
    assert ended == expected


@pytest.fixture(scope="module")
def controlled():
    """A server with the control API."""
    with simulated(clock=SteppedClock(), control_api="on") as served:
        yield served


@pytest.fixture
def control(controlled):
    """Send one request to the control API; it has no fates when a test begins."""
    controlled.simulator.reset()
    return controlled.control


def test_fates_come_and_go(controlled, control):
    """They are added as JSON or text, listed with their counts, and removed one by one or all at once."""
    assert control("GET", "/fates") == (200, {"fates": []})
    first = {"id": 1, "given": 0, "text": "fate outcome=error duration=0 times=1"}
    first["fate"] = {"outcome": "error", "duration": 0, "times": 1}
    assert control("POST", "/fates", first["fate"] | {"user": None}) == (201, {"fates": [first]})
    status, added = control("POST", "/fates", {"rules": "fate outcome=expired job=9; duration=0.5"})
    assert (status, [one["id"] for one in added["fates"]]) == (201, [2, 3])
    assert json.loads(controlled.send("POST", "/start").body)["status"] == "error"
    assert control("GET", "/fates")[1]["fates"] == [first | {"given": 1}, *added["fates"]]
    assert [one["id"] for one in control("DELETE", "/fates/2")[1]["fates"]] == [1, 3]
    assert control("DELETE", "/fates") == (200, {"fates": []})
    assert control("GET", "/fates") == (200, {"fates": []})


def test_a_listed_fate_can_be_added(control):
    """A fate from the list can be sent again as it is, as JSON and as text."""
    text = 'fate outcome=aborted duration=2.5 message="It stopped." times=3 format=heygen user=eve job=4'
    _, added = control("POST", "/fates", {"rules": text})
    assert added["fates"][0]["text"] == text
    _, again = control("POST", "/fates", added["fates"][0]["fate"])
    assert again["fates"][0]["text"] == text


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "outcome: is missing, and so is duration"),
        ({"outcome": "a b"}, "outcome: is 'a b': allowed is completed, error, cancelled, expired, or another word"),
        ({"outcome": "error", "duration": -1}, "duration: is -1: allowed is a number of seconds from 0 to 1000000000"),
        (
            {"outcome": "error", "rate": 0.5},
            "rate: is not a name here: allowed are outcome, duration, message, ",
        ),
        ({"rules": ""}, "rules: must be a text of one rule or several, and the only member"),
        ({"rules": " ;\n"}, "rules: must be a text"),
        ({"rules": ["outcome=error"]}, "rules: must be a text"),
        ({"rules": "outcome=error", "times": 1}, "rules: must be a text"),
        ({"rules": "outcome=error; outcome=a/b"}, "outcome: is 'a/b'"),
    ],
)
def test_fates_refused(control, body, words):
    """A wrong fate is refused with the name of the member, and nothing is added."""
    status, problem = control("POST", "/fates", body)
    assert status == 422
    assert problem["detail"].startswith(words)
    assert problem["errors"][0]["field"] == words.partition(":")[0]
    assert control("GET", "/fates") == (200, {"fates": []})


@pytest.mark.parametrize("name", ["9", "0", "x", "1" * 5000])
def test_no_such_fate(control, name):
    """A fate that does not exist cannot be removed."""
    status, problem = control("DELETE", f"/fates/{name}")
    assert (status, problem["detail"]) == (404, "There is no such fate.")


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("POST", ""), ("DELETE", ""), ("DELETE", "/1")])
def test_unknown_parameters(control, method, path):
    """No query parameter is known, so none is ignored."""
    status, problem = control(method, f"/fates{path}?x=1")
    assert status == 422
    assert "is not a parameter here" in problem["detail"]


def test_a_reset_over_http(control):
    """It takes the fates away that were added."""
    control("POST", "/fates", {"outcome": "error"})
    control("POST", "/reset")
    assert control("GET", "/fates") == (200, {"fates": []})


def test_fates_are_documented(controlled):
    """With every value, what is allowed for it, and that one of two is needed."""
    document = json.loads(controlled.send("GET", "/openapi.json").body)
    body = document["paths"]["/simulator/fates"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    one, text = body["oneOf"]
    assert [*one["properties"]] == ["outcome", "duration", "message", "times", "format", "user", "job"]
    assert all(value["description"].startswith("Allowed: ") for value in one["properties"].values())
    assert one["anyOf"] == [{"required": ["outcome"]}, {"required": ["duration"]}]
    assert [*text["properties"]] == ["rules"]
