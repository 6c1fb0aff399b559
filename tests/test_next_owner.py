"""A number that the system gives out again: its next owner is served, and hears nothing of the one before."""

import asyncio
import errno
import os
import socket

import pytest

from protocols import DatagramRecorder, Recorder, turns

MIB = 1 << 20


@pytest.fixture
def next_owner():
    """Makes a connected pair a call, of which the first has the number that was closed last."""
    opened = []

    def next_owner(number):
        pair = socket.socketpair()
        opened.extend(pair)
        for sock in pair:
            sock.setblocking(False)
        ours, peer = pair if pair[0].fileno() == number else reversed(pair)
        assert ours.fileno() == number
        return ours, peer

    yield next_owner
    for sock in opened:
        sock.close()


async def receives(loop, ours, peer):
    peer.send(b"x")
    assert await loop.sock_recv(ours, 10) == b"x"


async def sends(loop, ours, peer):
    task = loop.create_task(loop.sock_sendall(ours, bytes(4 * MIB)))
    received = 0
    while received < 4 * MIB:
        received += len(await loop.sock_recv(peer, MIB))
    await task


async def waits_to_receive(loop, ours, peer):
    loop.call_later(0.001, peer.send, b"x")
    assert await loop.sock_recv(ours, 10) == b"x"


async def is_read(loop, ours, peer):
    readable = loop.create_future()
    loop.add_reader(ours, lambda: readable.done() or readable.set_result(None))
    peer.send(b"x")
    await readable
    assert loop.remove_reader(ours) is True


async def is_written(loop, ours, peer):
    writable = loop.create_future()
    loop.add_writer(ours.fileno(), lambda: writable.done() or writable.set_result(None))
    await writable
    assert loop.remove_writer(ours.fileno()) is True


async def has_a_transport(loop, ours, peer):
    transport, protocol = await loop.create_connection(Recorder, sock=ours)
    peer.send(b"x")
    await protocol.received(1)
    transport.close()
    await protocol.lost()


async def has_a_pipe_transport(loop, ours, peer):
    with open(ours.detach(), "r+b", 0) as file:
        transport, protocol = await loop.connect_read_pipe(Recorder, file)
        peer.send(b"x")
        await protocol.received(1)
        transport.close()
        await protocol.lost()


USES = [
    receives,
    sends,
    waits_to_receive,
    is_read,
    is_written,
    has_a_transport,
    has_a_pipe_transport,
]


@pytest.mark.parametrize("use", USES)
def test_connection_that_is_cancelled_and_closed_leaves_its_number(loop, run, socket_pair, next_owner, use):
    ours, peer = socket_pair()
    number = ours.fileno()

    async def connect():
        try:
            await loop.create_connection(Recorder, sock=ours)
        except asyncio.CancelledError:
            ours.close()
            await use(loop, *next_owner(number))

    async def main():
        task = loop.create_task(connect())
        await turns(1)
        task.cancel()
        await task

    run(main())


# asyncio's selector has the number of what was closed, and asks the system to change what that does not know any more.
@pytest.mark.goloop_only
@pytest.mark.parametrize("use", USES[1:])
def test_transport_with_bytes_to_send_whose_socket_is_closed_leaves_its_number(
    loop, run, socket_pair, next_owner, use
):
    ours, _ = socket_pair()
    number = ours.fileno()

    async def main():
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        transport.write(bytes(4 * MIB))
        transport.close()
        ours.close()
        await use(loop, *next_owner(number))
        error = await protocol.lost()
        assert isinstance(error, OSError)

    run(main())


class Wrapped:
    """An object that is watched by its fileno()."""

    def __init__(self, sock):
        self.fileno = sock.fileno


@pytest.mark.parametrize("wrap", [lambda sock: sock, Wrapped], ids=["socket", "object"])
@pytest.mark.parametrize("direction", ["reader", "writer"])
def test_watched_socket_that_is_closed_is_found_by_its_object(
    loop, run, socket_pair, next_owner, wrap, direction
):
    add, remove = getattr(loop, f"add_{direction}"), getattr(loop, f"remove_{direction}")
    dead = []

    async def main():
        ours, _ = socket_pair()
        number = ours.fileno()
        file = wrap(ours)
        add(file, dead.append, "called")
        ours.close()
        assert loop._selector.get_map()[file].fileobj is file
        assert remove(file) is True
        with pytest.raises(ValueError, match="^Invalid file descriptor: -1$"):
            remove(file)
        again, peer = next_owner(number)
        peer.send(b"x")
        await is_written(loop, again, peer)
        await is_read(loop, again, peer)

    run(main())
    assert dead == []


