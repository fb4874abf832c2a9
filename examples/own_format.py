"""A format for an API of your own: the server speaks it, and your code is tried against it without your service.

    python3 examples/own_format.py

It prints, but for the id:

    queued
    rendering
    ready: http://127.0.0.1:…/studio/files/01….mp4
"""

import time

import requests

from translation_server import TranslationServer
from translation_server.formats import BEARER, POLL, START, Format, Jobs, JobView, Problem, Route


def show(clip: JobView) -> dict[str, object]:
    """Return what the API says of a clip."""
    return {"clip": clip.id, "state": clip.word, "url": clip.file("mp4") if clip.completed else None, "why": clip.error}


def start(jobs: Jobs) -> dict[str, object]:
    """Return what the API says of a clip that was ordered."""
    return show(jobs.first)


def refuse(problem: Problem) -> dict[str, object]:
    """Return what the API says instead of an answer."""
    return {"code": problem.status, "reason": problem.detail}


STUDIO = Format(
    name="studio",
    keys=[BEARER],
    words={0: "queued", 0.3: "rendering", "completed": "ready", "error": "broken", "cancelled": "broken"},
    status_at="state",
    routes=[Route("POST", "/clips", START, start, 201), Route("GET", "/clips/{id}", POLL, show)],
    error=refuse,
)


def main() -> list[str]:
    """Order a clip, and ask for it until it is ready; return the states it had."""
    states: list[str] = []
    with TranslationServer(completion_time=1.0, formats=[STUDIO]) as server, requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {server.username}:{server.password}"
        clips = f"{server.base_url}/studio/clips"
        clip = session.post(clips, json={"title": "Holiday"}, timeout=5).json()
        while True:
            if clip["state"] not in states:
                states.append(clip["state"])
                print(f"{clip['state']}: {clip['url']}" if clip["url"] else clip["state"])
            if clip["state"] in {"ready", "broken"}:
                return states
            time.sleep(0.1)
            clip = session.get(f"{clips}/{clip['clip']}", timeout=5).json()


if __name__ == "__main__":
    main()
