"""The asynchronous client as a context manager, a job with a length, and callbacks for this one wait.

Start a server (README.md says how), then:

    python3 examples/context_manager.py
"""

import asyncio
import os

from translation_client import AsyncTranslationStatusClient, Job


async def show(job: Job) -> None:
    """Called at first sight and whenever the status is new; could be an ordinary function as well."""
    print(f"{job.elapsed_time:5.1f} s  {job.status.value}")


def celebrate(job: Job) -> None:
    """Called once, when the job has ended."""
    reason = f" because of {job.error.code}: {job.error.message}" if job.error else ""
    print(f"The video of {job.video_length:g} s ended as {job.status}{reason}")


async def main() -> None:
    """Start one job and wait for it."""
    async with AsyncTranslationStatusClient(
        os.environ.get("BASE_URL", "http://127.0.0.1:8000"),
        os.environ.get("API_USERNAME", "admin"),
        os.environ.get("API_PASSWORD", "secretpassword"),
    ) as client:
        job_id = await client.start_job(video_length=10)
        await client.wait_for_completion(job_id, on_status_change=show, on_completion=celebrate)


asyncio.run(main())
