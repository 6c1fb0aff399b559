"""create_datagram_endpoint: what is sent arrives; the life of a transport."""

import asyncio
import contextvars
import gc
import random
import socket
import sys
import warnings

import pytest

from protocols import DatagramEcho, DatagramRecorder, has_ipv6, sockname, turns

LOOPBACK = "127.0.0.1"


@pytest.mark.parametrize("host", [LOOPBACK, "::1"])
def test_datagrams_arrive_with_their_senders(run, endpoint, host):
    if host == "::1" and not has_ipv6():
        pytest.skip("this system has no IPv6")

    async def main():
        server, echo = await endpoint(DatagramEcho, local_addr=(host, 0))
        client, answers = await endpoint(remote_addr=sockname(server)[:2])
        free, others = await endpoint(local_addr=(host, 0))
        client.sendto(b"from a connected one")
        client.sendto(b"with its address", client._address)
        free.sendto(b"from a free one", sockname(server))
        assert await answers.arrived(2) == [b"from a connected one", b"with its address"]
        assert await others.arrived(1) == [b"from a free one"]
        assert [addr for _, addr in answers.datagrams] == [sockname(server)] * 2
        assert others.datagrams == [(b"from a free one", sockname(server))]
        senders = dict(echo.datagrams)
        assert senders[b"from a connected one"] == sockname(client)
        assert senders[b"from a free one"] == sockname(free)
        assert len(sockname(client)) == (4 if host == "::1" else 2)
        assert client.get_extra_info("peername") == sockname(server)
        assert free.get_extra_info("peername") is None

    run(main())


def test_every_size_arrives_whole(run, endpoint):
    sizes = [1, 1472, 1473, 8192, 65507]

    async def main():
        server, received = await endpoint()
        client, _ = await endpoint(remote_addr=sockname(server))
        for count, size in enumerate(sizes, 1):
            client.sendto(random.Random(size).randbytes(size))
            data = await received.arrived(count)
            assert data[-1] == random.Random(size).randbytes(size)

    run(main())


def test_bytearray_and_memoryview_are_sent_as_they_were(run, endpoint):
    async def main():
        server, received = await endpoint()
        client, _ = await endpoint(remote_addr=sockname(server))
        data = bytearray(b"first")
        client.sendto(data)
        data[:] = b"later"
        client.sendto(memoryview(data)[1:3])
        assert await received.arrived(2) == [b"first", b"at"]

    run(main())


def test_each_of_many_peers_gets_its_own_answer(loop, run, endpoint):
    async def main():
        server, _ = await endpoint(DatagramEcho)
        clients = [await endpoint(remote_addr=sockname(server)) for _ in range(150)]
        for turn in range(3):
            for number, (transport, _) in enumerate(clients):
                transport.sendto(b"%d of %d" % (turn, number))
            for _, protocol in clients:
                await protocol.arrived(turn + 1)
        for number, (_, protocol) in enumerate(clients):
            assert [data for data, _ in protocol.datagrams] == [
                b"%d of %d" % (turn, number) for turn in range(3)
            ]

    run(main())


def test_an_empty_datagram_arrives_and_is_no_end(run, endpoint, peer):
    async def main():
        transport, received = await endpoint()
        for data in (b"", b"x", b""):
            peer.sendto(data, sockname(transport))
        assert await received.arrived(3) == [b"", b"x", b""]
        assert received.calls == ["connection_made"] + 3 * ["datagram_received"]

    run(main())


@pytest.mark.parametrize("connected", [True, False])
def test_an_empty_datagram_is_sent_as_python_sends_it(run, endpoint, peer, connected):
    async def main():
        transport, _ = await endpoint(**({"remote_addr": peer.getsockname()} if connected else {}))
        addr = None if connected else peer.getsockname()
        transport.sendto(b"", addr)
        transport.sendto(memoryview(b""), addr)
        transport.sendto(b"x", addr)
        await turns(3)
        received = [peer.recv(10)]
        while received[-1] != b"x":
            received.append(peer.recv(10))
        assert received == ([b"", b"", b"x"] if sys.version_info >= (3, 13) else [b"x"])

    run(main())


