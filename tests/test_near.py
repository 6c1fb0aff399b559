"""Streams that take turns, one ready at a time: what comes between two short messages, and behind the last one."""

import asyncio
import os
import signal
import socket
import struct
import threading
import time

import pytest

from protocols import Recorder

ROUNDS = 100  # enough for a loop that treats such turns differently to do so


class Ping(Recorder):
    """Sends back what comes, `left` times; then it keeps what comes."""

    left = None  # for ever

    def data_received(self, data):
        if self.left == 0:
            return super().data_received(data)
        if self.left is not None:
            self.left -= 1
        self.transport.write(data)


class PipeEnd(Recorder):
    """What comes out of a pipe goes into another."""

    left = ROUNDS
    other = None  # the transport of its writing end

    def data_received(self, data):
        if self.left == 0:
            return super().data_received(data)
        self.left -= 1
        self.other.write(data)


async def end(*protocols):
    for protocol in protocols:
        protocol.transport.abort()
    for protocol in protocols:
        await protocol.lost()


@pytest.fixture
def players(loop, socket_pair):
    """Two protocols at the ends of a pair of sockets: what one has got, the other gets next."""

    async def players(left=ROUNDS, pair=socket_pair):
        ours, theirs = pair()
        _, one = await loop.create_connection(Ping, sock=ours)
        _, two = await loop.create_connection(Ping, sock=theirs)
        one.left = left
        two.transport.write(b"ping")
        if left is not None:
            await one.received(4)
            two.left = 0
        return one, two

    return players


def test_messages_arrive_whole_and_in_order(loop, run, players):
    async def main():
        one, two = await players()
        assert (bytes(one.data), one.left) == (b"ping", 0)
        for size in (1, 5000, 70_000, 3, 1_000_000, 2, 2):
            data = os.urandom(size)
            before = len(one.data)
            two.transport.write(data)
            assert (await one.received(before + size))[before:] == data
        await end(one, two)

    run(main())


@pytest.mark.parametrize("keep_open", [False, True], ids=["closes", "stays open"])
def test_the_end_of_file_behind_short_messages(loop, run, players, keep_open):
    async def main():
        one, two = await players()
        one._keep_open = keep_open
        two.transport.write(b"last")
        two.transport.write_eof()
        await one.called("eof_received")
        assert bytes(one.data) == b"pinglast"
        assert one.transport.is_closing() is not keep_open
        if keep_open:
            one.transport.write(b"still open")
            assert await two.received(10) == b"still open"
        one.transport.close()
        assert await one.lost() is None
        assert await two.lost() is None
        assert one.calls[-2:] == ["eof_received", "connection_lost"]

    run(main())


def test_the_end_of_file_behind_an_answer(loop, run, socket_pair):
    class Last(Ping):
        def data_received(self, data):
            super().data_received(data)
            if self.left == 0:
                self.transport.close()

    async def main():
        ours, theirs = socket_pair()
        _, one = await loop.create_connection(Ping, sock=ours)
        _, two = await loop.create_connection(Last, sock=theirs)
        one.left = two.left = ROUNDS
        two.transport.write(b"ping")
        assert await one.lost() is None
        assert bytes(one.data) == b"ping"
        assert one.calls == ["connection_made", "data_received", "eof_received", "connection_lost"]
        assert await two.lost() is None

    run(main())


@pytest.mark.parametrize("ends_first", [True, False])
def test_an_end_of_file_beside_what_another_brings(loop, run, socket_pair, ends_first):
    """It comes in the same turn: before what the callback of the other schedules."""

    class Logger(Recorder):
        left = 0

        def data_received(self, data):
            super().data_received(data)
            if Logger.left == 0:
                log.append("data")
                loop.call_soon(lambda: over.set_result(len(log)))
                return
            Logger.left -= 1
            if Logger.left:
                peers[(Logger.left + 1) % 2].send(b"x")
            elif ends_first:
                peers[0].shutdown(socket.SHUT_WR)
                peers[1].send(b"y")
            else:
                peers[0].send(b"y")
                peers[1].shutdown(socket.SHUT_WR)

        def eof_received(self):
            log.append("end")
            return super().eof_received()

    async def main():
        nonlocal over
        for rounds in range(ROUNDS, ROUNDS + 8):
            (one, peers[0]), (two, peers[1]) = socket_pair(), socket_pair()
            _, first = await loop.create_connection(Logger, sock=one)
            _, second = await loop.create_connection(Logger, sock=two)
            log.clear()
            over = loop.create_future()
            Logger.left = rounds
            peers[(rounds + 1) % 2].send(b"x")
            assert await over == 2
            await end(first, second)

    log, peers, over = [], [None, None], None
    run(main())


def test_a_reset_behind_short_messages(loop, run, players, tcp_pair):
    async def main():
        one, two = await players(pair=tcp_pair)
        linger = struct.pack("ii", 1, 0)
        two.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        two.transport.abort()
        assert type(await one.lost()) is ConnectionResetError
        await two.lost()

    run(main())


