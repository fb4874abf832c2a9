"""Credentials, what a wrong one looks like, and a log file of the client beside the one of the server.

Start a server (README.md says how); it logs to server/logs/server.log. Then:

    API_USERNAME=admin API_PASSWORD=secretpassword python3 examples/authenticated.py
"""

import logging
import os

from translation_client import AuthenticationError, TranslationStatusClient

URL = os.environ.get("BASE_URL", "http://127.0.0.1:8000")
LOG = os.environ.get("CLIENT_LOG", "client.log")
os.environ.setdefault("API_USERNAME", "admin")
os.environ.setdefault("API_PASSWORD", "secretpassword")

file = logging.FileHandler(LOG, encoding="utf-8")
file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
logging.getLogger("translation_client").addHandler(file)
logging.getLogger("translation_client").setLevel(logging.INFO)

try:
    TranslationStatusClient(URL, "admin", "a guess").start_job()
except AuthenticationError as error:
    print("With a wrong password:", error)

with TranslationStatusClient(URL) as client:  # takes API_USERNAME and API_PASSWORD from the environment
    job = client.wait(client.start_job(metadata={"title": "Holiday"}))
    print(f"With the right one: {job.metadata['title']} ended as {job.status} after {job.elapsed_time:.1f} s")

print(f"What the client did is in {LOG}; no password is.")
