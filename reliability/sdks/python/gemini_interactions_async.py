# mypy: disable-error-code="import-not-found"
"""Gemini, asynchronous client: an interaction in the background, polled as its guide does."""

from __future__ import annotations

import asyncio

from google import genai
from outcome import Outcome, report


async def main(base_url: str, key: str, directive: str, action: str) -> Outcome:
    """Start one job, and wait until it has ended or cancel it."""
    client = genai.Client(api_key=key, http_options={"base_url": base_url}).aio
    interaction = await client.interactions.create(model="gemini-omni-flash", input=directive, background=True)
    if action == "cancel":
        await client.interactions.cancel(interaction.id)
        interaction = await client.interactions.get(interaction.id)
    while action == "wait" and interaction.status in {"queued", "in_progress"}:
        await asyncio.sleep(0.2)
        interaction = await client.interactions.get(interaction.id)
    video = interaction.output_video
    reason = interaction.errors[0].message if interaction.errors else None
    return Outcome(interaction.status, video and video.uri, reason)


if __name__ == "__main__":
    report(main)
