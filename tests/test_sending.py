"""When what is written is the kernel's: in the call, and at the latest when drain() has returned."""

import asyncio
import os
import socket
import time

import pytest

from crowds import BRISK, CROWD, PIECE, crowd, kernel_has
from protocols import DatagramRecorder, Recorder, turns

LONG = 100  # as many that a turn of theirs takes a ms and more


def test_write_to_an_idle_stream_has_left_when_it_returns(loop, run, socket_pair):
    async def main():
        ours, peer = socket_pair()
        transport, _ = await loop.create_connection(Recorder, sock=ours)
        for number in range(300):
            transport.write(b"%d" % number)
            assert kernel_has(peer) == b"%d" % number
            if number % 3 == 0:
                await asyncio.sleep(0)
        transport.close()

    run(main())


def test_writelines_to_an_idle_stream_has_left_when_it_returns(loop, run, tcp_pair):
    async def main():
        ours, peer = tcp_pair()
        transport, _ = await loop.create_connection(Recorder, sock=ours)
        transport.writelines([b"one", bytearray(b"two"), b"", memoryview(b"three")])
        assert kernel_has(peer) == b"onetwothree"
        transport.close()

    run(main())


@pytest.mark.parametrize("pieces", [1, 2, 7])
def test_writelines_of_which_the_kernel_takes_a_part_arrives_whole_and_in_order(
    loop, run, socket_pair, pieces
):
    async def main():
        ours, peer = socket_pair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        written = got = b""
        for number in range(100):
            lines = [bytes([number, piece]) * 450 for piece in range(pieces)]
            transport.writelines(lines)
            written += b"".join(lines)
            if number % 10 == 5:  # the next is the first that finds room
                got += kernel_has(peer)
                await turns(2)
        assert transport.get_write_buffer_size() > 0
        peer.setblocking(False)
        while len(got) < len(written):
            got += await loop.sock_recv(peer, 65536)
        assert got == written
        assert transport.get_write_buffer_size() == 0
        transport.close()
        await protocol.lost()

    run(main())


def test_write_in_connection_made_has_left_when_it_returns(loop, run):
    async def main():
        with socket.socket() as client:

            class Greeter(Recorder):
                def connection_made(self, transport):
                    transport.write(b"hello")
                    self.seen = kernel_has(client)
                    super().connection_made(transport)

            greeter = Greeter()
            server = await loop.create_server(lambda: greeter, "127.0.0.1", 0)
            client.connect(server.sockets[0].getsockname())
            await greeter.called("connection_made")
            assert greeter.seen == b"hello"
            greeter.transport.close()
            await greeter.lost()
            server.close()
            await server.wait_closed()

    run(main())


def test_write_eof_is_known_to_the_peer_when_it_returns(loop, run, socket_pair):
    async def main():
        ours, peer = socket_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        transport.write(b"last")
        transport.write_eof()
        assert kernel_has(peer) == b"last"
        assert peer.recv(10, socket.MSG_DONTWAIT) == b""  # BlockingIOError, were the end not known
        transport.abort()
        await protocol.lost()

    run(main())


def test_sendto_of_an_idle_endpoint_has_left_when_it_returns(run, endpoint, peer):
    async def main():
        transport, _ = await endpoint()
        bound, _ = await endpoint(remote_addr=peer.getsockname())
        for number in range(100):
            transport.sendto(b"%d" % number, peer.getsockname())
            assert kernel_has(peer) == b"%d" % number
            bound.sendto(b"-%d" % number)
            assert kernel_has(peer) == b"-%d" % number

    run(main())


def test_error_of_sendto_is_told_in_the_call(run, endpoint):
    async def main():
        transport, protocol = await endpoint(local_addr=("127.0.0.1", 0))
        transport.sendto(bytes(1 << 17), ("127.0.0.1", 9))
        assert [type(failure) for failure in protocol.failures] == [OSError]
        await turns(3)
        assert len(protocol.failures) == 1

    run(main())


