"""What the extension takes of the standard library, found once, with the import: by the names of its fields.

None stands for what is not there, or what a program had replaced before goloop could see it.
"""

from __future__ import annotations

import _socket
import asyncio
import collections
import selectors
import socket
import sys
from asyncio import (
    format_helpers,
    futures,
    protocols,
    selector_events,
    sslproto,
    streams,
    tasks,
    unix_events,
)
from asyncio.log import logger
from collections.abc import Iterable
from types import CodeType, FunctionType
from typing import Any

_selector_events: Any = selector_events
_unix_events: Any = unix_events
_sslproto: Any = sslproto
_selectors: Any = selectors
_reader: Any = streams.StreamReader
_reader_protocol: Any = streams.StreamReaderProtocol


def _socket_class() -> Any:
    """The standard library's socket.socket."""
    for found in _socket.socket.__subclasses__():
        if (found.__module__, found.__qualname__) == ("socket", "socket"):
            return found
    raise ImportError("goloop: there is no socket.socket over _socket.socket")


def _function(method: Any) -> FunctionType | None:
    """The function behind a method or a property."""
    found = method if isinstance(method, FunctionType) else getattr(method, "fget", None)
    return found if isinstance(found, FunctionType) else None


def _code(method: Any) -> CodeType | None:
    function = _function(method)
    return function and function.__code__


def _stands_beside(method: Any, other: Any) -> bool:
    """Whether the code of both is of one file."""
    code, its = _code(method), _code(other)
    return code is not None and its is not None and code.co_filename == its.co_filename


_Socket = _socket_class()


imports: dict[str, Any] = {
    "socket": _Socket,
    "buffered_protocol": protocols.BufferedProtocol,
    "flow_control": streams.FlowControlMixin,
    "ssl_protocol": sslproto.SSLProtocol,
    "logger_warning": logger.warning,
    "gaierror": socket.gaierror,
    "fileobj_to_fd": _selectors._fileobj_to_fd,
    "extract_stack": format_helpers.extract_stack,
}

# Members of socket's enumerations by their numbers.
lookups: dict[str, dict[int, Any]] = {
    "families": {int(member): member for member in socket.AddressFamily},
    "kinds": {int(member): member for member in socket.SocketKind},
}

# ---- sockets ----


def _plain_method(name: str) -> Any:
    if name != "accept":
        return getattr(_socket.socket, name)
    found = _Socket.accept  # in Python: its own code, from its own file
    return (
        found if isinstance(found, FunctionType) and _stands_beside(found, socket.SocketIO.readinto) else None
    )


# What asyncio calls on the sockets of transports, of servers and of connects.
_METHODS = (
    *("accept", "_accept", "connect", "connect_ex", "recv", "recv_into", "recvfrom", "recvfrom_into"),
    *("send", "sendmsg", "sendto", "shutdown", "getsockname", "getpeername", "fileno"),
)
plain: dict[str, Any] = {
    "c_socket": _socket.socket,
    "module": socket,
    "fileno": _socket.socket.fileno,
    "gettimeout": _socket.socket.gettimeout,
    "names": _METHODS,
    "methods": tuple(map(_plain_method, _METHODS)),
}

# ---- tasks and futures ----

_Base = asyncio.SelectorEventLoop


def are_own(functions: Iterable[Any], beside: Any = _Base.run_until_complete) -> bool:
    """Whether these are asyncio's, of the file that has the other: no program had replaced one before goloop could see it."""
    return all(isinstance(found, FunctionType) and _stands_beside(found, beside) for found in functions)


def _base_code(method: Any) -> CodeType | None:
    return _code(method) if are_own([method]) else None


_accelerator = sys.modules.get("_asyncio")  # asyncio can do without
task_imports: dict[str, Any] = {
    "tasks": vars(tasks),
    "futures": vars(futures),
    "base": _Base,
    "create_task": _Base.create_task,
    "create_future": _Base.create_future,
    "task_code": _base_code(_Base.create_task),
    "future_code": _base_code(_Base.create_future),
    "loop_keyword": ("loop",),
    "c_task": getattr(_accelerator, "Task", None),
    "c_future": getattr(_accelerator, "Future", None),
}

# Of the coroutines with which asyncio.run() ends.
shutdown_codes: tuple[CodeType | None, ...] = tuple(
    map(_base_code, (_Base.shutdown_asyncgens, _Base.shutdown_default_executor))
)

# ---- streams ----

_stream_methods: dict[str, Any] = {
    "data_received": _reader_protocol.data_received,
    "_stream_reader": _reader_protocol._stream_reader,
    "feed_data": _reader.feed_data,
    "_wakeup_waiter": _reader._wakeup_waiter,
}


def _stream_method(method: Any) -> Any:
    function = _function(method)
    is_own = function is not None and function.__globals__.get("__name__") == "asyncio.streams"
    return method if is_own and _stands_beside(method, streams.FlowControlMixin.__init__) else None


stream_classes: dict[str, Any] = {"protocol": _reader_protocol, "reader": _reader}
stream_methods: dict[str, Any] = {name: _stream_method(method) for name, method in _stream_methods.items()}
stream_functions: dict[str, FunctionType | None] = {
    name: _function(method) for name, method in _stream_methods.items()
}
stream_codes: dict[str, CodeType | None] = {name: _code(method) for name, method in _stream_methods.items()}

# ---- TLS ----

_ssl: Any = (
    getattr(sslproto, "ssl", None) if sys.version_info >= (3, 11) else None
)  # before, sslproto is another one
tls: dict[str, Any] = {
    "protocol": _ssl and _sslproto.SSLProtocol,
    "transport": _ssl and _sslproto._SSLProtocolTransport,
    "again_errors": _ssl and _sslproto.SSLAgainErrors,
    "wrapped": _ssl and _sslproto.SSLProtocolState.WRAPPED,
    "ssl_object": _ssl and _ssl.SSLObject,
    "memory_bio": _ssl and _ssl.MemoryBIO,
    "deque": collections.deque,
    "zero": 0,
}

# ---- callbacks of transports ----

# The engine reads and sends: what is not connection_lost stands in messages only.
_callbacks: dict[str, Any] = {
    "stream_lost": _selector_events._SelectorSocketTransport._call_connection_lost,
    "datagram_lost": _selector_events._SelectorDatagramTransport._call_connection_lost,
    "read_pipe_lost": _unix_events._UnixReadPipeTransport._call_connection_lost,
    "write_pipe_lost": _unix_events._UnixWritePipeTransport._call_connection_lost,
    "pipe_read": _unix_events._UnixReadPipeTransport._read_ready,
    "datagram_read": _selector_events._SelectorDatagramTransport._read_ready,
    "datagram_send": _selector_events._SelectorDatagramTransport._sendto_ready,
}
# The names that asyncio's own have in this version of Python.
callback_names: dict[str, str] = {name: method.__qualname__ for name, method in _callbacks.items()}