def test_a_stream_that_is_paused_gets_nothing(loop, run, players):
    async def main():
        one, two = await players()
        one.transport.pause_reading()
        two.transport.write(b"while paused")
        third = loop.create_future()
        loop.call_later(0.01, third.set_result, None)
        await third
        assert bytes(one.data) == b"ping"
        one.transport.resume_reading()
        assert await one.received(16) == b"pingwhile paused"
        await end(one, two)

    run(main())


def test_a_stream_that_pauses_itself_in_each_callback(loop, run, socket_pair):
    class Shy(Ping):
        def data_received(self, data):
            self.transport.pause_reading()
            loop.call_soon(self.transport.resume_reading)
            super().data_received(data)

    async def main():
        ours, theirs = socket_pair()
        _, one = await loop.create_connection(Shy, sock=ours)
        _, two = await loop.create_connection(Ping, sock=theirs)
        one.left = ROUNDS
        two.transport.write(b"ping")
        assert await one.received(4) == b"ping"
        await end(one, two)

    run(main())


def test_another_socket_at_the_number(loop, run, players, socket_pair):
    """What has come for the next owner of a number is not taken for the one before."""

    async def main():
        for _ in range(3):
            one, two = await players()
            number = one.transport.get_extra_info("socket").fileno()
            two.transport.write(b"unread")
            one.transport.abort()
            await one.lost()
            await two.lost()
            ours, theirs = socket_pair()
            assert number in (ours.fileno(), theirs.fileno())
            _, next_one = await loop.create_connection(Recorder, sock=ours)
            theirs.send(b"mine")
            assert await next_one.received(4) == b"mine"
            assert bytes(one.data) == b"ping"
            next_one.transport.abort()
            await next_one.lost()

    run(main())


def test_others_have_their_turn_beside_two_that_never_rest(loop, run, players, socket_pair):
    async def main():
        one, two = await players(left=None)
        timer = loop.create_future()
        loop.call_later(0.001, timer.set_result, None)
        await timer
        left, right = socket_pair()
        right.send(b"x")
        assert await loop.sock_recv(left, 1) == b"x"
        from_thread = loop.create_future()
        thread = threading.Thread(target=lambda: loop.call_soon_threadsafe(from_thread.set_result, None))
        thread.start()
        await from_thread
        thread.join()
        assert await loop.run_in_executor(None, lambda: "done") == "done"
        heard = loop.create_future()
        loop.add_signal_handler(signal.SIGUSR1, heard.set_result, None)
        os.kill(os.getpid(), signal.SIGUSR1)
        await heard
        loop.remove_signal_handler(signal.SIGUSR1)
        assert await loop.getnameinfo(("127.0.0.1", 80), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)
        await end(one, two)

    run(main())


def test_the_end_of_a_pipe_behind_short_messages(loop, run, pipe):
    async def main():
        there, back = pipe(), pipe()
        _, one = await loop.connect_read_pipe(PipeEnd, there[0])
        _, two = await loop.connect_read_pipe(PipeEnd, back[0])
        _, forth = await loop.connect_write_pipe(Recorder, there[1])
        _, home = await loop.connect_write_pipe(Recorder, back[1])
        one.other, two.other = home.transport, forth.transport
        two.left += 1
        forth.transport.write(b"ping")
        assert await one.received(4) == b"ping"
        forth.transport.write(b"last")
        forth.transport.close()
        await one.lost()
        assert bytes(one.data) == b"pinglast"
        assert one.calls[-2:] == ["eof_received", "connection_lost"]
        home.transport.close()
        await two.lost()
        await forth.lost()
        await home.lost()

    run(main())


@pytest.mark.goloop_only
def test_what_is_read_without_the_engine_is_counted(loop, run, players):
    async def main():
        before = loop.metrics()
        one, two = await players()
        after = loop.metrics()
        assert after.read_bytes - before.read_bytes == 4 * (2 * ROUNDS + 1)
        assert after.turns - before.turns > 2 * ROUNDS
        await end(one, two)

    run(main())


@pytest.mark.goloop_only
def test_threads_run_beside_two_that_never_rest(loop, run, players):
    """Turns without the engine keep the GIL, and others get it all the same."""

    async def main():
        one, two = await players(left=None)
        stop = threading.Event()
        counted = loop.create_future()

        def count():
            for _ in range(100):
                stop.wait(0)
            loop.call_soon_threadsafe(counted.set_result, None)

        threading.Thread(target=count).start()
        await asyncio.wait_for(counted, 10)
        await end(one, two)

    run(main())


@pytest.mark.goloop_only
def test_turns_behind_slow_callbacks_are_the_engines(loop, run, socket_pair):
    class Slow(Ping):
        left = 20

        def data_received(self, data):
            if self.left:
                time.sleep(0.003)
            super().data_received(data)

    async def main():
        def engine_turns():
            stats = loop._stats()
            return stats["turns"] - stats["host_turns"]

        before = engine_turns()
        ours, theirs = socket_pair()
        _, one = await loop.create_connection(Slow, sock=ours)
        _, two = await loop.create_connection(Slow, sock=theirs)
        two.transport.write(b"ping")
        await one.received(4)
        assert engine_turns() - before >= 2 * Slow.left
        await end(one, two)

    run(main())
