"""Protocol factories that raise: what the protocol was to have is closed.

asyncio calls the factory itself, between the making of a socket and that of its transport, and lets go of the socket
when it raises. So the factory that asyncio is given never does: the transport hook, which has the socket, raises instead.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any


class _Failed:
    """In the place of a protocol: what its factory raised."""

    __slots__ = ("exception",)

    def __init__(self, exception: BaseException) -> None:
        self.exception = exception


def deferring(factory: Callable[[], Any]) -> Callable[[], Any]:
    """A factory whose exception is raised by ``take_protocol``."""

    def make() -> Any:
        try:
            return factory()
        except BaseException as exc:
            return _Failed(exc)

    return make


def let_go(resource: Any) -> None:
    """Close what there is no transport for, while an exception says why; what cannot be closed says nothing."""
    with contextlib.suppress(Exception):
        resource.close()


def take_protocol(protocol: Any, resource: Any) -> None:
    """Raise what the factory raised in place of a protocol, if it did, and close ``resource``."""
    if type(protocol) is _Failed:
        let_go(resource)
        try:
            raise protocol.exception
        finally:
            del protocol  # the traceback has this frame
