"""What asyncio.run() makes of a loop: how a loop begins, and the runs that end it."""

import asyncio
import gc
import signal
import sys
import threading
import time
import types
import warnings

import pytest

SHUTDOWNS = pytest.mark.parametrize("shutdown", ["shutdown_asyncgens", "shutdown_default_executor"])


@pytest.fixture
def loops(loop_factory):
    """Makes loops, which are closed at the end."""
    made = []

    def make(factory=loop_factory):
        made.append(factory())
        return made[-1]

    yield make
    for loop in made:
        loop.close()


# ---- how a loop begins


def test_each_loop_begins_as_the_base_of_all_loops_does(loops):
    base = asyncio.BaseEventLoop()
    first, second = (loops() for _ in range(2))
    try:
        for name, value in vars(base).items():
            if name in ("_ready", "_internal_fds"):
                continue
            for loop in first, second:
                assert type(getattr(loop, name)) is type(value), name
                assert name == "_asyncgens" or getattr(loop, name) == value, name
        assert first._scheduled is not second._scheduled
        assert first._asyncgens is not second._asyncgens
    finally:
        base.close()


def test_what_one_loop_is_given_is_not_the_next_one_s(loops):
    first = loops()
    first.slow_callback_duration = 7
    first.set_exception_handler(print)
    first._scheduled.append(None)
    second = loops()
    assert second.slow_callback_duration == 0.1
    assert second.get_exception_handler() is None
    assert second._scheduled == []
    first._scheduled.clear()


def test_debug_mode_is_asked_for_by_the_environment_of_the_moment(loops, monkeypatch):
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "")
    assert not loops().get_debug()
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "1")
    assert loops().get_debug()
    monkeypatch.delenv("PYTHONASYNCIODEBUG")
    assert not loops().get_debug()


def test_resolution_of_the_clock_is_what_the_program_has_put_in_place(loops, monkeypatch):
    own = loops()._clock_resolution
    monkeypatch.setattr(time, "get_clock_info", lambda name: types.SimpleNamespace(resolution=0.5))
    assert loops()._clock_resolution == 0.5
    monkeypatch.undo()
    assert loops()._clock_resolution == own


def test_constructor_calls_a_subclass_s_set_debug(loops):
    told = []

    class Loop(type(loops())):
        def set_debug(self, enabled):
            told.append(enabled)
            super().set_debug(enabled)

    loops(Loop)
    loops(Loop)
    assert len(told) == 2


def test_constructor_sets_what_a_subclass_watches(loops):
    told = []

    class Loop(type(loops())):
        def __setattr__(self, name, value):
            told.append(name)
            super().__setattr__(name, value)

    loops(Loop)
    loops(Loop)
    assert told.count("_exception_handler") == told.count("slow_callback_duration") == 2


def test_constructor_calls_a_base_s_set_debug_that_was_replaced(loops, monkeypatch):
    def set_debug(loop, enabled):
        told.append(enabled)
        own(loop, enabled)

    told = []
    own = asyncio.BaseEventLoop.set_debug
    loops()
    monkeypatch.setattr(asyncio.BaseEventLoop, "set_debug", set_debug)
    loops()
    assert len(told) == 1


@pytest.mark.parametrize(
    ("name", "replacement"),
    [
        ("base_events.BaseEventLoop.__init__", "lambda loop: (called.append(1), own(loop))[1]"),
        ("base_events.BaseEventLoop.set_debug", "lambda loop, on: (called.append(1), own(loop, on))[1]"),
        ("coroutines._is_debug_mode", "lambda: (called.append(1), bool(called[1:]))[1]"),
    ],
)
def test_constructor_calls_what_was_replaced_before_the_loops_were_known(script, name, replacement):
    prepared = "import asyncio.base_events, asyncio.coroutines\n"
    prepared += f"called, own = [], asyncio.{name}\nasyncio.{name} = {replacement}"
    script.prelude = f"{prepared}\n{script.prelude}"
    out = script("""
        loops = [new_event_loop() for _ in range(3)]
        print(len(called), *(loop.get_debug() for loop in loops))
        for loop in loops:
            loop.close()
    """)
    assert out == ("3 False True True\n" if "_is_debug_mode" in name else "3 False False False\n")


# ---- the runs that end it


@SHUTDOWNS
def test_shutdown_runs_what_is_ready_and_due(loop, shutdown):
    ran = []
    loop.call_soon(ran.append, "soon")
    loop.run_until_complete(getattr(loop, shutdown)())
    loop.call_later(0, ran.append, "later")
    loop.run_until_complete(getattr(loop, shutdown)())
    assert ran == ["soon", "later"]


@SHUTDOWNS
def test_shutdown_runs_what_another_thread_has_scheduled(loop, shutdown):
    ran = []
    thread = threading.Thread(target=loop.call_soon_threadsafe, args=(ran.append, "soon"))
    thread.start()
    thread.join()
    loop.run_until_complete(getattr(loop, shutdown)())
    assert ran == ["soon"]


