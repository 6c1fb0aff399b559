"""What is measured of a loop, and told to any thread. asyncio measures nothing. Sleeps of a tenth of a second are what is measured."""

import asyncio
import dataclasses
import math
import os
import socket
import threading
import time

import pytest

import goloop
from goloop import control
from goloop.metrics import Metrics

pytestmark = pytest.mark.goloop_only


@pytest.fixture
def loop():
    loop = goloop.new_event_loop()
    yield loop
    loop.close()


async def echo(reader, writer):
    while data := await reader.read(100):
        writer.write(data)
    writer.close()


def test_a_loop_that_is_new(loop):
    metrics = loop.metrics()
    assert isinstance(metrics, Metrics)
    assert (metrics.phase, metrics.callbacks, metrics.turns, metrics.streams) == ("idle", 0, 0, 0)
    assert metrics.selector == loop._stats()["selector"]


def test_metrics_are_frozen(loop):
    with pytest.raises(dataclasses.FrozenInstanceError):
        loop.metrics().turns = 1


def test_callbacks_are_counted(loop):
    async def main():
        before = loop.metrics().callbacks
        for _ in range(100):
            await asyncio.sleep(0)
        return loop.metrics().callbacks - before

    assert loop.run_until_complete(main()) == 100


def test_transports_are_counted_by_kind(loop):
    async def main():
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        endpoint, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
        )
        read, write = os.pipe()
        file = os.fdopen(write, "wb", 0)
        pipe, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, file)
        loop.add_reader(read, lambda: None)
        writer.write(b"x")
        await reader.readexactly(1)
        metrics = loop.metrics()
        loop.remove_reader(read)
        pipe.close()
        endpoint.close()
        writer.close()
        await writer.wait_closed()
        server.close()
        while loop.metrics().streams or loop.metrics().servers or loop.metrics().datagrams:
            await asyncio.sleep(0.001)
        os.close(read)
        return metrics, loop.metrics()

    metrics, after = loop.run_until_complete(main())
    kinds = metrics.streams, metrics.servers, metrics.datagrams, metrics.pipes, metrics.watched
    assert kinds == (2, 1, 1, 1, 1)
    assert metrics.accepts == 1
    assert metrics.reads >= 2
    assert metrics.read_bytes >= 2
    assert (after.streams, after.servers, after.datagrams, after.watched) == (0, 0, 0, 0)


def test_children_are_counted(loop):
    async def main():
        children = [
            await asyncio.create_subprocess_exec("cat", stdin=asyncio.subprocess.PIPE) for _ in range(3)
        ]
        counts = [loop.metrics().children]
        for child in children:
            child.stdin.close()
            await child.wait()
            counts.append(loop.metrics().children)
        return counts

    assert loop.run_until_complete(main()) == [3, 2, 1, 0]


def test_what_is_written_at_once_is_counted(loop):
    """The extension makes the system call itself, and no turn of the engine follows."""
    near, far = socket.socketpair()

    async def main():
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=near)
        await asyncio.sleep(0.01)  # by then the engine has the descriptor
        before, stats = loop.metrics(), loop._stats()
        transport.write(b"12345")
        received = far.recv(100)
        after, totals = loop.metrics(), loop._stats()
        transport.abort()
        by_metrics = after.writes - before.writes, after.write_bytes - before.write_bytes
        by_stats = totals["writes"] - stats["writes"], totals["write_bytes"] - stats["write_bytes"]
        return received, by_metrics, by_stats

    with far:
        assert loop.run_until_complete(main()) == (b"12345", (1, 5), (1, 5))


def test_wait_of_a_coroutine_takes_one_turn_of_the_engine(loop, socket_pair):
    """What woke it is there still when it runs, and nobody has to be told again. Only epoll is looked at without a turn."""
    trips, most = 100, 1 if loop.metrics().selector == "epoll" else 2

    async def bounce(sock):
        for _ in range(trips):
            await loop.sock_sendall(sock, await loop.sock_recv(sock, 10))

    async def main():
        ours, theirs = socket_pair()
        task = loop.create_task(bounce(theirs))
        before = loop.metrics().turns
        for _ in range(trips):
            await loop.sock_sendall(ours, b"ping")
            await loop.sock_recv(ours, 10)
        await task
        return loop.metrics().turns - before

    waits = 2 * trips
    assert waits // 2 < loop.run_until_complete(main()) <= most * waits + 10


def test_another_descriptor_is_seen_while_a_woken_coroutine_waits_to_run(loop, socket_pair):
    async def main():
        (slow, ours), (other, theirs) = socket_pair(), socket_pair()
        seen = []

        class Slow(asyncio.Future):
            """Of which the task hears some turns after it is done."""

            def set_result(self, result):
                super().set_result(result)
                seen.append("woken")

            def add_done_callback(self, callback, *, context=None):
                def later(left, future):
                    if left:
                        loop.call_soon(later, left - 1, future)
                    else:
                        seen.append("told")
                        callback(future)

                super().add_done_callback(lambda future: later(20, future), context=context)

        loop.create_future = lambda: Slow(loop=loop)
        task = loop.create_task(loop.sock_recv(slow, 10))
        await asyncio.sleep(0)
        del loop.create_future
        loop.add_reader(other, lambda: (other.recv(10), seen.append("other")))
        ours.send(b"data")
        while not seen:
            await asyncio.sleep(0)
        theirs.send(b"data")
        assert await task == b"data"
        loop.remove_reader(other)
        return seen

    assert loop.run_until_complete(main()) == ["woken", "other", "told"]


