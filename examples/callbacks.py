"""asyncio, callbacks and a configuration object, with the server embedded in the same program.

    python3 examples/callbacks.py           on port 8000
    python3 examples/callbacks.py 0         on any port that is free

Nothing else need run. The client is told at first sight and at the end; in between the server holds its request,
so the configuration matters only for servers that give no help.
"""

import asyncio
import os
import sys

from translation_client import AsyncTranslationStatusClient, Job, PollingConfig
from translation_server import TranslationServer

PORT = int(sys.argv[1]) if len(sys.argv) > 1 else 8000
COMPLETION_TIME = float(os.environ.get("COMPLETION_TIME", "20.0"))


async def on_status_change(job: Job) -> None:
    """May be an ordinary function as well."""
    print(f"{job.status.value} after {job.elapsed_time:.1f} s")


async def main() -> None:
    """Start the server, one job, and wait for it."""
    server = TranslationServer(completion_time=COMPLETION_TIME, error_rate=0.1)
    await server.start(port=PORT)
    config = PollingConfig(initial_delay=1.0, max_delay=8.0, backoff_factor=3.0, timeout=60.0)
    try:
        async with AsyncTranslationStatusClient(
            server.base_url, server.username, server.password, polling=config, on_status_change=on_status_change
        ) as client:
            status = await client.wait_for_completion(await client.start_job())
            print(f"The job ended as {status}.")
    finally:
        await server.stop()


asyncio.run(main())