@SHUTDOWNS
def test_shutdown_looks_who_is_readable(loop, socket_pair, shutdown):
    ours, peer = socket_pair()
    read = []
    loop.add_reader(ours, lambda: read.append(ours.recv(100)))
    loop.run_until_complete(getattr(loop, shutdown)())
    peer.send(b"come")
    loop.run_until_complete(getattr(loop, shutdown)())
    loop.remove_reader(ours)
    assert read == [b"come"]


@SHUTDOWNS
def test_shutdown_tells_a_connection_of_its_end(loop, run, endpoint_pair, shutdown):
    transport, lost = endpoint_pair()
    transport.close()
    loop.run_until_complete(getattr(loop, shutdown)())
    assert lost == [None]


@pytest.fixture
def endpoint_pair(loop, socket_pair):
    """A transport, and what its protocol hears of its end."""

    def make():
        ours, _ = socket_pair()
        lost = []

        class Protocol(asyncio.Protocol):
            def connection_lost(self, exc):
                lost.append(exc)

        transport, _ = loop.run_until_complete(loop.create_connection(Protocol, sock=ours))
        return transport, lost

    return make


@SHUTDOWNS
def test_shutdown_that_is_slow_is_told_in_debug_mode(loop, caplog, shutdown):
    loop.set_debug(True)
    loop.slow_callback_duration = 0
    loop.run_until_complete(getattr(loop, shutdown)())
    assert shutdown in caplog.text


@SHUTDOWNS
def test_shutdown_hears_signals(loop, shutdown):
    heard = []
    loop.add_signal_handler(signal.SIGUSR1, heard.append, "signal")
    signal.raise_signal(signal.SIGUSR1)
    loop.run_until_complete(getattr(loop, shutdown)())
    loop.remove_signal_handler(signal.SIGUSR1)
    assert heard == ["signal"]


@SHUTDOWNS
def test_shutdown_is_a_task_of_the_loop_s_factory(loop, shutdown):
    made = []

    def factory(loop, coroutine, **options):
        made.append(coroutine.__name__)
        return asyncio.Task(coroutine, loop=loop, **options)

    loop.set_task_factory(factory)
    loop.run_until_complete(getattr(loop, shutdown)())
    assert made == [shutdown]


@SHUTDOWNS
@pytest.mark.parametrize("name", ["run_forever", "create_task", "call_soon", "_run_once", "stop"])
@pytest.mark.parametrize("on", ["loop", "class"])
def test_shutdown_calls_what_the_program_has_put_into_its_run(loop, monkeypatch, shutdown, name, on):
    called = []
    own = getattr(loop, name) if on == "loop" else getattr(type(loop), name)

    def replacement(*args, **options):
        called.append(name)
        return own(*args, **options)

    monkeypatch.setattr(loop if on == "loop" else type(loop), name, replacement, raising=False)
    loop.run_until_complete(getattr(loop, shutdown)())
    assert called


REPLACED = pytest.mark.parametrize("name", ["run_forever", "run_until_complete"])


@SHUTDOWNS
@REPLACED
def test_shutdown_calls_what_the_program_has_put_into_asyncio_s_run(loop, monkeypatch, shutdown, name):
    called = []
    own = getattr(asyncio.BaseEventLoop, name)

    def replacement(*args):
        called.append(name)
        return own(*args)

    loop.run_until_complete(getattr(loop, shutdown)())
    monkeypatch.setattr(asyncio.BaseEventLoop, name, replacement)
    loop.run_until_complete(getattr(loop, shutdown)())
    assert called == [name]


@pytest.mark.parametrize("name", ["run_forever", "run_until_complete", "create_task"])
def test_shutdown_calls_what_was_replaced_before_the_loops_were_known(script, name):
    prepared = f"import asyncio\ncalled, own = [], asyncio.BaseEventLoop.{name}\n"
    prepared += f"asyncio.BaseEventLoop.{name} = lambda *args, **kw: (called.append(1), own(*args, **kw))[1]"
    script.prelude = f"{prepared}\n{script.prelude}"
    assert script("run(asyncio.sleep(0))\nprint(len(called))") == "3\n"


@SHUTDOWNS
def test_shutdown_calls_a_subclass_s_run_forever(loops, shutdown):
    called = []

    class Loop(type(loops())):
        def run_forever(self):
            called.append(True)
            super().run_forever()

    loop = loops(Loop)
    loop.run_until_complete(getattr(loop, shutdown)())
    assert called == [True]


@SHUTDOWNS
def test_shutdown_is_a_task_of_the_class_that_a_program_has_put_in_place(loop, monkeypatch, shutdown):
    made = []

    class Task(asyncio.Task):
        def __init__(self, coroutine, **options):
            made.append(coroutine.__name__)
            super().__init__(coroutine, **options)

    monkeypatch.setattr(asyncio.tasks, "Task", Task)
    loop.run_until_complete(getattr(loop, shutdown)())
    assert made == [shutdown]


