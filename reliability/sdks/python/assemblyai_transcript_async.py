# mypy: disable-error-code="import-not-found"
"""AssemblyAI, asynchronous client: a transcript, waited for by the SDK's own helper."""

from __future__ import annotations

import assemblyai
from outcome import Outcome, report


async def main(base_url: str, key: str, directive: str, action: str) -> Outcome:
    """Start one job, and wait until it has ended or cancel it."""
    assemblyai.settings.api_key = key
    assemblyai.settings.base_url = base_url
    assemblyai.settings.polling_interval = 0.3
    url = f"https://example.com/a.mp4?x={directive}"
    async with assemblyai.AsyncTranscriber() as transcriber:
        if action == "cancel":
            deleted = await transcriber.delete_by_id((await transcriber.submit(url)).id)
            return Outcome(deleted.status.value, deleted.text)
        transcript = await transcriber.transcribe(url)
        return Outcome(transcript.status.value, transcript.text, transcript.error)


if __name__ == "__main__":
    report(main)
