"""create_server and the Server it returns."""

import asyncio
import errno
import os
import re
import socket
import sys
import tempfile
import weakref

import pytest

from protocols import Echo, Recorder, turns


class Accepted:
    """A protocol factory that keeps the protocols it made."""

    def __init__(self, factory=Echo):
        self.factory = factory
        self.protocols = []

    def __call__(self):
        self.protocols.append(self.factory())
        return self.protocols[-1]


async def until(condition):
    async def look():
        while not condition():
            await asyncio.sleep(0.001)

    await asyncio.wait_for(look(), 10)


async def talk(loop, address, text=b"hello"):
    transport, protocol = await loop.create_connection(Recorder, *address[:2])
    transport.write(text)
    assert await protocol.received(len(text)) == text
    transport.close()
    await protocol.lost()


def test_server_answers_and_tells_about_itself(loop, run):
    async def main():
        server = await loop.create_server(Echo, "127.0.0.1", 0)
        assert isinstance(server, asyncio.AbstractServer)
        assert server.get_loop() is loop
        assert server.is_serving() is True
        [sock] = server.sockets
        assert isinstance(sock, asyncio.trsock.TransportSocket)
        await talk(loop, sock.getsockname())
        server.close()
        assert server.is_serving() is False
        assert server.sockets == ()
        await server.wait_closed()

    run(main())


