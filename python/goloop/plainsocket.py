"""Which sockets the engine may serve."""

from __future__ import annotations

import socket
from _socket import socket as CSocket
from collections.abc import Callable
from typing import Any

from . import _core, standard

INTERNET = (socket.AF_INET, socket.AF_INET6)


def is_plain(sock: Any) -> bool:
    """Whether the engine may do to a socket's descriptor what the socket's own methods do.

    Not so for what only looks like a socket, for a subclass that has its own ``recv`` or ``connect``, as proxies and tests
    have, and while a program has replaced such a method of ``socket.socket``, or that class: asyncio calls these methods,
    and so its own code serves such a socket, over ``add_reader`` and ``add_writer``.
    """
    kind = type(sock)
    if kind is _core.Socket:  # which has no attributes of its own
        return _core.are_plain()
    if (
        not issubclass(kind, CSocket)
        or kind.__getattribute__ is not CSocket.__getattribute__
        or hasattr(kind, "__getattr__")
    ):
        return False
    own = getattr(sock, "__dict__", ())
    return all(
        getattr(kind, name, sock) is method and name not in own
        for name, method in zip(standard.plain["names"], standard.plain["methods"])
    )


# accepts_plain(): whether what ``accept`` of a plain socket makes is plain.
accepts_plain: Callable[[], bool] = _core.accepts_plain


def family_and_type(sock: Any) -> tuple[int, int]:
    """``sock.family`` and ``sock.type`` as plain numbers, without the enumerations that the properties look up."""
    if type(sock) is _core.Socket:
        return CSocket.family.__get__(sock), CSocket.type.__get__(sock)
    return sock.family, sock.type
