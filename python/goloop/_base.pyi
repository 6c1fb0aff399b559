"""For type checkers only: what the parts of Loop find in each other, asyncio's private names included."""

import asyncio
from typing import Any

from . import _core

class LoopBase(_core.Loop, asyncio.SelectorEventLoop):
    slow_callback_duration: float
    _clock_resolution: float
    _children: dict[int, Any]
    _compact_at: int
    _internal_fds: int
    _scheduled: list[Any]
    _selector: Any
    _uses_sigchld: bool
    _handle_signal: Any
    _signal_handlers: dict[int, asyncio.Handle]
    _accepting: Any
    _handshakes: dict[asyncio.Future[None], Any]
    _lookups: dict[int, asyncio.Future[Any]]
    _executor_shutdown_called: bool
    def _make_socket_transport(
        self,
        sock: Any,
        protocol: asyncio.BaseProtocol,
        waiter: asyncio.Future[None] | None = None,
        *,
        extra: dict[str, Any] | None = None,
        server: Any = None,
    ) -> asyncio.Transport: ...
    async def _finish_connect(self, sock: Any, fd: int, address: Any) -> None: ...
    async def _create_connection_transport(
        self, sock: Any, protocol_factory: Any, *args: Any, **kwargs: Any
    ) -> Any: ...
    async def _accept_connection2(
        self, protocol_factory: Any, conn: Any, extra: Any, *, server: Any, **kwargs: Any
    ) -> None: ...
    def _start_serving(
        self,
        protocol_factory: Any,
        sock: Any,
        sslcontext: Any = None,
        server: Any = None,
        backlog: int = 100,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> None: ...
    def _handshake(
        self, protocol: asyncio.BaseProtocol, sslcontext: Any, **timeouts: Any
    ) -> asyncio.BaseProtocol: ...
    def _renew_accepting(self) -> None: ...
    def _stop_serving(self, sock: Any) -> None: ...
    def _check_closed(self) -> None: ...
    def _check_running(self) -> None: ...
    def _ensure_fd_no_transport(self, fd: Any) -> None: ...
    def _make_datagram_transport(
        self, sock: Any, protocol: Any, address: Any = None, waiter: Any = None, extra: Any = None
    ) -> asyncio.DatagramTransport: ...
    async def _ensure_resolved(
        self, address: Any, *, family: int = 0, type: int = ..., proto: int = 0, flags: int = 0, loop: Any
    ) -> list[tuple[Any, Any, Any, Any, Any]]: ...
    def _take_wakeup_fd(self) -> bool: ...
    def _signals_reach(self, reached: bool) -> None: ...
    def _prepare_child(self) -> int: ...
    def _watch_child(self, prepared: int, pid: int, callback: Any, *args: Any) -> int: ...
    def _close_children(self) -> None: ...
    def _child_watcher_callback(self, pid: int, returncode: int, transp: Any) -> None: ...
    async def _make_subprocess_transport(
        self,
        protocol: Any,
        args: Any,
        shell: bool,
        stdin: Any,
        stdout: Any,
        stderr: Any,
        bufsize: int,
        extra: Any = None,
        **kwargs: Any,
    ) -> asyncio.SubprocessTransport: ...
    async def _sock_sendfile_fallback(self, sock: Any, file: Any, offset: int, count: int | None) -> int: ...
    async def _sendfile_fallback(self, transp: Any, file: Any, offset: int, count: int | None) -> int: ...
    async def _sendfile_native(self, transp: Any, file: Any, offset: int, count: int | None) -> int: ...
