"""Sockets with methods of their own: the loop calls these methods, as asyncio does."""

import asyncio
import socket

import pytest

from protocols import DatagramRecorder, Echo, Recorder


class Counting(socket.socket):
    """A socket as proxies and tests make them."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.calls = []
        self.setblocking(False)

    def connect(self, address):
        self.calls.append("connect")
        return super().connect(address)

    def recv(self, *args):
        self.calls.append("recv")
        return super().recv(*args)

    def send(self, *args):
        self.calls.append("send")
        return super().send(*args)

    def accept(self):
        self.calls.append("accept")
        return super().accept()


class Plain(socket.socket):
    """A subclass that changes nothing of how bytes move."""

    def describe(self):
        return "plain"


@pytest.mark.parametrize("cls", [Counting, Plain])
def test_connection_on_a_subclass_of_socket(loop, run, cls):
    async def main():
        server = await loop.create_server(Echo, "127.0.0.1", 0)
        sock = cls()
        sock.setblocking(False)
        await loop.sock_connect(sock, server.sockets[0].getsockname())
        transport, protocol = await loop.create_connection(Recorder, sock=sock)
        transport.write(b"hello")
        await protocol.received(5)
        transport.close()
        await protocol.lost()
        server.close()
        return bytes(protocol.data), sock

    data, sock = run(main())
    assert data == b"hello"
    assert sock.fileno() == -1
    if cls is Counting:
        assert {"connect", "recv", "send"} <= set(sock.calls)


@pytest.mark.parametrize("cls", [Counting, Plain])
def test_server_on_a_subclass_of_socket(loop, run, cls):
    async def main():
        sock = cls()
        sock.bind(("127.0.0.1", 0))
        server = await loop.create_server(Echo, sock=sock)
        transport, protocol = await loop.create_connection(Recorder, *sock.getsockname())
        transport.write(b"hello")
        await protocol.received(5)
        transport.close()
        await protocol.lost()
        server.close()
        await server.wait_closed()
        return bytes(protocol.data), sock

    data, sock = run(main())
    assert data == b"hello"
    assert sock.fileno() == -1
    if cls is Counting:
        assert "accept" in sock.calls


def test_streams_on_a_subclass_of_socket(loop, run, tcp_pair):
    ours, peer = tcp_pair()
    sock = Counting(fileno=ours.detach())

    async def main():
        reader, writer = await asyncio.open_connection(sock=sock)
        writer.write(b"question\n")
        await writer.drain()
        await loop.sock_sendall(peer, b"answer\n")
        line = await reader.readline()
        writer.close()
        await writer.wait_closed()
        return line, await loop.sock_recv(peer, 100)

    assert run(main()) == (b"answer\n", b"question\n")
    assert {"recv", "send"} <= set(sock.calls)


def test_datagrams_on_a_subclass_of_socket(run, endpoint, peer):
    class Stamping(socket.socket):
        def recvfrom(self, *args):
            data, addr = super().recvfrom(*args)
            return b"received " + data, addr

        def sendto(self, data, addr):
            return super().sendto(b"sent " + data, addr)

    async def main():
        sock = Stamping(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        transport, protocol = await endpoint(DatagramRecorder, sock=sock)
        transport.sendto(b"ping", peer.getsockname())
        assert peer.recv(20) == b"sent ping"
        peer.sendto(b"pong", sock.getsockname())
        assert await protocol.arrived(1) == [b"received pong"]

    run(main())
