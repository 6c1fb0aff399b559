"""call_soon_threadsafe, loops in other threads, and what debug mode says of a wrong thread."""

import asyncio
import threading
import time

import pytest


def in_thread(function, *args):
    thread = threading.Thread(target=function, args=args, daemon=True)
    thread.start()
    return thread


def test_call_soon_threadsafe_wakes_a_sleeping_loop(loop):
    calls = []
    running = threading.Event()

    def wake():
        running.wait()
        time.sleep(0.05)  # no event tells that the loop has gone to sleep in its selector
        loop.call_soon_threadsafe(calls.append, "woken")
        loop.call_soon_threadsafe(loop.stop)

    thread = in_thread(wake)
    loop.call_soon(running.set)
    loop.run_forever()
    thread.join()
    assert calls == ["woken"]


def test_call_soon_threadsafe_wakes_a_loop_that_waits_for_a_timer(loop):
    running = threading.Event()
    timer = loop.call_later(1000, print)

    def wake():
        running.wait()
        time.sleep(0.05)  # as above
        loop.call_soon_threadsafe(loop.stop)

    thread = in_thread(wake)
    loop.call_soon(running.set)
    loop.run_forever()
    thread.join()
    timer.cancel()
    assert loop.time() < timer.when()


def test_call_soon_threadsafe_before_the_run_and_from_the_loop_itself(loop):
    calls = []
    loop.call_soon(calls.append, 1)
    loop.call_soon_threadsafe(calls.append, 2)
    loop.call_soon(calls.append, 3)
    loop.call_soon(loop.call_soon_threadsafe, loop.stop)
    loop.run_forever()
    assert calls == [1, 2, 3]


def test_no_call_of_eight_threads_is_lost_or_out_of_order(loop):
    count = 10_000
    calls = {number: [] for number in range(8)}
    finished = []

    def produce(number):
        for index in range(count):
            loop.call_soon_threadsafe(calls[number].append, index)
        loop.call_soon_threadsafe(finish, number)

    def finish(number):
        finished.append(number)
        if len(finished) == 8:
            loop.stop()

    threads = [in_thread(produce, number) for number in calls]
    loop.run_forever()
    for thread in threads:
        thread.join()
    assert all(seen == list(range(count)) for seen in calls.values())


def test_ping_pong_of_two_threads_never_misses_a_wake_up(loop):
    answers = []
    asked = threading.Semaphore(0)

    def answer():
        for number in range(2000):
            asked.acquire()
            loop.call_soon_threadsafe(next_question, number)

    def next_question(number):
        answers.append(number)
        if number == 1999:
            loop.stop()
        else:
            asked.release()

    thread = in_thread(answer)
    asked.release()
    loop.run_forever()
    thread.join()
    assert answers == list(range(2000))


def test_handle_of_call_soon_threadsafe_can_be_cancelled(loop):
    calls = []
    loop.call_soon_threadsafe(calls.append, "cancelled").cancel()
    loop.call_soon_threadsafe(loop.stop)
    loop.run_forever()
    assert calls == []


def test_threads_that_call_while_the_loop_closes_get_runtime_error(loop):
    errors = []
    started = threading.Barrier(5)

    def call_until_refused():
        started.wait()
        try:
            while True:
                loop.call_soon_threadsafe(int)
        except RuntimeError as exc:
            errors.append(str(exc))

    threads = [in_thread(call_until_refused) for _ in range(4)]
    started.wait()
    loop.stop()
    loop.run_forever()
    loop.close()
    for thread in threads:
        thread.join()
    assert errors == ["Event loop is closed"] * 4


def test_loop_runs_in_a_thread_that_did_not_make_it(loop):
    seen = []
    loop.call_soon(lambda: seen.append(threading.get_ident()))
    loop.call_soon(loop.stop)
    thread = in_thread(loop.run_forever)
    thread.join()
    assert seen == [thread.ident]


def test_loop_that_runs_in_a_thread_cannot_be_run_here(loop):
    running = threading.Event()
    future = loop.create_future()
    loop.call_soon(running.set)
    thread = in_thread(loop.run_forever)
    running.wait()
    with pytest.raises(RuntimeError, match="^This event loop is already running$"):
        loop.run_until_complete(future)
    with pytest.raises(RuntimeError, match="^Cannot close a running event loop$"):
        loop.close()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


def test_four_loops_run_in_four_threads(loop_factory):
    totals = []

    def work():
        loop = loop_factory()
        total = 0

        def step():
            nonlocal total
            total += 1
            if total == 1000:
                loop.stop()
            loop.call_soon(step)

        loop.call_soon(step)
        loop.run_forever()
        loop.close()
        totals.append(total)

    threads = [in_thread(work) for _ in range(4)]
    for thread in threads:
        thread.join()
    assert totals == [1000] * 4