def test_write_to_an_idle_pipe_has_left_when_it_returns(loop, run, pipe):
    async def main():
        reader, writer = pipe()
        transport, protocol = await loop.connect_write_pipe(Recorder, writer)
        os.set_blocking(reader.fileno(), False)
        for number in range(300):
            transport.write(b"%d" % number)
            assert reader.read(100) == b"%d" % number
        transport.close()
        await protocol.lost()

    run(main())


def test_thread_reads_what_is_written_to_a_pipe_that_was_made_blocking(script):
    """By who shares it, such as a child."""
    out = script("""
        def read():
            ready.wait()
            got = 0
            while got < 300_000:
                got += len(os.read(ours, 65536))
            print(got)

        async def main():
            transport, _ = await asyncio.get_running_loop().connect_write_pipe(asyncio.Protocol, open(theirs, "wb", 0))
            os.set_blocking(theirs, True)
            ready.set()
            transport.write(bytes(300_000))
            await asyncio.to_thread(thread.join)
            transport.close()

        ours, theirs = os.pipe()
        ready = threading.Event()
        thread = threading.Thread(target=read)
        thread.start()
        run(main())
    """)
    assert out == "300000\n"


def test_write_is_not_held_up_by_the_next_callback(loop, run, socket_pair):
    async def main():
        seen = []
        pairs = [socket_pair() for _ in range(CROWD)]
        transports = [(await loop.create_connection(Recorder, sock=ours))[0] for ours, _ in pairs]
        for transport in transports:
            loop.call_soon(transport.write, b"x")
        # As many as there are wait in one turn; the last looks what the kernel has of the others.
        loop.call_soon(lambda: seen.extend(kernel_has(peer) for _, peer in pairs))
        await asyncio.sleep(0)
        assert seen == [b"x"] * CROWD
        for transport in transports:
            transport.close()

    run(main())


@pytest.mark.parametrize("pieces", [1, 2, 3])
@pytest.mark.parametrize("brisk", [False, True], ids=["", "brisk"])
def test_bytes_that_drain_let_pass_survive_the_process(script, pieces, brisk):
    out = script(f"""
        async def busy(loop):
            for _ in range({BRISK if brisk else 1}):
                for _ in range({CROWD}):
                    loop.call_soon(int)
                await asyncio.sleep(0)

        async def main(sock):
            loop = asyncio.get_running_loop()
            await busy(loop)
            _, writer = await asyncio.open_connection(sock=sock)
            for round in range(20):  # what a transport does each time is no reason to keep it
                for piece in range({pieces}):
                    writer.write(b"%d.%d " % (round, piece))
                await writer.drain()
                for _ in range({CROWD}):
                    loop.call_soon(int)
            os._exit(0)

        ours, peer = socket.socketpair()
        if os.fork() == 0:
            peer.close()
            run(main(ours))
        ours.close()
        os.wait()
        received = b""
        while data := peer.recv(1 << 16):
            received += data
        print(received.decode())
        peer.close()
    """)
    assert out.split() == [f"{round}.{piece}" for round in range(20) for piece in range(pieces)]


