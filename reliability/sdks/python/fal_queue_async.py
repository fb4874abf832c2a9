# mypy: disable-error-code="import-not-found"
"""fal, asynchronous client: a request in the queue, waited for by its own helper; one constant is set, for http."""

from __future__ import annotations

import fal_client
from outcome import Outcome, report


async def main(base_url: str, key: str, directive: str, action: str) -> Outcome:
    """Start one job, and wait until it has ended or cancel it."""
    fal_client.client.QUEUE_URL_FORMAT = f"{base_url}/"  # to speak http, not https, the one thing set
    client = fal_client.AsyncClient(key=key)
    handle = await client.submit("acme/translate", arguments={"prompt": directive})
    if action == "cancel":
        await handle.cancel()
    result = await handle.get()
    return Outcome(type(await handle.status()).__name__, result["video"]["url"])


if __name__ == "__main__":
    report(main)
