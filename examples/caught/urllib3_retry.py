"""`requests` with urllib3's `Retry`, as found in many answers on the web, and what its report card says.

    python3 examples/caught/urllib3_retry.py

`allowed_methods=None` repeats a POST as well. The first start was accepted, only its answer was lost; the repetition
has no idempotency key, so the service makes, and charges, a second job. It prints:

    job    outcome  starts  polls  held  failed  wasted  early  after end  left  detection delay
      1  completed       1      0     0       0       0      0          0     0     not detected
      2  completed       1      4     0       0       3      2          0     0          0.000 s
    all                  2      4     0       0       3      2          0     0          0.000 s
    jobs that a real API would have charged twice: 1

    What the client did wrong:
      job 2: start #1 repeats job 1's, whose answer was lost, 0.00 s later without an idempotency key: charged twice
      job 2: poll #2 came 5.00 s after the answer to poll #1, which asked for 15.1 s (poll_after: 15.05)
      job 2: poll #3 came 5.00 s after the answer to poll #2, which asked for 10.1 s (poll_after: 10.05)
"""

import time
from collections.abc import Callable

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from translation_server import Report, TranslationServer

SECONDS = 10.0  # for one request


def status_of_new_job(base_url: str, auth: tuple[str, str], sleep: Callable[[float], None] = time.sleep) -> str:
    """Start a job and ask until it has ended, each time through a session that repeats what failed."""
    retry = Retry(total=5, backoff_factor=0.1, status_forcelist=[429, 500, 502, 503, 504], allowed_methods=None)
    with requests.Session() as session:
        session.mount("http://", HTTPAdapter(max_retries=retry))
        session.auth = auth
        job = session.post(f"{base_url}/start", timeout=SECONDS).json()
        while job["status"] == "pending":
            sleep(5)
            job = session.get(f"{base_url}/status/{job['job_id']}", timeout=SECONDS).json()
        return str(job["status"])


def main() -> Report:
    """Show the report card of this client when the answer to its start is lost."""
    faults = ["lost_answer times=1 per=server"]
    with TranslationServer(completion_time=20.0, clock="stepped", faults=faults) as server:
        status_of_new_job(server.base_url, (server.username, server.password), sleep=server.clock.advance)
        report = server.report()
    print(report)
    return report


if __name__ == "__main__":
    main()
