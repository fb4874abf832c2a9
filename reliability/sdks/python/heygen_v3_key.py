# mypy: disable-error-code="import-not-found"
"""HeyGen: a translation, by hand; its start has an idempotency key, and is repeated."""

from __future__ import annotations

import contextlib
import time
import uuid
from typing import TYPE_CHECKING

import httpx
from outcome import Outcome, report

if TYPE_CHECKING:
    from collections.abc import Mapping

URL = "/v3/video-translations"
ATTEMPTS = 3


def start(client: httpx.Client, body: Mapping[str, object]) -> httpx.Response:
    """Start a job, repeating the request with the same key while it is not known whether it arrived."""
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    for _ in range(ATTEMPTS):
        with contextlib.suppress(httpx.TransportError):
            response = client.post(URL, json=body, headers=headers)
            if response.status_code < httpx.codes.INTERNAL_SERVER_ERROR:
                return response
        time.sleep(0.2)
    raise TimeoutError("it is not known whether the job was started")


def main(base_url: str, key: str, directive: str, action: str) -> Outcome:
    """Start one job, and wait until it has ended or cancel it."""
    client = httpx.Client(base_url=base_url, headers={"X-Api-Key": key})
    details = {"video": {"type": "url", "url": "https://example.com/a.mp4"}, "output_languages": ["Spanish (Spain)"]}
    started = start(client, details | {"title": directive}).raise_for_status().json()["data"]
    (job_id,) = started["video_translation_ids"]
    if action == "cancel":
        client.delete(f"{URL}/{job_id}").raise_for_status()
    job = client.get(f"{URL}/{job_id}").raise_for_status().json()["data"]
    while action == "wait" and job["status"] in {"pending", "running"}:
        time.sleep(0.2)
        job = client.get(f"{URL}/{job_id}").raise_for_status().json()["data"]
    return Outcome(job["status"], job["video_url"], job["failure_message"])


if __name__ == "__main__":
    report(main)
