# mypy: disable-error-code="import-not-found"
"""ElevenLabs: a dubbing project with one language, which is polled until it is ready."""

from __future__ import annotations

import time

from elevenlabs import ElevenLabs
from outcome import Outcome, report


def main(base_url: str, key: str, directive: str, action: str) -> Outcome:
    """Start one job, and wait until it has ended or cancel it."""
    client = ElevenLabs(api_key=key, base_url=base_url)
    projects = client.dubbing.project
    project = projects.create(reference=directive, source_url="https://example.com/a.mp4", target_language="es")
    if action == "cancel":
        projects.delete(project.project_id)
        return Outcome(projects.get(project.project_id).status)
    language = projects.language.get(project.project_id, project.language_ids[0])
    while language.status in {"queued", "processing"}:
        time.sleep(0.2)
        language = projects.language.get(project.project_id, project.language_ids[0])
    result = language.outputs and language.outputs.lossless_audio
    return Outcome(language.status, result, language.error and language.error.message)


if __name__ == "__main__":
    report(main)