def test_what_a_brisk_crowd_writes_leaves_with_its_turn(loop, run, socket_pair):
    async def main():
        pairs = [socket_pair() for _ in range(CROWD)]
        transports = [(await loop.create_connection(Recorder, sock=ours))[0] for ours, _ in pairs]
        await crowd(loop, BRISK // CROWD)
        for number in range(50):
            for transport in transports:
                loop.call_soon(transport.write, b"%d," % number)
                loop.call_soon(transport.write, b"%d;" % number)
            await asyncio.sleep(0)
            # This task stood in front of the crowd; the next turn has what it wrote behind it.
            await asyncio.sleep(0)
            assert [kernel_has(peer) for _, peer in pairs] == [b"%d,%d;" % (number, number)] * CROWD
        for transport in transports:
            transport.close()

    run(main())


@pytest.mark.parametrize("buffer", [1 << 14, 1 << 17, 1 << 20])
def test_a_brisk_crowd_that_writes_much_is_paused_where_any_is(loop, run, tcp_pair, buffer):
    async def main():
        ends = []
        for _ in range(CROWD):
            ours, peer = tcp_pair()
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
            ends.append((*await loop.create_connection(Recorder, sock=ours), peer, []))
        sizes = []

        def pump(transport, protocol, peer, sent):
            while not protocol.paused:
                transport.write(PIECE)
                sent.append(len(PIECE))
            sizes.append(transport.get_write_buffer_size())

        await crowd(loop, BRISK // CROWD)
        ends[0][2].send(b"x")  # a turn that asks the system, after those that did not need to
        await ends[0][1].received(1)
        for end in ends:
            loop.call_soon(pump, *end)
        await turns(2)
        _, high = ends[0][0].get_write_buffer_limits()
        assert len(sizes) == CROWD
        assert all(high < size <= high + len(PIECE) for size in sizes), sizes
        for transport, _, peer, sent in ends:
            at = 0
            while at < sum(sent):
                got = await loop.sock_recv(peer, 1 << 20)
                assert got and got == (PIECE * (len(got) // len(PIECE) + 2))[at % 250 :][: len(got)]
                at += len(got)
            transport.close()

    run(main())


@pytest.mark.skipif(not hasattr(socket, "TCP_NOTSENT_LOWAT"), reason="sockets with a mark of their own")
def test_a_brisk_crowd_is_paused_when_the_kernel_takes_less_than_it_has_room_for(loop, run, tcp_pair):
    class Watching(Recorder):
        paused = False

        def pause_writing(self):
            self.paused = True

        def resume_writing(self):
            self.paused = False

        def data_received(self, data):
            for _ in range(4):
                self.transport.write(PIECE[:30_000])
            loop.call_soon(self.look)

        def look(self):
            full = self.transport.get_write_buffer_size() > self.transport.get_write_buffer_limits()[1]
            seen.append(self.paused or not full)

    seen = []

    async def main():
        pairs = [tcp_pair() for _ in range(40)]
        ends = []
        for ours, _ in pairs:
            ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, 4096)
            ends.append(await loop.create_connection(Watching, sock=ours))
        await crowd(loop, 2 * BRISK // CROWD)
        for number in range(1, 11):
            for _, peer in pairs:
                peer.send(b"go")
            while len(seen) < 40 * number:
                await asyncio.sleep(0)
            while any(transport.get_write_buffer_size() for transport, _ in ends):
                for _, peer in pairs:
                    kernel_has(peer)
                await asyncio.sleep(0)
        for transport, _ in ends:
            transport.abort()

    run(main())
    assert all(seen)


@pytest.mark.skipif(not hasattr(socket, "TCP_NOTSENT_LOWAT"), reason="sockets with a mark of their own")
def test_pipe_reads_again_though_another_transport_raises_what_leaves_the_loop(loop, run, tcp_pair, pipe):
    """What a brisk crowd has written leaves before the pipe is asked about, and its protocol is paused in that call."""

    class Leaving(asyncio.Protocol):
        def pause_writing(self):
            raise SystemExit

    async def prepare():
        reader, writer = pipe()
        reading, protocol = await loop.connect_read_pipe(Recorder, reader)
        await turns(2)
        reading.pause_reading()
        ours, _ = tcp_pair()
        ours.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, 4096)
        writing, _ = await loop.create_connection(Leaving, sock=ours)
        writing.set_write_buffer_limits(high=1000)
        await crowd(loop, 2 * BRISK // CROWD)
        return reading, protocol, writer, writing

    def write_and_resume():
        try:
            writing.write(PIECE[:30_000] * 4)
        finally:
            reading.resume_reading()

    async def leave():
        for _ in range(CROWD):
            loop.call_soon(int)
        loop.call_soon(write_and_resume)
        for _ in range(CROWD):
            loop.call_soon(int)
        await loop.create_future()

    async def receive():
        writer.write(b"hello")
        assert await protocol.received(5) == b"hello"
        reading.close()
        writing.abort()
        await turns(2)

    reading, protocol, writer, writing = run(prepare())
    left = loop.create_task(leave())
    with pytest.raises(SystemExit):
        loop.run_until_complete(left)
    left.cancel()
    run(receive())


def test_a_brisk_crowd_asks_what_it_has_written(loop, run, socket_pair):
    async def main():
        seen = []
        ours, peer = socket_pair()
        transport, _ = await loop.create_connection(Recorder, sock=ours)
        await crowd(loop, BRISK // CROWD)

        def ask():
            transport.write(b"x")
            assert transport.get_write_buffer_size() == 0
            seen.append(kernel_has(peer))

        for _ in range(CROWD):
            loop.call_soon(ask)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert seen == [b"x"] * CROWD
        transport.close()

    run(main())


async def long_turn(loop, socket_pair):
    """A brisk crowd's turn of some ms: for each writer when it wrote, when its call ended, in s since before the turn, and
    which writers' bytes had come before the next call."""
    pairs = [socket_pair() for _ in range(LONG)]
    ends = [await loop.create_connection(Recorder, sock=ours) for ours, _ in pairs]
    await crowd(loop, BRISK // CROWD)
    pairs[0][1].send(b"x")  # a turn that asks the system, after those that did not need to
    await ends[0][1].received(1)
    wrote, ended, came, missing = [], [], [], list(range(LONG))

    def answer(number):
        seen = [other for other in missing[:number] if other < number and kernel_has(pairs[other][1])]
        came.append(seen)
        missing[:] = [other for other in missing if other not in seen]
        began = time.monotonic()
        while time.monotonic() < began + 0.000012:
            pass
        wrote.append(time.monotonic() - start)
        ends[number][0].write(b"x")
        ended.append(time.monotonic() - start)

    for number in range(LONG):
        loop.call_soon(answer, number)
    start = time.monotonic()
    await turns(2)
    assert all(kernel_has(pairs[number][1]) for number in missing)
    for transport, _ in ends:
        transport.close()
    return wrote, ended, came


def test_an_answer_waits_no_longer_for_those_behind_it_than_for_those_before_it(loop, run, socket_pair):
    """But for 100 µs at least, and 400 at most."""

    async def main():
        late = []
        for _ in range(3):  # where the machine takes the processor from it within a call, that call ends late
            wrote, ended, came = await long_turn(loop, socket_pair)
            waiting = set()
            late.append([])
            for number in range(1, LONG):
                waiting = (waiting | {number - 1}) - set(came[number])
                for other in waiting:  # while the call before this one ended, it still had to wait
                    waited, most = ended[number - 1] - wrote[other], min(max(wrote[other], 0.0001), 0.0004)
                    if waited >= most:
                        late[-1].append((number, other, waited, most))
        assert [] in late

    run(main())


@pytest.mark.goloop_only  # asyncio's leave one by one
def test_a_long_turn_sends_seldom(loop, run, socket_pair):
    async def main():
        for _ in range(20):  # where the machine takes the processor from it, the crowd is not brisk
            _, ended, came = await long_turn(loop, socket_pair)
            if sum(map(bool, came)) <= 3 + ended[-1] / 0.0004:  # after 100, 200, 400 µs, then each 400
                return
        pytest.fail(f"writes came at {[number for number in range(LONG) if came[number]]}")

    run(main())


def test_a_datagram_of_a_brisk_crowd_leaves_with_its_turn(loop, run, endpoint, peer):
    async def main():
        transport, protocol = await endpoint(DatagramRecorder)
        await crowd(loop, BRISK // CROWD)
        for number in range(CROWD):
            loop.call_soon(transport.sendto, b"%d" % number, peer.getsockname())
        loop.call_soon(transport.sendto, bytes(1 << 17), peer.getsockname())
        await turns(2)
        assert [kernel_has(peer) for _ in range(CROWD)] == [b"%d" % number for number in range(CROWD)]
        assert type(await protocol.failed()) is OSError

    run(main())
