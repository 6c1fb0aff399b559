"""TLS: connections and servers with ssl=, start_tls, TLS inside TLS."""

import asyncio
import os
import socket
import ssl
import sys

import pytest

from protocols import BufferedRecorder, Echo, Recorder, turns

if sys.version_info < (3, 11):
    # There asyncio.sslproto does not mark a transport closed that its peer has closed.
    pytestmark = pytest.mark.filterwarnings("ignore:unclosed transport <asyncio.sslproto:ResourceWarning")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_tls_client_talks_to_tls_server(loop, run, serve_tls, client_context, authority, version):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    context.minimum_version = context.maximum_version = version

    async def main():
        server, port = await serve_tls()
        transport, protocol = await loop.create_connection(Recorder, "127.0.0.1", port, ssl=context)
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"hello")
        assert await protocol.received(5) == b"hello"
        assert transport.get_extra_info("ssl_object").version() == f"TLSv{version.name[4:].replace('_', '.')}"
        transport.close()
        assert await protocol.lost() is None
        server.close()

    run(main())


def test_extra_info_describes_the_session(loop, run, serve_tls, client_context):
    async def main():
        server, port = await serve_tls()
        transport, protocol = await loop.create_connection(
            Recorder, "127.0.0.1", port, ssl=client_context, server_hostname="localhost"
        )
        info = transport.get_extra_info
        assert isinstance(info("ssl_object"), ssl.SSLObject)
        assert info("sslcontext") is client_context
        assert ("DNS", "localhost") in info("peercert")["subjectAltName"]
        assert info("cipher") == info("ssl_object").cipher()
        assert info("compression") is None
        assert isinstance(info("socket"), asyncio.trsock.TransportSocket)
        assert info("peername") == ("127.0.0.1", port)
        assert info("nothing", "default") == "default"
        transport.close()
        await protocol.lost()
        server.close()

    run(main())


class ViewRecorder(BufferedRecorder):
    """asyncio.sslproto fills a copy when get_buffer returns a bytearray and one record has less than it holds."""

    def get_buffer(self, sizehint):
        return memoryview(self.buffer)


@pytest.mark.parametrize("factory", [Recorder, ViewRecorder], ids=["protocol", "buffered"])
def test_large_transfer_arrives_intact(loop, run, serve_tls, client_context, factory):
    async def main():
        server, port = await serve_tls()
        transport, protocol = await loop.create_connection(factory, "127.0.0.1", port, ssl=client_context)
        data = os.urandom(8 << 20)
        for start in range(0, len(data), 300_000):
            await protocol.until(lambda: not protocol.paused)
            transport.write(data[start : start + 300_000])
        assert await protocol.received(len(data)) == data
        transport.close()
        await protocol.lost()
        server.close()

    run(main())


def test_paused_tls_transport_delivers_nothing(loop, run, serve_tls, client_context):
    async def main():
        server, port = await serve_tls()
        transport, protocol = await loop.create_connection(Recorder, "127.0.0.1", port, ssl=client_context)
        transport.pause_reading()
        assert not transport.is_reading()
        transport.write(b"x" * 100_000)
        await turns(50)
        assert protocol.data == b""
        transport.resume_reading()
        assert await protocol.received(100_000) == b"x" * 100_000
        transport.close()
        await protocol.lost()
        server.close()

    run(main())


def test_untrusted_certificate_is_refused(loop, run, serve_tls, errors):
    async def main():
        server, port = await serve_tls()
        with pytest.raises(ssl.SSLCertVerificationError):
            await loop.create_connection(Recorder, "127.0.0.1", port, ssl=ssl.create_default_context())
        server.close()

    run(main())


def test_certificate_of_another_name_is_refused(loop, run, serve_tls, client_context, errors):
    async def main():
        server, port = await serve_tls()
        with pytest.raises(ssl.SSLCertVerificationError, match="other.test"):
            await loop.create_connection(
                Recorder, "127.0.0.1", port, ssl=client_context, server_hostname="other.test"
            )
        server.close()

    run(main())


