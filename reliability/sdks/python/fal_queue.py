# mypy: disable-error-code="import-not-found"
"""fal: a request in the queue, waited for by the SDK's own helper; one constant is set, for http."""

from __future__ import annotations

import fal_client
from outcome import Outcome, report


def main(base_url: str, key: str, directive: str, action: str) -> Outcome:
    """Start one job, and wait until it has ended or cancel it."""
    fal_client.client.QUEUE_URL_FORMAT = f"{base_url}/"  # to speak http, not https, the one thing set
    client = fal_client.SyncClient(key=key)
    handle = client.submit("acme/translate", arguments={"prompt": directive})
    if action == "cancel":
        handle.cancel()
    result = handle.get()
    return Outcome(type(handle.status()).__name__, result["video"]["url"])


if __name__ == "__main__":
    report(main)
