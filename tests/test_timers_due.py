"""Timers that are due by the next turn: the order among them, and with what else the turn runs."""

import gc
import os
import signal
import threading
import time
import weakref

import pytest


def run_in_a_callback(loop, schedule, turns=3):
    """Call schedule() in a callback of the running loop, and give it some turns, each of which says that it begins."""
    calls = []

    def turn(number):
        calls.append(f"turn {number}")
        loop.call_soon(turn, number + 1) if number < turns else loop.stop()

    def begin():
        loop.call_soon(turn, 1)
        schedule(calls.append)

    loop.call_soon(begin)
    loop.run_forever()
    return calls


def test_due_timers_run_behind_what_is_ready(loop):
    def schedule(call):
        loop.call_later(0, call, "timer 1")
        loop.call_soon(call, "soon 1")
        loop.call_later(0, call, "timer 2")
        loop.call_soon(call, "soon 2")

    calls = run_in_a_callback(loop, schedule, turns=2)
    assert calls == ["turn 1", "soon 1", "soon 2", "timer 1", "timer 2", "turn 2"]


def test_due_timers_run_by_time_whatever_the_order_of_scheduling(loop):
    def schedule(call):
        now = loop.time()
        for past in (3, 1, 2, 5, 4):
            loop.call_at(now - past, call, past)

    assert run_in_a_callback(loop, schedule, turns=2) == ["turn 1", 5, 4, 3, 2, 1, "turn 2"]


def test_timer_that_has_come_due_runs_before_one_that_is_due_at_once(loop):
    calls = []

    def late():
        time.sleep(0.003)  # past the first timer, which waits since an earlier turn
        loop.call_later(0, calls.append, "at once")
        loop.call_later(0, loop.stop)

    loop.call_later(0.002, calls.append, "come due")
    loop.call_later(0.001, late)
    loop.run_forever()
    assert calls == ["come due", "at once"]


def test_timer_for_later_beside_one_that_is_due_at_once(loop):
    calls = []

    def begin():
        loop.call_later(0.005, calls.append, "later")
        loop.call_later(0, calls.append, "at once")
        loop.call_later(0.006, loop.stop)

    loop.call_soon(begin)
    loop.run_forever()
    assert calls == ["at once", "later"]


def test_due_timers_run_behind_what_is_read(loop, socket_pair):
    ours, peer = socket_pair()

    def schedule(call):
        def read():
            ours.recv(1)
            call("io")

        loop.add_reader(ours, read)
        peer.send(b"x")
        loop.call_later(0, call, "timer")

    calls = run_in_a_callback(loop, schedule, turns=2)
    loop.remove_reader(ours)
    assert calls == ["turn 1", "io", "timer", "turn 2"]


def test_due_timers_of_a_turn_that_another_cancels(loop):
    def schedule(call):
        handles = [loop.call_later(0, call, number) for number in range(6)]
        loop.call_soon(handles[0].cancel)
        handles[5].cancel()
        handles[3].cancel()
        loop.call_at(loop.time() - 1, handles[2].cancel)

    assert run_in_a_callback(loop, schedule, turns=2) == ["turn 1", 1, 4, "turn 2"]


@pytest.mark.parametrize("keep", [2, 10, 1000])
def test_crowd_of_which_most_are_cancelled_at_once(loop, keep):
    ran = []

    def begin():
        now = loop.time()
        handles = [
            loop.call_at(now + number * 7919 % 10007 / 1e6, ran.append, number) for number in range(5000)
        ]
        for number, handle in enumerate(handles):
            if number % keep:
                handle.cancel()
        for number, handle in enumerate(handles[:100]):  # into the gaps
            if handle.cancelled():
                loop.call_at(now + 0.011 + number / 1e6, ran.append, -number)
        loop.call_at(now + 0.02, loop.stop)

    loop.call_soon(begin)
    loop.run_forever()
    kept = range(0, 5000, keep)
    assert ran[: len(kept)] == sorted(kept, key=lambda number: number * 7919 % 10007)
    assert ran[len(kept) :] == [-number for number in range(100) if number % keep]


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_due_timers_behind_one_that_exits_are_left_for_the_next_run(loop, kind):
    calls = []

    def leave():
        raise kind

    def begin():
        loop.call_later(0, calls.append, 1)
        loop.call_later(0, leave)
        loop.call_later(0, calls.append, 2)
        loop.call_later(0, calls.append, 3)

    loop.call_soon(begin)
    with pytest.raises(kind):
        loop.run_forever()
    assert calls == [1]
    loop.call_soon(calls.append, "soon")
    loop.stop()
    loop.run_forever()
    assert calls == [1, 2, 3, "soon"]


def test_due_timers_behind_one_that_stops_still_run(loop):
    calls = []

    def begin():
        loop.call_later(0, loop.stop)
        loop.call_later(0, calls.append, "same turn")
        loop.call_later(0, loop.call_later, 0, calls.append, "next run")

    loop.call_soon(begin)
    loop.run_forever()
    assert calls == ["same turn"]
    loop.stop()
    loop.run_forever()
    assert calls == ["same turn", "next run"]


