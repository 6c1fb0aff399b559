"""Stream transports over TCP: connecting, the order of callbacks, losing the connection."""

import asyncio
import errno
import gc
import socket

import pytest

from protocols import BufferedRecorder, Echo, Recorder, fill, reset, turns

PROTOCOLS = pytest.mark.parametrize("factory", [Recorder, BufferedRecorder], ids=["protocol", "buffered"])


def test_create_connection_returns_transport_and_protocol(loop, run):
    async def main():
        server = await loop.create_server(Echo, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        transport, protocol = await loop.create_connection(Recorder, *address)
        assert isinstance(transport, asyncio.Transport)
        assert isinstance(protocol, Recorder)
        assert protocol.transport is transport
        assert transport.get_protocol() is protocol
        assert protocol.calls == ["connection_made"]
        transport.write(b"hello")
        assert await protocol.received(5) == b"hello"
        transport.close()
        assert await protocol.lost() is None
        server.close()

    run(main())


@PROTOCOLS
def test_callbacks_come_in_order(loop, run, tcp_pair, factory):
    async def main():
        ours, peer = tcp_pair()
        await loop.sock_sendall(peer, b"sent before the transport was there")
        transport, protocol = await loop.create_connection(factory, sock=ours)
        await protocol.received(35)
        peer.close()
        assert await protocol.lost() is None
        received = "data_received" if factory is Recorder else "buffer_updated"
        assert protocol.calls == ["connection_made", received, "eof_received", "connection_lost"]
        await turns(5)
        assert len(protocol.calls) == 4

    run(main())


def test_ipv6_connection_reaches_an_ipv6_server(loop, run):
    async def main():
        server = await loop.create_server(Echo, "::1", 0)
        port = server.sockets[0].getsockname()[1]
        transport, protocol = await loop.create_connection(Recorder, "::1", port)
        assert transport.get_extra_info("peername") == ("::1", port, 0, 0)
        transport.write(b"six")
        assert await protocol.received(3) == b"six"
        transport.close()
        await protocol.lost()
        server.close()

    run(main())


def test_connection_refused_names_the_address(loop, run):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ConnectionRefusedError) as caught:
        run(loop.create_connection(Recorder, "127.0.0.1", port))
    assert caught.value.errno == errno.ECONNREFUSED
    assert str(caught.value) == f"[Errno {errno.ECONNREFUSED}] Connect call failed ('127.0.0.1', {port})"


def test_connection_refused_by_every_address_names_all(loop, run):
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as listener:
        port = listener.getsockname()[1]

    async def addresses(host, port, **options):
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("::1", port, 0, 0)),
            (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", port)),
        ]

    loop.getaddrinfo = addresses
    with pytest.raises(OSError, match="^Multiple exceptions: .*'::1'.*'127.0.0.1'"):
        run(loop.create_connection(Recorder, "two.test", port))