def test_closed_socket_that_was_never_watched_is_refused(loop, socket_pair):
    ours, _ = socket_pair()
    ours.close()
    for method in (loop.remove_reader, loop.remove_writer):
        with pytest.raises(ValueError, match="^Invalid file descriptor: -1$"):
            method(ours)


def test_file_that_is_closed_while_it_is_watched_can_be_removed(loop, pipe):
    reader, _ = pipe()
    loop.add_reader(reader, print)
    reader.close()
    assert loop.remove_reader(reader) is True


@pytest.mark.goloop_only  # of asyncio, the test below says as much and does not wait
@pytest.mark.parametrize("by", ["object", "number"])
@pytest.mark.parametrize("use", USES)
def test_callback_of_a_socket_that_was_closed_while_watched_is_not_called_again(
    loop, run, socket_pair, next_owner, use, by
):
    dead = []

    async def main():
        ours, _ = socket_pair()
        number = ours.fileno()
        loop.add_reader(ours if by == "object" else number, dead.append, "read")
        loop.add_writer(ours if by == "object" else number, dead.append, "written")
        ours.close()
        await turns(2)
        again, peer = next_owner(number)
        await turns(1)  # what poll and select have told of a closed number
        dead.clear()
        if use is has_a_pipe_transport and os.environ.get("GOLOOP_SELECTOR") in ("poll", "select"):
            return  # which takes a number of its own, and they tell of this one again when it is closed
        await use(loop, again, peer)
        if again.fileno() == number:
            peer.send(b"x")
        await turns(5)

    run(main())
    assert dead == []


def test_next_owner_of_a_watched_number_can_be_watched(loop, run, socket_pair, next_owner):
    dead = []

    async def main():
        ours, _ = socket_pair()
        number = ours.fileno()
        loop.add_reader(ours, dead.append, "read")
        ours.close()
        again, peer = next_owner(number)
        peer.send(b"x")
        await is_written(loop, again, peer)

    run(main())
    assert dead == []


def test_removing_a_closed_socket_leaves_the_reader_of_the_next_owner(loop, run, socket_pair, next_owner):
    async def main():
        ours, _ = socket_pair()
        number = ours.fileno()
        loop.add_reader(ours, print)
        loop.add_writer(ours, print)
        ours.close()
        again, peer = next_owner(number)
        readable = loop.create_future()
        loop.add_reader(again, lambda: readable.done() or readable.set_result(None))
        for remove in (loop.remove_reader, loop.remove_writer):
            with pytest.raises(ValueError, match="^Invalid file descriptor: -1$"):
                remove(ours)
        peer.send(b"x")
        await readable
        assert loop.remove_reader(again) is True

    run(main())


@pytest.mark.goloop_only  # as above
def test_sock_recv_of_a_closed_socket_does_not_hear_of_the_next_owner(loop, run, socket_pair, next_owner):
    async def main():
        ours, _ = socket_pair()
        number = ours.fileno()
        old = loop.create_task(loop.sock_recv(ours, 10))
        await turns(2)
        ours.close()
        again, peer = next_owner(number)
        new = loop.create_task(loop.sock_sendall(again, bytes(4 * MIB)))
        await turns(2)
        peer.send(b"for the next owner")
        await turns(5)
        assert not old.done()
        for task in (old, new):
            task.cancel()
        await asyncio.gather(old, new, return_exceptions=True)
        assert again.recv(100) == b"for the next owner"

    run(main())


@pytest.mark.goloop_only  # as above
@pytest.mark.parametrize("use", USES[1:])
def test_listening_socket_that_is_closed_leaves_its_number(loop, run, next_owner, use):
    async def main():
        server = await loop.create_server(Recorder, "127.0.0.1", 0)
        listener = server.sockets[0]._sock
        number = listener.fileno()
        listener.close()
        await use(loop, *next_owner(number))
        server.close()
        await server.wait_closed()

    run(main())


def test_open_transport_keeps_its_number(loop, run, socket_pair):
    async def main():
        ours, _ = socket_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        for method in (loop.add_reader, loop.add_writer):
            with pytest.raises(RuntimeError, match="is used by transport"):
                method(ours, print)
        transport.close()
        await protocol.lost()

    run(main())


