"""Timers that are cancelled or renewed long before they are due, as timeouts of connections are, and those that stand beside them."""

import asyncio
import threading
import time
import tracemalloc

import pytest

from conftest import FREE_THREADED
from protocols import turns


@pytest.mark.parametrize("others", [0, 3, 1000])
def test_a_timeout_that_each_message_renews_ends_the_wait_for_the_last(loop, run, socket_pair, others):
    class Renewing(asyncio.Protocol):
        timeout = None

        def data_received(self, data):
            if self.timeout:
                self.timeout.cancel()
            self.timeout = loop.call_later(0.05, over.set_result, loop.time() + 0.05)

    async def main():
        ours, peer = socket_pair()
        transport, _ = await loop.create_connection(Renewing, sock=ours)
        crowd = [
            loop.call_later(3600 - number, pytest.fail, "an hour has not passed") for number in range(others)
        ]
        for _ in range(100):
            await loop.sock_sendall(peer, b"x")
            await turns(2)
        due = await over
        assert loop.time() >= due
        for handle in crowd:
            handle.cancel()
        transport.close()

    over = loop.create_future()
    run(main())


@pytest.mark.parametrize("most", [10, 600, 3000])
def test_timers_that_outlive_many_turns_run_by_time(loop, run, most):
    async def main():
        now, ran, handles = loop.time() + 0.5, [], []
        for number in range(most):
            when = now + number * 7919 % most * 3e-6
            handles.append((when, number, loop.call_at(when, ran.append, number)))
            if number % 100 == 0:
                await asyncio.sleep(0)
        for _, number, handle in handles:
            if number % 3 == 0:
                handle.cancel()
        await asyncio.sleep(now + 0.02 - loop.time())
        assert ran == [number for _, number, _ in sorted(handles, key=lambda entry: entry[0]) if number % 3]

    run(main())


def test_a_thread_cancels_and_schedules_while_the_loop_waits(loop, loop_name):
    """None of both is safe by asyncio's documentation, and each works there where a GIL is."""
    if FREE_THREADED and loop_name == "asyncio":
        pytest.skip("its heap is not guarded")
    for _ in range(15):
        ran = []
        kept = [loop.call_later(0.1, ran.append, "cancelled"), loop.call_later(3600, ran.append, "far")]

        def meddle(kept=kept, ran=ran):
            kept[0].cancel()
            loop.call_later(0.001, ran.append, "scheduled")
            loop.call_later(0.11, loop.stop)
            loop.call_soon_threadsafe(int)

        thread = threading.Thread(target=meddle)
        loop.call_soon(thread.start)
        loop.run_forever()
        thread.join()
        kept[1].cancel()
        assert ran == ["scheduled"]


@pytest.mark.goloop_only  # metrics
def test_what_is_cancelled_before_it_is_due_never_was_the_engines(loop, run, socket_pair):
    async def main():
        ours, peer = socket_pair()
        far = loop.call_later(3600, int)
        before = loop.metrics()
        for _ in range(200):
            timeout = loop.call_later(60, int)
            loop.call_soon(peer.send, b"x")
            assert await loop.sock_recv(ours, 1) == b"x"
            timeout.cancel()
        after = loop.metrics()
        assert after.turns >= before.turns + 200
        assert (after.timers_added, after.timers_cancelled) == (before.timers_added, before.timers_cancelled)
        assert 1 <= after.timers <= 3  # this test's, run()'s, and one that was there when the last turn began
        far.cancel()

    run(main())


@pytest.mark.goloop_only  # asyncio's heap keeps its memory
def test_memory_of_a_crowd_that_is_cancelled_is_given_back_while_the_last_stays(loop, run):
    async def main():
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            crowd = [loop.call_later(3600, int) for _ in range(100_000)]
            last = crowd.pop()
            for handle in crowd:
                handle.cancel()
            del crowd, handle
            for _ in range(3):  # by no timer
                await loop.run_in_executor(None, time.sleep, 1.1)
            left = tracemalloc.get_traced_memory()[0] - before
            assert left < 500_000
            last.cancel()
        finally:
            tracemalloc.stop()

    run(main())


def test_a_loop_whose_first_timer_was_cancelled_sleeps(loop, run):
    """Also when that would have been due, and others come and go."""

    async def main():
        kept = [loop.call_later(3600, int)]
        loop.call_later(0.05, int).cancel()
        for delay in (0.02, 0.06, 0.1, 3600):
            kept.append(loop.call_later(delay, int))
        kept[2].cancel()
        began = time.thread_time()
        await asyncio.sleep(0.3)
        assert time.thread_time() - began < 0.1
        for handle in kept:
            handle.cancel()

    run(main())