def test_sendto_from_connection_made(run, endpoint, peer):
    class Greeting(DatagramRecorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            transport.sendto(b"hello")

    async def main():
        await endpoint(Greeting, remote_addr=peer.getsockname())
        await turns(2)
        assert peer.recv(10) == b"hello"

    run(main())


def test_sendto_outside_of_a_running_loop_sends_at_once(run, endpoint, peer):
    transport, _ = run(endpoint())
    transport.sendto(b"at once", peer.getsockname())
    assert peer.recv(10) == b"at once"


def test_thousands_in_one_turn_arrive_in_order(run, endpoint, unix_peer, tmp_path):
    async def main():
        server, received = await endpoint(family=socket.AF_UNIX, local_addr=str(tmp_path / "server"))
        client, _ = await endpoint(family=socket.AF_UNIX, remote_addr=str(tmp_path / "server"))
        for number in range(3000):
            client.sendto(b"%d" % number)
        assert await received.arrived(3000) == [b"%d" % number for number in range(3000)]

    run(main())


def test_what_a_transport_says_of_itself(run, endpoint, peer):
    async def main():
        transport, protocol = await endpoint(remote_addr=peer.getsockname())
        if sys.version_info >= (3, 12):
            assert isinstance(transport, asyncio.DatagramTransport)
        assert transport.get_protocol() is protocol
        assert transport._protocol is protocol
        assert transport._address == peer.getsockname()
        assert transport._sock.fileno() == transport._sock_fd
        assert transport.get_extra_info("socket").type == socket.SOCK_DGRAM
        assert transport.get_extra_info("nothing", 5) == 5
        assert transport._extra["peername"] == peer.getsockname()
        assert transport.get_write_buffer_size() == 0
        assert protocol.transport is transport
        transport.close()
        transport.close()
        assert transport.is_closing()
        assert "closing" in repr(transport) or "<" not in repr(transport)[1:]
        await protocol.lost()
        await turns(2)
        assert protocol.calls == ["connection_made", "connection_lost"]
        assert "closed" in repr(transport)

    run(main())


def test_another_protocol_takes_over(run, endpoint, peer):
    async def main():
        transport, first = await endpoint()
        second = DatagramRecorder()
        transport.set_protocol(second)
        peer.sendto(b"for the second", sockname(transport))
        assert await second.arrived(1) == [b"for the second"]
        assert first.datagrams == []

    run(main())


@pytest.mark.parametrize("method", ["close", "abort"])
def test_nothing_is_delivered_after_the_end(run, endpoint, peer, method):
    class Once(DatagramRecorder):
        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            getattr(self.transport, method)()

    async def main():
        transport, protocol = await endpoint(Once)
        for number in range(5):
            peer.sendto(b"%d" % number, sockname(transport))
        assert await protocol.lost() is None
        assert protocol.datagrams == [(b"0", peer.getsockname())]

    run(main())


def test_sendto_after_the_end_is_ignored_and_warns_of_many(run, endpoint, peer, caplog):
    async def main():
        transport, protocol = await endpoint(remote_addr=peer.getsockname())
        transport.abort()
        for _ in range(4):
            transport.sendto(b"x")
        assert not caplog.records
        for _ in range(2):
            transport.sendto(b"x")
        assert [record.getMessage() for record in caplog.records] == 2 * ["socket.send() raised exception."]
        await protocol.lost()
        transport.sendto(b"x")
        with pytest.raises(BlockingIOError):
            peer.recv(10)

    caplog.set_level("WARNING", "asyncio")
    run(main())


def test_sendto_of_a_free_socket_after_the_end_is_ignored(run, endpoint, peer):
    async def main():
        transport, protocol = await endpoint()
        transport.close()
        await protocol.lost()
        transport.sendto(b"x", peer.getsockname())

    run(main())


def test_a_transport_that_reads_is_kept(run, loop, peer):
    async def main():
        protocol = (await loop.create_datagram_endpoint(DatagramRecorder, local_addr=(LOOPBACK, 0)))[1]
        addr, protocol.transport = sockname(protocol.transport), None
        gc.collect()
        peer.sendto(b"still here", addr)
        assert await protocol.arrived(1) == [b"still here"]
        loop._transports.clear()
        return protocol

    protocol = run(main())
    del protocol
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        loop.close()
        gc.collect()


def test_an_unclosed_transport_warns(loop, run):
    async def main():
        transport, _ = await loop.create_datagram_endpoint(DatagramRecorder, local_addr=(LOOPBACK, 0))
        return transport

    transport = run(main())
    loop.close()
    sock = transport._sock
    with pytest.warns(ResourceWarning, match="unclosed transport"):
        del transport
        gc.collect()
    assert sock.fileno() == -1


def test_callbacks_run_in_the_context_of_the_endpoint(run, endpoint, peer):
    variable = contextvars.ContextVar("variable")
    seen = []

    class Noting(DatagramRecorder):
        def datagram_received(self, data, addr):
            seen.append(variable.get())
            variable.set(variable.get() + 1)
            super().datagram_received(data, addr)

    async def main():
        variable.set(1)
        transport, protocol = await endpoint(Noting)
        variable.set(100)
        for count in (1, 2):
            peer.sendto(b"x", sockname(transport))
            await protocol.arrived(count)
        assert variable.get() == 100

    run(main())
    assert seen == [1, 2]


@pytest.mark.since("3.11")  # before, asyncio's datagram transports have no pause_reading
def test_pause_and_resume(run, endpoint, peer):
    async def main():
        transport, protocol = await endpoint()
        peer.sendto(b"0", sockname(transport))
        await protocol.arrived(1)
        transport.pause_reading()
        assert not transport.is_reading()
        for number in (1, 2, 3):
            peer.sendto(b"%d" % number, sockname(transport))
        await turns(5)
        assert len(protocol.datagrams) == 1
        transport.resume_reading()
        assert await protocol.arrived(4) == [b"0", b"1", b"2", b"3"]

    run(main())


@pytest.mark.since("3.11")
def test_pause_in_datagram_received_holds_the_next(run, endpoint, peer):
    class Stopping(DatagramRecorder):
        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            self.transport.pause_reading()

    async def main():
        transport, protocol = await endpoint(Stopping)
        for number in range(4):
            peer.sendto(b"%d" % number, sockname(transport))
        for count in range(1, 5):
            await protocol.arrived(count)
            await turns(5)
            assert len(protocol.datagrams) == count
            transport.resume_reading()
        assert [data for data, _ in protocol.datagrams] == [b"0", b"1", b"2", b"3"]

    run(main())


@pytest.mark.since("3.11")
def test_exception_loses_none_of_what_came_while_paused(run, endpoint, peer, errors):
    class Failing(DatagramRecorder):
        def datagram_received(self, data, addr):
            super().datagram_received(data, addr)
            if data == b"0":
                self.transport.pause_reading()
            if data == b"1":
                raise ValueError(data)

    async def main():
        transport, protocol = await endpoint(Failing)
        for number in range(4):
            peer.sendto(b"%d" % number, sockname(transport))
        await protocol.arrived(1)
        transport.resume_reading()
        assert await protocol.arrived(4) == [b"0", b"1", b"2", b"3"]

    run(main())
    assert [str(context["exception"]) for context in errors] == ["b'1'"]
