# mypy: disable-error-code="import-not-found"
"""AWS Transcribe: a job with a name of the client's, waited for by boto3's waiter."""

from __future__ import annotations

import uuid

import boto3
from outcome import Outcome, report


def main(base_url: str, key: str, directive: str, action: str) -> Outcome:
    """Start one job, and wait until it has ended or cancel it."""
    client = boto3.client(
        "transcribe",
        endpoint_url=base_url,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=key,
    )
    name = f"job-{uuid.uuid4().hex[:12]}"
    client.start_transcription_job(
        TranscriptionJobName=name,
        LanguageCode="en-US",
        Media={"MediaFileUri": "s3://bucket/a.mp4"},
        Tags=[{"Key": "title", "Value": directive}],
    )
    if action == "cancel":
        client.delete_transcription_job(TranscriptionJobName=name)
    else:
        waiter = client.get_waiter("transcription_job_completed")
        waiter.wait(TranscriptionJobName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    job = client.get_transcription_job(TranscriptionJobName=name)["TranscriptionJob"]
    return Outcome(job["TranscriptionJobStatus"], job.get("Transcript", {}).get("TranscriptFileUri"))


if __name__ == "__main__":
    report(main)
