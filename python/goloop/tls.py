"""TLS: the standard library's ``asyncio.sslproto``, with what runs once per message in C."""

from __future__ import annotations

import types
from asyncio import base_events, sslproto
from typing import TYPE_CHECKING, Any

from . import _core

if TYPE_CHECKING:
    from ._base import LoopBase as _Base
else:
    _Base = object

if hasattr(_core, "SSLProtocol"):

    class SSLTransport(_core.SSLTransport, sslproto._SSLProtocolTransport):
        """What a protocol writes to; ``write`` goes straight to OpenSSL."""

    class SSLProtocol(_core.SSLProtocol, sslproto.SSLProtocol):
        """``asyncio.sslproto.SSLProtocol``: reads and writes of an established connection are in C."""

        def _get_app_transport(self) -> Any:
            if self._app_transport is None and not self._app_transport_created:
                self._app_transport = SSLTransport(self._loop, self)
                self._app_transport_created = True
            return super()._get_app_transport()

else:  # before Python 3.11 sslproto is another one; and there may be no ssl
    SSLProtocol = sslproto.SSLProtocol  # type: ignore[assignment,misc]


class TLS(_Base):
    """``start_tls``: asyncio's own, in whose eyes ``sslproto.SSLProtocol`` is ours."""

    start_tls = types.FunctionType(
        base_events.BaseEventLoop.start_tls.__code__,
        {**vars(base_events), "sslproto": types.SimpleNamespace(SSLProtocol=SSLProtocol)},
        "start_tls",
    )
    start_tls.__kwdefaults__ = base_events.BaseEventLoop.start_tls.__kwdefaults__
    start_tls.__doc__ = base_events.BaseEventLoop.start_tls.__doc__
