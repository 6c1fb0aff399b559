"""call_later and call_at: order, time, cancelling, odd delays."""

import fractions
import math
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st


def run_for(loop, seconds):
    loop.call_later(seconds, loop.stop)
    loop.run_forever()


def test_timers_run_in_the_order_of_their_time(loop):
    calls = []
    for delay in (5, 1, 4, 2, 3):
        loop.call_later(delay / 1000, calls.append, delay)
    run_for(loop, 0.006)
    assert calls == [1, 2, 3, 4, 5]


def test_timers_of_the_same_time_run_in_the_order_of_scheduling(loop):
    calls = []
    when = loop.time()
    for number in range(100):
        loop.call_at(when, calls.append, number)
    run_for(loop, 0)
    run_for(loop, 0)
    assert calls == list(range(100))


@pytest.mark.parametrize("delay", [0.0001, 0.001, 0.0015, 0.01, 0.05])
def test_timer_is_never_early(loop, delay):
    resolution = time.get_clock_info("monotonic").resolution  # asyncio's own tolerance, 1 ns on Linux
    seen = []

    def callback():
        seen.append(loop.time())
        loop.stop()

    for _ in range(5):
        handle = loop.call_later(delay, callback)
        loop.run_forever()
        assert seen.pop() >= handle.when() - resolution


def test_call_at_a_past_time_runs_at_once(loop):
    calls = []
    loop.call_at(loop.time() - 1000, calls.append, "past")
    loop.stop()
    loop.run_forever()
    assert calls == ["past"]


@pytest.mark.parametrize("delay", [0, 0.0, -0.0, -1, -1000.5, -math.inf, False, fractions.Fraction(-1, 2)])
def test_delay_of_zero_or_less_runs_in_the_next_turn(loop, delay):
    calls = []
    loop.call_later(delay, calls.append, "ran")
    loop.stop()
    loop.run_forever()
    assert calls == ["ran"]


@pytest.mark.parametrize("delay", [math.inf, 1e300, 1e18, 10**15, 86400 * 365, 2**31, 2**63 / 1e9, 2**64])
def test_huge_delay_neither_runs_nor_keeps_the_loop_from_its_work(loop, delay):
    calls = []
    handle = loop.call_later(delay, calls.append, "ran")
    assert handle.when() > loop.time() + 1e6
    run_for(loop, 0.002)
    assert calls == []


def test_timer_scheduled_by_a_due_timer_runs_in_a_later_turn(loop):
    calls = []

    def first():
        calls.append("first")
        loop.call_later(0, second)

    def second():
        calls.append("second")
        loop.stop()

    loop.call_later(0, first)
    loop.call_later(0, calls.append, "same turn")
    loop.run_forever()
    assert calls == ["first", "same turn", "second"]


def test_timer_cancelled_by_an_earlier_one_of_the_turn_does_not_run(loop):
    calls = []
    when = loop.time()
    second = loop.call_at(when, calls.append, "second")
    loop.call_at(when - 1, second.cancel)
    run_for(loop, 0.001)
    assert calls == []


def test_timer_cancelled_by_a_callback_that_runs_before_it_does_not_run(loop):
    calls = []
    timer = loop.call_later(0, calls.append, "timer")
    loop.call_soon(timer.cancel)
    run_for(loop, 0.001)
    assert calls == []


def test_earlier_timer_added_while_a_later_one_waits_runs_first(loop):
    calls = []
    late = loop.call_later(1000, calls.append, "late")

    def early():
        calls.append("early")
        loop.stop()

    loop.call_soon(loop.call_later, 0.001, early)
    loop.run_forever()
    late.cancel()
    assert calls == ["early"]


def test_cancelled_first_timer_does_not_delay_or_hide_the_second(loop):
    calls = []
    first = loop.call_later(0.001, calls.append, "first")
    loop.call_later(0.002, calls.append, "second")
    first.cancel()
    run_for(loop, 0.003)
    assert calls == ["second"]


def test_half_of_ten_thousand_random_timers_cancelled(loop):
    numbers = random.Random(1)
    calls = []
    start = loop.time()
    timers = []
    for number in range(10_000):
        when = start + numbers.random() / 10
        timers.append((when, number, loop.call_at(when, calls.append, (when, number))))
    cancelled = set(numbers.sample(range(10_000), 5_000))
    for number in cancelled:
        timers[number][2].cancel()
    loop.call_at(start + 0.11, loop.stop)
    loop.run_forever()
    assert calls == sorted((when, number) for when, number, _ in timers if number not in cancelled)


