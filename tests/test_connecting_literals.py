"""create_connection to an address literal: the same connection, errors and calls as to a name."""

import asyncio
import errno
import inspect
import logging
import os
import socket

import pytest

from protocols import Echo, Recorder, turns


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def open_descriptors():
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "127.1", "0x7f.1", "localhost"])
def test_connection_of_each_form_of_an_address(loop, run, host):
    async def main():
        server = await loop.create_server(Echo, "::1" if ":" in host else "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        transport, protocol = await loop.create_connection(Recorder, host, address[1])
        assert transport.get_extra_info("peername") == address
        sock = transport.get_extra_info("socket")
        assert (sock.family, sock.type) == (server.sockets[0].family, socket.SOCK_STREAM)
        assert sock.gettimeout() == 0
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockname() == transport.get_extra_info("sockname")
        transport.write(b"hello")
        await protocol.received(5)
        transport.close()
        await protocol.lost()
        server.close()

    run(main())


def test_protocol_is_made_when_the_connection_is_there(loop, run, full_listener):
    made = []

    class Protocol(Recorder):
        def __init__(self):
            super().__init__()
            made.append(self)

    async def accept_all():
        while True:
            peer, _ = await loop.sock_accept(full_listener)  # makes room: the system asks again
            peer.close()

    async def main():
        task = loop.create_task(loop.create_connection(Protocol, *full_listener.getsockname()))
        await turns(5)
        assert not task.done() and not made
        full_listener.setblocking(False)
        accepting = loop.create_task(accept_all())
        transport, protocol = await task
        accepting.cancel()
        assert made == [protocol]
        transport.close()
        await protocol.lost()

    run(main())


def test_connection_that_is_cancelled_under_way_closes_its_socket(loop, run, full_listener):
    async def main():
        before = open_descriptors()
        task = loop.create_task(loop.create_connection(Recorder, *full_listener.getsockname()))
        await turns(3)
        assert open_descriptors() == before + 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert open_descriptors() == before

    run(main())


def test_connection_that_is_cancelled_before_its_caller_wakes_is_closed(loop, run, listener):
    async def main():
        protocol = Recorder()
        task = loop.create_task(loop.create_connection(lambda: protocol, *listener.getsockname()))
        while not protocol.transport:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await protocol.lost()

    run(main())


def test_refused_connection_is_told_with_its_address_and_closed(loop, run, listener):
    host, port = listener.getsockname()
    listener.close()

    async def main():
        before = open_descriptors()
        with pytest.raises(ConnectionRefusedError) as caught:
            await loop.create_connection(Recorder, host, port)
        assert caught.value.errno == errno.ECONNREFUSED
        assert caught.value.strerror == f"Connect call failed {(host, port)}"
        assert open_descriptors() == before

    run(main())


def test_factory_that_raises_closes_the_connection(loop, run, listener):
    def factory():
        raise LookupError("no protocol")

    async def main():
        before = open_descriptors()
        with pytest.raises(LookupError, match="no protocol"):
            await loop.create_connection(factory, *listener.getsockname())
        assert open_descriptors() == before
        peer, _ = listener.accept()
        with peer:
            assert peer.recv(10) == b""

    run(main())


@pytest.mark.parametrize(
    "name",
    [
        "_ensure_resolved",
        "_connect_sock",
        "sock_connect",
        "_create_connection_transport",
        "_make_socket_transport",
    ],
)
@pytest.mark.parametrize("place", ["instance", "class"])
def test_replaced_part_of_the_loop_is_called(loop, run, listener, monkeypatch, name, place):
    calls = []
    original = getattr(loop, name)

    def replacement(*args, **kwargs):
        calls.append(name)
        return original(*args[place == "class" :], **kwargs)

    async def main():
        monkeypatch.setattr(loop if place == "instance" else type(loop), name, replacement)
        transport, protocol = await loop.create_connection(Recorder, *listener.getsockname())
        monkeypatch.undo()
        transport.abort()
        await protocol.lost()

    run(main())
    assert set(calls) == {name}


def test_replaced_create_connection_of_asyncio_is_called(loop, run, listener, monkeypatch):
    calls = []
    original = asyncio.BaseEventLoop.create_connection

    async def create_connection(self, *args, **kwargs):
        calls.append(args[1:])
        return await original(self, *args, **kwargs)

    async def main():
        monkeypatch.setattr(asyncio.BaseEventLoop, "create_connection", create_connection)
        transport, protocol = await loop.create_connection(Recorder, *listener.getsockname())
        monkeypatch.undo()
        transport.abort()
        await protocol.lost()

    run(main())
    assert calls == [listener.getsockname()]


def test_replaced_socket_class_makes_the_socket(loop, run, listener, monkeypatch):
    made = []

    class Guarded(socket.socket):
        def __init__(self, *args, **kwargs):
            made.append(self)
            super().__init__(*args, **kwargs)

        def connect(self, address):
            raise PermissionError(f"no connections to {address}")

    async def main():
        address = listener.getsockname()
        monkeypatch.setattr(socket, "socket", Guarded)
        with pytest.raises(PermissionError, match="no connections to"):
            await loop.create_connection(Recorder, *address)
        monkeypatch.undo()

    run(main())
    assert len(made) == 1 and made[0].fileno() == -1


@pytest.mark.parametrize(
    "options",
    [
        {"family": socket.AF_INET},
        {"ssl": None, "local_addr": None},
        {"ssl": False},
        {"happy_eyeballs_delay": 0.25},
        {"local_addr": ("127.0.0.1", 0)},
        {"flags": socket.AI_NUMERICHOST},
    ],
    ids=repr,
)
def test_options_are_heeded(loop, run, listener, options):
    async def main():
        transport, protocol = await loop.create_connection(Recorder, *listener.getsockname(), **options)
        assert transport.get_extra_info("peername") == listener.getsockname()
        transport.abort()
        await protocol.lost()

    run(main())


@pytest.mark.parametrize(
    ("arguments", "options", "error"),
    [
        (("127.0.0.1", 70000), {}, OverflowError),
        (("127.0.0.1", 1), {"colour": "red"}, TypeError),
        (("127.0.0.1", 1), {"server_hostname": "x"}, ValueError),
        (("127.0.0.1", 1), {"family": socket.AF_INET6}, socket.gaierror),
        (("127.0.0.1%lo", 1), {}, OSError),
    ],
)
def test_arguments_are_refused_in_the_same_words(loop, run, arguments, options, error):
    with pytest.raises(error):
        run(loop.create_connection(Recorder, *arguments, **options))


def test_audit_hooks_hear_of_no_connect_to_what_is_no_address(script):
    out = script("""
        heard = []
        sys.addaudithook(lambda event, args: heard.append(event) if event == "socket.connect" else None)

        async def main():
            loop = asyncio.get_running_loop()
            with socket.socket() as sock:
                sock.setblocking(False)
                for connect in (
                    loop.sock_connect(sock, ("127.0.0.1", 70000)),
                    loop.create_connection(asyncio.Protocol, "127.0.0.1", 70000),
                ):
                    try:
                        await connect
                    except OverflowError:
                        print(heard)

        run(main())
    """)
    assert out == "[]\n[]\n"


def test_signature_is_that_of_asyncio(loop):
    ours = inspect.signature(loop.create_connection)
    asyncios = list(inspect.signature(asyncio.BaseEventLoop.create_connection).parameters.values())
    assert list(ours.parameters.values()) == asyncios[1:]  # without self
    assert inspect.iscoroutinefunction(loop.create_connection)


def test_connection_in_debug_mode_is_logged(loop, run, listener, caplog):
    loop.set_debug(True)
    loop.slow_callback_duration = 10

    async def main():
        with caplog.at_level(logging.DEBUG, "asyncio"):
            transport, protocol = await loop.create_connection(Recorder, *listener.getsockname())
        transport.abort()
        await protocol.lost()

    run(main())
    assert any("connected to" in record.getMessage() for record in caplog.records)
