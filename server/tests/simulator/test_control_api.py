"""The control API: what a tester in any language can do with a running server."""

import contextlib
import http.client
import json
import shutil
import subprocess
from functools import partial

import pytest
from server.tests.simulated import CREDENTIALS, simulated

from translation_server.simulator.clocks import ScaledClock, SteppedClock
from translation_server.simulator.faults.incidents import ALL
from translation_server.simulator.faults.model import FAULTS


@pytest.fixture(scope="module")
def server():
    """A server with the control API and a stepped clock."""
    with simulated("503 times=1", clock=SteppedClock(), control_api="on") as served:
        yield served


@pytest.fixture(autouse=True)
def begin_anew(request):
    if "server" in request.fixturenames:
        request.getfixturevalue("server").simulator.reset()


def refused(answer, status=422):
    """Return the detail of a refusal."""
    assert answer[0] == status
    return answer[1]["detail"]


def test_faults_come_and_go(server):
    """Rules are added as JSON or text, listed with their counts, and removed one by one or all at once."""
    first = {"id": 1, "struck": 0, "text": "status code=503 times=1"}
    assert server.control("GET", "/faults") == (
        200,
        {"faults": [first | {"rule": {"fault": "status", "code": 503, "times": 1}}]},
    )
    status, added = server.control("POST", "/faults", {"fault": "latency", "seconds": 0.5, "kind": ["poll"]})
    assert (status, [one["text"] for one in added["faults"]]) == (201, ["latency seconds=0.5 kind=poll"])
    _, added = server.control("POST", "/faults", {"rules": "reset rate=0.5; incident lost_start"})
    assert [one["id"] for one in added["faults"]] == [3, 4]
    assert server.send("GET", "/jobs").status == 503
    _, left = server.control("DELETE", "/faults/3")
    assert [(one["id"], one["struck"]) for one in left["faults"]] == [(1, 1), (2, 0), (4, 0)]
    assert server.control("DELETE", "/faults") == (200, {"faults": []})
    assert server.control("GET", "/faults") == (200, {"faults": []})


def test_a_listed_rule_can_be_added(server):
    """A rule from the list can be sent again as it is."""
    _, added = server.control("POST", "/faults", {"rules": "cut_long_poll 2 instead=504 on_poll=2-5 per=user times=3"})
    _, again = server.control("POST", "/faults", added["faults"][0]["rule"])
    assert again["faults"][0]["rule"] == added["faults"][0]["rule"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "fault: is missing"),
        ({"fault": "resett"}, "fault: is 'resett': allowed is one of latency, "),
        ({"fault": "reset", "rate": 2}, "rate: is 2: allowed is a number from 0 to 1"),
        ({"fault": "reset", "often": 1}, "often: is not a name here: allowed are "),
        ({"rules": ""}, "rules: must be a text"),
        ({"rules": ["reset"]}, "rules: must be a text"),
        ({"rules": "reset", "rate": 0.1}, "rules: must be a text of one rule or several, and the only member"),
        ({"rules": "reset rate=x"}, "rate: is 'x'"),
    ],
)
def test_rules_refused(server, body, words):
    """A wrong rule is refused with the name of the member, and changes nothing."""
    status, problem = server.control("POST", "/faults", body)
    assert status == 422
    assert problem["detail"].startswith(words)
    assert problem["errors"][0]["field"] == words.split(":")[0]
    assert len(server.faults.list()) == 1


@pytest.mark.parametrize("name", ["9", "0", "x", "1" * 5000])
def test_no_such_fault(server, name):
    """A rule that does not exist cannot be removed."""
    assert refused(server.control("DELETE", f"/faults/{name}"), 404) == "There is no such fault."


def test_incidents(server):
    """Incidents are listed with what they teach, and begun by their name."""
    _, known = server.control("GET", "/incidents")
    assert [one["name"] for one in known["incidents"]] == list(ALL)
    assert all(one["happens"] and one["teaches"] and one["rules"] for one in known["incidents"])
    status, added = server.control("POST", "/incidents/deploy_502")
    assert (status, len(added["faults"])) == (201, 2)
    assert refused(server.control("POST", "/incidents/flood"), 404).startswith("There is no such incident: is 'flood'")
    assert "no body is needed" in refused(server.control("POST", "/incidents/restart", {"now": True}))


