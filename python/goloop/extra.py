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
        _extra_parts: Any
        _file: socket.socket | None
        _keep_file: Any
        _sock_fd: int

    @property
    def _sock(self) -> Any:
        """The socket object: the one it was made of, or one that is made of the descriptor while there is one."""
        if self._file is None and self._sock_fd >= 0:
            self._make_file()
        return self._file

    def _make_file(self) -> None:
        """What a handler of a signal raises meanwhile closes nothing, nor does a second socket that another thread has made."""
        sock = standard.imports["socket"].__new__(standard.imports["socket"])
        try:
            sock.__init__(*self._extra_parts()[3:], self._sock_fd)
            sock.setblocking(False)  # its own idea of the timeout: dup() gives the copy's to the descriptor
            self._keep_file(sock)  # unless there is one
        finally:
            if self._file is not sock:
                sock.detach()

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
