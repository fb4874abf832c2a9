"""One job, no ids: the client waits for the job that was started last, and the log tells what it does.

Start a server (README.md says how), then:

    python3 examples/one_job.py
"""

import logging
import os

from translation_client import TranslationStatusClient

logging.basicConfig(level=logging.INFO, format="%(message)s")

client = TranslationStatusClient(
    os.environ.get("BASE_URL", "http://127.0.0.1:8000"),
    os.environ.get("API_USERNAME", "admin"),
    os.environ.get("API_PASSWORD", "secretpassword"),
    max_polls=10,
    backoff_factor=2,  # for servers that give no help; this one holds the request until the job ends
    timeout=30,
)

client.start_job()
print("The latest job is", client.get_status())
try:
    print("It ended as", client.wait_for_completion())
except TimeoutError as error:  # WaitTimeoutError is one
    print("Too slow:", error)