def test_handshake_with_a_silent_server_times_out(loop, run, client_context):
    async def main():
        with socket.create_server(("127.0.0.1", 0)) as listener:
            with pytest.raises(
                ConnectionAbortedError, match="^SSL handshake is taking longer than 0.05 seconds"
            ):
                await loop.create_connection(
                    Recorder, *listener.getsockname(), ssl=client_context, ssl_handshake_timeout=0.05
                )

    run(main())


def test_plain_text_server_fails_the_handshake(loop, run, client_context):
    class Greeting(asyncio.Protocol):
        def connection_made(self, transport):
            transport.write(b"220 this is no TLS server\r\n")

    async def main():
        server = await loop.create_server(Greeting, "127.0.0.1", 0)
        with pytest.raises(ssl.SSLError):
            await loop.create_connection(Recorder, *server.sockets[0].getsockname(), ssl=client_context)
        server.close()

    run(main())


def test_peer_that_closes_during_the_handshake_fails_it(loop, run, client_context):
    class Leave(asyncio.Protocol):
        def connection_made(self, transport):
            transport.close()

    async def main():
        server = await loop.create_server(Leave, "127.0.0.1", 0)
        with pytest.raises(ConnectionResetError):
            await loop.create_connection(Recorder, *server.sockets[0].getsockname(), ssl=client_context)
        server.close()

    run(main())


def test_client_that_speaks_no_tls_does_not_harm_the_server(loop, run, serve_tls, client_context, errors):
    async def main():
        server, port = await serve_tls()
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.setblocking(False)
            client.send(b"GET / HTTP/1.1\r\n\r\n")
            while await loop.sock_recv(client, 1000):
                pass
        transport, protocol = await loop.create_connection(Recorder, "127.0.0.1", port, ssl=client_context)
        transport.close()
        await protocol.lost()
        server.close()

    run(main())


