"""The socket a server listens on, bound before anything else is done: whoever asks for it learns what is wrong."""

from __future__ import annotations

import os
import socket
from typing import Final

try:
    import resource
except ImportError:  # there are no such limits on Windows
    resource = None  # type: ignore[assignment]

_BACKLOG: Final = 2048
_LAST_PORT: Final = 65_535
_RESERVED_FILES: Final = 64  # for all else the process does


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; what connects from now on is answered once somebody accepts it.

    Args:
        host: An address of this machine, or a name of one.
        port: 0: any free one.

    Raises:
        OSError: It cannot be had; the message says which, and why.
    """
    if not 0 <= port <= _LAST_PORT:
        raise OSError(f"cannot listen on {host}, port {port}: there are ports from 1 to {_LAST_PORT}, and 0 for any")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise OSError(f"cannot listen on {host!r}, port {port!r}: {error}") from error
    try:
        _claim(sock)
        sock.bind(address)
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"cannot listen on {host}, port {port}: {error.strerror}") from None
    return sock


def _claim(sock: socket.socket) -> None:
    """Let a port be used again at once after a server on it has stopped; and by nobody else meanwhile."""
    if os.name == "nt":  # where SO_REUSEADDR would let two servers share a port
        sock.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_EXCLUSIVEADDRUSE"), 1)  # noqa: B009 - elsewhere there is none
    else:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)


def most_connections(wanted: int) -> int:
    """How many connections there can be in a process whose limits are not ours to change."""
    if resource is None:
        return wanted
    usual, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if usual == resource.RLIM_INFINITY else max(1, min(wanted, usual - _RESERVED_FILES))