@pytest.mark.parametrize("method", ["call_soon", "call_later", "call_at"])
def test_debug_refuses_another_thread(loop, method):
    running = threading.Event()
    loop.set_debug(True)
    loop.call_soon(running.set)
    thread = in_thread(loop.run_forever)
    running.wait()
    args = () if method == "call_soon" else (1,)
    text = "^Non-thread-safe operation invoked on an event loop other than the current one$"
    with pytest.raises(RuntimeError, match=text):
        getattr(loop, method)(*args, print)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


def test_debug_allows_any_thread_while_the_loop_does_not_run(loop):
    calls = []
    loop.set_debug(True)
    in_thread(loop.call_soon, calls.append, "called").join()
    loop.stop()
    loop.run_forever()
    assert calls == ["called"]


# ---- handles of call_soon_threadsafe, from 3.14 on ----


def waits_for_the_callback(loop, ask):
    """What ask(handle) returns in another thread while the callback runs, and whether it waited for its end."""
    events = []
    begun = threading.Event()
    asked = threading.Event()
    answers = []

    def callback():
        begun.set()
        asked.wait()
        time.sleep(0.05)  # no event tells that the other thread waits
        events.append("callback ends")

    def work():
        begun.wait()
        asked.set()
        answers.append(ask(handle))
        events.append("answer")
        loop.call_soon_threadsafe(loop.stop)

    handle = loop.call_soon_threadsafe(callback)
    thread = in_thread(work)
    loop.run_forever()
    thread.join()
    return answers[0], events == ["callback ends", "answer"]


@pytest.mark.since("3.14")
@pytest.mark.parametrize("debug", [False, True])
def test_cancel_from_another_thread_waits_while_the_callback_runs(loop, debug):
    loop.set_debug(debug)
    assert waits_for_the_callback(loop, lambda handle: handle.cancel()) == (None, True)


@pytest.mark.since("3.14")
def test_cancelled_from_another_thread_waits_while_the_callback_runs(loop):
    assert waits_for_the_callback(loop, lambda handle: handle.cancelled()) == (False, True)


@pytest.mark.since("3.14")
def test_cancel_from_several_threads_waits_for_a_callback_that_fails(loop, errors):
    begun, asked = threading.Event(), threading.Barrier(5)
    cancelled = []

    def callback():
        begun.set()
        asked.wait()
        raise LookupError

    def work():
        begun.wait()
        asked.wait()
        handle.cancel()
        cancelled.append(handle.cancelled())

    handle = loop.call_soon_threadsafe(callback)
    threads = [in_thread(work) for _ in range(4)]
    loop.call_soon(loop.stop)
    loop.run_forever()
    for thread in threads:
        thread.join()
    assert cancelled == [True] * 4
    assert [type(context["exception"]) for context in errors] == [LookupError]


def test_callback_of_another_thread_can_cancel_its_own_handle(loop):
    answers = []

    def callback():
        handle.cancel()
        answers.append(handle.cancelled())
        loop.stop()

    handle = loop.call_soon_threadsafe(callback)
    loop.run_forever()
    assert answers == [True]


def test_handle_cancelled_by_another_thread_before_its_turn_does_not_run(loop):
    calls = []
    handle = loop.call_soon_threadsafe(calls.append, "called")
    thread = in_thread(handle.cancel)
    thread.join()
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert (calls, handle.cancelled()) == ([], True)


@pytest.mark.since("3.14")
def test_handle_of_call_soon_threadsafe_is_of_asyncios_type(loop):
    handle = loop.call_soon_threadsafe(print)
    assert isinstance(handle, asyncio.events._ThreadSafeHandle)
    assert repr(handle).startswith("<_ThreadSafeHandle ")
    handle.cancel()


def test_many_timers_cancelled_by_a_thread_while_a_write_leaves(loop, run, socket_pair):
    ours, peer = socket_pair()
    lost, timers = [], []
    sleeping = threading.Event()

    class Noting(asyncio.Protocol):
        def connection_lost(self, exc):
            lost.append(exc)
            loop.stop()

    async def connect():
        return (await loop.create_connection(Noting, sock=ours))[0]

    transport = run(connect())

    def brisk():  # the loop holds what such a batch writes, for the turn that comes
        for _ in range(3000):
            loop.call_soon(int)
        loop.call_soon(crowd)

    def crowd():
        for _ in range(50):
            loop.call_soon(int)
        loop.call_soon(write)

    def write():
        transport.write(b"held")
        sleeping.set()

    def cancel():
        sleeping.wait()
        time.sleep(0.1)  # no event tells that the loop has gone to sleep in its selector
        for timer in timers:
            timer.cancel()
        loop.call_soon_threadsafe(transport.close)

    timers.extend(loop.call_later(1000, print) for _ in range(6000))  # more than the engine is told at a time
    thread = in_thread(cancel)
    loop.call_later(0.05, brisk)
    end = loop.call_later(5, loop.stop)
    loop.run_forever()
    end.cancel()
    thread.join()
    assert peer.recv(100) == b"held"
    assert transport.get_write_buffer_size() == 0
    assert lost == [None]
