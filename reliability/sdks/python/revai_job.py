# mypy: disable-error-code="import-not-found"
"""Rev.ai: a job, polled as its documentation does."""

from __future__ import annotations

import time

from outcome import Outcome, report
from rev_ai import JobStatus
from rev_ai.apiclient import RevAiAPIClient


def main(base_url: str, key: str, directive: str, action: str) -> Outcome:
    """Start one job, and wait until it has ended or cancel it."""
    client = RevAiAPIClient(key, base_url)
    job = client.submit_job_url("https://example.com/a.mp4", metadata=directive)
    if action == "cancel":
        client.delete_job(job.id)
        job = client.get_job_details(job.id)
    while action == "wait" and job.status == JobStatus.IN_PROGRESS:
        time.sleep(0.2)
        job = client.get_job_details(job.id)
    result = client.get_transcript_text(job.id) if job.status == JobStatus.TRANSCRIBED else None
    return Outcome(job.status.name.lower(), result, job.failure_detail)


if __name__ == "__main__":
    report(main)
