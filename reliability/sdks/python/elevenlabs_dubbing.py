# mypy: disable-error-code="import-not-found"
"""ElevenLabs: a dubbing, polled as its quick start does."""

from __future__ import annotations

import time

from elevenlabs import ElevenLabs
from outcome import Outcome, report


def main(base_url: str, key: str, directive: str, action: str) -> Outcome:
    """Start one job, and wait until it has ended or cancel it."""
    client = ElevenLabs(api_key=key, base_url=base_url)
    started = client.dubbing.create(name=directive, source_url="https://example.com/a.mp4", target_lang="es")
    if action == "cancel":
        client.dubbing.delete(started.dubbing_id)
    dubbing = client.dubbing.get(started.dubbing_id)
    while action == "wait" and dubbing.status == "dubbing":
        time.sleep(0.2)
        dubbing = client.dubbing.get(started.dubbing_id)
    if dubbing.status != "dubbed":
        return Outcome(dubbing.status, None, dubbing.error)
    chunks = client.dubbing.audio.get(started.dubbing_id, "es")
    return Outcome(dubbing.status, f"{sum(len(chunk) for chunk in chunks)} bytes")


if __name__ == "__main__":
    report(main)
