"""Threads, processes and signals: right answers to everybody, and whoever must leave leaves at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import traceback

import pytest

from client.tests.scripted import PATIENCE
from client.tests.sides import LATE, QUICK, SyncSide, timed
from client.tests.steps import after, body_drips, job, stalled, stream
from server_process import clean_environment
from translation_client import TranslationStatusClient

OUT_WITHIN = 0.05 + LATE - 0.1
"""Seconds a wait that is told to end may take for it: the promise, and what a busy machine may add to it."""

INTERRUPTED = {"no answer": stalled, "body drips": body_drips, "sleeping": job("pending")}


def test_each_of_many_gets_its_own_answers(client, server):
    """One client, twenty waits at once, each with its own job and all of its polls."""
    server.play(*[job("pending")] * 60, job("completed"))
    ended = client.together([("wait", f"job-{n}") for n in range(20)])
    assert [each.job_id for each in ended] == [f"job-{n}" for n in range(20)]


def test_two_hundred_threads_share_a_client(server, caplog):
    """More threads than pooled connections get their answers as well, and nobody complains."""
    server.play(after(0.5, job("completed")))
    client = SyncSide(server.url, "admin", "pw", **QUICK)
    ended = client.together([("get_job", f"job-{n}") for n in range(200)])
    client.finish()
    assert [each.job_id for each in ended] == [f"job-{n}" for n in range(200)]
    assert caplog.records == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")  # the scripted server is the thread
def test_a_child_process_makes_connections_of_its_own(client, server):
    """After a fork both processes use the same client, and neither sees an answer of the other."""
    assert client.get_job("before").job_id == "before"
    child = os.fork()
    if child == 0:
        client.begin_anew()
        os._exit(_exit_status(client, [f"child-{n}" for n in range(10)]))
    assert _exit_status(client, [f"parent-{n}" for n in range(10)]) == 0
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    by_connection = {}
    for seen in server.seen:
        by_connection.setdefault(seen.connection, set()).add(seen.last_segment.partition("-")[0])
    assert sorted(map(sorted, by_connection.values())) == [["before", "parent"], ["child"]]


def _exit_status(client, job_ids):
    """0 if every job that is asked for is the one that is answered."""
    try:
        return int([client.wait(job_id).job_id for job_id in job_ids] != job_ids)
    except BaseException:  # noqa: BLE001 - the child must not go on as a second test run
        traceback.print_exc()
        return 2


@pytest.fixture
def alarm():
    """Interrupts the main thread after a while, as Ctrl-C does."""
    rung = []

    def ring(*_):
        rung.append(time.monotonic())
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, ring)
    yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds) and None, rung
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("fault", INTERRUPTED.values(), ids=INTERRUPTED)
@pytest.mark.parametrize("method", ["wait", "wait_all"])
def test_an_interrupted_wait_ends_at_once_and_leaves_nothing(server, alarm, fault, method):
    """Ctrl-C ends a wait within 50 ms, whatever it is doing; its connection and its thread end with it."""
    set_alarm, rung = alarm
    server.play(fault)
    server.play(fault, to="queries")
    server.play(stream(then=stalled), to="streams")
    side = SyncSide(server.url, "admin", "pw", initial_delay=20, max_delay=20)
    set_alarm(0.2)
    with pytest.raises(KeyboardInterrupt):
        getattr(side.client, method)("j1" if method == "wait" else ["j1"])
    assert time.monotonic() - rung[0] <= OUT_WITHIN
    side.finish()


@pytest.mark.parametrize("fault", INTERRUPTED.values(), ids=INTERRUPTED)
@pytest.mark.parametrize("method", ["wait", "wait_all"])
def test_a_signal_that_interrupts_no_call_ends_the_wait_as_well(server, alarm, fault, method):
    """The system may hand a signal to another thread, or just before the main thread begins to wait."""
    _, rung = alarm
    sent = []

    def signal_this_thread():
        sent.append(time.monotonic())
        signal.pthread_kill(threading.get_ident(), signal.SIGALRM)

    server.play(fault)
    server.play(fault, to="queries")
    server.play(stream(then=stalled), to="streams")
    side = SyncSide(server.url, "admin", "pw", initial_delay=20, max_delay=20)
    threading.Timer(0.2, signal_this_thread).start()
    with pytest.raises(KeyboardInterrupt):
        getattr(side.client, method)("j1" if method == "wait" else ["j1"])
    assert rung[0] - sent[0] <= OUT_WITHIN
    side.finish()


WAITING = """
import sys
from translation_client import TranslationStatusClient
print("waiting", flush=True)
TranslationStatusClient(sys.argv[1], "admin").wait("j1")
"""
AWAITING = """
import asyncio, sys
from translation_client import AsyncTranslationStatusClient
print("waiting", flush=True)
asyncio.run(AsyncTranslationStatusClient(sys.argv[1], "admin").wait("j1"))
"""


@pytest.mark.parametrize("program", [WAITING, AWAITING], ids=["sync", "async"])
def test_a_program_that_waits_ends_with_ctrl_c(server, program):
    """SIGINT ends a waiting program within a second, with a KeyboardInterrupt and no other noise."""
    server.play(stalled)
    command = [sys.executable, "-X", "dev", "-c", program, server.url]
    path = os.pathsep.join(sys.path)
    environment = clean_environment(measured=False) | {"PYTHONPATH": path, "API_PASSWORD": "canary-secret"}
    with subprocess.Popen(command, stdout=-1, stderr=-1, text=True, env=environment) as waiting:  # noqa: S603 - ours
        until = time.monotonic() + PATIENCE
        while not server.seen and time.monotonic() < until:
            time.sleep(0.01)
        waiting.send_signal(signal.SIGINT)
        (_, errors), seconds = timed(waiting.communicate, timeout=PATIENCE)
    assert errors.count("Traceback") == 1 + errors.count("CancelledError")  # asyncio shows what it cancelled
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert "Exception ignored" not in errors
    assert "Warning" not in errors
    assert "canary-secret" not in errors
    assert seconds < 1.0 + LATE


def test_a_program_may_end_while_a_thread_waits(server):
    """A wait on a daemon thread holds up nobody who wants to leave."""
    server.play(stalled)
    program = (
        "import sys, threading, time; from translation_client import TranslationStatusClient as Client\n"
        "threading.Thread(target=Client(sys.argv[1], 'a', 'b').wait, args=['j1'], daemon=True).start()\n"
        "time.sleep(0.3)"
    )
    path = os.pathsep.join(sys.path)
    environment = {**os.environ, "PYTHONPATH": path}
    command = [sys.executable, "-c", program, server.url]
    done = subprocess.run(command, check=True, capture_output=True, env=environment, timeout=PATIENCE)  # noqa: S603 - ours
    assert done.stderr == b""


def test_there_is_no_credential_in_a_waiting_thread(server):
    """The names of our threads say whose they are, and nothing else."""
    server.play(stalled)
    client = TranslationStatusClient(server.url, "admin", "canary-secret")
    thread = threading.Thread(target=lambda: timed(client.wait, "j1", timeout=0.3))
    thread.start()
    time.sleep(0.1)
    names = [each.name for each in threading.enumerate() if "translation" in each.name]
    thread.join()
    assert names == ["translation-client-exchange"]
