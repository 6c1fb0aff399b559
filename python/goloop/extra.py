"""What ``get_extra_info`` of a socket's transport tells: found when somebody asks for the first time, for few do."""

from __future__ import annotations

import socket
from asyncio.trsock import TransportSocket
from typing import TYPE_CHECKING, Any

from . import standard


class Extra:
    """The extension asks it for what ``_extra`` has not yet."""

    __slots__ = ()

    if TYPE_CHECKING:
        _extra: dict[Any, Any]
        _sock: socket.socket | None  # made of the descriptor, while there is one
        _extra_parts: Any

    def _find_extra(self, name: object) -> dict[Any, Any]:
        """What there is to add to ``_extra``. The extension adds it as a whole: a signal or a thread may come in between."""
        found: dict[Any, Any] = {}
        if not hasattr(self, "_extra"):
            found["sockname"], found["peername"] = self._extra_parts()[:2]
        if name == "socket":
            sock = self._sock
            if sock is None:
                sock = self._former_socket()
            if sock is not None:
                found["socket"] = TransportSocket(sock)
        return found

    def _former_socket(self) -> Any:
        """Of a descriptor that is gone: the one that owned it, or one that is closed, or None where the system has none to give."""
        _, _, former, *kind = self._extra_parts()
        if former is not None:
            return former
        try:
            former = standard.imports["socket"](*kind)
        except OSError:
            return None
        former.close()
        return former
