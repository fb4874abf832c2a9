"""tenacity with exponential backoff, the careful choice, and what its report card says.

    python3 examples/caught/tenacity_backoff.py

The intervals double blindly: far too short at first, when no job can have ended, and half a minute in the end, so that
the outcome is known long after it was there. And a 429 is repeated by the same rule, whatever its `Retry-After` says.
It prints:

    job    outcome  starts  polls  held  failed  wasted  early  after end  left  detection delay
      1  completed       1      9     0       1       7      6          0     0         26.500 s
    all                  1      9     0       1       7      6          0     0         26.500 s

    What the client did wrong:
      job 1: poll #2 came 0.50 s after the answer to poll #1, which asked for 30 s (poll_after: 65.05)
      job 1: poll #3 came 1.00 s after the answer to poll #2, which asked for 30 s (poll_after: 64.55)
      job 1: poll #4 came 2.00 s after the answer to poll #3, which asked for 20 s (Retry-After: 20)
      … and 3 more like this
"""

import time
from collections.abc import Callable
from typing import Any

import requests
from tenacity import Retrying, retry_if_exception_type, retry_if_result, stop_after_attempt, wait_exponential

from translation_server import Report, TranslationServer

SECONDS = 10.0  # for one request


def status_of_new_job(base_url: str, auth: tuple[str, str], sleep: Callable[[float], None] = time.sleep) -> str:
    """Start a job and ask until it has ended."""
    job_id = requests.post(f"{base_url}/start", auth=auth, timeout=SECONDS).json()["job_id"]

    def ask() -> dict[str, Any]:
        answer = requests.get(f"{base_url}/status/{job_id}", auth=auth, timeout=SECONDS)
        answer.raise_for_status()
        return dict(answer.json())

    asking = Retrying(
        retry=retry_if_result(lambda job: job["status"] == "pending")
        | retry_if_exception_type(requests.RequestException),
        wait=wait_exponential(multiplier=0.5, max=30),
        stop=stop_after_attempt(100),
        sleep=sleep,
    )
    return str(asking(ask)["status"])


def main() -> Report:
    """Show the report card of this client when it is told to slow down."""
    faults = ["429 retry_after=20 kind=poll on_poll=3"]
    with TranslationServer(completion_time=65.0, clock="stepped", faults=faults) as server:
        status_of_new_job(server.base_url, (server.username, server.password), sleep=server.clock.advance)
        report = server.report()
    print(report)
    return report


if __name__ == "__main__":
    main()
