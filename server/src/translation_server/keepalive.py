"""Lets the kernel find out within half a minute that a client's machine is gone.

By itself it takes a quarter of an hour, or for ever if nothing is being sent. So it is asked to look after 15 seconds
of silence (TCP keep-alive), and not to wait longer for what was sent to arrive.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio

_OPTIONS: Final = tuple(
    (level, getattr(socket, name), value)
    for level, name, value in (
        (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
        (socket.IPPROTO_TCP, "TCP_KEEPIDLE", 15),
        (socket.IPPROTO_TCP, "TCP_KEEPINTVL", 5),
        (socket.IPPROTO_TCP, "TCP_KEEPCNT", 3),
        (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", 30_000),
    )
    if hasattr(socket, name)
)


def set_keepalive(transport: asyncio.BaseTransport) -> None:
    """Set what the system knows of it; nothing on a Unix socket."""
    found = transport.get_extra_info("socket")
    if found is not None and found.family in {socket.AF_INET, socket.AF_INET6}:
        with suppress(OSError):
            for option in _OPTIONS:
                found.setsockopt(*option)
