"""Transport.write, writelines, and what close and abort do with what was written."""

import gc
import os

import pytest

from protocols import Recorder, fill, turns

WRITES = {
    "bytes": lambda: b"hello",
    "bytearray": lambda: bytearray(b"hello"),
    "memoryview": lambda: memoryview(b"-hello-")[1:-1],
    "memoryview of a bytearray": lambda: memoryview(bytearray(b"hello")),
}


@pytest.mark.parametrize("kind", WRITES)
def test_write_takes(loop, run, tcp_pair, kind):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        assert transport.write(WRITES[kind]()) is None
        transport.write(b"")
        transport.writelines([WRITES[kind](), b" world"])
        transport.close()
        await protocol.lost()
        assert await loop.sock_recv(peer, 100) == b"hellohello world"

    run(main())


def test_memoryview_of_wider_items_is_written_as_its_bytes(loop, run, tcp_pair):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        transport.write(memoryview(b"abcdefgh").cast("I"))
        await turns(2)
        transport.close()
        await protocol.lost()
        assert await loop.sock_recv(peer, 100) == b"abcdefgh"

    run(main())


def test_bytearray_may_change_after_a_small_write(loop, run, tcp_pair):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        data = bytearray(b"hello")
        transport.write(data)
        transport.write(memoryview(data)[:2])
        data[:2] = b"XX"
        data.clear()
        transport.close()
        await protocol.lost()
        assert await loop.sock_recv(peer, 100) == b"hellohe"

    run(main())


def test_bytearray_may_change_after_a_write_that_had_to_wait(loop, run, tcp_pair):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        written = await fill(transport, protocol)
        data = bytearray(b"hello")
        transport.write(data)
        data[:] = b"XXXXX"
        transport.write_eof()
        received = bytearray()
        while chunk := await loop.sock_recv(peer, 1 << 20):
            received += chunk
        transport.close()
        await protocol.lost()
        assert bytes(received[-5:]) == b"hello"
        assert len(received) == len(written) + 5

    run(main())


def test_writes_of_one_turn_arrive_in_order(loop, run, tcp_pair):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        expected = b"".join(b"%d," % number for number in range(3000))
        for number in range(0, 3000, 3):
            transport.write(b"%d," % number)
            transport.writelines([b"%d," % (number + 1), b"%d," % (number + 2)])
        transport.close()
        received = bytearray()
        while chunk := await loop.sock_recv(peer, 1 << 20):
            received += chunk
        assert received == expected
        assert await protocol.lost() is None

    run(main())


def test_close_flushes_what_was_written(loop, run, tcp_pair):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        data = os.urandom(8 << 20)
        transport.write(data)
        transport.close()
        assert transport.is_closing()
        await turns(5)
        assert "connection_lost" not in protocol.calls
        received = bytearray()
        while chunk := await loop.sock_recv(peer, 1 << 20):
            received += chunk
        assert received == data
        assert await protocol.lost() is None

    run(main())


def test_abort_drops_what_was_written(loop, run, tcp_pair):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        transport.write(bytes(32 << 20))
        await turns(2)
        transport.abort()
        assert transport.is_closing()
        assert await protocol.lost() is None
        assert transport.get_write_buffer_size() == 0
        received = 0
        while chunk := await loop.sock_recv(peer, 1 << 20):
            received += len(chunk)
        assert received < 32 << 20

    run(main())


def test_abort_after_close_drops_what_was_written(loop, run, tcp_pair):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        transport.write(bytes(32 << 20))
        transport.close()
        await turns(2)
        transport.abort()
        assert await protocol.lost() is None

    run(main())


def test_write_after_close_is_dropped(loop, run, tcp_pair):
    async def main():
        ours, peer = tcp_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        transport.close()
        transport.write(b"dropped")
        await protocol.lost()
        transport.write(b"dropped")
        assert await loop.sock_recv(peer, 10) == b""

    run(main())


def test_a_paused_transport_that_wrote_is_forgotten_with_a_warning(loop, run, tcp_pair):
    ours, peer = tcp_pair()

    async def main():
        transport, _ = await loop.create_connection(Recorder, sock=ours)
        transport.pause_reading()
        transport.write(b"last words")
        await turns(3)

    run(main())
    assert peer.recv(20) == b"last words"
    with pytest.warns(ResourceWarning, match="unclosed transport"):
        gc.collect()


def test_writes_go_on_when_the_ready_queue_grows(script, monkeypatch):
    monkeypatch.setenv("PYTHONMALLOC", "debug")  # memory that is used after it was freed ends the program
    out = script("""
        async def main():
            loop = asyncio.get_running_loop()
            ours, peer = socket.socketpair()
            transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
            for round in range(4):
                transport.write(b"x")
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                for _ in range(1500 << round):
                    loop.call_soon(int)
                await asyncio.sleep(0)
            print(peer.recv(10))
            transport.close()
            peer.close()
            await asyncio.sleep(0)

        run(main())
    """)
    assert out == "b'xxxx'\n"
