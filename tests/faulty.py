"""Calls that fail: on goloop in an engine built for that, on asyncio in its sockets, ``os`` and its selector."""

import asyncio
import contextlib
import ctypes
import os
import socket


class Fault:
    """What one call to come shall fail with."""

    def __init__(self, fd, names, number):
        self.fd, self.names, self.number = fd, names, number
        self.met = 0

    def meets(self, name, fd):
        if self.met or name not in self.names or fd != self.fd:
            return
        self.met += 1
        raise OSError(self.number, os.strerror(self.number))


class FaultySocket(socket.socket):
    """A socket whose methods meet a fault."""

    fault = None

    def _meet(self, name):
        if self.fault:
            self.fault.meets(name, self.fileno())

    def connect(self, address):
        try:
            self._meet("connect")
        except InterruptedError:  # it has begun
            with contextlib.suppress(BlockingIOError):
                super().connect(address)
            raise
        return super().connect(address)

    def accept(self):
        self._meet("accept")
        return super().accept()


def _overriding(name):
    def method(self, *args):
        self._meet(name)
        return getattr(socket.socket, name)(self, *args)

    return method


for _name in ("recv", "recv_into", "recvfrom", "send", "sendmsg", "sendto"):
    setattr(FaultySocket, _name, _overriding(_name))


class FaultyPoll:
    """asyncio's select.epoll (or poll), whose methods meet a fault."""

    def __init__(self, inner):
        self._inner = inner
        self.fault = None

    def __getattr__(self, name):
        inner = getattr(self._inner, name)

        def method(*args, **kwargs):
            if self.fault and callable(inner):
                self.fault.meets(name, self.fault.fd)
            return inner(*args, **kwargs)

        return method if callable(inner) else inner


class OnAsyncio:
    """Faults of asyncio's calls: those of its sockets, of ``os`` and of its selector."""

    name = "asyncio"

    def __init__(self):
        self.loop = asyncio.SelectorEventLoop()
        self._poll = self.loop._selector._selector = FaultyPoll(self.loop._selector._selector)

    def socket(self, plain):
        return FaultySocket(fileno=plain.detach())

    def fail(self, sock, names, _calls, number):
        self.fault = sock.fault = Fault(sock.fileno(), names, number)

    def fail_pipe(self, file, name, _calls, number):
        self.fault = Fault(file.fileno(), (name,), number)
        real = getattr(os, name)

        def call(fd, *args):
            self.fault.meets(name, fd)
            return real(fd, *args)

        setattr(os, name, call)

    def fail_selector(self, name, _calls, number):
        self.fault = self._poll.fault = Fault(-1, (name,), number)

    def met(self):
        return self.fault.met


class OnGoloop:
    """Faults of the engine's calls."""

    name = "goloop"

    def __init__(self):
        import goloop
        from goloop import _core

        self.loop = goloop.new_event_loop()
        self._engine = ctypes.CDLL(os.path.join(os.path.dirname(_core.__file__), "_engine.so"))

    def socket(self, plain):
        return plain

    def inject(self, calls, fd=-1, number=0, times=1, skip=0, n=0):
        self._engine.goloop_inject(calls.encode(), fd, skip, times, number, n)

    def fail(self, sock, _names, calls, number):
        self.inject(calls, sock.fileno(), number)

    def fail_pipe(self, file, _name, calls, number):
        self.inject(calls, file.fileno(), number)

    def fail_selector(self, _name, calls, number):
        self.inject(calls, number=number)

    def met(self):
        return self._engine.goloop_injected()


def told(exc):
    return exc and [type(exc).__name__, exc.errno]


class Peer:
    """The other end, which collects what comes."""

    def __init__(self, sock):
        sock.setblocking(False)
        self.sock = sock
        self.data = b""

    def take(self, size=None):
        with contextlib.suppress(BlockingIOError, ConnectionError):
            while part := self.sock.recv(1 << 20):
                self.data += part
        return size is not None and len(self.data) >= size


def pair(world, kind=socket.SOCK_STREAM):
    ours, peer = socket.socketpair(socket.AF_UNIX, kind)
    ours.setblocking(False)
    return world.socket(ours), Peer(peer)