@pytest.mark.parametrize("end", ["close", "abort"])
def test_closing_transport_reads_nothing_of_a_stranger(loop, run, socket_pair, end):
    """The number's next owner is not the loop's."""

    async def main():
        ours, peer = socket_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        stranger, its_peer = socket_pair()
        its_peer.send(b"of nobody here")
        await turns(2)
        number = ours.fileno()
        getattr(transport, end)()
        ours.close()
        os.dup2(stranger.fileno(), number)
        try:
            await protocol.lost()
            await turns(2)
            assert stranger.recv(100) == b"of nobody here"
        finally:
            os.close(number)

    run(main())


@pytest.mark.parametrize(
    "call", [("write", b"of nobody"), ("writelines", [b"of ", b"nobody"])], ids=lambda call: call[0]
)
def test_transport_whose_socket_is_closed_writes_to_no_stranger(loop, run, socket_pair, next_owner, call):
    """The program closes the socket under its transport: it is lost, with the error of a closed descriptor."""

    async def main():
        ours, _ = socket_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        number = ours.fileno()
        ours.close()
        _, peer = next_owner(number)
        method, data = call
        getattr(transport, method)(data)
        assert (await protocol.lost()).errno == errno.EBADF
        with pytest.raises(BlockingIOError):
            peer.recv(100)

    run(main())


def test_transport_whose_socket_is_closed_while_it_is_full_ends_at_the_next_write(loop, run, socket_pair):
    async def main():
        ours, _ = socket_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        transport.write(bytes(4 * MIB))
        assert transport.get_write_buffer_size()
        ours.close()
        transport.write(b"x")
        try:
            assert (await protocol.lost()).errno == errno.EBADF
        finally:
            transport.abort()

    run(main(), limit=2)


def test_transport_whose_socket_is_closed_shuts_no_stranger_down(loop, run, socket_pair, next_owner):
    async def main():
        ours, _ = socket_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        number = ours.fileno()
        ours.close()
        stranger, peer = next_owner(number)
        with pytest.raises(OSError) as raised:
            transport.write_eof()
        assert raised.value.errno == errno.EBADF
        stranger.send(b"x")
        assert peer.recv(100) == b"x"
        transport.abort()
        await protocol.lost()

    run(main())


def test_datagram_endpoint_whose_socket_is_closed_sends_to_no_stranger(loop, run, next_owner):
    async def main():
        ours = socket.socket(type=socket.SOCK_DGRAM)
        ours.setblocking(False)
        ours.connect(("127.0.0.1", 9))
        transport, protocol = await loop.create_datagram_endpoint(DatagramRecorder, sock=ours)
        number = ours.fileno()
        ours.close()
        _, peer = next_owner(number)
        transport.sendto(b"of nobody")
        assert (await protocol.failed()).errno == errno.EBADF
        with pytest.raises(BlockingIOError):
            peer.recv(100)
        transport.abort()
        await protocol.lost()

    run(main())


def test_number_that_dup2_gives_to_another_file(loop, run, socket_pair):
    """The old file lives on under another number, and is not heard of under this one."""
    dead = []

    async def main():
        ours, peer = socket_pair()
        other, other_peer = socket_pair()
        loop.add_reader(ours, dead.append, "called")
        with ours.dup():
            os.dup2(other.fileno(), ours.fileno())
            await is_written(loop, ours, other_peer)
            peer.send(b"for the old one")
            await turns(5)
            other_peer.send(b"for the new one")
            await turns(5)
        loop.remove_reader(ours)

    run(main())
    assert dead == []


def test_datagrams_at_the_number_of_a_pipe_that_others_have_closed(loop, run):
    """A pipe whose number is not its file's to close."""

    async def main():
        number, writing = os.pipe()
        os.close(writing)
        with open(number, "rb", 0, closefd=False) as pipe:
            transport, _ = await loop.connect_read_pipe(asyncio.Protocol, pipe)
            transport.pause_reading()
            await turns(2)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.bind(("127.0.0.1", 0))
                os.dup2(sock.fileno(), number)
            ours = socket.socket(fileno=number)
            ours.setblocking(False)
            endpoint, protocol = await loop.create_datagram_endpoint(DatagramRecorder, sock=ours)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.sendto(b"hello", endpoint.get_extra_info("sockname"))
            assert await protocol.arrived(1) == [b"hello"]
            endpoint.close()
            await protocol.lost()
            transport.close()
            await turns(2)

    run(main())
