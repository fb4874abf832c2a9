# mypy: disable-error-code="import-not-found"
"""OpenAI: a video of a compatible gateway, waited for by the SDK's own helper."""

from __future__ import annotations

import warnings

from openai import OpenAI
from outcome import Outcome, report


def main(base_url: str, key: str, directive: str, _action: str) -> Outcome:
    """Start one job, and wait until it has ended; it cannot be cancelled."""
    warnings.simplefilter("ignore", DeprecationWarning)  # OpenAI itself serves videos no longer
    client = OpenAI(api_key=key, base_url=f"{base_url}/v1")
    video = client.videos.create_and_poll(prompt=directive, model="sora-2")
    if video.status != "completed":
        return Outcome(video.status, None, video.error and video.error.message)
    return Outcome(video.status, f"{len(client.videos.download_content(video.id).read())} bytes")


if __name__ == "__main__":
    report(main)