@SHUTDOWNS
def test_shutdown_of_a_closed_loop_is_refused(loop, shutdown):
    loop.close()
    coroutine = getattr(loop, shutdown)()
    with pytest.raises(RuntimeError, match="^Event loop is closed$"):
        loop.run_until_complete(coroutine)
    coroutine.close()


@SHUTDOWNS
def test_shutdown_inside_of_a_running_loop_is_refused(loop, loops, shutdown):
    other = loops()

    async def main():
        for which in loop, other:
            coroutine = getattr(which, shutdown)()
            with pytest.raises(RuntimeError, match="running"):
                which.run_until_complete(coroutine)
            coroutine.close()
        assert asyncio.get_running_loop() is loop

    loop.run_until_complete(main())


@SHUTDOWNS
def test_shutdown_runs_once(loop, shutdown):
    coroutine = getattr(loop, shutdown)()
    assert loop.run_until_complete(coroutine) is None
    with pytest.raises(RuntimeError, match="^cannot reuse already awaited coroutine$"):
        loop.run_until_complete(coroutine)


@SHUTDOWNS
def test_shutdown_of_another_loop(loop, loops, shutdown):
    other = loops()
    assert loop.run_until_complete(getattr(other, shutdown)()) is None
    assert not (loop._asyncgens_shutdown_called or loop._executor_shutdown_called)
    assert (other._asyncgens_shutdown_called, other._executor_shutdown_called) == (
        shutdown == "shutdown_asyncgens",
        shutdown == "shutdown_default_executor",
    )


def test_shutdown_closes_generators_of_another_loop(loop, loops):
    other = loops()
    generator, closed = open_generator(other)
    loop.run_until_complete(other.shutdown_asyncgens())
    assert closed == [True]
    del generator


def open_generator(loop):
    closed = []

    async def numbers():
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            closed.append(True)

    async def begin():
        assert await generator.__anext__() == 1

    generator = numbers()
    loop.run_until_complete(begin())
    return generator, closed


def test_shutdown_closes_generators(loop):
    generator, closed = open_generator(loop)
    loop.run_until_complete(loop.shutdown_asyncgens())
    assert closed == [True]
    del generator


def test_shutdown_ends_the_executor_s_threads(loop):
    async def main():
        return await loop.run_in_executor(None, threading.current_thread)

    thread = loop.run_until_complete(main())
    loop.run_until_complete(loop.shutdown_default_executor())
    assert not thread.is_alive()


def test_after_the_shutdown_nothing_begins_any_more(loop):
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_default_executor())
    with pytest.raises(RuntimeError, match="^Executor shutdown has been called$"):
        loop.run_in_executor(None, print)
    with pytest.warns(ResourceWarning, match="was scheduled after"):
        generator, _ = open_generator(loop)
    loop.run_until_complete(generator.aclose())


@SHUTDOWNS
def test_shutdown_leaves_no_coroutine_and_no_hook_behind(loop, shutdown):
    before = sys.get_asyncgen_hooks()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loop.run_until_complete(getattr(loop, shutdown)())
        gc.collect()
    assert sys.get_asyncgen_hooks() == before
    assert asyncio.all_tasks(loop) == set()
    assert not loop.is_running()


def test_tasks_of_a_shutdown_have_numbers_of_their_own(script):
    out = script("""
        async def main():
            print(asyncio.current_task().get_name())

        run(main())
        run(main())
    """)
    assert out == "Task-1\nTask-4\n"


@SHUTDOWNS
@pytest.mark.goloop_only
def test_shutdown_tells_what_has_come_inside_of_a_callback(loop, socket_pair, shutdown):
    ours, peer = socket_pair()
    told = []

    class Protocol(asyncio.Protocol):
        def data_received(self, data):
            peer.close()
            loop.run_until_complete(asyncio.sleep(0.05))
            raise KeyboardInterrupt

        def eof_received(self):
            told.append("end")

    loop.allow_nested()
    loop.run_until_complete(loop.create_connection(Protocol, sock=ours))
    peer.send(b"data")
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    assert told == []
    loop.run_until_complete(getattr(loop, shutdown)())
    assert told == ["end"]
    loop.run_until_complete(asyncio.sleep(0))


@SHUTDOWNS
@pytest.mark.goloop_only
def test_shutdown_of_nothing_on_a_loop_at_rest_makes_no_run(loop, shutdown):
    def profile(frame, event, _):
        if event == "call":
            called.append(frame.f_code.co_name)

    called = []
    loop.run_until_complete(asyncio.sleep(0))
    sys.setprofile(profile)
    try:
        loop.run_until_complete(getattr(loop, shutdown)())
    finally:
        sys.setprofile(None)
    assert shutdown in called
    assert "run_forever" not in called