def test_due_timers_in_debug_mode(loop):
    loop.set_debug(True)
    assert run_in_a_callback(loop, lambda call: loop.call_later(0, call, "timer"), 2) == [
        "turn 1",
        "timer",
        "turn 2",
    ]


def test_due_timer_is_when_it_was_scheduled(loop):
    def begin():
        before = loop.time()
        handle = loop.call_later(0, loop.stop)
        assert before <= handle.when() <= loop.time()
        assert handle.when() == loop.call_at(handle.when(), int).when()

    loop.call_soon(begin)
    loop.run_forever()


def test_timers_wait_while_the_clock_of_the_loop_is_replaced_and_put_back(loop):
    calls = []

    def begin():
        loop.call_later(0, calls.append, "due")
        loop.call_later(3600, calls.append, "never")
        loop.time = lambda: 0.0
        del loop.time
        loop.call_later(0.001, loop.stop)

    loop.call_soon(begin)
    loop.run_forever()
    assert calls == ["due"]


def test_timers_that_no_turn_has_seen_go_with_the_loop(loop_factory):
    loop = loop_factory()

    class Target:
        def call(self):
            raise AssertionError

    target = Target()
    handles = [loop.call_later(delay, target.call) for delay in (0, 0, 10, 0)]
    gone = weakref.ref(target)
    handles[1].cancel()
    loop.close()
    handles[2].cancel()
    del target, handles, loop
    gc.collect()
    assert gone() is None


def test_handle_of_a_timer_that_ran_can_be_cancelled(loop):
    calls = []
    handles = []

    def begin():
        handles.extend(loop.call_later(0, calls.append, number) for number in range(3))
        loop.call_later(0, loop.stop)

    loop.call_soon(begin)
    loop.run_forever()
    later = loop.call_later(0, calls.append, "later")
    for handle in handles:
        handle.cancel()
    assert not later.cancelled()
    loop.call_later(0, loop.stop)
    loop.run_forever()
    assert calls == [0, 1, 2, "later"]


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="there is no such signal")
@pytest.mark.parametrize("first", ["handler", "run"])
def test_signal_is_heard_in_the_next_turns_of_a_busy_loop(loop, first):
    turns = []
    heard = []

    def turn():
        turns.append(len(turns))
        if len(turns) == 3:
            os.kill(os.getpid(), signal.SIGUSR1)
        loop.call_soon(turn) if len(turns) < 20 else loop.stop()

    def listen():
        loop.add_signal_handler(signal.SIGUSR1, lambda: heard.append(len(turns)))

    if first == "handler":
        listen()
        loop.call_soon(turn)
    else:
        loop.call_soon(listen)
        loop.call_soon(turn)
    loop.run_forever()
    loop.remove_signal_handler(signal.SIGUSR1)
    assert heard
    assert 3 <= heard[0] <= 5


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="there is no such signal")
def test_signals_that_no_handler_of_the_loop_hears_do_not_pile_up(loop, capfd):
    turns, each = 1200, 100
    seen = []
    previous = signal.signal(signal.SIGUSR1, lambda *args: seen.append(1))

    def turn(left):
        for _ in range(each):
            os.kill(os.getpid(), signal.SIGUSR1)
        loop.call_soon(turn, left - 1) if left else loop.stop()

    try:
        assert threading.current_thread() is threading.main_thread()
        loop.call_soon(turn, turns)
        loop.run_forever()
    finally:
        signal.signal(signal.SIGUSR1, previous)
    assert turns * each < len(seen) <= (turns + 1) * each  # two that are pending at once are one
    assert "wakeup" not in capfd.readouterr().err


def test_timers_that_another_thread_cancels_while_the_loop_waits_are_forgotten(loop):
    class Callback:
        def __call__(self):
            raise AssertionError("it was cancelled")

    def let_go(timers):
        time.sleep(0.05)  # the loop waits by then
        for timer in timers:
            timer.cancel()
        del timers[:], timer
        loop.call_soon_threadsafe(loop.call_later, 0.05, loop.stop)

    def timers():
        return [loop.call_later(3600 + n * 37 % 100, Callback()) for n in range(300)]

    told = timers()
    loop.call_later(0.01, lambda: None)
    untold = []
    loop.call_soon(lambda: untold.extend(timers()))  # the engine takes these with the turn that waits
    kept = loop.call_later(0.02, lambda: None)
    gone = [weakref.ref(timer) for timer in told]
    loop.call_later(0.03, lambda: gone.extend(weakref.ref(timer) for timer in untold))
    thread = threading.Thread(target=lambda: let_go(told) or let_go(untold))
    thread.start()
    loop.run_forever()
    thread.join()
    loop.run_forever()
    assert len(gone) == 600 and all(timer() is None for timer in gone)
    assert not kept.cancelled()
