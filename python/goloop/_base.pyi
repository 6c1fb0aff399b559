"""For type checkers only: what the parts of Loop find in each other, asyncio's private names included."""

import asyncio
from typing import Any

from . import _core

class LoopBase(_core.Loop, asyncio.SelectorEventLoop):
    slow_callback_duration: float
    _signal_handlers: dict[int, asyncio.Handle]
    _lookups: dict[int, asyncio.Future[Any]]
    _executor_shutdown_called: bool
    def _check_closed(self) -> None: ...
    def _check_running(self) -> None: ...
    def _ensure_fd_no_transport(self, fd: Any) -> None: ...
    async def _ensure_resolved(
        self, address: Any, *, family: int = 0, type: int = ..., proto: int = 0, flags: int = 0, loop: Any
    ) -> list[tuple[Any, Any, Any, Any, Any]]: ...
