# mypy: disable-error-code="import-not-found"
"""ElevenLabs, asynchronous client: a dubbing, polled as its quick start does."""

from __future__ import annotations

import asyncio

from elevenlabs import AsyncElevenLabs
from outcome import Outcome, report


async def main(base_url: str, key: str, directive: str, action: str) -> Outcome:
    """Start one job, and wait until it has ended or cancel it."""
    client = AsyncElevenLabs(api_key=key, base_url=base_url)
    started = await client.dubbing.create(name=directive, source_url="https://example.com/a.mp4", target_lang="es")
    if action == "cancel":
        await client.dubbing.delete(started.dubbing_id)
    dubbing = await client.dubbing.get(started.dubbing_id)
    while action == "wait" and dubbing.status == "dubbing":
        await asyncio.sleep(0.2)
        dubbing = await client.dubbing.get(started.dubbing_id)
    if dubbing.status != "dubbed":
        return Outcome(dubbing.status, None, dubbing.error)
    chunks = [chunk async for chunk in client.dubbing.audio.get(started.dubbing_id, "es")]
    return Outcome(dubbing.status, f"{sum(len(chunk) for chunk in chunks)} bytes")


if __name__ == "__main__":
    report(main)
