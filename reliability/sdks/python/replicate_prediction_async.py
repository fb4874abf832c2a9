# mypy: disable-error-code="import-not-found"
"""Replicate, asynchronous client: a prediction, waited for by the SDK's own helper."""

from __future__ import annotations

from outcome import Outcome, report
from replicate import Client

VERSION = "5" * 64


async def main(base_url: str, key: str, directive: str, action: str) -> Outcome:
    """Start one job, and wait until it has ended or cancel it."""
    client = Client(api_token=key, base_url=base_url)
    prediction = await client.predictions.async_create(version=VERSION, input={"prompt": directive})
    if action == "cancel":
        await prediction.async_cancel()
        await prediction.async_reload()
    else:
        await prediction.async_wait()
    return Outcome(prediction.status, prediction.output, prediction.error)


if __name__ == "__main__":
    report(main)
