"""Exceptions raised by protocols, and switching protocols."""

import asyncio
import gc
import socket
import weakref

import pytest

from protocols import BufferedRecorder, Recorder, turns


async def failing(loop, sock, name, factory=Recorder, error=LookupError, **options):
    return await loop.create_connection(lambda: factory(errors={name: error("failed")}, **options), sock=sock)


def test_exception_in_connection_made_is_reported_and_the_connection_stays(loop, run, tcp_pair, errors):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await failing(loop, ours, "connection_made")
        assert not transport.is_closing()
        await loop.sock_sendall(peer, b"hello")
        assert await protocol.received(5) == b"hello"
        transport.close()
        assert await protocol.lost() is None

    run(main())
    [context] = errors
    assert context["message"].startswith("Exception in callback ") and "connection_made" in context["message"]
    assert str(context["exception"]) == "failed"


@pytest.mark.parametrize(
    "factory, name, message",
    [
        (Recorder, "data_received", "Fatal error: protocol.data_received() call failed."),
        (BufferedRecorder, "buffer_updated", "Fatal error: protocol.buffer_updated() call failed."),
    ],
    ids=["data_received", "buffer_updated"],
)
def test_exception_in_the_data_callback_ends_the_connection(
    loop, run, tcp_pair, errors, factory, name, message
):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await failing(loop, ours, name, factory)
        await loop.sock_sendall(peer, b"hello")
        exc = await protocol.lost()
        assert str(exc) == "failed"
        [context] = errors
        assert context == {"message": message, "exception": exc, "transport": transport, "protocol": protocol}
        assert protocol.calls == ["connection_made", name, "connection_lost"]

    run(main())


def test_exception_in_eof_received_ends_the_connection(loop, run, tcp_pair, errors):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await failing(loop, ours, "eof_received", keep_open=True)
        peer.shutdown(1)
        exc = await protocol.lost()
        assert str(exc) == "failed"
        [context] = errors
        assert context["message"] == "Fatal error: protocol.eof_received() call failed."
        assert context["exception"] is exc
        assert context["transport"] is transport
        assert context["protocol"] is protocol

    run(main())


def test_exception_in_connection_lost_is_reported_and_the_socket_closed(loop, run, tcp_pair, errors):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await failing(loop, ours, "connection_lost")
        transport.close()
        await protocol.lost()
        await turns(2)
        assert ours.fileno() == -1
        assert await loop.sock_recv(peer, 10) == b""

    run(main())
    [context] = errors
    assert str(context["exception"]) == "failed"
    assert "connection_lost" in context["message"]


@pytest.mark.parametrize("name", ["pause_writing", "resume_writing"])
def test_exception_in_flow_control_is_reported_and_the_connection_stays(loop, run, tcp_pair, errors, name):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await failing(loop, ours, name)
        written = 0
        while not protocol.paused:
            transport.write(bytes(100_000))
            written += 100_000
            await turns(1)
        received = 0
        while received < written:
            received += len(await loop.sock_recv(peer, 1 << 20))
        await protocol.called("resume_writing")
        assert not transport.is_closing()
        transport.close()
        assert await protocol.lost() is None
        [context] = errors
        assert context["message"] == f"protocol.{name}() failed"
        assert str(context["exception"]) == "failed"
        assert context["transport"] is transport
        assert context["protocol"] is protocol

    run(main())


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("name", ["connection_made", "data_received", "eof_received"])
def test_interrupt_in_a_protocol_leaves_the_loop(loop, run, tcp_pair, name, error):
    ours, peer = tcp_pair()
    protocol = Recorder(errors={name: error("failed")}, keep_open=True)
    peer.send(b"hello")
    peer.shutdown(1)
    task = loop.create_task(loop.create_connection(lambda: protocol, sock=ours))
    with pytest.raises(error, match="failed"):
        loop.run_forever()
    transport, _ = run(task)
    transport.abort()
    run(protocol.lost())