def test_closed_server_refuses_connections(loop, run):
    async def main():
        server = await loop.create_server(Echo, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        server.close()
        server.close()
        with pytest.raises(ConnectionRefusedError):
            await loop.create_connection(Recorder, *address)

    run(main())


def test_close_leaves_open_connections_alone(loop, run):
    async def main():
        server = await loop.create_server(Echo, "127.0.0.1", 0)
        transport, protocol = await loop.create_connection(Recorder, *server.sockets[0].getsockname())
        transport.write(b"one")
        await protocol.received(3)
        server.close()
        transport.write(b"two")
        assert await protocol.received(6) == b"onetwo"
        transport.close()
        await protocol.lost()
        await server.wait_closed()

    run(main())


@pytest.mark.since("3.12")
def test_wait_closed_waits_for_the_connections(loop, run):
    async def main():
        accepted = Accepted()
        server = await loop.create_server(accepted, "127.0.0.1", 0)
        waiting_before_close = loop.create_task(server.wait_closed())
        transport, protocol = await loop.create_connection(Recorder, *server.sockets[0].getsockname())
        transport.write(b"x")
        await protocol.received(1)
        server.close()
        waiting = loop.create_task(server.wait_closed())
        await turns(10)
        assert not waiting.done() and not waiting_before_close.done()
        transport.close()
        await waiting
        await waiting_before_close
        assert accepted.protocols[0].calls[-1] == "connection_lost"
        await server.wait_closed()

    run(main())


@pytest.mark.until("3.12")
def test_wait_closed_after_close_returns_at_once(loop, run):
    async def main():
        server = await loop.create_server(Echo, "127.0.0.1", 0)
        transport, protocol = await loop.create_connection(Recorder, *server.sockets[0].getsockname())
        transport.write(b"x")
        await protocol.received(1)
        server.close()
        await server.wait_closed()
        transport.close()
        await protocol.lost()

    run(main())


@pytest.mark.since("3.13")  # until 3.12 a server counts its transports
def test_server_knows_its_transports(loop, run):
    """``_clients`` is asyncio's, but libraries look there: a WeakSet, of those that live."""

    async def main():
        server = await loop.create_server(Recorder, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        ends = [(await loop.create_connection(Recorder, *address))[0] for _ in range(20)]
        await until(lambda: len(server._clients) == 20)
        clients = server._clients
        assert isinstance(clients, weakref.WeakSet)
        for end in ends[:5]:
            end.close()
        await until(lambda: len(clients) == 15)
        peers = {transport.get_extra_info("peername") for transport in clients}
        assert peers == {end.get_extra_info("sockname") for end in ends[5:]}
        one, *rest = clients
        assert (one in clients, len(clients), len(clients.copy())) == (True, 15, 15)
        clients.discard(one)
        assert (one in clients, len(clients)) == (False, 14)
        clients.add(one)
        clients.add(one)
        assert (set(clients), len(clients)) == ({one, *rest}, 15)
        more = [(await loop.create_connection(Recorder, *address))[0] for _ in range(3)]
        await until(lambda: len(clients) == 18)
        assert len(list(clients)) == 18
        del one, rest
        server.close()
        waiting = loop.create_task(server.wait_closed())
        for end in ends + more:
            end.close()
        await waiting
        assert len(clients) == 0

    run(main())


@pytest.mark.since("3.13")
@pytest.mark.parametrize("method", ["close_clients", "abort_clients"])
def test_clients_are_closed_with(loop, run, method):
    async def main():
        accepted = Accepted()
        server = await loop.create_server(accepted, "127.0.0.1", 0)
        transports = [
            (await loop.create_connection(Recorder, *server.sockets[0].getsockname()))[1] for _ in range(3)
        ]
        while len(accepted.protocols) < 3 or not all(protocol.calls for protocol in accepted.protocols):
            await turns(1)
        server.close()
        getattr(server, method)()
        await server.wait_closed()
        for protocol in transports:
            await protocol.lost()
        assert [protocol.calls for protocol in accepted.protocols] == [
            ["connection_made", "connection_lost"]
        ] * 3

    run(main())


def test_server_started_later_serves_later(loop, run):
    async def main():
        server = await loop.create_server(Echo, "127.0.0.1", 0, start_serving=False)
        assert server.is_serving() is False
        address = server.sockets[0].getsockname()
        with pytest.raises(ConnectionRefusedError):
            await loop.create_connection(Recorder, *address)
        await server.start_serving()
        await server.start_serving()
        assert server.is_serving() is True
        await talk(loop, address)
        server.close()

    run(main())


def test_serve_forever_serves_until_it_is_cancelled(loop, run):
    async def main():
        server = await loop.create_server(Echo, "127.0.0.1", 0, start_serving=False)
        address = server.sockets[0].getsockname()
        task = loop.create_task(server.serve_forever())
        await turns(2)
        assert server.is_serving()
        with pytest.raises(RuntimeError, match=r"is already being awaited on serve_forever\(\)$"):
            await server.serve_forever()
        await talk(loop, address)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not server.is_serving()
        with pytest.raises(RuntimeError, match=r"^server <.*> is closed$"):
            await server.serve_forever()

    run(main())


def test_close_ends_serve_forever(loop, run):
    async def main():
        server = await loop.create_server(Echo, "127.0.0.1", 0)
        task = loop.create_task(server.serve_forever())
        await turns(2)
        server.close()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())


def test_async_with_closes_the_server(loop, run):
    async def main():
        async with await loop.create_server(Echo, "127.0.0.1", 0) as server:
            await talk(loop, server.sockets[0].getsockname())
        assert server.sockets == ()

    run(main())


def test_server_takes_a_socket(loop, run):
    async def main():
        sock = socket.create_server(("127.0.0.1", 0))
        server = await loop.create_server(Echo, sock=sock)
        assert sock.gettimeout() == 0
        await talk(loop, sock.getsockname())
        server.close()
        assert sock.fileno() == -1

    run(main())


def test_server_listens_on_several_hosts(loop, run):
    async def main():
        server = await loop.create_server(Echo, ["127.0.0.1", "::1", "127.0.0.1"], 0)
        assert len(server.sockets) == 2
        for sock in server.sockets:
            await talk(loop, sock.getsockname())
        server.close()

    run(main())


def test_accepted_transport_knows_both_ends(loop, run):
    async def main():
        accepted = Accepted(Recorder)
        server = await loop.create_server(accepted, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        transport, protocol = await loop.create_connection(Recorder, *address)
        transport.write(b"x")
        while not accepted.protocols:
            await turns(1)
        [peer] = accepted.protocols
        await peer.received(1)
        assert peer.transport.get_extra_info("peername") == transport.get_extra_info("sockname")
        assert peer.transport.get_extra_info("sockname") == address
        sock = peer.transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
        assert not os.get_inheritable(sock.fileno())
        transport.close()
        await peer.lost()
        server.close()

    run(main())


def test_data_sent_with_the_connect_comes_after_connection_made(loop, run):
    async def main():
        accepted = Accepted(Recorder)
        server = await loop.create_server(accepted, "127.0.0.1", 0)
        with socket.create_connection(server.sockets[0].getsockname()) as client:
            client.sendall(b"at once")
        while not accepted.protocols:
            await turns(1)
        [protocol] = accepted.protocols
        await protocol.lost()
        assert protocol.calls == ["connection_made", "data_received", "eof_received", "connection_lost"]
        server.close()

    run(main())


def test_server_with_a_backlog_of_one_serves_one_after_the_other(loop, run):
    async def main():
        server = await loop.create_server(Echo, "127.0.0.1", 0, backlog=1)
        address = server.sockets[0].getsockname()
        for number in range(20):
            await talk(loop, address, b"%d" % number)
        server.close()

    run(main())


def test_port_in_use_names_the_address(loop, run):
    with socket.create_server(("127.0.0.1", 0)) as sock:
        address = sock.getsockname()
        with pytest.raises(OSError) as caught:
            run(loop.create_server(Echo, *address))
    assert caught.value.errno == errno.EADDRINUSE
    reason = "[errno 98] address already in use" if sys.version_info >= (3, 13) else "address already in use"
    assert caught.value.strerror.endswith(f"error while attempting to bind on address {address}: {reason}")


def test_reuse_port_lets_two_servers_share_a_port(loop, run):
    async def main():
        first = await loop.create_server(Echo, "127.0.0.1", 0, reuse_port=True)
        address = first.sockets[0].getsockname()
        second = await loop.create_server(Echo, *address, reuse_port=True)
        assert second.sockets[0].getsockname() == address
        for _ in range(10):
            await talk(loop, address)
        first.close()
        second.close()

    run(main())


@pytest.mark.since("3.13")
def test_keep_alive_is_set_on_the_listening_socket(loop, run):
    async def main():
        server = await loop.create_server(Echo, "127.0.0.1", 0, keep_alive=True)
        assert server.sockets[0].getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        server.close()

    run(main())


# asyncio leaves closing to the socket's finaliser
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.parametrize("debug", [False, True], ids=["normal", "debug"])
def test_failing_protocol_factory_closes_the_connection_and_the_server_lives(loop, run, errors, debug):
    answers = [LookupError("factory"), None]

    def factory():
        error = answers.pop(0)
        if error:
            raise error
        return Echo()

    async def main():
        server = await loop.create_server(factory, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        with socket.create_connection(address):
            while len(answers) == 2:
                await turns(1)
        await talk(loop, address)
        server.close()

    loop.set_debug(debug)
    run(main())
    assert errors.messages() == ["Error on transport creation for incoming connection"] * debug


# asyncio leaves closing to the finalisers, of what it has half made
@pytest.mark.filterwarnings("ignore:unclosed :ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("debug", [False, True], ids=["normal", "debug"])
@pytest.mark.parametrize("given", [None, 5], ids=repr)
def test_factory_that_gives_no_protocol_leaves_the_server_alive(loop, run, errors, debug, given):
    answers = [given, Echo()]

    async def main():
        server = await loop.create_server(lambda: answers.pop(0), "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        with socket.create_connection(address):
            while len(answers) == 2:
                await turns(1)
            await turns(2)
        await talk(loop, address)
        server.close()

    loop.set_debug(debug)
    run(main())
    assert errors.messages() == ["Error on transport creation for incoming connection"] * debug


def test_server_repr_shows_its_sockets(loop, run):
    async def main():
        server = await loop.create_server(Echo, "127.0.0.1", 0)
        assert re.match(r"<\w+ sockets=\(<asyncio.TransportSocket fd=\d+, ", repr(server))
        server.close()
        assert re.fullmatch(r"<\w+ sockets=\(\)>", repr(server))

    run(main())


def test_unix_server_answers(loop, run):
    async def main():
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "socket")
            server = await loop.create_unix_server(Echo, path)
            transport, protocol = await loop.create_unix_connection(Recorder, path)
            assert transport.get_extra_info("peername") == path
            transport.write(b"hello")
            assert await protocol.received(5) == b"hello"
            transport.close()
            await protocol.lost()
            server.close()
            await server.wait_closed()

    run(main())


@pytest.mark.linux_only
def test_accept_out_of_descriptors_is_reported_and_tried_again(script):
    out = script("""
        import errno, resource

        class Greeting(asyncio.Protocol):
            def connection_made(self, transport):
                transport.write(b"welcome")
                transport.close()

        async def main():
            loop = asyncio.get_running_loop()
            reported = loop.create_future()
            loop.set_exception_handler(lambda loop, context: reported.done() or reported.set_result(context))
            server = await loop.create_server(Greeting, "127.0.0.1", 0)
            client = socket.socket()
            client.setblocking(False)
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
            spare = []
            try:
                while True:
                    spare.append(os.dup(0))
            except OSError:
                pass
            await loop.sock_connect(client, server.sockets[0].getsockname())
            context = await reported
            print(context["message"])
            print(context["exception"].errno == errno.EMFILE)
            print(type(context["socket"]).__name__)
            for fd in spare:
                os.close(fd)
            print(await loop.sock_recv(client, 100))  # the accept is tried again after a second
            client.close()
            server.close()

        run(main())
    """)
    assert out.splitlines() == [
        "socket.accept() out of system resource",
        "True",
        "TransportSocket",
        "b'welcome'",
    ]


@pytest.mark.goloop_only  # asyncio refuses the new connection
def test_accepted_connection_takes_the_number_of_a_socket_closed_behind_its_transport(loop, run, socket_pair):
    async def main():
        accepted = Accepted(Recorder)
        server = await loop.create_server(accepted, "127.0.0.1", 0)
        ours, peer = socket_pair()
        transport, _ = await loop.create_connection(Recorder, sock=ours)
        await turns(2)
        number = ours.fileno()
        with socket.socket() as client:
            ours.close()
            client.connect(server.sockets[0].getsockname())
            await turns(3)
            [protocol] = accepted.protocols
            assert protocol.transport.get_extra_info("socket").fileno() == number
            references = sys.getrefcount(transport)
            transport.pause_reading()
            transport.resume_reading()
            transport.pause_reading()
            assert sys.getrefcount(transport) == references
            client.send(b"for the new one")
            assert await protocol.received(15) == b"for the new one"
            transport.abort()
            await turns(2)
            assert not protocol.transport.is_closing()
        await protocol.lost()
        server.close()

    run(main())
