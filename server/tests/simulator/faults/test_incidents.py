"""The first faults: from the environment, or by the name of an incident; and what tests import."""

import logging

import pytest
from server.tests.configuration import load
from server.tests.wire import exchange, serving

import translation_server.faults as faults_door
from translation_server import incidents
from translation_server.app import create_app
from translation_server.simulator.configured import simulator_of
from translation_server.simulator.faults.fields import RuleError
from translation_server.simulator.faults.incidents import rules_in
from translation_server.simulator.faults.model import FAULTS
from translation_server.simulator.faults.rules import parse_rules
from translation_server.simulator.simulator import Simulator

GET = b"GET /jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Basic YWRtaW46cGFzcw==\r\n\r\n"


def test_a_plain_server_is_no_simulator():
    """Unless it is asked for, nothing is recorded, no fault is injected, and no warning is logged."""
    settings = load()
    assert simulator_of(settings) is None
    assert settings.test_instruments == []


def test_faults_from_the_environment(caplog):
    """The rules in FAULTS are active from the start, with the seed of the jobs, and the log has a warning."""
    simulator = simulator_of(load(FAULTS="503 rate=0.1; incident lost_start", RANDOM_SEED="7"))
    assert [str(one.rule) for one in simulator.faults.list()] == [
        "status code=503 rate=0.1",
        "lost_answer instead=close times=1",
    ]
    assert simulator.seed == 7
    assert caplog.messages == ["requests fail on purpose: FAULTS is 503 rate=0.1; incident lost_start"]


def test_control_api_from_the_environment(caplog):
    """The control API alone makes a simulator without faults, and the log has a warning."""
    assert simulator_of(load(CONTROL_API="on")).faults.list() == ()
    assert caplog.messages[0].startswith("CONTROL_API is on: every user may")


def test_what_is_for_one_process():
    """Each variable whose state would differ between processes is named."""
    settings = load(CONTROL_API="on", FAULTS="reset", CLOCK_SPEED="60")
    assert settings.test_instruments == ["CLOCK_SPEED", "CONTROL_API", "FAULTS"]


def test_a_server_from_the_environment(caplog):
    """The application made from the settings alone injects the faults and logs each."""
    caplog.set_level(logging.INFO, "translation_server.simulator")
    app = create_app(load(FAULTS="418 times=1", DATABASE_URL="sqlite:///:memory:"))
    with serving(app) as port:
        assert [exchange(port, GET).status for _ in range(2)] == [418, 200]
    assert "fault status code=418 times=1 struck list #1 of user admin" in caplog.messages


@pytest.mark.parametrize("name", incidents.ALL)
def test_an_incident(name):
    """Each incident is documented, begins by its name, and can be written as text."""
    incident = incidents.incident_named(name)
    assert str(incident) == name
    assert incident.happens.endswith(".")
    assert incident.teaches.endswith(".")
    assert Simulator(incident=name).faults.first == incident.rules == rules_in(f"incident {name}")
    assert parse_rules("; ".join(map(str, incident.rules))) == incident.rules
    assert f"| `{name}` | {incident.happens} | {incident.teaches} |" in incidents.table().splitlines()


@pytest.mark.parametrize("wrong", ["flood", "", None, 5])
def test_no_such_incident(wrong):
    """A misspelt incident is refused, and the message lists them all."""
    with pytest.raises(RuleError, match=r"incident: is .*: allowed is one of lost_start, "):
        incidents.incident_named(wrong)
    with pytest.raises(RuleError, match=r"incident: is .*: allowed is one of lost_start, "):
        Simulator().begin(wrong if wrong is not None else "none")


def test_incidents_can_be_begun_and_reset():
    """An incident can begin on a running server, and a reset ends it."""
    simulator = Simulator(faults=["reset"])
    begun = simulator.begin(incidents.LIBRARY["deploy_502"])
    assert [one.number for one in begun] == [2, 3]
    simulator.reset()
    assert [str(one.rule) for one in simulator.faults.list()] == ["reset"]


def test_the_line_that_replays():
    """It has the seed, even if none was given, and the first faults."""
    line = Simulator(faults=["503 times=1"]).replay_line(completion_time=5.0)
    seed = line.partition("seed=")[2].partition(",")[0]
    assert line == f"TranslationServer(completion_time=5.0, seed={seed}, faults=['status code=503 times=1'])"
    assert Simulator(seed=4, incident="restart").replay_line(incident="restart") == (
        "TranslationServer(incident='restart', seed=4)"
    )


def test_all_faults_can_be_imported():
    """The module that tests import from has every fault."""
    assert {kind.__name__ for kind in FAULTS.values()} == set(faults_door.__all__) - {"Fault", "Rule", "RuleError"}
