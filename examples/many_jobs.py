"""Many jobs with progress: each is told as it ends, on one connection, with a handful of requests for all of them.

Start a server (README.md says how), then:

    python3 examples/many_jobs.py          twenty jobs
    python3 examples/many_jobs.py 1000
"""

import os
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from translation_client import TranslationStatusClient, WaitTimeoutError

number = int(sys.argv[1]) if len(sys.argv) > 1 else 20

with TranslationStatusClient(
    os.environ.get("BASE_URL", "http://127.0.0.1:8000"),
    os.environ.get("API_USERNAME", "admin"),
    os.environ.get("API_PASSWORD", "secretpassword"),
) as client:
    with ThreadPoolExecutor(8) as threads:  # a client may be shared by threads
        job_ids = list(threads.map(lambda part: client.start_job(metadata={"part": part}), range(number)))

    ended: Counter[str] = Counter()
    try:
        for job in client.as_completed(job_ids, timeout=60):
            ended[job.status] += 1
            print(
                f"{ended.total():4d}/{number}  part {job.metadata['part']}: {job.status} after {job.elapsed_time:.1f} s"
            )
    except WaitTimeoutError as error:
        print("Not ended yet:", *error.pending)

    print(", ".join(f"{count} {status}" for status, count in ended.items()))
