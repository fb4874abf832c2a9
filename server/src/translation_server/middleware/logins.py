"""Logging in: the way of a request whose credentials are not known to be right.

It is slow where passwords are hashed and hard where guesses were made before; a request with credentials that were
right before never comes here. So whoever is in stays in, whatever others try.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import math
import time
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from translation_server.http.problems import ProblemError, login_refused
from translation_server.middleware import credentials
from translation_server.middleware.rate_limit import LoginThrottle

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

_LOGGER: Final = logging.getLogger(__name__)
_AT_ONCE: Final = 2  # checked at the same time; hashing takes a whole core each
_MOST_WAITING: Final = 100


class Users(Protocol):
    """Knows who may come in."""

    def recall(self, authorization: bytes) -> str | None:
        """The user whose name and password the header holds, if that was found out before; takes microseconds."""

    async def check(self, authorization: bytes, given: credentials.Credentials) -> str | None:
        """The user whose name and password these are; remembers the header if they are right.

        It takes the same time for a wrong password as for an unknown user.
        """

    def version_of(self, user: str) -> Hashable:
        """Return what changes with the user's password; None: there is no such user."""


class _Verdict(NamedTuple):
    user: str | None
    wait: float  # seconds until the next guess; 0: the password was looked at


class Logins:
    """Lets users in, and slows down those who guess.

    Args:
        users: who may come in.
        monotonic: seconds of any origin; never goes back.
    """

    def __init__(self, users: Users, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.recall = users.recall
        self._users = users
        self._monotonic = monotonic
        self._throttle = LoginThrottle()
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._under_way: dict[bytes, asyncio.Task[_Verdict]] = {}

    async def log_in(self, authorization: bytes | None, client: tuple[str, int] | None) -> str:
        """Return the user; many requests with the same header at once are one login.

        Raises:
            ProblemError: 401 credentials are missing or wrong; 429 too many wrong ones before, or too many logins.
        """
        if authorization is None:
            raise login_refused("Give a user name and a password (HTTP Basic).")
        given = credentials.read(authorization)
        if given is None:
            raise login_refused()
        verdict = await asyncio.shield(self._task(authorization, given, network(client)))
        if verdict.wait:
            raise _later("There were too many wrong logins; wait before the next.", verdict.wait)
        if verdict.user is None:
            raise login_refused()
        return verdict.user

    def _task(self, authorization: bytes, given: credentials.Credentials, address: str) -> asyncio.Task[_Verdict]:
        task = self._under_way.get(authorization)
        if task is None:
            if len(self._under_way) >= _MOST_WAITING:
                raise _later("Too many users are logging in at this moment.", 1)
            task = asyncio.create_task(self._decide(authorization, given, address))
            self._under_way[authorization] = task
            task.add_done_callback(lambda _: self._under_way.pop(authorization))
        return task

    async def _decide(self, authorization: bytes, given: credentials.Credentials, address: str) -> _Verdict:
        # Those who must wait are told at once; those who waited for their turn are looked at again, as others of the
        # same address may have guessed meanwhile.
        wait = self._throttle.wait(address, given.user, self._monotonic())
        if wait:
            return _Verdict(None, wait)
        async with self._turns:
            wait = self._throttle.wait(address, given.user, self._monotonic())
            user = None if wait else await self._users.check(authorization, given)
        if user is None and not wait and self._throttle.failed(address, given.user, self._monotonic()):
            _LOGGER.warning("many wrong logins from %s: further ones are slowed down", address)
        return _Verdict(user, wait)


def network(client: tuple[str, int] | None) -> str:
    """Return what stands for one client: an IPv4 address, or the /64 network of an IPv6 one, which one client owns."""
    if client is None:
        return "-"
    try:
        address = ipaddress.ip_address(client[0].partition("%")[0])
    except ValueError:
        return client[0][:64]
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(address.ipv4_mapped or ipaddress.ip_network((address, 64), strict=False))


def _later(detail: str, seconds: float) -> ProblemError:
    return ProblemError(429, detail, headers={"Retry-After": str(math.ceil(seconds))})
