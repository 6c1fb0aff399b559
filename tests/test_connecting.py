"""create_connection and create_server: the order of addresses, local addresses, errors, options of sockets."""

import asyncio
import socket

import pytest

from protocols import Echo, Recorder


def resolves_to(loop, monkeypatch, *addresses):
    """Let every host have these IPv4 and IPv6 addresses, (host, port) each."""

    async def getaddrinfo(host, port, *, family=0, type=0, proto=0, flags=0):
        return [
            (socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_STREAM, 6, "", address)
            for address in addresses
        ]

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)


@pytest.fixture
def refused():
    """An address at which nobody listens: its port is bound, so that nobody will."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()


async def end(transport, protocol):
    transport.close()
    await protocol.lost()


def test_next_address_is_tried_when_one_refuses(loop, run, monkeypatch, refused):
    async def main():
        server = await loop.create_server(Echo, "127.0.0.1", 0)
        good = server.sockets[0].getsockname()
        resolves_to(loop, monkeypatch, refused, good)
        transport, protocol = await loop.create_connection(Recorder, "some.host", 80)
        assert transport.get_extra_info("peername") == good
        await end(transport, protocol)
        server.close()

    run(main())


def test_next_address_is_waited_for_when_one_refuses(loop, run, monkeypatch, refused, full_listener):
    async def main():
        resolves_to(loop, monkeypatch, refused, full_listener.getsockname())
        task = loop.create_task(loop.create_connection(Recorder, "some.host", 80))
        await asyncio.sleep(0.05)  # long enough for an answer that is nobody's
        assert not task.done()
        full_listener.setblocking(False)
        accepted = []
        loop.add_reader(full_listener, lambda: accepted.append(full_listener.accept()[0]))
        transport, protocol = await task
        loop.remove_reader(full_listener)
        assert transport.get_extra_info("peername") == full_listener.getsockname()
        await end(transport, protocol)
        for sock in accepted:
            sock.close()

    run(main())


def test_refused_connection_names_its_address(loop, run, refused):
    with pytest.raises(ConnectionRefusedError, match=r"Connect call failed \('127\.0\.0\.1', \d+\)"):
        run(loop.create_connection(Recorder, *refused))


def test_several_failures_are_told_together(loop, run, monkeypatch, refused):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        resolves_to(loop, monkeypatch, refused, sock.getsockname())
        with pytest.raises(
            OSError, match="Multiple exceptions: .*Connect call failed.*, .*Connect call failed"
        ):
            run(loop.create_connection(Recorder, "some.host", 80))


@pytest.mark.since("3.12")
def test_all_errors_come_as_a_group(loop, run, monkeypatch, refused):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        resolves_to(loop, monkeypatch, refused, sock.getsockname())
        with pytest.raises(ExceptionGroup, match="create_connection failed") as caught:
            run(loop.create_connection(Recorder, "some.host", 80, all_errors=True))
    assert [type(each) for each in caught.value.exceptions] == [ConnectionRefusedError] * 2


def test_happy_eyeballs_start_the_second_while_the_first_hangs(loop, run, monkeypatch, full_listener):
    async def main():
        server = await loop.create_server(Echo, "127.0.0.1", 0)
        good = server.sockets[0].getsockname()
        resolves_to(loop, monkeypatch, full_listener.getsockname(), good)
        transport, protocol = await loop.create_connection(
            Recorder, "some.host", 80, happy_eyeballs_delay=0.01
        )
        assert transport.get_extra_info("peername") == good
        await end(transport, protocol)
        server.close()

    run(main())


def test_interleave_takes_the_families_in_turn(loop, run, monkeypatch):
    tried = []

    async def sock_connect(sock, address):
        tried.append(address[0])
        raise OSError("not now")

    monkeypatch.setattr(loop, "sock_connect", sock_connect)
    resolves_to(loop, monkeypatch, ("::1", 1), ("::2", 1), ("::3", 1), ("127.0.0.1", 1), ("127.0.0.2", 1))
    with pytest.raises(OSError, match="not now"):
        run(loop.create_connection(Recorder, "some.host", 80, interleave=2))
    assert tried == ["::1", "::2", "127.0.0.1", "::3", "127.0.0.2"]


def test_local_address_is_bound(loop, run):
    async def main():
        server = await loop.create_server(Echo, "127.0.0.1", 0)
        transport, protocol = await loop.create_connection(
            Recorder, *server.sockets[0].getsockname(), local_addr=("127.0.0.5", 0)
        )
        assert transport.get_extra_info("sockname")[0] == "127.0.0.5"
        await end(transport, protocol)
        server.close()

    run(main())


def test_local_address_in_use_is_refused(loop, run, refused):
    async def main():
        server = await loop.create_server(Echo, "127.0.0.1", 0)
        with pytest.raises(OSError, match="error while attempting to bind on address .*in use"):
            await loop.create_connection(Recorder, *server.sockets[0].getsockname(), local_addr=refused)
        server.close()

    run(main())


def test_cancelled_connection_leaves_no_descriptor(loop, run):
    import psutil

    async def main():
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            waiting = [socket.socket() for _ in range(3)]
            for sock in waiting:
                sock.setblocking(False)
                sock.connect_ex(full.getsockname())
            before = psutil.Process().num_fds()
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(loop.create_connection(Recorder, *full.getsockname()), 0.01)
            assert psutil.Process().num_fds() == before
            for sock in waiting:
                sock.close()

    run(main())


def test_server_listens_on_each_host_of_a_list(loop, run):
    async def main():
        server = await loop.create_server(Echo, ["127.0.0.1", "127.0.0.2"], 0)
        hosts = [sock.getsockname()[0] for sock in server.sockets]
        for sock in server.sockets:
            transport, protocol = await loop.create_connection(Recorder, *sock.getsockname())
            await end(transport, protocol)
        server.close()
        assert server.sockets == ()
        return hosts

    assert sorted(run(main())) == ["127.0.0.1", "127.0.0.2"]


def test_server_without_a_host_listens_on_both_families(loop, run):
    async def main():
        server = await loop.create_server(Echo, None, 0)
        families = {sock.family for sock in server.sockets}
        for sock in server.sockets:
            host = "::1" if sock.family == socket.AF_INET6 else "127.0.0.1"
            transport, protocol = await loop.create_connection(Recorder, host, sock.getsockname()[1])
            await end(transport, protocol)
        server.close()
        return families

    assert run(main()) == ({socket.AF_INET, socket.AF_INET6} if socket.has_ipv6 else {socket.AF_INET})


@pytest.mark.linux_only
def test_port_is_shared_with_reuse_port_only(loop, run):
    async def main():
        first = await loop.create_server(Echo, "127.0.0.1", 0, reuse_port=True)
        address = first.sockets[0].getsockname()
        second = await loop.create_server(Echo, *address, reuse_port=True)
        with pytest.raises(OSError, match="error while attempting to bind on address"):
            await loop.create_server(Echo, *address)
        first.close()
        second.close()

    run(main())


@pytest.mark.since("3.13")
def test_keep_alive_of_a_server_is_its_connections(loop, run):
    async def main():
        made = []
        server = await loop.create_server(
            lambda: made.append(Recorder()) or made[-1], "127.0.0.1", 0, keep_alive=True
        )
        transport, protocol = await loop.create_connection(Recorder, *server.sockets[0].getsockname())
        while not made or made[0].transport is None:
            await asyncio.sleep(0)
        options = [
            each.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            for each in (server.sockets[0], made[0].transport.get_extra_info("socket"))
        ]
        await end(transport, protocol)
        server.close()
        return options

    assert run(main()) == [1, 1]


def test_server_is_an_abstract_server_and_says_its_loop(loop, run):
    async def main():
        server = await loop.create_server(Echo, "127.0.0.1", 0)
        assert isinstance(server, asyncio.AbstractServer)
        assert server.get_loop() is loop
        assert server.is_serving()
        server.close()
        assert not server.is_serving()
        return repr(server)

    assert run(main()) == "<Server sockets=()>"


def test_serve_forever_ends_with_its_task_and_closes(loop, run):
    async def main():
        server = await loop.create_server(Echo, "127.0.0.1", 0, start_serving=False)
        task = loop.create_task(server.serve_forever())
        while not server.is_serving():
            await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="is already being awaited on serve_forever"):
            await server.serve_forever()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert server.sockets == ()
        with pytest.raises(RuntimeError, match="is closed"):
            await server.serve_forever()

    run(main())


@pytest.mark.parametrize(
    "arguments, error",
    [
        ({}, "host and port was not specified and no sock specified"),
        (
            {"host": "127.0.0.1", "port": 1, "sock": socket},
            "host/port and sock can not be specified at the same time",
        ),
        (
            {"host": "127.0.0.1", "port": 1, "server_hostname": "x"},
            "server_hostname is only meaningful with ssl",
        ),
        (
            {"host": "127.0.0.1", "port": 1, "ssl_handshake_timeout": 1},
            "ssl_handshake_timeout is only meaningful with ssl",
        ),
    ],
)
def test_contradicting_arguments_are_refused(loop, run, arguments, error):
    with pytest.raises(ValueError, match=error):
        run(loop.create_connection(Recorder, **arguments))


def test_sockets_of_other_kinds_are_refused(loop, run):
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        with pytest.raises(ValueError, match="A Stream Socket was expected"):
            run(loop.create_connection(Recorder, sock=sock))
        with pytest.raises(ValueError, match="A Stream Socket was expected"):
            run(loop.create_server(Recorder, sock=sock))


def test_connection_to_a_port_that_is_none_fails_as_the_resolver_says(loop, run):
    with pytest.raises((OSError, OverflowError)):
        run(loop.create_connection(Recorder, "127.0.0.1", 70000))
