"""What ``get_extra_info`` of a socket's transport tells: found when somebody asks for the first time, for few do."""

from __future__ import annotations

import os
import socket
import sys
from _socket import inet_ntop
from asyncio.trsock import TransportSocket
from typing import TYPE_CHECKING, Any

from . import standard

# A dict: a set would take another set for its frozen twin, and find it not.
_OWN = dict.fromkeys(("socket", "sockname", "peername"))
_FAMILY = slice(0, 2) if sys.platform == "linux" else slice(1, 2)  # of a sockaddr


def address_of(raw: bytes) -> Any:
    """A sockaddr as ``getpeername`` gives it; None for a family that is not known."""
    family, port = int.from_bytes(raw[_FAMILY], sys.byteorder), int.from_bytes(raw[2:4], "big")
    if family == socket.AF_INET:
        return inet_ntop(family, raw[4:8]), port
    if family == socket.AF_INET6:
        flow, scope = int.from_bytes(raw[4:8], "big"), int.from_bytes(raw[24:28], sys.byteorder)
        return inet_ntop(family, raw[8:24]), port, flow, scope
    if family != socket.AF_UNIX:
        return None
    is_abstract = raw[2:3] == b"\0"
    return raw[2:] if is_abstract else os.fsdecode(raw[2:].partition(b"\0")[0])


class Extra:
    """``_extra`` is filled when somebody asks, unless it was given; a signal or a thread may come in between."""

    __slots__ = ()

    if TYPE_CHECKING:
        _known: dict[Any, Any] | None
        _extra_parts: Any
        _keep_extra: Any
        _file: socket.socket | None
        _keep_file: Any
        _sock_fd: int

    def get_extra_info(self, name: Any, default: Any = None) -> Any:
        """'socket', 'sockname', 'peername'."""
        extra = self._known
        if extra is None:
            if name not in _OWN:
                return default  # as to 'sslcontext', for which each of asyncio's streams asks
            sockname, own, peer = self._extra_parts()[:3]
            if sockname is None:
                sockname = address_of(own)
            extra = self._keep_extra({"sockname": sockname, "peername": address_of(peer)})
        if name == "socket" and "socket" not in extra:
            sock = self._sock
            if sock is None:
                sock = self._former_socket()
            if sock is not None:
                return extra.setdefault("socket", TransportSocket(sock))
        return extra.get(name, default)

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
            sock.__init__(*self._extra_parts()[4:], self._sock_fd)
            sock.setblocking(False)  # its own idea of the timeout: dup() gives the copy's to the descriptor
            self._keep_file(sock)  # unless there is one
        finally:
            if self._file is not sock:
                sock.detach()

    def _former_socket(self) -> Any:
        """Of a descriptor that is gone: the one that owned it, or one that is closed, or None where the system has none to give."""
        former, *kind = self._extra_parts()[3:]
        if former is not None:
            return former
        try:
            former = standard.imports["socket"](*kind)
        except OSError:
            return None
        former.close()
        return former
