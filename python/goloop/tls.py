"""TLS: the standard library's ``asyncio.sslproto``, with what runs once per message in C."""

from __future__ import annotations

import asyncio
import collections
import functools
import types
from asyncio import base_events, sslproto
from typing import TYPE_CHECKING, Any

from . import _core

if hasattr(_core, "SSLProtocol"):

    class SSLTransport(_core.SSLTransport, sslproto._SSLProtocolTransport):
        """What a protocol writes to: ``write`` goes straight to OpenSSL."""

        @property
        def _context(self) -> Any:
            return getattr(self._ssl_protocol, "_context", None)

    class SSLProtocol(_core.SSLProtocol, sslproto.SSLProtocol):
        """``asyncio.sslproto.SSLProtocol``, whose reads and writes of an established connection are in C."""

        _app_protocol_get_buffer: Any

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.max_size = (
                0  # of the buffer that is made now; get_buffer makes a larger one where it is used
            )
            super().__init__(*args, **kwargs)
            del self.max_size

        def _begin_with(self, received: bytes) -> None:
            """What was received before the upgrade is the beginning of the handshake."""
            self._feed(received)

        def _do_shutdown(self) -> None:
            # The transport has ended, and not because we closed it: within a record, which is no end of TLS.
            if self._eof_received and self._is_cut() and not getattr(self._app_transport, "_closed", True):
                self._on_shutdown_complete(cut_off())
            else:
                super()._do_shutdown()

        @property
        def _context(self) -> Any:
            """Of the transport beneath: all callbacks of a connection run in it."""
            return getattr(self._transport, "_context", None)

        def _resume_reading(self) -> None:
            # What waits decrypted is delivered by a callback, in the context that schedules it.
            context = self._context
            if context is None:
                super()._resume_reading()
            else:
                context.copy().run(super()._resume_reading)

        def _do_read__buffered(self) -> None:
            # asyncio's reads into slices of the buffer. Those of a bytearray are copies, which nobody looks at again.
            get_buffer = self._app_protocol_get_buffer

            def get_view(sizehint: int) -> memoryview:
                return memoryview(get_buffer(sizehint))

            self._app_protocol_get_buffer = get_view
            try:
                super()._do_read__buffered()  # type: ignore[misc]
            finally:
                if (
                    self._app_protocol_get_buffer is get_view
                ):  # buffer_updated() may have set another protocol
                    self._app_protocol_get_buffer = get_buffer

        def _write_slowly(self, pieces: Any) -> None:
            # The standard library counts items, and OpenSSL bytes. What is no buffer stays, for its error.
            bytewise: Any = [
                bytes(piece)
                if isinstance(piece, memoryview)
                and not (piece.ndim == 1 and piece.itemsize == 1 and piece.c_contiguous)
                else piece
                for piece in pieces
            ]
            above: Any = super(_core.SSLProtocol, self)
            above._write_appdata(bytewise)

        def _to_backlog(self, data: Any, offset: int) -> None:
            """What of ``data`` OpenSSL has not taken waits to be encrypted."""
            rest = data[offset:] if offset else data
            n = len(rest)
            self._write_backlog.append(rest)
            self._write_buffer_size += n

        def _get_app_transport(self) -> Any:
            if self._app_transport is None and not self._app_transport_created:
                self._app_transport = SSLTransport(self._loop, self)
                self._app_transport_created = True
            return super()._get_app_transport()

