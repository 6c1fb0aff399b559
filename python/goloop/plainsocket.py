"""Which sockets the engine may serve."""

from __future__ import annotations

import socket
from _socket import socket as _CSocket
from typing import Any

INTERNET = (socket.AF_INET, socket.AF_INET6)
_OWN_METHODS = (
    "accept",
    "connect",
    "connect_ex",
    "recv",
    "recv_into",
    "recvfrom",
    "send",
    "sendto",
    "shutdown",
    "fileno",
)


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


def family_and_type(sock: Any) -> tuple[int, int]:
    """``sock.family`` and ``sock.type`` as plain numbers, without the enumerations that the properties look up."""
    if type(sock) is socket.socket:
        return _CSocket.family.__get__(sock), _CSocket.type.__get__(sock)
    return sock.family, sock.type
