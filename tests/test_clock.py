"""Loops whose time() is replaced: the scheduler follows, as asyncio's."""

import asyncio
import heapq
import threading
import time

import pytest


@pytest.fixture
def clocked(loop_factory):
    """Makes loops of a subclass whose time() is its `now`; closed at the end."""
    opened = []

    def clocked(**methods):
        base = (
            asyncio.SelectorEventLoop if loop_factory is asyncio.SelectorEventLoop else type_of(loop_factory)
        )
        attributes = {"now": 100.0, "time": lambda self: self.now, **methods}
        loop = type("Clocked", (base,), attributes)()
        opened.append(loop)
        return loop

    yield clocked
    for loop in opened:
        loop.close()


def type_of(factory):
    loop = factory()
    loop.close()
    return type(loop)


def turns(loop, number=1):
    """Let the loop take some turns, none of which waits."""

    def again(left):
        if left:
            loop.call_soon(again, left - 1)
        else:
            loop.stop()

    loop.call_soon(again, number)
    loop.run_forever()


def test_timer_of_a_subclass_with_a_clock_waits_for_that_clock(clocked):
    loop = clocked()
    calls = []
    handle = loop.call_later(1000, calls.append, "timer")
    assert handle.when() == 1100
    turns(loop, 3)
    assert calls == []
    loop.now = 1099.5
    turns(loop)
    assert calls == []
    loop.now = 1100
    turns(loop)
    assert calls == ["timer"]


def test_clock_that_jumps_fires_timers_in_the_order_of_their_time(clocked):
    loop = clocked()
    calls = []
    for when in (130, 110, 150, 120, 140):
        loop.call_at(when, calls.append, when)
    loop.now = 135
    turns(loop)
    assert calls == [110, 120, 130]
    loop.now = 1e9
    turns(loop)
    assert calls == [110, 120, 130, 140, 150]


def test_clock_that_stands_still_fires_what_is_due_already(clocked):
    loop = clocked()
    calls = []
    loop.call_later(0, calls.append, "now")
    loop.call_at(50, calls.append, "past")
    turns(loop)
    assert sorted(calls) == ["now", "past"]


def test_clock_that_goes_back_delays_timers(clocked):
    loop = clocked()
    calls = []
    loop.call_later(10, calls.append, "timer")
    loop.now = 0
    turns(loop)
    loop.now = 109
    turns(loop)
    assert calls == []
    loop.now = 111
    turns(loop)
    assert calls == ["timer"]


def test_clock_set_on_the_instance_takes_the_timers_that_wait(loop):
    calls = []
    start = loop.time()
    first = loop.call_later(1000, calls.append, "first")
    second = loop.call_later(2000, calls.append, "second")
    loop.call_later(1500, calls.append, "never").cancel()
    loop.time = lambda: start + 1200
    turns(loop)
    assert calls == ["first"]
    loop.time = lambda: second.when()
    turns(loop)
    assert calls == ["first", "second"]
    assert first.when() < start + 1200


def test_clock_taken_away_gives_the_timers_back(loop):
    calls = []
    start = loop.time()
    loop.time = lambda: start - 1000
    loop.call_at(start, calls.append, "due by the system's clock")
    loop.call_at(start + 5000, calls.append, "later")
    cancelled = loop.call_at(start, calls.append, "cancelled")
    cancelled.cancel()
    turns(loop)
    assert calls == []
    del loop.time
    turns(loop)
    assert calls == ["due by the system's clock"]


def test_clock_replaced_by_a_callback_counts_from_the_next_turn(loop):
    calls = []
    start = loop.time()
    loop.call_later(1000, calls.append, "timer")
    loop.call_later(1000, loop.stop)
    loop.call_soon(setattr, loop, "time", lambda: start + 1001)
    loop.run_forever()
    assert calls == ["timer"]


def test_cancelled_timers_of_a_clocked_loop_do_not_run(clocked):
    loop = clocked()
    calls = []
    timers = [loop.call_later(number, calls.append, number) for number in range(1000)]
    for timer in timers[::2] + timers[500:]:
        timer.cancel()
    loop.now = 5000
    turns(loop)
    assert calls == list(range(1, 500, 2))


def test_timer_cancelled_by_another_due_one_does_not_run(clocked):
    loop = clocked()
    calls = []
    loop.call_later(1, lambda: later.cancel())
    later = loop.call_later(2, calls.append, "later")
    loop.now = 200
    turns(loop)
    assert calls == []


def test_clocked_loop_runs_ready_callbacks_then_io_then_timers(clocked, socket_pair):
    loop = clocked()
    ours, peer = socket_pair()
    calls = []
    peer.send(b"x")
    loop.add_reader(ours, lambda: (calls.append("io"), ours.recv(1)))
    loop.call_at(100, calls.append, "timer")
    loop.call_soon(calls.append, "soon")
    turns(loop, 2)
    loop.remove_reader(ours)
    assert calls == ["soon", "io", "timer"]


