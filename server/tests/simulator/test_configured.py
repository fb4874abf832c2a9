"""The clock and the simulator that the settings ask for."""

import time

import pytest
from server.tests.configuration import CREDENTIALS

from translation_server import cli
from translation_server.app import create_app
from translation_server.config.settings import Settings, SettingsError
from translation_server.service.clock import SystemClock
from translation_server.simulator.clocks import ScaledClock, SteppedClock
from translation_server.simulator.configured import clock_of, monotonic_of, simulator_of


def settings(**changes):
    return Settings(api_username="admin", api_password="secret", **changes)


@pytest.mark.parametrize(
    ("changes", "kind", "speed"),
    [
        ({}, SystemClock, 1.0),
        ({"faults": "503 times=1"}, SystemClock, 1.0),
        ({"clock_speed": 60}, ScaledClock, 60.0),
        ({"control_api": "on"}, ScaledClock, 1.0),
        ({"control_api": "on", "clock_speed": 0}, SteppedClock, 1.0),
    ],
)
def test_the_clock_is_the_machines_unless_the_settings_ask_for_another(changes, kind, speed):
    """It can be moved if there is a way to move it, and runs at the speed in the settings."""
    clock = clock_of(settings(**changes))
    assert type(clock) is kind
    assert clock.speed == speed


def test_rates_are_measured_by_a_movable_clock():
    """Otherwise by the machine's monotonic time."""
    clock = SteppedClock()
    assert monotonic_of(clock) == clock.now
    assert monotonic_of(SystemClock()) is time.monotonic


REFUSED_FAULTS = [
    (";", "FAULTS is ';': allowed is rules such as 503 rate=0.1; reset times=2"),
    (" ; ", "FAULTS is ' ; ': allowed is rules such as 503 rate=0.1; reset times=2"),
    ("reset rate=2", "FAULTS is 'reset rate=2': rate: is '2': allowed is a number from 0 to 1"),
    ("incident flood", "FAULTS is 'incident flood': incident: is 'flood': allowed is one of lost_start, "),
]


@pytest.mark.parametrize(("text", "line"), REFUSED_FAULTS)
def test_wrong_faults_stop_the_start(text, line):
    """The error names the variable, its value, and what is wrong with which part of a rule."""
    with pytest.raises(SettingsError) as caught:
        create_app(settings(faults=text, database_url="sqlite:///:memory:"))
    (found,) = caught.value.problems
    assert found.startswith(line)


@pytest.mark.parametrize(("text", "line"), REFUSED_FAULTS)
def test_check_config_refuses_wrong_faults(text, line, tmp_path, monkeypatch, capsys):
    """The command that checks the configuration says the same, and exits with 2."""
    monkeypatch.chdir(tmp_path)
    for name, value in (CREDENTIALS | {"FAULTS": text}).items():
        monkeypatch.setenv(name, value)
    assert cli.main(["check-config"]) == 2
    assert capsys.readouterr().err.startswith(line)


def test_a_server_is_a_simulator_only_if_the_settings_ask_for_it():
    """Faults or the API to set them make it one, with the seed of the jobs."""
    assert simulator_of(settings(clock_speed=60)) is None
    clock = SteppedClock()
    for changes in ({"faults": "503 times=1"}, {"control_api": "on"}):
        made = simulator_of(settings(random_seed=7, **changes), clock)
        assert (made.clock, made.seed) == (clock, 7)
