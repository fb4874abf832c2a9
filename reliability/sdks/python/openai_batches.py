# mypy: disable-error-code="import-not-found"
"""OpenAI: a batch, polled as its guide does."""

from __future__ import annotations

import time

from openai import OpenAI
from outcome import Outcome, report


def main(base_url: str, key: str, directive: str, action: str) -> Outcome:
    """Start one job, and wait until it has ended or cancel it."""
    client = OpenAI(api_key=key, base_url=f"{base_url}/v1")
    file = client.files.create(file=("requests.jsonl", b"{}\n"), purpose="batch")
    batch = client.batches.create(
        input_file_id=file.id, endpoint="/v1/responses", completion_window="24h", metadata={"title": directive}
    )
    if action == "cancel":
        client.batches.cancel(batch.id)
        batch = client.batches.retrieve(batch.id)
    while action == "wait" and batch.status in {"validating", "in_progress", "finalizing"}:
        time.sleep(0.2)
        batch = client.batches.retrieve(batch.id)
    result = client.files.content(batch.output_file_id).text if batch.output_file_id else None
    return Outcome(batch.status, result, batch.errors and batch.errors.data[0].message)


if __name__ == "__main__":
    report(main)
