# mypy: disable-error-code="import-not-found"
"""Vertex AI, asynchronous client: a video of Veo, polled as its guide does."""

from __future__ import annotations

import asyncio

from google import genai
from outcome import Outcome, report


async def main(base_url: str, key: str, directive: str, _action: str) -> Outcome:
    """Start one job, and wait until it has ended; it cannot be cancelled."""
    client = genai.Client(vertexai=True, api_key=key, http_options={"base_url": base_url}).aio
    operation = await client.models.generate_videos(model="veo-3.1-generate-001", source={"prompt": directive})
    while not operation.done:
        await asyncio.sleep(0.2)
        operation = await client.operations.get(operation)
    if operation.error:
        return Outcome("error", None, operation.error)
    video = operation.response.generated_videos[0].video
    return Outcome("done", video.uri)


if __name__ == "__main__":
    report(main)