@pytest.mark.parametrize("accepted", [False, True], ids=["connected", "accepted"])
@pytest.mark.parametrize("name", ["connection_made", "data_received", "eof_received"])
def test_loop_that_runs_again_after_an_interrupt_goes_on_with_the_connection(
    loop, run, tcp_pair, name, accepted
):
    protocol = Recorder(errors={name: KeyboardInterrupt("failed")})

    async def main():
        server = await loop.create_server(lambda: protocol, "127.0.0.1", 0)
        if accepted:
            peer = socket.create_connection(server.sockets[0].getsockname())
        else:
            ours, peer = tcp_pair()
            await loop.create_connection(lambda: protocol, sock=ours)
        with peer:
            peer.sendall(b"hello")
            peer.shutdown(socket.SHUT_WR)
            await protocol.lost()
        server.close()

    task = loop.create_task(main())
    with pytest.raises(KeyboardInterrupt, match="failed"):
        loop.run_forever()
    run(asyncio.wait_for(task, 5))
    again = ["eof_received"] if name == "eof_received" else []
    assert protocol.calls == ["connection_made", "data_received", "eof_received", *again, "connection_lost"]


def test_exception_in_the_protocol_factory_is_raised(loop, run, tcp_pair):
    ours, _ = tcp_pair()

    def factory():
        raise LookupError("factory")

    with pytest.raises(LookupError, match="factory"):
        run(loop.create_connection(factory, sock=ours))
    ours.close()


def test_set_protocol_in_data_received_switches_at_once(loop, run, tcp_pair):
    second = Recorder()

    class First(Recorder):
        def data_received(self, data):
            super().data_received(data)
            self.transport.set_protocol(second)

    async def main():
        ours, peer = tcp_pair()
        transport, first = await loop.create_connection(First, sock=ours)
        await loop.sock_sendall(peer, b"one")
        await first.received(3)
        assert transport.get_protocol() is second
        await loop.sock_sendall(peer, b"two")
        assert await second.received(3) == b"two"
        transport.close()
        await second.lost()
        assert first.calls == ["connection_made", "data_received"]
        assert second.calls == ["data_received", "connection_lost"]

    run(main())


@pytest.mark.parametrize(
    "kinds", [(Recorder, BufferedRecorder), (BufferedRecorder, Recorder)], ids=["to", "from"]
)
def test_set_protocol_switches_to_and_from_buffered(loop, run, tcp_pair, kinds):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await loop.create_connection(kinds[0], sock=ours)
        for round_number in range(4):
            await loop.sock_sendall(peer, b"round %d" % round_number)
            assert await protocol.received(7) == b"round %d" % round_number
            protocol = kinds[(round_number + 1) % 2]()
            transport.set_protocol(protocol)
        transport.close()
        await protocol.lost()

    run(main())


def test_set_protocol_in_data_received_to_buffered_and_back(loop, run, tcp_pair):
    """A protocol that reads a header as a Protocol, and the body as a BufferedProtocol."""

    class Body(BufferedRecorder):
        def buffer_updated(self, nbytes):
            super().buffer_updated(nbytes)
            if len(self.data) == 5:
                header = Header()
                header.transport = self.transport
                self.transport.set_protocol(header)
                headers.append(header)

        def get_buffer(self, sizehint):
            return memoryview(self.buffer)[: 5 - len(self.data)]

    class Header(Recorder):
        def data_received(self, data):
            super().data_received(data)
            body = Body()
            body.transport = self.transport
            self.transport.set_protocol(body)
            bodies.append(body)

    headers, bodies = [], []

    async def main():
        ours, peer = tcp_pair()
        transport, header = await loop.create_connection(Header, sock=ours)
        for number in range(20):
            await loop.sock_sendall(peer, b"h")
            await header.received(1)
            await loop.sock_sendall(peer, b"body!")
            assert await bodies[number].received(5) == b"body!"
            header = headers[number]
        transport.close()
        await header.lost()

    run(main())


def test_data_held_back_while_paused_goes_to_the_protocol_of_the_resume(loop, run, tcp_pair):
    async def main():
        ours, peer = tcp_pair()
        transport, first = await loop.create_connection(Recorder, sock=ours)
        transport.pause_reading()
        await loop.sock_sendall(peer, b"hello")
        await turns(5)
        second = Recorder()
        transport.set_protocol(second)
        transport.resume_reading()
        assert await second.received(5) == b"hello"
        assert first.data == b""
        transport.close()
        await second.lost()

    run(main())


def test_protocol_is_let_go_after_connection_lost(loop, run, tcp_pair):
    class Plain(asyncio.Protocol):
        pass

    async def main():
        ours, _ = tcp_pair()
        transport, protocol = await loop.create_connection(Plain, sock=ours)
        watch = [weakref.ref(transport), weakref.ref(protocol)]
        transport.close()
        await turns(3)
        del protocol
        gc.collect()
        assert watch[1]() is None
        del transport
        gc.collect()
        assert watch[0]() is None

    run(main())
