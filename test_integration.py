"""The whole system in one run: a real server in its own process, the client, every kind of end a job can have.

    python3 test_integration.py             tells the story, then shows what server and client wrote down
    python3 -m unittest test_integration    the same as a test, which tells the story
    pytest test_integration.py              the same as a test, which tells the story with -s, or if it fails

Needs `pip install -r requirements.txt`; the last one also `pip install pytest`, and no plugin.
"""

import contextlib
import logging
import signal
import sys
import tempfile
import time
import unittest
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

from client import TranslationStatusClient
from server_process import ServerProcess, ServerStartError, orderly_exit
from translation_client import AuthenticationError, Job, JobFailedError, TranslationClientError

Say: TypeAlias = Callable[[str], None]

LOOKS = 4
LOOK_INTERVAL = 0.25
DURATION = 1.5
MIN_DELAY = 1
MAX_DELAY = 2
TIMEOUT = 30.0


class IntegrationTest(unittest.TestCase):
    """The story as a test, for unittest and for pytest."""

    def test_the_whole_system(self) -> None:
        """A user's jobs run from their start to every kind of end, and what the status says on the way is right."""
        folder = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="translation-integration-")))
        try:
            run_the_story(folder, show_chapter)
        except Exception:
            show_logs(folder)  # which are gone with the folder
            raise


def run_the_story(folder: Path, say: Say) -> None:
    """Starts the server, goes through the chapters, and stops the server whatever happens."""
    delays = {"MIN_DELAY": str(MIN_DELAY), "MAX_DELAY": str(MAX_DELAY)}
    with ServerProcess(folder, **delays) as server, client_log(folder):
        say(f"The server is ready at {server.base_url}")
        with TranslationStatusClient(server.base_url, server.username, "not the password") as stranger:
            wrong_credentials_are_refused(stranger, say)
        with TranslationStatusClient(server.base_url, server.username, server.password, timeout=TIMEOUT) as client:
            a_job_completes(client, say)
            a_job_ends_in_error(client, say)
            a_job_is_left_to_its_luck(client, say)
            a_job_is_cancelled(client, say)
            the_list_has_them_all(client, say)
    the_server_is_gone(server, say)


def wrong_credentials_are_refused(stranger: TranslationStatusClient, say: Say) -> None:
    """A wrong password earns a typed error, at once."""
    try:
        stranger.start_job()
    except AuthenticationError as refusal:
        say(f"A wrong password is refused: {refusal}")
    else:
        fail("a wrong password was accepted")


def a_job_completes(client: TranslationStatusClient, say: Say) -> None:
    """A job whose fate is `completed` is pending first, moves on, and ends as completed."""
    job_id = client.start_job(video_length=10, simulate={"duration": DURATION, "outcome": "completed"})
    say(f"Started job {job_id}, which will complete after {DURATION} seconds")
    watch(client, job_id, say)
    seen: list[str] = []
    ended = client.wait(job_id, on_status_change=lambda job: seen.append(job.status))
    check_end(ended, "completed")
    expect(seen == ["pending", "completed"], f"the callback saw {seen}")
    expect(ended.error is None, f"a completed job has an error: {ended.error}")
    expect(ended.progress == 1, f"a completed job's progress is {ended.progress}")
    expect(client.get_job(ended.job_id).elapsed_time == ended.elapsed_time, "elapsed_time moved on after the end")
    say(f"It ended as {ended.status}, {ended.elapsed_time:.3f} s after its start")


def a_job_ends_in_error(client: TranslationStatusClient, say: Say) -> None:
    """A job whose fate is `error` ends in error, says why, and raises only when asked to."""
    job_id = client.start_job(simulate={"duration": DURATION, "outcome": "error"})
    say(f"Started job {job_id}, which will end in error")
    watch(client, job_id, say)
    ended = client.wait(job_id)
    check_end(ended, "error")
    expect(ended.progress < 1, f"a failed job's progress is {ended.progress}")
    try:
        ended.raise_for_error()
    except JobFailedError as failure:
        say(f"It ended as {ended.status}: {failure}")
        expect(bool(failure.code and failure.message), "the error does not say why")
    else:
        fail("raise_for_error() did not raise")


def a_job_is_left_to_its_luck(client: TranslationStatusClient, say: Say) -> None:
    """A job that is not scripted ends one way or the other, within the server's configured delays."""
    job_id = client.start_job()
    status = client.wait_for_completion()
    ended = client.get_job(job_id)
    check_end(ended, status)
    expect(MIN_DELAY <= ended.elapsed_time <= MAX_DELAY, f"it took {ended.elapsed_time} s")
    say(f"Job {job_id} was left to its luck and ended as {status} after {ended.elapsed_time:.3f} s")


