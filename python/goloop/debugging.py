"""Errors and slowness: what is said of them, in asyncio's words."""

from __future__ import annotations

import asyncio
import errno
import inspect
import logging
import struct
from asyncio import base_events, format_helpers
from typing import TYPE_CHECKING, Any

from . import _core

if TYPE_CHECKING:
    from ._base import LoopBase as _Base
else:
    _Base = _core.Loop


# From 3.13 on the arguments of callbacks are shown in debug mode only.
_FORMATS_IN_DEBUG: bool = "debug" in inspect.signature(format_helpers._format_callback_source).parameters


# gl_stats of abi.h, in its order.
_STATS = (
    *(
        "turns",
        "events",
        "submissions",
        "completions",
        "reads",
        "read_bytes",
        "writes",
        "write_bytes",
    ),
    *("accepts", "timers_added", "timers_cancelled", "timers_fired", "overflows", "batches", "host_turns"),
)


def _logger() -> logging.Logger:
    """asyncio's logger under the name by which programs replace it."""
    logger: logging.Logger = base_events.logger  # type: ignore[attr-defined]
    return logger


class Debugging(_Base):
    """Called by the extension on the rare paths: a failed callback, debug mode."""

    def _handle_failed(self, handle: Any, exception: BaseException) -> None:
        """A callback raised: what ``asyncio.Handle._run`` tells the exception handler."""
        options = {"debug": self.get_debug()} if _FORMATS_IN_DEBUG else {}
        source = format_helpers._format_callback_source(handle._callback, handle._args, **options)
        context: dict[str, Any] = {
            "message": f"Exception in callback {source}",
            "exception": exception,
            "handle": handle,
        }
        if handle._source_traceback:
            context["source_traceback"] = handle._source_traceback
        self.call_exception_handler(context)

    def _run_handle_in_debug(self, handle: asyncio.Handle) -> None:
        """Run one callback and warn when it took longer than ``slow_callback_duration``, in seconds."""
        try:
            self._current_handle = handle
            started = self.time()
            handle._run()
            seconds = self.time() - started
            if seconds >= self.slow_callback_duration:
                text = base_events._format_handle(handle)  # type: ignore[attr-defined]
                _logger().warning("Executing %s took %.3f seconds", text, seconds)
        finally:
            self._current_handle = None
            del handle  # the traceback of what failed keeps this frame: a task would live on in it

    def _warn_slow(self, owner: object, seconds: float) -> None:
        """The same for the callbacks of a transport or a listener, which have no handle."""
        if seconds >= self.slow_callback_duration:
            _logger().warning("Executing callbacks of %r took %.3f seconds", owner, seconds)

    def _stats(self) -> dict[str, Any]:
        numbers, selector = self._stats_struct()
        return {**dict(zip(_STATS, struct.unpack(f"{len(_STATS)}Q", numbers))), "selector": selector}

    def _tell(self, message: str, exception: BaseException, transport: object, protocol: object) -> None:
        context = {"message": message, "exception": exception, "transport": transport, "protocol": protocol}
        self.call_exception_handler({key: value for key, value in context.items() if value is not None})

    def _transport_failed(
        self, transport: object, exception: BaseException, message: str, protocol: object
    ) -> None:
        """What ``_fatal_error`` of asyncio's transports says; the network's own errors only in debug mode.

        Of a pipe that is read only EIO is one: a terminal whose other side was closed.
        """
        if isinstance(exception, OSError) and (
            exception.errno == errno.EIO or not isinstance(transport, _core._UnixReadPipeTransport)
        ):
            if self.get_debug():
                _logger().debug("%r: %s", transport, message, exc_info=exception)
        else:
            self.call_exception_handler(
                {"message": message, "exception": exception, "transport": transport, "protocol": protocol}
            )
