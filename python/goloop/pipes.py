"""Pipes: the ends of FIFOs, character devices such as terminals, sockets that are used as such."""

from __future__ import annotations

import asyncio
import os
import stat
from asyncio.futures import _set_result_unless_cancelled  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any

from . import _core

if TYPE_CHECKING:
    from ._base import LoopBase as _Base
else:
    _Base = object


class Pipes(_Base):
    """The transport hooks of ``connect_read_pipe``, ``connect_write_pipe`` and of subprocesses."""

    def _make_read_pipe_transport(
        self,
        pipe: Any,
        protocol: asyncio.BaseProtocol,
        waiter: asyncio.Future[None] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> _core.ReadPipeTransport:
        transport: _core.ReadPipeTransport = self._make_pipe_transport(
            pipe, protocol, extra, False, "Pipe transport is for pipes/sockets only."
        )
        self.call_soon(transport._start_reading)
        if waiter is not None:
            self.call_soon(_set_result_unless_cancelled, waiter, None)
        return transport

    def _make_write_pipe_transport(
        self,
        pipe: Any,
        protocol: asyncio.BaseProtocol,
        waiter: asyncio.Future[None] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> _core.WritePipeTransport:
        transport: _core.WritePipeTransport = self._make_pipe_transport(
            pipe, protocol, extra, True, "Pipe transport is only for pipes, sockets and character devices"
        )
        if waiter is not None:
            self.call_soon(_set_result_unless_cancelled, waiter, None)
        return transport

    def _make_pipe_transport(
        self,
        pipe: Any,
        protocol: asyncio.BaseProtocol,
        extra: dict[str, Any] | None,
        writing: bool,
        refusal: str,
    ) -> Any:
        """A transport around ``pipe``, whose ``connection_made`` is scheduled.

        Raises:
            ValueError: ``pipe`` is a regular file or a directory; ``refusal`` says so.
            OSError: it has no open descriptor.
        """
        fd = pipe.fileno()
        mode = os.fstat(fd).st_mode
        device = stat.S_ISCHR(mode)
        if not (device or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
            raise ValueError(refusal)
        os.set_blocking(fd, False)
        info: dict[str, Any] = {**(extra or {}), "pipe": pipe}
        transport = _core.connected_pipe(self, pipe, fd, protocol, info, writing, device)
        self.call_soon(protocol.connection_made, transport, context=transport._context)
        return transport
