# mypy: disable-error-code="import-not-found"
"""AssemblyAI: a transcript, waited for by the SDK's own helper."""

from __future__ import annotations

import assemblyai
from outcome import Outcome, report


def main(base_url: str, key: str, directive: str, action: str) -> Outcome:
    """Start one job, and wait until it has ended or cancel it."""
    assemblyai.settings.api_key = key
    assemblyai.settings.base_url = base_url
    assemblyai.settings.polling_interval = 0.3
    url = f"https://example.com/a.mp4?x={directive}"
    if action == "cancel":
        deleted = assemblyai.Transcript.delete_by_id(assemblyai.Transcriber().submit(url).id)
        return Outcome(deleted.status.value, deleted.text)
    transcript = assemblyai.Transcriber().transcribe(url)
    return Outcome(transcript.status.value, transcript.text, transcript.error)


if __name__ == "__main__":
    report(main)
