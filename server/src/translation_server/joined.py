"""Sends the head of an answer and the body that follows it together: in one system call and one packet."""

from __future__ import annotations

import asyncio


class Joined:
    """Stands in for a transport while one answer is written.

    Its first piece, the head, is kept back until the next one, but no longer than this round of the event loop takes: a
    stream that has nothing to tell yet has begun all the same.

    Args:
        transport: Where it all goes.
    """

    __slots__ = ("_begun", "_head", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""
        self._begun = False

    def write(self, data: bytes) -> None:
        """See `asyncio.WriteTransport`."""
        if not self._begun:
            self._begun = True
            self._head = data
            asyncio.get_running_loop().call_soon(self._flush)
        elif self._head:
            head, self._head = self._head, b""
            self._transport.write(head + data)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """See `asyncio.BaseTransport`."""
        self._flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """See `asyncio.BaseTransport`."""
        return self._transport.is_closing()

    def _flush(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head)
