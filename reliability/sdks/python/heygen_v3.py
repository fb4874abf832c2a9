# mypy: disable-error-code="import-not-found"
"""HeyGen: a translation, by hand, as there is no SDK."""

from __future__ import annotations

import time

import httpx
from outcome import Outcome, report

URL = "/v3/video-translations"


def main(base_url: str, key: str, directive: str, action: str) -> Outcome:
    """Start one job, and wait until it has ended or cancel it."""
    client = httpx.Client(base_url=base_url, headers={"X-Api-Key": key})
    details = {"video": {"type": "url", "url": "https://example.com/a.mp4"}, "output_languages": ["Spanish (Spain)"]}
    started = client.post(URL, json=details | {"title": directive}).raise_for_status().json()["data"]
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