def test_close_of_the_peer_is_seen_as_eof(loop, run, serve_tls, client_context):
    class Farewell(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            transport.write(b"farewell")
            transport.close()

    async def main():
        server, port = await serve_tls(Farewell)
        _, protocol = await loop.create_connection(Recorder, "127.0.0.1", port, ssl=client_context)
        assert await protocol.lost() is None
        assert protocol.data == b"farewell"
        eof = ["eof_received"] if sys.version_info >= (3, 11) else []
        assert protocol.calls == ["connection_made", "data_received", *eof, "connection_lost"]
        server.close()

    run(main())


def test_tls_transport_cannot_write_eof(loop, run, serve_tls, client_context):
    async def main():
        server, port = await serve_tls()
        transport, protocol = await loop.create_connection(Recorder, "127.0.0.1", port, ssl=client_context)
        assert transport.can_write_eof() is False
        with pytest.raises(NotImplementedError):
            transport.write_eof()
        transport.abort()
        await protocol.lost()
        server.close()

    run(main())


class Upgrade(Recorder):
    """Answers "STARTTLS" in plain text and then speaks TLS on the same connection, echoing."""

    def __init__(self, context, inner=Echo):
        super().__init__()
        self.context = context
        self.inner = inner

    def data_received(self, data):
        super().data_received(data)
        if self.data == b"STARTTLS":
            self.transport.write(b"READY")
            self.task = asyncio.ensure_future(self.upgrade())

    async def upgrade(self):
        loop = asyncio.get_running_loop()
        inner = self.inner()
        transport = await loop.start_tls(self.transport, inner, self.context, server_side=True)
        inner.connection_made(transport)
        transport.write(b"SECURE")  # data that comes before the call above would be too early


async def upgrade(loop, transport, protocol, context):
    transport.write(b"STARTTLS")
    await protocol.received(5)
    inner = Recorder()
    secure = await loop.start_tls(transport, inner, context, server_hostname="localhost")
    inner.connection_made(secure)
    await inner.received(6)
    assert inner.data == b"SECURE"
    inner.data.clear()
    return secure, inner


def test_start_tls_upgrades_a_connection(loop, run, server_context, client_context):
    async def main():
        server = await loop.create_server(lambda: Upgrade(server_context), "127.0.0.1", 0)
        transport, protocol = await loop.create_connection(Recorder, *server.sockets[0].getsockname())
        secure, inner = await upgrade(loop, transport, protocol, client_context)
        assert secure.get_extra_info("peercert")
        data = os.urandom(1 << 20)
        secure.write(data)
        assert await inner.received(len(data)) == data
        assert protocol.data == b"READY"
        secure.close()
        assert await inner.lost() is None
        server.close()

    run(main())


@pytest.mark.since("3.11")
def test_tls_inside_tls(loop, run, serve_tls, server_context, client_context):
    async def main():
        server, port = await serve_tls(lambda: Upgrade(server_context))
        outer, protocol = await loop.create_connection(Recorder, "127.0.0.1", port, ssl=client_context)
        secure, inner = await upgrade(loop, outer, protocol, client_context)
        data = os.urandom(1 << 20)
        secure.write(data)
        assert await inner.received(len(data)) == data
        secure.close()
        await inner.lost()
        server.close()

    run(main())


def test_start_tls_refuses_a_missing_context(loop, run, tcp_pair):
    async def main():
        ours, _ = tcp_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        with pytest.raises(
            TypeError, match="sslcontext is expected to be an instance of ssl.SSLContext, got None"
        ):
            await loop.start_tls(transport, protocol, None)
        transport.close()
        await protocol.lost()

    run(main())


def test_streams_over_tls(loop, run, server_context, client_context):
    async def upper(reader, writer):
        writer.write((await reader.readline()).upper())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def main():
        server = await asyncio.start_server(upper, "127.0.0.1", 0, ssl=server_context)
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection(
            "localhost", port, ssl=client_context, family=socket.AF_INET
        )
        writer.write(b"hello\n")
        assert await reader.readline() == b"HELLO\n"
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()

    run(main())


def test_fifty_tls_connections_at_once(loop, run, serve_tls, client_context):
    async def main():
        server, port = await serve_tls()

        async def talk(number):
            transport, protocol = await loop.create_connection(
                Recorder, "127.0.0.1", port, ssl=client_context
            )
            data = bytes([number]) * 20_000
            transport.write(data)
            assert await protocol.received(len(data)) == data
            transport.close()
            await protocol.lost()

        await asyncio.gather(*(talk(number) for number in range(50)))
        server.close()

    run(main())


@pytest.mark.parametrize("level", ["create_server", "start_tls"])
@pytest.mark.goloop_only
@pytest.mark.since("3.11")
def test_messages_go_through_the_extension(loop, run, serve_tls, server_context, client_context, level):
    async def main():
        if level == "start_tls":
            server = await loop.create_server(lambda: Upgrade(server_context), "127.0.0.1", 0)
            transport, protocol = await loop.create_connection(Recorder, *server.sockets[0].getsockname())
            transport, protocol = await upgrade(loop, transport, protocol, client_context)
        else:
            server, port = await serve_tls()
            transport, protocol = await loop.create_connection(
                Recorder, "127.0.0.1", port, ssl=client_context
            )
        assert type(transport).write.__class__.__name__ == "method_descriptor"
        assert type(transport._ssl_protocol).__module__ == "goloop.tls"
        transport.close()
        await protocol.lost()
        server.close()

    run(main())


@pytest.mark.goloop_only
@pytest.mark.since("3.11")
def test_buffer_for_encrypted_bytes_is_made_when_it_is_needed(loop, run, serve_tls, client_context):
    async def main():
        server, port = await serve_tls()
        transport, protocol = await loop.create_connection(Recorder, "127.0.0.1", port, ssl=client_context)
        transport.write(b"hello")
        await protocol.received(5)
        ssl_protocol = transport._ssl_protocol
        assert len(ssl_protocol._ssl_buffer) == 0
        assert (
            len(ssl_protocol.get_buffer(1))
            == len(ssl_protocol._ssl_buffer)
            == ssl_protocol.max_size
            == 256 << 10
        )
        transport.close()
        await protocol.lost()
        server.close()

    run(main())
