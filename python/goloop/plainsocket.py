"""Which sockets the engine may serve."""

from __future__ import annotations

import socket
from typing import Any

_OWN_METHODS = ("accept", "connect", "recv", "recv_into", "recvfrom", "send", "sendto", "shutdown", "fileno")


def is_plain(sock: Any) -> bool:
    """Whether the engine may do to a socket's descriptor what the socket's own methods do.

    Not so for what only looks like a socket, and for a subclass that has its own ``recv`` or ``connect``, as
    proxies and tests have: asyncio calls these methods, and so its own code serves such a socket, over
    ``add_reader`` and ``add_writer``.
    """
    cls = type(sock)
    return cls is socket.socket or (
        issubclass(cls, socket.socket)
        and all(getattr(cls, name) is getattr(socket.socket, name) for name in _OWN_METHODS)
    )
