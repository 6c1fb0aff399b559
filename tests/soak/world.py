"""Runs a program on a loop and returns what a protocol, a caller and a peer see of it."""

import array
import asyncio
import os
import socket

from protocols import reset, turns

BUFFER = 1 << 16  # bytes that the kernel keeps of what we write, about
LIMIT = 30  # seconds for a program


class Deliberate(Exception):
    """What a callback raises because its program says so."""


_NUMBERS = array.array("I", range(1 << 20)).tobytes()


def pattern(start, size):
    """Bytes start to start + size of an endless stream, of which none of some KiB look like those beside them."""
    start %= len(_NUMBERS)
    piece = _NUMBERS[start : start + size]
    while len(piece) < size:
        piece += _NUMBERS[: size - len(piece)]
    return piece


class Stream:
    """How far a stream of pattern() has come, and whether it came whole."""

    def __init__(self):
        self.size = 0
        self.intact = True

    def next(self, size):
        piece = pattern(self.size, size)
        self.size += size
        return piece

    def add(self, data):
        self.intact &= data == pattern(self.size, len(data))
        self.size += len(data)


class _Callbacks:
    def __init__(self, world):
        self._world = world

    def connection_made(self, transport):
        self._world.transport = transport
        self._world.called("connection_made")

    def eof_received(self):
        return self._world.called("eof_received")

    def connection_lost(self, exc):
        self._world.called("connection_lost", type(exc).__name__)

    def pause_writing(self):
        self._world.called("pause_writing")

    def resume_writing(self):
        self._world.called("resume_writing")


class Plain(_Callbacks, asyncio.Protocol):
    def data_received(self, data):
        self._world.received("plain", data)


class Buffered(_Callbacks, asyncio.BufferedProtocol):
    name, size = "buffered", 1 << 16

    def get_buffer(self, sizehint):
        self._buffer = bytearray(self.size)
        return self._buffer

    def buffer_updated(self, nbytes):
        self._world.received(self.name, bytes(self._buffer[:nbytes]))


class Narrow(Buffered):
    name, size = "narrow", 30


CLASSES = {"plain": Plain, "buffered": Buffered, "narrow": Narrow}


