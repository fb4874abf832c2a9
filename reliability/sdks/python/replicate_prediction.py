# mypy: disable-error-code="import-not-found"
"""Replicate: a prediction, waited for by the SDK's own helper."""

from __future__ import annotations

from outcome import Outcome, report
from replicate import Client

VERSION = "5" * 64


def main(base_url: str, key: str, directive: str, action: str) -> Outcome:
    """Start one job, and wait until it has ended or cancel it."""
    client = Client(api_token=key, base_url=base_url)
    prediction = client.predictions.create(version=VERSION, input={"prompt": directive})
    if action == "cancel":
        prediction.cancel()
        prediction.reload()
    else:
        prediction.wait()
    return Outcome(prediction.status, prediction.output, prediction.error)


if __name__ == "__main__":
    report(main)
