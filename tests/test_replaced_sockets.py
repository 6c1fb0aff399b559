"""socket.socket, or a method of it, replaced by the program, as proxies, guards and mocks do: nothing goes past it."""

import socket
import textwrap

import pytest

from protocols import DatagramRecorder, Echo, Recorder

METHODS = ["connect", "recv", "send", "accept", "recvfrom", "sendto"]


class Guarded(PermissionError):
    pass


@pytest.fixture
def calls():
    return []


@pytest.fixture
def replaced_class(monkeypatch, calls):
    """Puts a class that records its calls in the place of socket.socket."""
    plain = socket.socket

    def method(name):
        def call(self, *args):
            calls.append(name)
            return getattr(plain, name)(self, *args)

        return call

    cls = type("Replaced", (plain,), {name: method(name) for name in METHODS})
    return lambda: monkeypatch.setattr(socket, "socket", cls)


@pytest.fixture
def replaced_method(monkeypatch, calls):
    """Replaces a method of socket.socket by one that records its calls, and may refuse."""

    def replace(name, refuse=False):
        plain = getattr(socket.socket, name)

        def call(self, *args):
            calls.append(name)
            if refuse:
                raise Guarded
            return plain(self, *args)

        monkeypatch.setattr(socket.socket, name, call, raising=False)

    return replace


async def by_create_connection(loop, address):
    transport, protocol = await loop.create_connection(Recorder, *address)
    transport.write(b"hello")
    await protocol.received(5)
    transport.close()
    await protocol.lost()


async def by_sock_connect(loop, address):
    with socket.socket() as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, address)
        await loop.sock_sendall(sock, b"hello")
        assert await loop.sock_recv(sock, 100)


CONNECTS = [by_create_connection, by_sock_connect]


@pytest.mark.parametrize("connect", CONNECTS)
def test_connection_goes_through_the_class_in_the_place_of_socket(loop, run, calls, replaced_class, connect):
    async def main():
        server = await loop.create_server(Echo, "127.0.0.1", 0)
        replaced_class()
        await connect(loop, server.sockets[0].getsockname())
        server.close()
        await server.wait_closed()

    run(main())
    assert {"connect", "send", "recv"} <= set(calls)


@pytest.mark.parametrize("connect", CONNECTS)
def test_connection_goes_through_a_replaced_method(loop, run, calls, replaced_method, connect):
    async def main():
        server = await loop.create_server(Echo, "127.0.0.1", 0)
        for name in ("connect", "recv", "send"):
            replaced_method(name)
        await connect(loop, server.sockets[0].getsockname())
        server.close()
        await server.wait_closed()

    run(main())
    assert {"connect", "send", "recv"} <= set(calls)


@pytest.mark.parametrize("connect", CONNECTS)
def test_guard_in_the_place_of_connect_refuses(loop, run, replaced_method, connect):
    async def main():
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            replaced_method("connect", refuse=True)
            with pytest.raises(Guarded):
                await connect(loop, listener.getsockname())
            with pytest.raises(BlockingIOError):
                listener.accept()

    run(main())


