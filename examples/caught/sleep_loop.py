"""A `while` loop with `sleep(1)`, the first thing everybody writes, and what its report card says.

    python3 examples/caught/sleep_loop.py

It asks every second, although each answer says when it pays to ask again. Here its `sleep` is the server's clock, so a
job of twenty seconds takes none. It prints:

    job    outcome  starts  polls  held  failed  wasted  early  after end  left  detection delay
      1  completed       1     20     0       0      19     18          0     0          0.000 s
    all                  1     20     0       0      19     18          0     0          0.000 s

    What the client did wrong:
      job 1: poll #2 came 1.00 s after the answer to poll #1, which asked for 19.1 s (poll_after: 19.05)
      job 1: poll #3 came 1.00 s after the answer to poll #2, which asked for 18.1 s (poll_after: 18.05)
      job 1: poll #4 came 1.00 s after the answer to poll #3, which asked for 17.1 s (poll_after: 17.05)
      … and 15 more like this
"""

import time
from collections.abc import Callable

import requests

from translation_server import Report, TranslationServer

SECONDS = 10.0  # for one request


def status_of_new_job(base_url: str, auth: tuple[str, str], sleep: Callable[[float], None] = time.sleep) -> str:
    """Start a job and ask until it has ended."""
    job = requests.post(f"{base_url}/start", auth=auth, timeout=SECONDS).json()
    while job["status"] == "pending":
        sleep(1)
        job = requests.get(f"{base_url}/status/{job['job_id']}", auth=auth, timeout=SECONDS).json()
    return str(job["status"])


def main() -> Report:
    """Show the report card of this client."""
    with TranslationServer(completion_time=20.0, clock="stepped") as server:
        status_of_new_job(server.base_url, (server.username, server.password), sleep=server.clock.advance)
        report = server.report()
    print(report)
    return report


if __name__ == "__main__":
    main()
