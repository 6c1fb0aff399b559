"""Connections between accept(2) and connection_made(), or the end of their TLS handshake.

asyncio has a task for each, which ``asyncio.all_tasks()`` shows; cancelling it closes the connection, and a program
that cancels all tasks before it waits for its servers' end relies on that. The extension makes no task. Instead one
object stands for all such connections of a loop: it is done whenever there are none.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from .tls import SSLProtocol

if TYPE_CHECKING:
    from ._base import LoopBase as _Base
else:
    _Base = object


class Accepting(asyncio.Future[None]):
    """What ``asyncio.all_tasks()`` shows while connections are being accepted; has what is asked of a task."""

    _shown = False

    def done(self) -> bool:
        """Whether no connection is under way."""
        if super().done():
            return True
        loop: Any = self.get_loop()
        if not loop._has_accepting():
            return True
        if not self._shown:  # somebody may wait for it
            self._shown = True
            with contextlib.suppress(RuntimeError):  # closed by its own thread meanwhile
                loop.call_soon_threadsafe(self._settle)
        return False

    def cancel(self, msg: Any = None) -> bool:
        """Close the connections that are under way."""
        if self.done():
            return False
        loop: Any = self.get_loop()
        loop._cancel_accepting()
        super().cancel(msg)
        loop._renew_accepting()
        return True

    def _settle(self) -> None:
        """End it for who waits, once the connections that it has shown are made or closed."""
        if not self._shown or super().done():
            return
        loop: Any = self.get_loop()
        if loop._is_accepting():
            loop.call_soon(self._settle)
        elif not loop._handshakes:
            self.set_result(None)
            loop._renew_accepting()

    @property
    def _fut_waiter(self) -> Accepting:
        return self

    def get_name(self) -> str:
        return "goloop-accepting"

    def set_name(self, value: object) -> None:
        """Its name stays."""

    def get_coro(self) -> None:
        return None

    def get_context(self) -> None:
        return None

    def get_stack(self, *, limit: int | None = None) -> list[Any]:
        return []

    def print_stack(self, *, limit: int | None = None, file: Any = None) -> None:
        """There is none."""

    def cancelling(self) -> int:
        return 0

    def uncancel(self) -> int:
        return 0


class Acceptings(_Base):
    """The loop's side of it."""

    _accepting: Accepting | None = None
    _handshakes: dict[asyncio.Future[None], tuple[Any, asyncio.BaseProtocol]]  # of accepted connections

    def _renew_accepting(self) -> None:
        """Show the connections from now on by a new object."""
        if self._accepting is not None:
            asyncio._unregister_task(self._accepting)  # type: ignore[arg-type]
        self._accepting = Accepting(loop=self)
        asyncio._register_task(self._accepting)  # type: ignore[arg-type]

    def _has_accepting(self) -> bool:
        if self._closed or self._is_inherited():  # from 3.14 on other loops' threads ask, too
            return False
        return bool(self._handshakes) or self._is_accepting()

    def _cancel_accepting(self) -> None:
        for transport, _ in [*self._handshakes.values()]:
            transport.close()
        self._cancel_accepted()

    def _handshake(
        self, protocol: asyncio.BaseProtocol, sslcontext: Any, **timeouts: Any
    ) -> asyncio.BaseProtocol:
        """The TLS side of an accepted connection, under way until its handshake has ended."""
        waiter: asyncio.Future[None] = self.create_future()
        ssl_protocol: Any = SSLProtocol(self, protocol, sslcontext, waiter, True, **timeouts)
        self._handshakes[waiter] = (ssl_protocol._app_transport, protocol)
        waiter.add_done_callback(self._handshake_ended)
        return ssl_protocol  # type: ignore[no-any-return]

    def _handshake_ended(self, waiter: asyncio.Future[None]) -> None:
        transport, protocol = self._handshakes.pop(waiter)
        exception = waiter.exception()
        if exception is not None:
            transport.close()
            if self._debug:
                self.call_exception_handler(
                    {
                        "message": "Error on transport creation for incoming connection",
                        "exception": exception,
                        "protocol": protocol,
                        "transport": transport,
                    }
                )
        if self._accepting is not None:
            self._accepting._settle()

    def _accept_dropped(self, protocol: asyncio.BaseProtocol) -> None:
        """An accepted connection ends, and its protocol is never told of it: called by the extension."""
        if isinstance(protocol, SSLProtocol):
            protocol._app_transport._closed = True  # or it would say that nobody has closed it
            if not self._closed:
                protocol._wakeup_waiter()