def test_all_of_ten_thousand_timers_cancelled_and_scheduled_again(loop):
    calls = []
    for _ in range(3):
        handles = [loop.call_later(0.001 + number / 1e6, calls.append, number) for number in range(10_000)]
        for handle in handles:
            handle.cancel()
        run_for(loop, 0)
    loop.call_later(0, calls.append, "last")
    run_for(loop, 0.02)
    assert calls == ["last"]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("schedule"), st.integers(-2, 40)),
        st.tuples(st.just("schedule in a callback"), st.integers(0, 40)),
        st.tuples(st.just("cancel"), st.integers(0, 30)),
        st.tuples(st.just("cancel in a callback"), st.integers(0, 30)),
        st.tuples(st.just("turn"), st.just(0)),
    ),
    max_size=40,
)


class Timers:
    """A loop beside its model: what was scheduled, what was cancelled before it ran, what ran."""

    def __init__(self, loop):
        self.loop = loop
        self.handles = []
        self.ran = []
        self.expected = set()
        self.waited_with = {}  # timer scheduled between two turns -> how many had run then

    def schedule(self, tenths):
        number = len(self.handles)
        self.expected.add(number)
        if not self.loop.is_running():
            self.waited_with[number] = len(self.ran)
        self.handles.append(self.loop.call_later(tenths / 10_000, self.ran.append, number))

    def cancel(self, index):
        if self.handles:
            number = index % len(self.handles)
            self.handles[number].cancel()
            if number not in self.ran:
                self.expected.discard(number)

    def turn(self):
        self.loop.stop()
        self.loop.run_forever()


@settings(max_examples=60)
@given(steps=STEPS)
def test_random_schedules_and_cancels_agree_with_a_model(loop_factory, steps):
    loop = loop_factory()
    timers = Timers(loop)
    for step, number in steps:
        if step == "turn":
            timers.turn()
        elif step == "schedule":
            timers.schedule(number)
        elif step == "cancel":
            timers.cancel(number)
        elif step == "schedule in a callback":
            loop.call_soon(timers.schedule, number)
        else:
            loop.call_soon(timers.cancel, number)
    timers.turn()
    loop.call_later(0.005, loop.stop)
    loop.run_forever()
    loop.close()
    assert len(timers.ran) == len(set(timers.ran))
    assert set(timers.ran) == timers.expected
    for place, number in enumerate(timers.ran):
        if number in timers.waited_with:
            before = timers.ran[timers.waited_with[number] : place]
            assert all(timers.handles[other].when() <= timers.handles[number].when() for other in before)


def test_one_turn_runs_ready_callbacks_then_io_then_timers(loop, socket_pair):
    calls = []
    ours, peer = socket_pair()
    peer.send(b"x")

    def read():
        ours.recv(1)
        calls.append("io")

    loop.call_at(loop.time() - 1, calls.append, "timer")
    loop.add_reader(ours, read)
    loop.call_soon(calls.append, "soon")
    run_for(loop, 0.01)
    loop.remove_reader(ours)
    assert calls == ["soon", "io", "timer"]


def test_thousand_timers_each_scheduling_the_next_all_run(loop):
    calls = []

    def step(number):
        calls.append(number)
        if number == 1000:
            loop.stop()
        else:
            loop.call_later(0, step, number + 1)

    step(0)
    loop.run_forever()
    assert calls == list(range(1001))


def test_timer_fires_while_callbacks_keep_the_loop_busy(loop):
    calls = []

    def spin():
        if not calls:
            loop.call_soon(spin)

    loop.call_later(0.005, calls.append, "timer")
    loop.call_soon(spin)
    run_for(loop, 0.01)
    assert calls == ["timer"]


def test_timer_due_during_a_blocking_callback_runs_right_after_it(loop):
    calls = []
    loop.call_later(0.001, calls.append, "timer")

    def block():
        time.sleep(0.005)  # longer than the timer: what the test is about
        calls.append("blocked")
        loop.call_soon(loop.stop)

    loop.call_soon(block)
    loop.run_forever()
    assert calls == ["blocked", "timer"]
