# mypy: disable-error-code="import-not-found"
"""Gemini: a video of Veo, polled as its guide does; google-genai 2, the last that has it."""

from __future__ import annotations

import time

from google import genai
from outcome import Outcome, report


def main(base_url: str, key: str, directive: str, _action: str) -> Outcome:
    """Start one job, and wait until it has ended; it cannot be cancelled."""
    client = genai.Client(api_key=key, http_options={"base_url": base_url})
    operation = client.models.generate_videos(model="veo-3.1-generate-preview", source={"prompt": directive})
    while not operation.done:
        time.sleep(0.2)
        operation = client.operations.get(operation)
    if operation.error:
        return Outcome("error", None, operation.error)
    video = operation.response.generated_videos[0].video
    return Outcome("done", f"{len(client.files.download(file=video))} bytes")


if __name__ == "__main__":
    report(main)
