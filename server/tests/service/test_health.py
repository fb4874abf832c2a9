"""Readiness: anybody may ask for it, so an answer costs next to nothing."""

import asyncio

import pytest

from translation_server.service.health import Probe
from translation_server.stores import StoreUnavailableError


class Store:
    """Counts how often it is checked, and answers when it is allowed to."""

    def __init__(self) -> None:
        self.checks = 0
        self.answers = asyncio.Event()
        self.error: Exception | None = None

    async def ping(self) -> None:
        self.checks += 1
        await self.answers.wait()
        if self.error:
            raise self.error


@pytest.fixture
async def store():
    return Store()


async def test_those_who_ask_at_the_same_time_share_one_check(store):
    """However many ask while the store takes its time, it is checked once, and all get the same answer."""
    probe = Probe(store)
    asking = [asyncio.create_task(probe.is_usable()) for _ in range(50)]
    await asyncio.sleep(0)
    asking.pop(0).cancel()
    store.answers.set()
    assert await asyncio.gather(*asking) == [True] * 49
    assert store.checks == 1


@pytest.mark.parametrize("error", [None, StoreUnavailableError()])
async def test_an_answer_holds_for_a_moment(store, error, monkeypatch):
    """Good or bad, it is reused for a second, and then found out again."""
    probe = Probe(store)
    store.error = error
    store.answers.set()
    assert [await probe.is_usable() for _ in range(10)] == [error is None] * 10
    assert store.checks == 1
    store.error = None
    monkeypatch.setattr("translation_server.service.health.KEPT", 0.0)
    assert await probe.is_usable()
    assert store.checks == 2
