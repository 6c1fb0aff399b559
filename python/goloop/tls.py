"""TLS: the standard library's ``asyncio.sslproto``, with what runs once per message in C."""

from __future__ import annotations

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

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.max_size = (
                0  # of the buffer that is made now; get_buffer makes a larger one where it is used
            )
            super().__init__(*args, **kwargs)
            del self.max_size

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

        def _get_app_transport(self) -> Any:
            if self._app_transport is None and not self._app_transport_created:
                self._app_transport = SSLTransport(self._loop, self)
                self._app_transport_created = True
            return super()._get_app_transport()

elif not TYPE_CHECKING:  # before Python 3.11 sslproto is another one; and there may be no ssl
    SSLProtocol = sslproto.SSLProtocol


def with_our_protocol(method: Any) -> Any:
    """``method`` of asyncio's loop, for which ``sslproto.SSLProtocol`` is ours."""
    known = {**method.__globals__, "sslproto": types.SimpleNamespace(SSLProtocol=SSLProtocol)}
    ours = types.FunctionType(
        method.__code__, known, method.__name__, method.__defaults__, method.__closure__
    )
    ours.__kwdefaults__ = method.__kwdefaults__
    return functools.update_wrapper(ours, method)


class TLS:
    """``start_tls``."""

    start_tls = with_our_protocol(base_events.BaseEventLoop.start_tls)
