"""The end of the connection below TLS: told as an end between records, as an error within one."""

import asyncio
import socket
import ssl

import pytest

from protocols import BufferedRecorder, Recorder, turns


class ViewRecorder(BufferedRecorder):
    """asyncio.sslproto fills a copy when get_buffer returns a bytearray and one record has less than it holds."""

    def get_buffer(self, sizehint):
        return memoryview(self.buffer)


@pytest.fixture
def connect(serve_tls, client_context):
    """A protocol that a TLS server made, and its peer: TLS in memory over a blocking socket."""
    opened = []

    async def connect(factory=Recorder, **options):
        protocols = asyncio.Queue()

        def made():
            protocols.put_nowait(protocol := factory(**options))
            return protocol

        loop = asyncio.get_running_loop()
        server, port = await serve_tls(made)
        sock = socket.create_connection(("127.0.0.1", port))
        sock.setblocking(False)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = client_context.wrap_bio(incoming, outgoing, server_hostname="localhost")
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                await loop.sock_sendall(sock, outgoing.read())
                incoming.write(await loop.sock_recv(sock, 1 << 16))
        await loop.sock_sendall(sock, outgoing.read())
        server.close()
        protocol = await protocols.get()
        await protocol.called("connection_made")
        opened.append((sock, protocol))
        return protocol, sock, tls, outgoing

    yield connect
    for sock, protocol in opened:
        sock.close()
        protocol.transport.close()  # asyncio of 3.10 warns of it even when it is lost


def record(tls, outgoing, data):
    tls.write(data)
    return outgoing.read()


# Where the second record is cut: in its header, behind it, before its last byte.
@pytest.mark.parametrize("length", [1, 4, 5, 6, -1])
@pytest.mark.parametrize("factory", [Recorder, ViewRecorder])
def test_end_within_a_record_is_an_error(loop, run, connect, factory, length):
    async def main():
        protocol, sock, tls, outgoing = await connect(factory)
        whole = record(tls, outgoing, b"whole")
        await loop.sock_sendall(sock, whole + record(tls, outgoing, b"never complete")[:length])
        sock.shutdown(socket.SHUT_WR)
        assert isinstance(await protocol.lost(), ssl.SSLEOFError)
        assert protocol.data == b"whole"
        assert "eof_received" not in protocol.calls

    run(main())


@pytest.mark.parametrize("close_notify", [False, True])
@pytest.mark.parametrize("factory", [Recorder, ViewRecorder])
def test_end_between_records_is_an_end(loop, run, connect, factory, close_notify):
    """Many peers do not say close_notify: it is no error, as it is none of Python's blocking sockets."""

    async def main():
        protocol, sock, tls, outgoing = await connect(factory)
        for number in range(3):
            for part in split(record(tls, outgoing, b"%d" % number), number):
                await loop.sock_sendall(sock, part)
                await turns(3)
        if close_notify:
            with pytest.raises(ssl.SSLWantReadError):
                tls.unwrap()
            await loop.sock_sendall(sock, outgoing.read())
        sock.shutdown(socket.SHUT_WR)
        assert await protocol.lost() is None
        assert protocol.data == b"012"

    run(main())


def split(data, where):
    return (data[:where], data[where:]) if where else (data,)


def test_end_within_a_record_that_comes_while_reading_is_paused(loop, run, connect):
    async def main():
        protocol, sock, tls, outgoing = await connect()
        protocol.transport.pause_reading()
        whole = record(tls, outgoing, b"whole")
        await loop.sock_sendall(sock, whole + record(tls, outgoing, b"never complete")[:-1])
        sock.shutdown(socket.SHUT_WR)
        await turns(5)
        assert protocol.calls == ["connection_made"]
        protocol.transport.resume_reading()
        assert isinstance(await protocol.lost(), ssl.SSLEOFError)
        assert protocol.data == b"whole"

    run(main())


def test_end_within_a_record_after_our_close_is_none_of_the_peers(loop, run, connect):
    async def main():
        protocol, sock, tls, outgoing = await connect()
        protocol.transport.close()
        await loop.sock_sendall(sock, record(tls, outgoing, b"never complete")[:-1])
        sock.shutdown(socket.SHUT_WR)
        assert await protocol.lost() is None

    run(main())


def test_stream_reader_raises_at_an_end_within_a_record(loop, run, connect):
    async def main():
        reader = asyncio.StreamReader()
        protocol, sock, tls, outgoing = await connect(
            lambda: Watched(asyncio.StreamReaderProtocol(reader)),
        )
        await loop.sock_sendall(sock, record(tls, outgoing, b"half a line")[:-1])
        sock.shutdown(socket.SHUT_WR)
        with pytest.raises(ssl.SSLEOFError):
            await reader.readline()

    run(main())


class Watched(Recorder):
    """Tells another protocol what it is told."""

    def __init__(self, protocol):
        super().__init__()
        self.protocol = protocol

    def data_received(self, data):
        super().data_received(data)
        self.protocol.data_received(data)

    def eof_received(self):
        super().eof_received()
        self.protocol.eof_received()

    def connection_lost(self, exc):
        super().connection_lost(exc)
        self.protocol.connection_lost(exc)
