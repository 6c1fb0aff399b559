"""Pipes: the ends of FIFOs, character devices such as terminals, sockets that are used as such."""

from __future__ import annotations

import asyncio
import os
import stat
from asyncio.futures import _set_result_unless_cancelled  # type: ignore[attr-defined]
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from . import _core
from .factories import deferring, take_protocol

if TYPE_CHECKING:
    from ._base import LoopBase as _Base
else:
    _Base = object

_Protocol = TypeVar("_Protocol", bound=asyncio.BaseProtocol)


class Pipes(_Base):
    """The transport hooks of ``connect_read_pipe``, ``connect_write_pipe`` and of subprocesses."""

    async def connect_read_pipe(
        self, protocol_factory: Callable[[], _Protocol], pipe: Any
    ) -> tuple[asyncio.ReadTransport, _Protocol]:
        """Read from ``pipe``, an open file, through a transport. A factory that raises closes ``pipe``."""
        return await super().connect_read_pipe(deferring(protocol_factory), pipe)

    async def connect_write_pipe(
        self, protocol_factory: Callable[[], _Protocol], pipe: Any
    ) -> tuple[asyncio.WriteTransport, _Protocol]:
        """Write to ``pipe``, an open file, through a transport. A factory that raises closes ``pipe``."""
        return await super().connect_write_pipe(deferring(protocol_factory), pipe)

    def _make_read_pipe_transport(
        self,
        pipe: Any,
        protocol: asyncio.BaseProtocol,
        waiter: asyncio.Future[None] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> _core._UnixReadPipeTransport:
        transport: _core._UnixReadPipeTransport = self._make_pipe_transport(
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
    ) -> _core._UnixWritePipeTransport:
        transport: _core._UnixWritePipeTransport = self._make_pipe_transport(
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
        take_protocol(protocol, pipe)
        fd = pipe.fileno()
        mode = os.fstat(fd).st_mode
        device = stat.S_ISCHR(mode)
        if not (device or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
            raise ValueError(refusal)
        made = protocol.connection_made
        os.set_blocking(fd, False)
        info: dict[str, Any] = {**(extra or {}), "pipe": pipe}
        transport = self._connected_pipe(pipe, fd, protocol, info, writing, device)
        self.call_soon(made, transport, context=transport._context)
        return transport
