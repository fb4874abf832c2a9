# mypy: disable-error-code="import-not-found"
"""Luma, asynchronous client: a video, polled as its quick start does."""

from __future__ import annotations

import asyncio

from lumaai import AsyncLumaAI
from outcome import Outcome, report


async def main(base_url: str, key: str, directive: str, action: str) -> Outcome:
    """Start one job, and wait until it has ended or cancel it."""
    client = AsyncLumaAI(auth_token=key, base_url=f"{base_url}/dream-machine/v1")
    generation = await client.generations.video.create(prompt=directive, model="ray-2")
    if action == "cancel":
        await client.generations.delete(generation.id)
        generation = await client.generations.get(generation.id)
    while action == "wait" and generation.state in {"queued", "dreaming"}:
        await asyncio.sleep(0.2)
        generation = await client.generations.get(generation.id)
    result = generation.assets and generation.assets.video
    return Outcome(generation.state, result, generation.failure_reason)


if __name__ == "__main__":
    report(main)
