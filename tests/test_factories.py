"""A protocol factory that raises: its exception goes to the caller, and what the protocol was to have is closed."""

import asyncio
import contextlib
import gc
import os
import socket
import sys
import traceback
import warnings

import pytest

from protocols import Recorder, turns


class FactoryError(Exception):
    pass


def raising():
    raise FactoryError


def descriptors():
    return set(os.listdir("/proc/self/fd")) if sys.platform == "linux" else set()


@pytest.fixture
def fails():
    """Awaits a coroutine, which must raise, and returns the descriptors that it has left open.

    The exception, and with it every frame, is still there when they are counted, and the collector has not been.
    """

    async def fails(coroutine):
        before = descriptors()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # of what asyncio has left
            try:
                with pytest.raises(FactoryError) as info:
                    await coroutine
                return descriptors() - before
            finally:
                traceback.clear_frames(info.tb)
                del info, coroutine
                gc.collect()

    gc.collect()
    gc.disable()
    yield fails
    gc.enable()


@pytest.mark.parametrize("given", ["socket", "address", "accepted"])
@pytest.mark.parametrize("tls", [False, True], ids=["tcp", "tls"])
def test_factory_of_a_connection(loop, run, fails, tcp_pair, client_context, server_context, given, tls):
    ours, peer = tcp_pair()

    async def main():
        options = {"ssl": client_context, "server_hostname": "localhost"} if tls else {}
        if given == "address":
            with socket.create_server(("127.0.0.1", 0)) as listener:
                host, port = listener.getsockname()
                assert not await fails(loop.create_connection(raising, host, port, **options))
            return
        if given == "socket":
            await fails(loop.create_connection(raising, sock=ours, **options))
        else:
            options = {"ssl": server_context} if tls else {}
            await fails(loop.connect_accepted_socket(raising, ours, **options))
        assert ours.fileno() == -1
        assert await loop.sock_recv(peer, 1) == b""

    run(main())


def test_factory_of_a_connection_over_what_has_no_number(loop, run):
    class Socket:
        type = socket.SOCK_STREAM
        closed = False

        def setblocking(self, flag):
            pass

        def close(self):
            self.closed = True

    async def main():
        sock = Socket()
        with pytest.raises(FactoryError):
            await loop.create_connection(raising, sock=sock)
        assert sock.closed

    run(main())


@pytest.mark.parametrize("given", ["socket", "path"])
def test_factory_of_a_unix_connection(loop, run, fails, socket_pair, tmp_path, given):
    ours, peer = socket_pair()

    async def main():
        if given == "socket":
            await fails(loop.create_unix_connection(raising, sock=ours))
            assert ours.fileno() == -1
            return
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(tmp_path / "s"))
            listener.listen()
            listener.setblocking(False)
            await fails(loop.create_unix_connection(raising, str(tmp_path / "s")))
            conn, _ = listener.accept()
            with conn:
                assert conn.recv(1) == b""

    run(main())


@pytest.mark.parametrize("given", ["socket", "local_addr", "remote_addr"])
def test_factory_of_a_datagram_endpoint(loop, run, fails, peer, given):
    async def main():
        if given == "socket":
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            await fails(loop.create_datagram_endpoint(raising, sock=sock))
            assert sock.fileno() == -1
        else:
            address = ("127.0.0.1", 0) if given == "local_addr" else peer.getsockname()
            assert not await fails(loop.create_datagram_endpoint(raising, **{given: address}))

    run(main())


@pytest.mark.parametrize("method", ["connect_read_pipe", "connect_write_pipe"])
def test_factory_of_a_pipe(loop, run, fails, pipe, method):
    async def main():
        reader, writer = pipe()
        file = reader if method == "connect_read_pipe" else writer
        await fails(getattr(loop, method)(raising, file))
        assert file.closed

    run(main())


@pytest.mark.parametrize("kind", ["plain", "subclass"])
def test_factory_of_a_server(loop, run, kind, errors):
    """Not only the socket that is accepted is closed: its peer is told at once."""

    class Own(socket.socket):
        def recv(self, *args):
            return super().recv(*args)

    async def main():
        sock = (socket.socket if kind == "plain" else Own)()
        sock.bind(("127.0.0.1", 0))
        server = await loop.create_server(raising, sock=sock)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # of asyncio's
            reader, writer = await asyncio.open_connection(*sock.getsockname())
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
            writer.close()
        server.close()
        await server.wait_closed()

    run(main())


@pytest.mark.parametrize("protocol", [None, object()], ids=["None", "object"])
def test_protocol_that_is_none(loop, run, socket_pair, protocol):
    async def main():
        ours, peer = socket_pair()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # of asyncio's transport
            with pytest.raises(AttributeError, match="connection_made"):
                await loop.create_connection(lambda: protocol, sock=ours)
            gc.collect()
        assert ours.fileno() == -1

    run(main())


def test_socket_that_a_transport_uses_stays_open(loop, run, socket_pair):
    async def main():
        ours, peer = socket_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        with pytest.raises(RuntimeError, match="is used by transport"):
            await loop.create_connection(Recorder, sock=ours)
        peer.send(b"x")
        assert await protocol.received(1) == b"x"
        transport.close()
        await protocol.lost()

    run(main())


@pytest.mark.parametrize("method", ["connect_read_pipe", "connect_write_pipe"])
def test_file_that_is_no_pipe_is_given_back(loop, run, tmp_path, method):
    async def main():
        with open(tmp_path / "file", "w+b", 0) as file:
            with pytest.raises(ValueError, match="pipes"):
                await getattr(loop, method)(Recorder, file)
            assert not file.closed

    run(main())


def test_connection_that_is_cancelled_while_it_waits_closes_its_socket(loop, run, socket_pair):
    async def main():
        ours, peer = socket_pair()
        task = loop.create_task(loop.create_connection(Recorder, sock=ours))
        await turns(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await loop.sock_recv(peer, 1) == b""
        await turns(2)
        assert ours.fileno() == -1

    run(main())
