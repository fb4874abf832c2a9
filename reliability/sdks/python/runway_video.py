# mypy: disable-error-code="import-not-found"
"""Runway: a video, waited for by the SDK's own helper."""

from __future__ import annotations

from outcome import Outcome, report
from runwayml import RunwayML


def main(base_url: str, key: str, directive: str, action: str) -> Outcome:
    """Start one job, and wait until it has ended or cancel it."""
    client = RunwayML(api_key=key, base_url=base_url)
    task = client.image_to_video.create(
        model="gen4_turbo",
        prompt_image="https://example.com/a.png",
        prompt_text=directive,
        ratio="1280:720",
        duration=5,
    )
    if action == "cancel":
        client.tasks.delete(task.id)
        return Outcome(client.tasks.retrieve(task.id).status)
    ended = task.wait_for_task_output()
    return Outcome(ended.status, ended.output[0])


if __name__ == "__main__":
    report(main)