def test_clocked_loop_serves_streams(clocked):
    loop = clocked()

    async def main():
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"over a clocked loop\n")
        line = await reader.readline()
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()
        return line

    async def echo(reader, writer):
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()

    assert loop.run_until_complete(main()) == b"over a clocked loop\n"


def test_call_soon_threadsafe_wakes_a_clocked_loop(clocked):
    loop = clocked()

    async def main():
        return await loop.run_in_executor(None, lambda: "from a thread")

    assert loop.run_until_complete(main()) == "from a thread"
    loop.run_until_complete(loop.shutdown_default_executor())


def test_wait_of_a_clocked_loop_ends_when_its_timer_is_due(loop):
    own = loop.time
    loop.time = lambda: own() + 1_000_000
    loop.call_later(0.02, loop.stop)
    before = own()
    loop.run_forever()
    assert own() - before >= 0.02


@pytest.mark.parametrize("exception", [SystemExit, KeyboardInterrupt])
def test_exit_from_a_due_timer_leaves_the_rest_for_the_next_run(clocked, exception):
    loop = clocked()
    calls = []

    def leave():
        raise exception

    loop.call_at(1, leave)
    loop.call_at(2, calls.append, "rest")
    with pytest.raises(exception):
        loop.run_forever()
    turns(loop)
    assert calls == ["rest"]


def test_loop_that_overrides_run_once_advances_its_clock(clocked):
    """As the fake loops of test suites do: a turn, then the clock jumps to the next timer."""

    def call_at(self, when, callback, *args, context=None):
        heapq.heappush(self.times, when)
        return type(self).__mro__[1].call_at(self, when, callback, *args, context=context)

    def run_once(self):
        if self.times:  # before the turn: it would wait
            self.now = max(self.now, heapq.heappop(self.times))
        type(self).__mro__[1]._run_once(self)

    loop = clocked(times=[], call_at=call_at, _run_once=run_once)
    seen = []

    async def main():
        await asyncio.sleep(3600)
        seen.append(loop.time())
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(loop.create_future(), 86400)
        seen.append(loop.time())

    loop.run_until_complete(main())
    assert seen == [3700, 90100]


def test_call_later_goes_through_an_overridden_call_at(clocked):
    asked = []

    def call_at(self, when, callback, *args, context=None):
        asked.append((when, args))
        return type(self).__mro__[1].call_at(self, when, callback, *args, context=context)

    loop = clocked(call_at=call_at)
    loop.call_later(5, print, "x")
    loop.run_until_complete(asyncio.sleep(0))
    assert asked == [(105, ("x",))]


def test_selector_may_advance_the_clock_in_place_of_waiting(clocked):
    loop = clocked()
    real = loop._selector.select
    waits = []

    def select(timeout):
        waits.append(timeout)
        loop.now += timeout or 0
        return real(0)

    loop._selector.select = select
    loop.run_until_complete(asyncio.sleep(1000))
    assert loop.time() == 1100
    assert 1000 in waits


def test_time_of_a_clocked_loop_counts_slow_callbacks(clocked, caplog):
    loop = clocked()
    loop.set_debug(True)
    loop.call_soon(lambda: setattr(loop, "now", loop.now + 60))
    turns(loop)
    assert "took 60.000 seconds" in caplog.text


def test_wait_for_a_timer_is_of_the_systems_clock_whatever_time_monotonic_says(clocked, monkeypatch):
    """As libraries replace it that stop the time for a test."""
    monotonic = time.monotonic
    loop = clocked(time=lambda self: monotonic())
    monkeypatch.setattr(time, "monotonic", lambda: 1e12)
    alarm = threading.Timer(5, loop.call_soon_threadsafe, (lambda: None,))
    alarm.start()
    before = monotonic()
    loop.run_until_complete(asyncio.sleep(0.05))
    took = monotonic() - before
    alarm.cancel()
    assert took < 4


@pytest.mark.parametrize("replaced", [False, True], ids=["time", "replaced time"])
def test_select_that_has_waited_in_vain_leaves_nothing(loop_factory, clocked, replaced):
    loop = clocked(time=time.monotonic) if replaced else clocked(time=type_of(loop_factory).time)
    turns(loop)
    for looks in (False, True):
        for timeout in (1e-9, 1e-9, 0.001, 0.02):
            began = time.monotonic()
            assert loop._selector.select(timeout) == []
            assert time.monotonic() - began >= timeout
            assert not looks or not loop._ready


def test_select_waits_when_what_was_left_has_been_cancelled(clocked, socket_pair):
    """A run that an exit has ended leaves a callback, whose reader is then removed."""
    loop = clocked(time=lambda self: time.monotonic())

    def leave():
        raise KeyboardInterrupt

    watched = []
    for _ in range(2):
        ours, peer = socket_pair()
        watched.append(ours)
        loop.add_reader(ours, leave)
        peer.send(b"x")
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(asyncio.sleep(1))
    for ours in watched:
        loop.remove_reader(ours)
    for _ in range(2):
        began = time.monotonic()
        assert loop._selector.select(0.02) == []
        assert time.monotonic() - began >= 0.02
