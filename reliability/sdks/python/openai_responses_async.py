# mypy: disable-error-code="import-not-found"
"""OpenAI, asynchronous client: a response in the background, polled as its guide does."""

from __future__ import annotations

import asyncio

from openai import AsyncOpenAI
from outcome import Outcome, report


async def main(base_url: str, key: str, directive: str, action: str) -> Outcome:
    """Start one job, and wait until it has ended or cancel it."""
    client = AsyncOpenAI(api_key=key, base_url=f"{base_url}/v1")
    response = await client.responses.create(model="gpt-6-luna", input=directive, background=True)
    if action == "cancel":
        await client.responses.cancel(response.id)
        response = await client.responses.retrieve(response.id)
    while action == "wait" and response.status in {"queued", "in_progress"}:
        await asyncio.sleep(0.2)
        response = await client.responses.retrieve(response.id)
    return Outcome(response.status, response.output_text or None, response.error and response.error.message)


if __name__ == "__main__":
    report(main)