def test_clock(server):
    """The clock is advanced by a request, and jobs end by it."""
    server.faults.clear()
    job_id = server.start(20)
    before = server.control("GET", "/clock")[1]
    assert (before["stands_still"], before["can_be_advanced"], before["speed"]) == (True, True, 1.0)
    after = server.control("POST", "/clock", {"advance": 19.5})[1]
    assert (after["now"] - before["now"], after["advanced"]) == (19.5, 19.5)
    assert json.loads(server.send("GET", f"/status/{job_id}").body)["status"] == "pending"
    assert server.control("POST", "/clock", {"advance_to_next_event": True})[1]["advanced"] == 0.5
    assert json.loads(server.send("GET", f"/status/{job_id}").body)["status"] == "completed"
    words = refused(server.control("POST", "/clock", {"advance_to_next_event": True}), 409)
    assert words == "There is no next event: no job is pending, and no request is held."


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"advance": "5"},
        {"advance": True},
        {"advance": -1},
        {"advance": 1e12},
        {"advance": 1, "advance_to_next_event": True},
        {"advance_to_next_event": False},
    ],
)
def test_clock_refused(server, body):
    """A clock only moves forward, by a number of seconds or to the next event."""
    assert refused(server.control("POST", "/clock", body)).startswith("advance: ")


def test_a_real_clock_cannot_be_moved():
    """The message says why, and which setting to change."""
    with simulated(control_api="on") as served:
        assert not served.control("GET", "/clock")[1]["can_be_advanced"]
        words = refused(served.control("POST", "/clock", {"advance": 5}), 409)
    assert "follows the machine's and cannot be moved: start it with CLOCK_SPEED=0" in words


def test_a_faster_clock_can_be_moved():
    """A clock that runs can be advanced as well."""
    with simulated(control_api="on", clock=ScaledClock(60)) as served:
        assert served.control("POST", "/clock", {"advance": 5})[1]["speed"] == 60.0


def test_hints_of_faults_follow_the_clock():
    """With a faster clock, `Retry-After` is in the client's seconds."""
    with simulated("503 retry_after=120", clock=ScaledClock(60)) as served:
        assert served.send("GET", "/jobs").headers["retry-after"] == "2"


def test_reset(server):
    """A reset restores the first rules and clears the record and the counts; jobs stay."""
    server.faults.clear()
    job_id = server.start()
    server.faults.add("reset times=1")
    assert server.control("POST", "/reset") == (200, {"jobs_deleted": 0})
    assert [one["text"] for one in server.control("GET", "/faults")[1]["faults"]] == ["status code=503 times=1"]
    assert server.simulator.requests == ()
    assert server.send("GET", f"/status/{job_id}").status == 503
    assert server.send("GET", f"/status/{job_id}").status == 200


def test_reset_with_jobs(server):
    """A reset can delete all jobs as well, pending and ended ones."""
    server.control("POST", "/reset", {"jobs": True})
    server.faults.clear()
    pending, ended = server.start(1000), server.start(1)
    server.simulator.clock.advance(2)
    for job_id in (pending, ended):
        assert server.send("GET", f"/status/{job_id}").status == 200
    assert server.control("POST", "/reset", {"jobs": True}) == (200, {"jobs_deleted": 2})
    server.faults.clear()
    for job_id in (pending, ended):
        assert server.send("GET", f"/status/{job_id}").status == 404


@pytest.mark.parametrize("body", [{"job": True}, {"jobs": 1}, {"jobs": True, "faults": True}])
def test_reset_refused(server, body):
    """A reset with a wrong body does nothing."""
    assert refused(server.control("POST", "/reset", body)).startswith("jobs: ")
    assert len(server.faults.list()) == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/faults"),
        ("DELETE", "/faults"),
        ("DELETE", "/faults/1"),
        ("GET", "/incidents"),
        ("GET", "/clock"),
        ("POST", "/faults"),
        ("POST", "/reset"),
    ],
)
def test_unknown_parameters(server, method, path):
    """No query parameter is known, so none is ignored."""
    assert "is not a parameter here" in refused(server.control(method, f"{path}?x=1"))