def a_job_is_cancelled(client: TranslationStatusClient, say: Say) -> None:
    """A cancelled job ends in error at once, long before its time."""
    cancelled = client.cancel_job(client.start_job(simulate={"duration": 600}))
    check_end(cancelled, "error")
    expect(cancelled.error is not None and cancelled.error.code == "cancelled", f"its error is {cancelled.error}")
    say(f"Job {cancelled.job_id} was cancelled")


def the_list_has_them_all(client: TranslationStatusClient, say: Say) -> None:
    """The user's list holds the four jobs, newest first, all of them at their end."""
    jobs = client.list_jobs()
    statuses = [str(job.status) for job in jobs]
    expect(len(jobs) == 4 and "pending" not in statuses, f"the list says {statuses}")  # noqa: PLR2004 - started above
    expect(statuses[-1] == "completed" and statuses[0] == "error", f"the list's order is {statuses}")
    say(f"The list has all four, newest first: {', '.join(statuses)}")


def the_server_is_gone(server: ServerProcess, say: Say) -> None:
    """Nothing of the server runs any more, and it went in peace."""
    expect(server.pid is None, "the server still runs")
    # uvicorn, done with its shutdown, ends by the signal that asked for it.
    expect(server.exit_status in {0, -signal.SIGTERM}, f"the server ended with status {server.exit_status}")
    say("The server has stopped, and nothing is left of it")


def watch(client: TranslationStatusClient, job_id: str, say: Say) -> None:
    """Looks at a young job a few times: pending, with time and progress moving on."""
    looks: list[Job] = []
    for _ in range(LOOKS):
        looks.append(client.get_job(job_id))
        time.sleep(LOOK_INTERVAL)
    for job in looks:
        say(f"  {job.status}  after {job.elapsed_time:5.3f} s  progress {job.progress:.0%}")
        expect(job.job_id == job_id, f"the answer is about job {job.job_id}")
        expect(job.status == "pending", f"it is {job.status} after {job.elapsed_time} s")
        expect(job.ended_at is None, "a pending job has an end")
    times = [job.elapsed_time for job in looks]
    expect(times == sorted(set(times)), f"elapsed_time did not grow: {times}")
    progress = [job.progress for job in looks]
    expect(progress == sorted(progress) and progress[0] >= 0 and progress[-1] < 1, f"progress went {progress}")


def check_end(job: Job, status: str) -> None:
    """What every ended job has in common."""
    expect(job.status == status, f"it ended as {job.status}, not as {status}")
    expect(job.ended_at is not None and job.created_at is not None, "it does not say when it started and ended")
    expect(job.poll_after is None, "it advises to ask again")


def expect(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - reads like assert, which `python -O` would remove
    """Fails the run, in words, if something does not hold."""
    if not holds:
        fail(otherwise)


def fail(reason: str) -> None:
    """Ends the run as a failed assertion, for pytest and for people."""
    raise AssertionError(reason)


@contextlib.contextmanager
def client_log(folder: Path) -> Iterator[None]:
    """Keeps what the client logs in `client.log`."""
    logger = logging.getLogger("translation_client")
    handler = logging.FileHandler(folder / "client.log", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)
        handler.close()


def main() -> int:
    """Tells the story on the screen, then shows both logs; gives the exit status."""
    folder = Path(tempfile.mkdtemp(prefix="translation-integration-"))
    status = 1
    try:
        with orderly_exit():
            run_the_story(folder, show_chapter)
        status = 0
    except KeyboardInterrupt:
        show("Interrupted.")
        status = 130
    except (AssertionError, TranslationClientError, ServerStartError) as failure:
        show(f"\N{BALLOT X} FAILED: {failure}")
    finally:
        show_logs(folder)
    return status


def show_logs(folder: Path) -> None:
    """Prints every log of the run, and where it is kept."""
    for log in sorted(folder.glob("*.log")):
        show(f"\n--- {log} ---\n{log.read_text('utf-8', 'replace').rstrip()}")


def show_chapter(line: str) -> None:
    """Prints one line of the story; those that are indented are details of the next one."""
    show(line if line.startswith(" ") else f"\N{CHECK MARK} {line}")


def show(text: str) -> None:
    """Prints text on any terminal, also one that knows no ticks."""
    encoding = sys.stdout.encoding or "ascii"
    print(text.encode(encoding, "replace").decode(encoding), flush=True)


if __name__ == "__main__":
    sys.exit(main())
