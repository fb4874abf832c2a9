# mypy: disable-error-code="import-not-found"
"""OpenAI: a response in the background, polled as its guide does."""

from __future__ import annotations

import time

from openai import OpenAI
from outcome import Outcome, report


def main(base_url: str, key: str, directive: str, action: str) -> Outcome:
    """Start one job, and wait until it has ended or cancel it."""
    client = OpenAI(api_key=key, base_url=f"{base_url}/v1")
    response = client.responses.create(model="gpt-6-luna", input=directive, background=True)
    if action == "cancel":
        client.responses.cancel(response.id)
        response = client.responses.retrieve(response.id)
    while action == "wait" and response.status in {"queued", "in_progress"}:
        time.sleep(0.2)
        response = client.responses.retrieve(response.id)
    return Outcome(response.status, response.output_text or None, response.error and response.error.message)


if __name__ == "__main__":
    report(main)
