"""What listens: the extension reads it by place (``listener.h``)."""

from __future__ import annotations

import contextvars
import socket
from collections.abc import Callable
from typing import Any, NamedTuple


class Listener(NamedTuple):
    """A listening socket, and what its connections are made of."""

    sock: socket.socket
    factory: Callable[[], Any]
    server: Any
    context: contextvars.Context
    sockname: Any  # the address, where every accepted socket has the listener's own; or None
    family: int
    type: int
    proto: int
    attach_takes_transport: bool  # base_events.Server._attach(transport), 3.13
    handshakes: bool  # TLS: goloop.accepting knows its connections until theirs are done

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.sock!r}>"