def test_second_address_is_tried_after_the_first_refuses(loop, run):
    async def main():
        server = await loop.create_server(Echo, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]

        async def addresses(host, port, **options):
            return [
                (socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("::1", port, 0, 0)),
                (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", port)),
            ]

        loop.getaddrinfo = addresses
        for options in ({}, {"happy_eyeballs_delay": 0.25}):
            transport, protocol = await loop.create_connection(Recorder, "two.test", port, **options)
            assert transport.get_extra_info("peername") == ("127.0.0.1", port)
            transport.close()
            await protocol.lost()
        server.close()

    run(main())


def test_local_addr_is_bound(loop, run):
    async def main():
        server = await loop.create_server(Echo, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        transport, protocol = await loop.create_connection(Recorder, *address, local_addr=("127.0.0.2", 0))
        assert transport.get_extra_info("sockname")[0] == "127.0.0.2"
        transport.close()
        await protocol.lost()
        server.close()

    run(main())


def test_extra_info(loop, run, tcp_pair):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        assert transport.get_extra_info("sockname") == ours.getsockname() == peer.getpeername()
        assert transport.get_extra_info("peername") == peer.getsockname()
        assert transport.get_extra_info("nothing") is None
        assert transport.get_extra_info("nothing", "default") == "default"
        sock = transport.get_extra_info("socket")
        assert isinstance(sock, asyncio.trsock.TransportSocket)
        assert sock.fileno() == ours.fileno()
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
        assert sock.gettimeout() == 0
        sockname = transport.get_extra_info("sockname")
        transport.close()
        await protocol.lost()
        assert transport.get_extra_info("sockname") == sockname

    run(main())


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_addresses_outlive_the_connection(loop, run, host):
    """Asked for the first time when the peer has gone and the descriptor is closed."""

    async def main():
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.create_server((host, 0), family=family) as listener:
            address = listener.getsockname()
            transport, protocol = await loop.create_connection(Recorder, *address[:2])
            peer, name = listener.accept()
            reset(peer)
            await protocol.lost()
            assert transport.get_extra_info("peername") == address
            assert transport.get_extra_info("sockname") == name

    run(main())


def test_unix_socket_pair_works_as_a_stream(loop, run, socket_pair):
    async def main():
        ours, peer = socket_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        transport.write(b"ping")
        assert await loop.sock_recv(peer, 10) == b"ping"
        transport.close()
        assert await protocol.lost() is None
        assert await loop.sock_recv(peer, 10) == b""

    run(main())


def test_connect_accepted_socket_serves_a_connection(loop, run):
    async def main():
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            with socket.create_connection(listener.getsockname()) as client:
                client.setblocking(False)
                accepted, _ = await loop.sock_accept(listener)
                transport, protocol = await loop.connect_accepted_socket(Echo, accepted)
                await loop.sock_sendall(client, b"hello")
                assert await loop.sock_recv(client, 10) == b"hello"
                transport.close()
                await protocol.lost()

    run(main())


@pytest.mark.parametrize("twice", ["close close", "close abort", "abort close", "abort abort"])
def test_closing_twice_loses_the_connection_once(loop, run, tcp_pair, twice):
    async def main():
        ours, _ = tcp_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        assert not transport.is_closing()
        for method in twice.split():
            getattr(transport, method)()
            assert transport.is_closing()
        assert protocol.calls == ["connection_made"]  # connection_lost is never called from within close()
        await protocol.lost()
        transport.close()
        transport.abort()
        await turns(5)
        assert protocol.calls == ["connection_made", "connection_lost"]
        assert transport.is_closing()
        assert ours.fileno() == -1

    run(main())


def test_data_for_a_closed_transport_is_dropped(loop, run, tcp_pair):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        peer.send(b"late")
        transport.close()
        await protocol.lost()
        assert protocol.calls == ["connection_made", "connection_lost"]

    run(main())


@PROTOCOLS
def test_reset_by_peer_is_the_reason_of_connection_lost(loop, run, tcp_pair, factory):
    async def main():
        ours, peer = tcp_pair()
        _, protocol = await loop.create_connection(factory, sock=ours)
        reset(peer)
        exc = await protocol.lost()
        assert type(exc) is ConnectionResetError
        assert (exc.errno, exc.strerror) == (errno.ECONNRESET, "Connection reset by peer")
        assert "eof_received" not in protocol.calls

    run(main())


def test_peer_that_disappears_while_we_write_loses_the_connection(loop, run, tcp_pair):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        transport.pause_reading()
        await fill(transport, protocol)
        reset(peer)
        exc = await protocol.lost()
        assert isinstance(exc, (ConnectionResetError, BrokenPipeError))
        for _ in range(10):
            transport.write(b"x" * 1000)  # logs a warning after the fifth, and raises nothing
        assert protocol.calls[-1] == "connection_lost"

    run(main())


def test_broken_pipe_is_the_reason_of_connection_lost(loop, run, socket_pair):
    async def main():
        ours, peer = socket_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        transport.pause_reading()
        peer.close()
        transport.write(b"x")
        assert isinstance(await protocol.lost(), BrokenPipeError)
        assert protocol.calls == ["connection_made", "connection_lost"]

    run(main())


def test_write_in_connection_made_is_sent(loop, run, tcp_pair):
    class Greeting(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            transport.write(b"welcome")
            transport.close()

    async def main():
        ours, peer = tcp_pair()
        _, protocol = await loop.create_connection(Greeting, sock=ours)
        await protocol.lost()
        assert await loop.sock_recv(peer, 100) == b"welcome"

    run(main())


def test_unclosed_transport_warns(loop, run, tcp_pair):
    async def main():
        ours, _ = tcp_pair()
        transport, protocol = await loop.create_connection(asyncio.Protocol, sock=ours)
        transport.pause_reading()  # a reading transport is held by the loop
        del transport, protocol
        await turns(2)

    with pytest.warns(ResourceWarning, match="^unclosed transport <"):
        run(main())
        gc.collect()


def test_repr_tells_descriptor_and_state(loop, run, tcp_pair):
    async def main():
        ours, _ = tcp_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        assert f"fd={ours.fileno()}" in repr(transport)
        transport.close()
        assert " closing " in repr(transport)
        await protocol.lost()
        assert " closed " in repr(transport)

    run(main())


def test_five_hundred_connections_at_once(loop, run):
    async def main():
        server = await loop.create_server(Echo, "127.0.0.1", 0, backlog=500)
        address = server.sockets[0].getsockname()

        async def talk(number):
            transport, protocol = await loop.create_connection(Recorder, *address)
            data = b"%d " % number * 1000
            transport.write(data)
            assert await protocol.received(len(data)) == data
            return transport, protocol

        pairs = await asyncio.gather(*(talk(number) for number in range(500)))
        for transport, _ in pairs:
            transport.close()
        for _, protocol in pairs:
            assert await protocol.lost() is None
        server.close()

    run(main())
