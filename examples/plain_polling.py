"""Plain polling: a server that gives no help, an interval that grows, and a limit. What each ending looks like.

Start a server, and in another terminal the client:

    python3 examples/plain_server.py
    python3 examples/plain_polling.py
"""

import logging
import os

from translation_client import StartError, StatusUnavailableError, TranslationStatusClient, WaitTimeoutError

PLAIN = os.environ.get("BASE_URL", "http://127.0.0.1:8001")
NOBODY = "http://127.0.0.1:9"
USER = ("anybody", "anything")  # a plain server asks for no credentials

logging.basicConfig(level=logging.INFO, format="    %(message)s")

client = TranslationStatusClient(PLAIN, *USER, max_retries=3, initial_delay=0.2, backoff_factor=2)

print("A job of one second:")
print("->", client.wait_for_completion(client.start_job(video_length=1)))

print("A job that is done at once:")
print("->", client.wait_for_completion(client.start_job(video_length=0.001)))

print("A job that takes longer than the limit:")
slow = client.start_job(video_length=3600)
try:
    client.wait_for_completion(slow, timeout=1)
except WaitTimeoutError as error:
    print("->", error)

print("The same, the limit being the number of polls:")
try:
    TranslationStatusClient(PLAIN, *USER, max_polls=3, initial_delay=0.1).wait_for_completion(slow)
except StatusUnavailableError as error:
    print("->", error)

print("A server that is away from the start:")
away = TranslationStatusClient(NOBODY, *USER, max_retries=2, initial_delay=0.1)
try:
    away.start_job()
except StartError as error:
    print("->", error)
try:
    away.wait_for_completion(slow)
except StatusUnavailableError as error:
    print("->", error)