def test_guard_that_is_gone_refuses_nothing(loop, run, monkeypatch):
    async def main():
        server = await loop.create_server(Echo, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        for _ in range(3):
            with monkeypatch.context() as patch:
                patch.setattr(socket.socket, "connect", None, raising=False)
                with pytest.raises(TypeError):
                    await by_create_connection(loop, address)
            await by_create_connection(loop, address)
        server.close()
        await server.wait_closed()

    run(main())


@pytest.mark.parametrize("when", ["before the server", "before the connection"])
def test_accepted_connection_is_of_the_class_in_the_place_of_socket(loop, run, calls, replaced_class, when):
    async def main():
        if when == "before the server":
            replaced_class()
        server = await loop.create_server(Echo, "127.0.0.1", 0)
        client = socket.socket()
        client.setblocking(False)
        if when == "before the connection":
            replaced_class()
        with client:
            await loop.sock_connect(client, server.sockets[0].getsockname())
            calls.clear()
            await loop.sock_sendall(client, b"hello")
            assert await loop.sock_recv(client, 100) == b"hello"
        server.close()
        await server.wait_closed()

    run(main())
    own = ["send", "recv"] if when == "before the server" else []
    assert {"recv", "send"} <= set(calls) and len(calls) > len(own)


def test_server_outlives_the_class_that_it_was_started_with(loop, run, calls, monkeypatch):
    plain = socket.socket

    async def main():
        with monkeypatch.context() as patch:
            patch.setattr(socket, "socket", type("Other", (plain,), {}))
            server = await loop.create_server(Echo, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        await by_create_connection(loop, address)
        server.close()
        await server.wait_closed()
        with pytest.raises(ConnectionRefusedError):
            await by_create_connection(loop, address)

    run(main())


def test_server_closes_while_a_method_is_replaced(loop, run, replaced_method):
    async def main():
        server = await loop.create_server(Echo, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        replaced_method("accept")
        server.close()
        await server.wait_closed()
        with pytest.raises(ConnectionRefusedError):
            await by_create_connection(loop, address)

    run(main())


@pytest.mark.goloop_only  # of asyncio, the standard library's accept() leaves the connection open, and nobody knows it
def test_class_that_refuses_ends_the_connection(loop, run, errors, monkeypatch):
    class Refusing(socket.socket):
        def __init__(self, *args, **kwargs):
            raise Guarded

    async def main():
        server = await loop.create_server(Echo, "127.0.0.1", 0)
        with socket.socket() as client:
            client.setblocking(False)
            with monkeypatch.context() as patch:
                patch.setattr(socket, "socket", Refusing)
                await loop.sock_connect(client, server.sockets[0].getsockname())
                assert await loop.sock_recv(client, 1) == b""
        await by_create_connection(loop, server.sockets[0].getsockname())
        server.close()
        await server.wait_closed()

    run(main())
    assert [type(context["exception"]) for context in errors] == [Guarded]


def test_function_in_the_place_of_socket(loop, run, calls, monkeypatch):
    plain = socket.socket

    def make(*args, **kwargs):
        calls.append("made")
        return plain(*args, **kwargs)

    async def main():
        server = await loop.create_server(Echo, "127.0.0.1", 0)
        monkeypatch.setattr(socket, "socket", make)
        for connect in CONNECTS:
            await connect(loop, server.sockets[0].getsockname())
        readable = loop.create_future()
        ours, peer = socket.socketpair()
        with ours, peer:
            loop.add_reader(ours, lambda: readable.done() or readable.set_result(None))
            peer.send(b"x")
            await readable
            assert loop.remove_reader(ours) is True
        server.close()
        await server.wait_closed()

    run(main())
    assert "made" in calls


def test_datagrams_go_through_the_class_in_the_place_of_socket(
    loop, run, calls, peer, endpoint, replaced_class
):
    async def main():
        replaced_class()
        transport, protocol = await endpoint(DatagramRecorder, local_addr=("127.0.0.1", 0))
        transport.sendto(b"ping", peer.getsockname())
        peer.sendto(b"pong", transport.get_extra_info("sockname"))
        assert await protocol.arrived(1) == [b"pong"]

    run(main())
    assert {"sendto", "recvfrom"} <= set(calls)


@pytest.mark.parametrize("name", ["recv", "send"])
def test_method_of_one_socket(loop, run, calls, tcp_pair, name):
    class Patched(socket.socket):
        """As any subclass without __slots__, its objects take attributes."""

    ours, peer = tcp_pair()
    sock = Patched(fileno=ours.detach())
    sock.setblocking(False)
    plain = getattr(sock, name)
    setattr(sock, name, lambda *args: calls.append(name) or plain(*args))

    async def main():
        transport, protocol = await loop.create_connection(Recorder, sock=sock)
        peer.send(b"hello")
        assert await protocol.received(5) == b"hello"
        transport.write(b"answer")
        assert await loop.sock_recv(peer, 100) == b"answer"
        transport.close()
        await protocol.lost()

    run(main())
    assert name in calls


REPLACE = {
    "class": """
        class Replaced(plain):
            def connect(self, address):
                calls.append(address)
                return super().connect(address)
        socket.socket = Replaced
    """,
    "method": """
        def connect(self, address):
            calls.append(address)
            return super(plain, self).connect(address)
        plain.connect = connect
    """,
    "accept": """
        accept = plain.accept
        def replaced(self):
            calls.append("accept")
            return accept(self)
        plain.accept = replaced
    """,
    "stranger": """
        class Stranger:  # no subclass, and with properties of its own, as gevent's
            def __init__(self, *args, **kwargs):
                self._sock = plain(*args, **kwargs)
            def connect(self, address):
                calls.append(address)
                return self._sock.connect(address)
            family = property(lambda self: self._sock.family)
            type = property(lambda self: self._sock.type)
            proto = property(lambda self: self._sock.proto)
            def __getattr__(self, name):
                return getattr(self._sock, name)
        socket.socket = Stranger
    """,
}


@pytest.mark.parametrize("order", ["before", "after"])
@pytest.mark.parametrize("what", REPLACE)
def test_replaced_before_or_after_the_loop_is_imported(script, what, order):
    replace = REPLACE[what]
    if order == "before":  # the prelude imports the loop
        script.prelude = (
            "import socket; plain, calls = socket.socket, []\n" + textwrap.dedent(replace) + script.prelude
        )
        replace = ""
    out = script(
        f"""
        if not {order == "before"}:
            plain, calls = socket.socket, []
{replace}
        async def main():
            async def answer(reader, writer):
                writer.write(await reader.readline())
                writer.close()
            server = await asyncio.start_server(answer, "127.0.0.1", 0)
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"hello\\n")
            print(await reader.read())
            writer.close()
            await writer.wait_closed()
            server.close()
            await server.wait_closed()

        run(main())
        print(len(calls) > 0)
        """
    )
    assert out == "b'hello\\n'\nTrue\n"
