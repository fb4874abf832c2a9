"""Resuming: one process starts the job and ends, another waits for it, with nothing but the id.

Start a server (README.md says how), then:

    python3 examples/resume.py             starts a job and prints its id
    python3 examples/resume.py JOB_ID      waits for it, today or tomorrow, here or on another machine
"""

import os
import sys

from translation_client import JobNotFoundError, TranslationStatusClient

with TranslationStatusClient(
    os.environ.get("BASE_URL", "http://127.0.0.1:8000"),
    os.environ.get("API_USERNAME", "admin"),
    os.environ.get("API_PASSWORD", "secretpassword"),
) as client:
    if len(sys.argv) == 1:
        print(client.start_job())
        sys.exit()
    try:
        job = client.wait(sys.argv[1])
    except JobNotFoundError as error:
        sys.exit(f"{error} Was it started by this user, at this server?")
    print(f"{job.status} after {job.elapsed_time:.1f} s")