def test_bytes_that_wait_and_readers_that_pause(loop):
    async def main():
        accepted = []
        server = await asyncio.start_server(lambda *both: accepted.append(both), "127.0.0.1", 0)
        _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        for _ in range(100):
            writer.write(bytes(1 << 20))
        waits = writer.transport.get_write_buffer_size()
        writer.transport.pause_reading()
        while not accepted or not loop.metrics().paused:  # the engine hears of it in its next turn
            await asyncio.sleep(0.001)
        metrics = loop.metrics()
        writer.transport.abort()
        accepted[0][1].transport.abort()
        server.close()
        return waits, metrics

    waits, metrics = loop.run_until_complete(main())
    assert waits > 0
    assert 0 < metrics.queued_bytes <= waits


def test_lag_is_of_timers_that_a_callback_held_up(loop):
    async def main():
        done = loop.create_future()
        loop.call_later(0.01, done.set_result, None)
        time.sleep(0.1)
        await done
        return loop.metrics().lag

    lag = loop.run_until_complete(main())
    assert lag.count == 1
    assert 0.08 <= lag.sum < 5
    assert lag.p50 >= 0.08


def test_time_is_shared_out(loop):
    async def main():
        await asyncio.sleep(0.2)
        time.sleep(0.2)
        return loop.metrics()

    metrics = loop.run_until_complete(main())
    assert metrics.wait_seconds >= 0.15
    assert metrics.python_seconds >= 0.15
    total = metrics.wait_seconds + metrics.python_seconds + metrics.engine_seconds
    assert metrics.age + 0.1 > total


def test_times_of_callbacks_are_taken_of_each_256th(loop):
    async def main():
        for _ in range(256 * 10):
            await asyncio.sleep(0)
        return loop.metrics().callback_times

    times = loop.run_until_complete(main())
    assert times.count == 10
    assert times.p999 >= times.p50 > 0
    assert sum(n for _, n in times.buckets) == 10


def test_callbacks_are_counted_beside_those_whose_time_is_taken(loop):
    async def main():
        before = loop.metrics().callbacks
        for turn in range(600):
            await asyncio.sleep(0)
            assert loop.metrics().callbacks == before + turn + 1

    loop.run_until_complete(main())


@pytest.mark.parametrize("known", [False, True], ids=["first", "later"])
def test_timer_that_was_always_due_is_as_late_as_the_clock_is_old(loop, known):
    if known:
        loop.call_later(0, loop.call_at, -math.inf, loop.stop)
    else:
        loop.call_at(-math.inf, loop.stop)
    loop.run_forever()
    lag = loop.metrics().lag
    assert lag.count == 1 + known
    assert 0 <= lag.sum <= loop.time()


def test_another_thread_sees_a_stuck_loop(loop):
    inside, over = threading.Event(), threading.Event()

    async def main():
        inside.set()
        over.wait(10)

    thread = threading.Thread(target=loop.run_until_complete, args=(main(),))
    thread.start()
    assert inside.wait(10)
    metrics = loop.metrics()
    [same] = [each for each in control.loops() if each.loop == metrics.loop]
    over.set()
    thread.join()
    assert metrics.phase == same.phase == "python"
    assert metrics.thread == thread.ident
    assert metrics.callbacks == same.callbacks
    assert loop.metrics().phase == "idle"


def test_waiting_loop_tells_so(loop):
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    until = time.monotonic() + 10
    while loop.metrics().phase != "waiting":
        assert time.monotonic() < until
        time.sleep(0.001)  # nothing tells of it: the next look
    before = loop.metrics().wait_seconds
    while loop.metrics().wait_seconds <= before:
        assert time.monotonic() < until
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


def test_long_wait_behind_a_burst_counts_once(loop):
    """In whichever turn it falls; of some turns the engine takes the time."""
    long = 0.004

    async def main():
        found = []
        for burst in range(20, 90):
            for _ in range(burst):
                await asyncio.sleep(1e-6)
            before, began = loop.metrics().wait_seconds, time.perf_counter()
            await asyncio.sleep(long)
            found.append((loop.metrics().wait_seconds - before, time.perf_counter() - began))
        return found

    for waited, passed in loop.run_until_complete(main()):
        assert long * 0.9 < waited < passed * 1.02


def test_loops_are_listed_until_they_are_closed(loop):
    number = loop.metrics().loop
    assert number in [each.loop for each in control.loops()]
    loop.close()
    assert number not in [each.loop for each in control.loops()]
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        loop.metrics()


def test_many_threads_look_while_loops_come_and_go():
    over = threading.Event()
    failures = []

    def look():
        try:
            while not over.is_set():
                for each in control.loops():
                    assert each.age >= 0
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(50):
            with goloop_loop() as loop:
                loop.run_until_complete(asyncio.sleep(0))
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert not failures


class goloop_loop:
    def __enter__(self):
        self.loop = goloop.new_event_loop()
        return self.loop

    def __exit__(self, *exc):
        self.loop.close()
