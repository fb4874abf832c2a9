# mypy: disable-error-code="import-not-found"
"""fal: a request in the queue, over TLS; the SDK is as it is."""

from __future__ import annotations

import os

from outcome import Outcome, report


def main(base_url: str, key: str, directive: str, action: str) -> Outcome:
    """Start one job, and wait until it has ended or cancel it."""
    os.environ["FAL_QUEUE_RUN_HOST"] = base_url.removeprefix("https://")  # read when the package is imported
    import fal_client  # noqa: PLC0415

    client = fal_client.SyncClient(key=key)
    handle = client.submit("acme/translate", arguments={"prompt": directive})
    if action == "cancel":
        handle.cancel()
    result = handle.get()
    return Outcome(type(handle.status()).__name__, result["video"]["url"])


if __name__ == "__main__":
    report(main)
