"""Names and addresses: asyncio's two coroutines over the engine's resolver."""

from __future__ import annotations

import asyncio
import socket
from asyncio import base_events
from typing import TYPE_CHECKING, Any

from . import _core

if TYPE_CHECKING:
    from ._base import LoopBase as _Base
else:
    _Base = object

# asyncio calls what it finds as base_events.socket.getaddrinfo. A program may have put a
# function of its own there; these are the ones that the engine stands in for.
_getaddrinfo, _getnameinfo = socket.getaddrinfo, socket.getnameinfo
_asyncio: Any = base_events
_type = type  # getaddrinfo has an argument of that name

_MOST = (1 << 31) - 1  # of a C int
_TEXTS = (str, bytes, _type(None))  # and no other buffer
_MOST_KEPT, _LONGEST_KEPT = 8, 64  # a longer text is no literal that is worth its memory


def _is_plain(host: str) -> bool:
    """Whether the idna codec, which is slow, would leave a name alone: so it is with most."""
    return host.isascii() and len(host) < 64 and ".." not in host and not host.startswith(".")


def _encoded(host: Any) -> Any:
    """What ``socket.getaddrinfo`` hands to libc."""
    return str.encode(host, "idna") if isinstance(host, str) else host


def _name_query(sockaddr: Any, flags: Any) -> tuple[str, int, int, int] | None:
    """Host, port, flow and scope; None for what only the standard library knows the error of."""
    if _type(sockaddr) is not tuple or not 2 <= len(sockaddr) <= 4 or _type(sockaddr[0]) is not str:
        return None
    host, port, *more = sockaddr
    for number in (port, flags, *more):
        if not isinstance(number, int) or not -_MOST <= number <= _MOST:
            return None
    flow, scope = (*more, 0, 0)[:2]
    if flow < 0 or flow > 0xFFFFF or scope < 0 or "\0" in host or (more and ":" not in host):
        return None
    return host, port, flow, scope


class Names(_Base):
    """``getaddrinfo`` and ``getnameinfo``.

    The engine answers address literals and numeric ports at once, and looks up everything
    else with libc's resolver in threads of its own. What libc has answered from the hosts file
    within the last second is answered at once again, if the file is as it was, with any port. asyncio's way, the default executor, is
    taken in debug mode, which logs each lookup; for a ``socket.getaddrinfo`` or
    ``getnameinfo`` that a program has replaced; and for arguments of wrong types.
    """

    async def getaddrinfo(
        self, host: Any, port: Any, *, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
    ) -> list[tuple[Any, Any, int, str, Any]]:
        """What ``socket.getaddrinfo`` returns and raises, without blocking the loop.

        Raises:
            socket.gaierror: the name has no address, or the resolver fails.
            UnicodeError: ``host`` is no domain name.
        """
        if _asyncio.socket.getaddrinfo is _getaddrinfo and not self._executor_shutdown_called:
            answer = self._recall(host, port, family, type, proto, flags)
            if answer is not None:
                return answer
            answer = self._look_up(host, port, family, type, proto, flags)
            if _type(answer) is int:
                answer = await self._wait_for_lookup(answer)
            if answer is not NotImplemented:
                return answer  # type: ignore[no-any-return]
        return await super().getaddrinfo(host, port, family=family, type=type, proto=proto, flags=flags)

    def _look_up(self, host: Any, port: Any, family: Any, type: Any, proto: Any, flags: Any) -> Any:
        """As ``_getaddrinfo``; of arguments that are wrong only the standard library knows the error."""
        try:
            name = host if _type(host) is str and _is_plain(host) else _encoded(host)
        except ValueError:
            return NotImplemented
        service = None if _type(port) is int else port
        known = isinstance(name, _TEXTS) and isinstance(service, _TEXTS)
        if not (
            known
            and isinstance(family, int)
            and isinstance(type, int)
            and isinstance(proto, int)
            and isinstance(flags, int)
        ):
            return NotImplemented  # an object that says by __index__ what it is may say something else the next time
        answer = self._getaddrinfo(host, port, family, type, proto, flags, name, service)
        if _type(answer) is tuple:
            return list(answer)  # libc's of late, not to be kept here: only the engine looks at the files
        if _type(answer) is list and service is None and _type(host) is str and len(host) <= _LONGEST_KEPT:
            kept = host, port, family, type, proto, flags, answer.copy()
            self._keep_literals((kept,) + self._literals[: _MOST_KEPT - 1])
        return answer

    async def getnameinfo(self, sockaddr: Any, flags: int = 0) -> tuple[str, str]:
        """What ``socket.getnameinfo`` returns and raises, without blocking the loop.

        Raises:
            socket.gaierror: the address is not numeric, has no name, or the resolver fails.
        """
        answer = NotImplemented
        if _asyncio.socket.getnameinfo is _getnameinfo and not self._executor_shutdown_called:
            query = _name_query(sockaddr, flags)
            if query is not None:
                answer = self._getnameinfo(sockaddr, flags, *query)
            if _type(answer) is int:
                answer = await self._wait_for_lookup(answer)
        if answer is NotImplemented:
            return await super().getnameinfo(sockaddr, flags)
        return answer

    async def _ensure_resolved(
        self,
        address: Any,
        *,
        family: int = 0,
        type: int = socket.SOCK_STREAM,
        proto: int = 0,
        flags: int = 0,
        loop: Any,
    ) -> list[tuple[Any, Any, int, str, Any]]:
        """asyncio's; an IPv4 address is answered by what it is, before all that asyncio would try."""
        host, port = address[:2]
        if (
            (family == 0 or family == socket.AF_INET)
            and type == socket.SOCK_STREAM
            and (proto == 0 or proto == socket.IPPROTO_TCP)
            and isinstance(host, str)
            and isinstance(port, int)
        ):
            try:
                socket.inet_pton(socket.AF_INET, host)
            except OSError:
                pass
            else:
                return [(socket.AF_INET, type, socket.IPPROTO_TCP, "", (host, int(port)))]
        return await super()._ensure_resolved(
            address, family=family, type=type, proto=proto, flags=flags, loop=loop
        )

    async def _wait_for_lookup(self, number: int) -> Any:
        self._lookups[number] = future = self.create_future()
        try:
            return await future
        finally:
            cancelled = self._lookups.pop(number, None) is not None
            if cancelled and self._engine_id > 0 and not self._is_inherited():
                self._submit(_core.OP_RESOLVE, _core.RESOLVE_CANCEL, number, 0, -1)

    def _resolved(self, number: int, answer: Any) -> None:
        """Called by the engine's completion; nobody waits for what was cancelled."""
        future: asyncio.Future[Any] | None = self._lookups.pop(number, None)
        if future is None or future.done():
            return
        if isinstance(answer, BaseException):
            future.set_exception(answer)
        else:
            future.set_result(answer)