elif not TYPE_CHECKING and hasattr(sslproto, "_SSLPipe"):  # before Python 3.11 sslproto is another one

    class _Pipe(sslproto._SSLPipe):
        """What it has decrypted stays in ``left`` until it is taken, one read after the other."""

        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self.left: collections.deque[bytes] = collections.deque()

        def feed_ssldata(self, data: bytes, only_handshake: bool = False) -> tuple[list[bytes], Any]:
            wrapped = self._state != sslproto._SHUTDOWN
            ssldata, appdata = super().feed_ssldata(data, only_handshake)
            if not wrapped or only_handshake:
                return ssldata, appdata
            self.left.extend(appdata)
            return ssldata, iter(self._take())

        def _take(self) -> Any:
            while self.left:
                yield self.left.popleft()

    class SSLProtocol(sslproto.SSLProtocol):
        """``asyncio.sslproto.SSLProtocol``, which knows where a record ends and counts bytes.

        An exit out of the protocol leaves what came behind to the next run.
        """

        _begin = b""
        _record_left = 0
        _head = b""

        def _begin_with(self, received: bytes) -> None:
            self._begin = received

        def connection_made(self, transport: Any) -> None:
            self._transport = transport
            self._sslpipe = _Pipe(self._sslcontext, self._server_side, self._server_hostname)
            self._start_handshake()
            if self._begin:  # once the handshake has begun, which is a callback that is scheduled by now
                self._loop.call_soon(self.data_received, self._begin)

        def connection_lost(self, exc: Exception | None) -> None:
            if self._app_transport is not None:
                self._app_transport._closed = True  # or it would say that nobody has closed it
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            self._count_records(self._head + data if self._head else data)
            try:
                super().data_received(data)
            except (SystemExit, KeyboardInterrupt):
                self._loop.call_soon(self.data_received, b"")
                raise

        def _write_appdata(self, data: Any) -> None:
            super()._write_appdata(bytes(data) if isinstance(data, memoryview) else data)

        def _count_records(self, data: bytes) -> None:
            end = self._record_left
            while len(data) - end >= 5:
                end += 5 + int.from_bytes(data[end + 3 : end + 5], "big")
            self._head = data[end:]
            self._record_left = max(0, end - len(data))

        def eof_received(self) -> None:
            if self._session_established and not self._in_shutdown and (self._head or self._record_left):
                self._transport._force_close(cut_off())
            else:
                super().eof_received()

elif not TYPE_CHECKING:  # there may be no ssl
    SSLProtocol = sslproto.SSLProtocol


def cut_off() -> Exception:
    """What OpenSSL says of an end without a close_notify."""
    ssl: Any = sslproto.ssl  # type: ignore[attr-defined]
    error: Exception = ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "EOF occurred in violation of protocol")
    return error


def take_received(protocol: Any) -> bytes:
    """The bytes that asyncio's streams have received for ``protocol`` and nobody has read."""
    reader: Any = None
    if isinstance(protocol, asyncio.StreamReaderProtocol):
        reader = protocol._stream_reader  # type: ignore[attr-defined]
    if reader is None:
        return b""
    received = bytes(reader._buffer)
    reader._buffer.clear()
    reader._paused = False  # start_tls resumes the transport
    return received


def upgrade(loop: Any, protocol: Any, *args: Any, **options: Any) -> SSLProtocol:
    """The TLS side of a connection that was in the clear.

    What the peer sent before the upgrade and nobody has read belongs to the handshake: a server often receives
    the ClientHello together with the line before it. Left in the reader it would be lost to the handshake and,
    worse, be read later as if it had come encrypted: whoever can write to the connection could put commands before
    those of the peer. OpenSSL refuses what is no handshake.
    """
    ssl_protocol = SSLProtocol(loop, protocol, *args, **options)
    received = take_received(protocol)
    if received:
        ssl_protocol._begin_with(received)
    return ssl_protocol


def with_our_protocol(method: Any) -> Any:
    """``method`` of asyncio's loop, for which ``sslproto.SSLProtocol`` is ``upgrade``."""
    known = {**method.__globals__, "sslproto": types.SimpleNamespace(SSLProtocol=upgrade)}
    ours = types.FunctionType(
        method.__code__, known, method.__name__, method.__defaults__, method.__closure__
    )
    ours.__kwdefaults__ = method.__kwdefaults__
    return functools.update_wrapper(ours, method)


class TLS:
    """``start_tls``."""

    if not TYPE_CHECKING:  # its type is the base's, whose form is another in each Python
        start_tls = with_our_protocol(base_events.BaseEventLoop.start_tls)
