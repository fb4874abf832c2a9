"""The report card of real clients, and whether two runs give the same trace."""

import importlib.util
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from translation_server import TranslationServer

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
PATIENCE = 20.0
CLIENTS = 50


def example(name):
    """The example as a module."""
    spec = importlib.util.spec_from_file_location(f"example_{Path(name).stem}", EXAMPLES / name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def shown(module):
    """Return what its docstring says it prints: the indented lines after the last colon."""
    text = module.__doc__.rpartition("rints")[2].partition("\n\n")[2]
    return "".join(f"{line[4:]}\n" for line in text.rstrip().splitlines())


def without_real_time(text):
    """Replace the pause of a repetition, which takes the machine a moment, by zero."""
    return re.sub(r"0\.\d\d s later", "0.00 s later", text)


def eventually(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.005)


@pytest.mark.parametrize(
    ("name", "check", "words"),
    [
        ("caught/sleep_loop.py", "assert_polite", "asked for"),
        (
            "caught/urllib3_retry.py",
            "assert_no_double_charges",
            "job 2: start #1 repeats job 1's, whose answer was lost",
        ),
        ("caught/tenacity_backoff.py", "assert_polite", "which asked for 20 s (Retry-After: 20)"),
    ],
)
def test_an_ordinary_way_of_polling_is_caught(name, check, words, capsys):
    """The example prints what its docstring shows, and the check fails with the report card's words."""
    module = example(name)
    report = module.main()
    assert without_real_time(capsys.readouterr().out) == without_real_time(shown(module))
    with pytest.raises(AssertionError, match=re.escape(words)):
        getattr(report, check)()


def test_blind_backoff_detects_the_end_late(capsys):
    """It is polite in the end, but at the price of a late detection."""
    report = example("caught/tenacity_backoff.py").main()
    with pytest.raises(AssertionError, match=r"detected \d+\.\d\d s after its end"):
        report.assert_detected_within(10.0)
    assert "detection delay" in capsys.readouterr().out


def test_our_client_has_a_clean_report_card(capsys):
    """The example prints what its docstring shows, apart from the detection delay, which is real time."""
    module = example("polite.py")
    report = module.main()
    said = capsys.readouterr().out
    assert re.sub(r"\d+\.\d{3} s", "0.123 s", said) == re.sub(r"\d+\.\d{3} s", "0.123 s", shown(module))
    report.assert_clean()
    report.assert_max_polls(1)


def run_once():
    """What fifty clients at once go through."""
    faults = ["lost_answer rate=0.3 times=2", "500 rate=0.3 times=3", "reset rate=0.2 times=2 kind=poll"]
    server = TranslationServer(completion_time=(5.0, 25.0), error_rate=0.3, clock="stepped", seed=1, faults=faults)
    with server, server.client(max_delay=0.1, initial_delay=0.1) as client, ThreadPoolExecutor(CLIENTS) as pool:
        waits = [pool.submit(lambda: client.wait(client.start_job())) for _ in range(CLIENTS)]
        eventually(lambda: server.held == CLIENTS)  # others may be under way that are about to fail
        server.clock.advance(30)
        jobs = [wait.result(PATIENCE) for wait in waits]
        assert len({job.job_id for job in jobs}) == CLIENTS
        server.report().assert_clean()
        return server.trace()


def test_two_runs_with_one_seed_are_the_same_byte_for_byte():
    """Fifty clients at once, with lost answers, errors and resets: the same jobs, bad luck and requests."""
    first = run_once()
    assert first == run_once()
    assert first.count("fault: ") > CLIENTS / 2
    assert first.count(", completed, +") + first.count(", error, +") == CLIENTS