def test_it_needs_credentials(server):
    """Without credentials nothing changes."""
    assert server.send("GET", "/simulator/faults", authorization="").status == 401


def test_it_is_never_struck_or_recorded(server):
    """Requests to the control API are neither affected by faults nor recorded."""
    server.faults.add("reset kind=other,list")
    assert server.control("GET", "/faults")[0] == 200
    assert server.simulator.requests == ()


def test_it_is_off_by_default():
    """Unless it is asked for, there is no such path, and the documentation does not mention it."""
    with simulated() as served:
        assert served.send("GET", "/simulator/faults").status == 404
        assert b"/simulator/" not in served.send("GET", "/openapi.json").body


def test_documentation(server):
    """If it is on, every fault and every path is documented."""
    document = json.loads(server.send("GET", "/openapi.json").body)
    paths = {path for path in document["paths"] if path.startswith("/simulator/")}
    names = "faults faults/{fault_id} fates fates/{fate_id} incidents incidents/{name} clock reset report requests"
    assert paths == {f"/simulator/{name}" for name in names.split()}
    form = document["paths"]["/simulator/faults"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert {one["title"] for one in form["oneOf"]} == {*FAULTS, "text"}


def run_curl(port, *options):
    """Run curl; return its exit status and its output."""
    url = f"http://127.0.0.1:{port}"
    words = ["curl", "--silent", "--max-time", "10", "--user", "admin:secret"]
    words += [one.replace("SERVER", url) for one in options]
    done = subprocess.run(words, capture_output=True, check=False)  # noqa: S603 - the command is curl
    return done.returncode, done.stdout


def imitate_curl(port, *options):
    """The same with Python's own client, for machines without curl."""
    body = options[options.index("--data") + 1].encode() if "--data" in options else None
    method = options[options.index("--request") + 1] if "--request" in options else "POST" if body else "GET"
    headers = {"Authorization": f"Basic {CREDENTIALS}"} | ({"Content-Type": "application/json"} if body else {})
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        try:
            connection.request(method, options[-1].removeprefix("SERVER"), body, headers)
            return 0, connection.getresponse().read()
        except http.client.RemoteDisconnected:
            return 52, b""
        except http.client.IncompleteRead as error:
            return 18, error.partial
        except ConnectionResetError:
            return 56, b""


CURLS = [imitate_curl, *([run_curl] if shutil.which("curl") else [])]


@pytest.mark.parametrize("program", CURLS)
def test_with_curl(server, program):
    """Everything works with curl: a fault, its effect on another request, the clock, and a reset."""
    curl = partial(program, server.port)
    data = ("--header", "Content-Type: application/json", "--data")
    assert curl("--request", "DELETE", "SERVER/simulator/faults") == (0, b'{"faults":[]}')
    code, added = curl(*data, '{"fault": "close", "kind": "list", "times": 1}', "SERVER/simulator/faults")
    assert (code, json.loads(added)["faults"][0]["text"]) == (0, "close kind=list times=1")
    assert curl("SERVER/jobs") == (52, b"")  # "nothing was returned from the server"
    assert curl("SERVER/jobs")[0] == 0
    curl(*data, '{"rules": "reset kind=list times=1; truncate 0.5 kind=query"}', "SERVER/simulator/faults")
    assert curl("SERVER/jobs") == (56, b"")  # "failure in receiving network data"
    assert curl(*data, '{"job_ids": []}', "SERVER/jobs/query")[0] == 18  # "only a part of the file was transferred"
    _, started = curl(*data, '{"simulate": {"duration": 5400, "outcome": "completed"}}', "SERVER/start")
    curl(*data, '{"advance": 5400}', "SERVER/simulator/clock")
    _, told = curl("SERVER/status/" + json.loads(started)["job_id"])
    assert json.loads(told)["status"] == "completed"
    assert curl("--request", "POST", "SERVER/simulator/incidents/lost_start")[0] == 0
    assert curl("--request", "POST", "SERVER/start")[0] == 52
    assert json.loads(curl("SERVER/simulator/report")[1])
    assert curl("--request", "POST", "SERVER/simulator/reset") == (0, b'{"jobs_deleted":0}')
