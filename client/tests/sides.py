"""Both clients behind one interface, so that each promise is written once and kept twice."""

from __future__ import annotations

import asyncio
import inspect
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from itertools import islice

from translation_client import AsyncTranslationStatusClient, TranslationStatusClient

LATE = 0.1 + float(os.environ.get("TEST_LATENESS_ALLOWED", "1.0"))
"""Seconds a wait may outlast its deadline: the promise, and what a busy machine may add to it.

Where nothing else keeps the machine busy, as in the last step of ``run.py prove``, little may be added."""

PATIENCE = 10.0
QUICK = {"initial_delay": 0.02, "max_delay": 0.05, "timeout": 5.0}


class SyncSide:
    """The client that blocks."""

    kind = "sync"
    client_class = TranslationStatusClient

    def __init__(self, *arguments, **keywords):
        self.client = self.client_class(*arguments, **keywords)

    def __getattr__(self, name):
        return getattr(self.client, name)

    def as_completed(self, *arguments, **keywords):
        return list(self.client.as_completed(*arguments, **keywords))

    def first_jobs(self, number):
        """The ids of the first jobs that ``iter_jobs`` gives; the iteration is then left."""
        jobs = self.client.iter_jobs()
        try:
            return [job.job_id for job in islice(jobs, number)]
        finally:
            jobs.close()

    def together(self, calls):
        """Make all calls at once; their results, or what they raised."""
        with ThreadPoolExecutor(len(calls)) as pool:
            futures = [pool.submit(getattr(self.client, name), *rest) for name, *rest in calls]
        return [future.exception() or future.result() for future in futures]

    def enter(self):
        with self.client:
            pass

    def closed_during(self, came, name, *arguments, **keywords):
        """Close the client when the event comes that the call brings about: its outcome, and the seconds it took on."""
        closed = []

        def close():
            assert came.wait(PATIENCE)
            self.client.close()
            closed.append(time.monotonic())

        closing = threading.Thread(target=close)
        closing.start()
        outcome, _ = timed(getattr(self.client, name), *arguments, **keywords)
        ended = time.monotonic()
        closing.join()
        return outcome, ended - closed[0]

    def begin_anew(self):
        """What a child process has to do."""

    def end(self):
        self.client.close()

    def finish(self):
        """Nothing may be left of the calls that are over, before closing the client ends it."""
        self.check_threads()
        self.end()
        self.check_threads()

    @staticmethod
    def check_threads():
        gone_by = time.monotonic() + 2.0
        while left := [thread.name for thread in threading.enumerate() if "translation-client" in thread.name]:
            assert time.monotonic() < gone_by, f"left behind: {left}"
            time.sleep(0.005)


class AsyncSide:
    """The client that awaits, driven by a loop of its own."""

    kind = "async"
    client_class = AsyncTranslationStatusClient

    def __init__(self, *arguments, **keywords):
        self.client = self.client_class(*arguments, **keywords)
        self.runner = asyncio.Runner()
        self.left = None

    def __getattr__(self, name):
        found = getattr(self.client, name)
        if not inspect.iscoroutinefunction(found):
            return found
        return lambda *arguments, **keywords: self.runner.run(found(*arguments, **keywords))

    def as_completed(self, *arguments, **keywords):
        jobs = self.client.as_completed(*arguments, **keywords)

        async def gather():
            return [job async for job in jobs]

        return self.runner.run(gather())

    def first_jobs(self, number):
        """The ids of the first jobs that ``iter_jobs`` gives; the iteration is then left."""

        async def gather():
            ids = []
            async with aclosing(self.client.iter_jobs()) as jobs:
                async for job in jobs:
                    ids.append(job.job_id)
                    if len(ids) == number:
                        break
            return ids

        return self.runner.run(gather())

    def together(self, calls):
        """Make all calls at once; their results, or what they raised."""

        async def gather():
            under_way = (getattr(self.client, name)(*rest) for name, *rest in calls)
            return await asyncio.gather(*under_way, return_exceptions=True)

        return self.runner.run(gather())

    def enter(self):
        async def enter():
            async with self.client:
                pass

        self.runner.run(enter())

    def closed_during(self, came, name, *arguments, **keywords):
        """Close the client when the event comes that the call brings about: its outcome, and the seconds it took on."""

        async def close():
            call = asyncio.create_task(getattr(self.client, name)(*arguments, **keywords))
            assert await asyncio.to_thread(came.wait, PATIENCE)
            await self.client.close()
            closed = time.monotonic()
            [outcome] = await asyncio.gather(call, return_exceptions=True)
            return outcome, time.monotonic() - closed

        return self.runner.run(close())

    def begin_anew(self):
        """What a child process has to do: an event loop is of no use in another process than its own."""
        self.runner = asyncio.Runner()

    def end(self):
        self.runner.run(asyncio.sleep(0))  # for what was cancelled to end
        before = asyncio.all_tasks(self.runner.get_loop())
        # aiohttp lets a resolver go on for other requests, until the connections are closed.
        ours = {task for task in before if "_resolve_host" not in repr(task.get_coro())}
        self.close()
        self.left = ours | asyncio.all_tasks(self.runner.get_loop())
        self.runner.close()

    def finish(self):
        if self.left is None:
            self.end()
        assert not self.left, f"left behind: {self.left}"


def timed(call, *arguments, **keywords):
    """What the call returned or raised, and the seconds it took."""
    began = time.monotonic()
    try:
        outcome = call(*arguments, **keywords)
    except Exception as error:  # noqa: BLE001 - the test looks at it
        outcome = error
    return outcome, time.monotonic() - began