class World:
    """One transport, its peer, and the trace of all that happens to them."""

    def __init__(self, loop, program, patience):
        self.loop, self.program, self.patience = loop, program, patience
        self.trace = []
        self.transport = None
        self.sent, self.received_by_peer, self.sent_by_peer, self.received_by_us = (
            Stream() for _ in range(4)
        )
        self._reactions = {name: list(steps) for name, steps in program.reactions.items()}
        loop.set_exception_handler(self._reported)

    # What the loop tells.

    def _reported(self, loop, context):
        self.trace.append(("reported", context["message"], type(context.get("exception")).__name__))

    def called(self, name, *details):
        self.trace.append((name, *details))
        return self._react(name)

    def received(self, protocol, data):
        self.received_by_us.add(data)
        before = self.trace[-1]
        if before[:2] == ("data", protocol):  # how it is split is nobody's promise
            self.trace[-1] = ("data", protocol, before[2] + len(data))
        else:
            self.trace.append(("data", protocol, len(data)))
        self._react("data")

    def _react(self, name):
        steps = self._reactions[name]
        step = steps.pop(0) if steps else "nothing"
        if step == "raise":
            raise Deliberate(name)
        if step in CLASSES:
            self._do("set_protocol", step)
        elif step == "write" or step == "keep and write":
            self._do("write", 100, bytes)
        elif step == "keep and write_eof":
            self._do("write_eof")
        elif step not in ("nothing", "keep"):
            self._do(step)
        return step.startswith("keep")

    # What the program does.

    def _do(self, name, *args):
        if not hasattr(self.transport, name):
            return  # in a reaction that is for other kinds
        if name == "writelines" and self.transport.is_closing():
            return  # asyncio adds to its buffer what is never sent; test_api_calls.py has ours
        try:
            result = self._call(name, args)
        except Exception as exc:
            self.trace.append((name, *args, "raises", type(exc).__name__, str(exc)))
        else:
            if result is not None:
                self.trace.append((name, result))

    def _call(self, name, args):
        method = getattr(self.transport, name)
        if name == "set_protocol":
            return method(CLASSES[args[0]](self))
        if name == "write":
            size, kind = args
            return method("text" if kind is str else kind(self.sent.next(size)))
        if name == "writelines":
            return method([self.sent.next(size) for size in args[0]])
        return method(*args)

    async def _peer(self, name, *args):
        try:
            if name == "peer sends":
                if self.transport.is_closing():
                    self.trace.append(("peer sends to a closing transport",))
                data = self.sent_by_peer.next(args[0])
                assert self.peer_write(data) == len(data)
            elif name == "peer ends":
                self.peer_end()
            elif name == "peer closes":
                self.close_peer()
            elif name == "peer resets":
                reset(self.peer)
            elif name == "peer reads":
                self.trace.append(("peer has read", await self._peer_reads(), self.received_by_peer.size))
        except (OSError, ValueError) as exc:
            self.trace.append((name, "raises", type(exc).__name__))

    async def _peer_reads(self):
        """Read until nothing more comes; returns how it ended."""
        quiet = 0
        while quiet < 3:
            try:
                data = self.peer_read(1 << 20)
            except BlockingIOError:
                data = None
            except ConnectionResetError:
                return "reset"
            if data:
                self.received_by_peer.add(data)
                quiet = 0
            elif data == b"":
                return "end"
            else:
                quiet += 1
                await self._settle()
        return "open"

    async def _settle(self):
        await turns(2)
        await asyncio.sleep(self.patience)
        await turns(3)

    # Beginning and end.

    async def _connect(self):
        kind, protocol = self.program.kind, CLASSES[self.program.protocol](self)
        if kind in ("tcp", "unix"):
            ours, self.peer = tcp_pair() if kind == "tcp" else socket.socketpair()
            for sock in (ours, self.peer):
                sock.setblocking(False)
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
            self.peer_write, self.peer_read, self.close_peer = self.peer.send, self.peer.recv, self.peer.close
            self.peer_end = lambda: self.peer.shutdown(socket.SHUT_WR)
            await self.loop.create_connection(lambda: protocol, sock=ours)
            return
        reading, writing = os.pipe()
        ends = [open(fd, mode, 0) for fd, mode in ((reading, "rb"), (writing, "wb"))]  # noqa: SIM115
        ours, self.peer = ends if kind == "reading pipe" else reversed(ends)
        os.set_blocking(self.peer.fileno(), False)
        self.peer_write, self.close_peer = self.peer.write, self.peer.close
        self.peer_read = lambda size: os.read(self.peer.fileno(), size)
        self.peer_end = self.peer.close
        connect = self.loop.connect_read_pipe if kind == "reading pipe" else self.loop.connect_write_pipe
        await connect(lambda: protocol, ours)

    async def play(self):
        await self._connect()
        await self._settle()
        for group in self.program.groups:
            for name, *args in group:
                if name.startswith("peer"):
                    await self._peer(name, *args)
                else:
                    self._do(name, *args)
            await self._settle()
        self.trace.append("the end")
        self._do("close")
        await self._settle()
        if "writ" in self.program.kind or self.program.kind in ("tcp", "unix"):
            await self._peer("peer reads")
        self.close_peer()
        await self._settle()
        if ("connection_lost",) not in [event[:1] for event in self.trace]:
            self.transport.abort() if hasattr(self.transport, "abort") else None
            await self._settle()
        self.trace.append(("intact", self.received_by_peer.intact, self.received_by_us.intact))


def tcp_pair():
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        ours = socket.create_connection(listener.getsockname())
        peer, _ = listener.accept()
    return ours, peer


def trace(factory, program, patience):
    """What a loop makes of a program: a list of events."""
    loop = factory()
    try:
        world = World(loop, program, patience)
        loop.run_until_complete(asyncio.wait_for(world.play(), LIMIT))
        return world.trace
    finally:
        loop.close()
