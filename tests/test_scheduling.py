"""call_soon, turns, stop, run_forever and run_until_complete, contexts, a closed loop."""

import asyncio
import contextvars
import gc
import logging
import re
import time

import pytest

COLOUR = contextvars.ContextVar("colour", default="none")


def run_one_turn(loop):
    loop.stop()
    loop.run_forever()


def test_callbacks_run_in_the_order_of_call_soon(loop):
    calls = []
    for number in range(1000):
        loop.call_soon(calls.append, number)
    run_one_turn(loop)
    assert calls == list(range(1000))


def test_call_soon_passes_its_arguments(loop):
    calls = []
    loop.call_soon(lambda *args: calls.append(args))
    loop.call_soon(lambda *args: calls.append(args), 1)
    loop.call_soon(lambda *args: calls.append(args), None, [2], "three", 4.0, (), {})
    run_one_turn(loop)
    assert calls == [(), (1,), (None, [2], "three", 4.0, (), {})]


def test_callback_added_by_a_callback_runs_in_the_next_turn(loop):
    calls = []

    def first():
        calls.append("first")
        loop.call_soon(calls.append, "added")

    loop.call_soon(first)
    loop.call_soon(calls.append, "second")
    run_one_turn(loop)
    assert calls == ["first", "second"]
    run_one_turn(loop)
    assert calls == ["first", "second", "added"]


def test_call_soon_copies_the_current_context(loop):
    seen = []

    def callback():
        seen.append(COLOUR.get())
        COLOUR.set("set by the callback")

    def schedule():
        COLOUR.set("red")
        loop.call_soon(callback)
        COLOUR.set("blue")
        loop.call_soon(callback)

    contextvars.copy_context().run(schedule)
    run_one_turn(loop)
    assert seen == ["red", "blue"]
    assert COLOUR.get() == "none"


@pytest.mark.parametrize("method", ["call_soon", "call_soon_threadsafe", "call_later", "call_at"])
def test_callback_runs_in_the_given_context(loop, method):
    context = contextvars.copy_context()
    context.run(COLOUR.set, "green")
    seen = []

    def callback():
        seen.append(COLOUR.get())
        COLOUR.set("changed")
        loop.stop()

    args = {"call_later": (0,), "call_at": (loop.time(),)}.get(method, ())
    getattr(loop, method)(*args, callback, context=context)
    loop.run_forever()
    assert seen == ["green"]
    assert context[COLOUR] == "changed"


def test_context_that_is_already_entered_is_reported(loop, errors, caplog):
    calls = []
    context = contextvars.copy_context()
    loop.call_soon(print, "never printed", context=context)
    loop.call_soon(calls.append, "next callback")
    context.run(run_one_turn, loop)
    # Since 3.12 the exception handler would run in that context too, so that its own failure is logged instead.
    reports = [str(context["exception"]) for context in errors] or [caplog.text]
    assert re.search("cannot enter context: .* is already entered", reports[0])
    assert calls == ["next callback"]


def test_stop_in_a_callback_finishes_the_turn(loop):
    calls = []

    def first():
        loop.stop()
        loop.call_soon(calls.append, "next turn")

    loop.call_soon(first)
    loop.call_soon(calls.append, "same turn")
    loop.run_forever()
    assert calls == ["same turn"]
    run_one_turn(loop)
    assert calls == ["same turn", "next turn"]


def test_stop_before_run_forever_runs_one_turn(loop):
    calls = []
    loop.call_soon(lambda: loop.call_soon(calls.append, "second turn"))
    loop.call_soon(calls.append, "first turn")
    loop.stop()
    loop.run_forever()
    assert calls == ["first turn"]


def test_stop_is_forgotten_when_the_loop_has_stopped(loop):
    calls = []
    run_one_turn(loop)
    loop.call_soon(lambda: loop.call_soon(loop.call_soon, loop.stop))
    loop.call_later(0, calls.append, "ran")
    loop.run_forever()
    assert calls == ["ran"]


def test_loop_is_running_only_inside_run_forever(loop):
    seen = []
    assert not loop.is_running()
    loop.call_soon(lambda: seen.append((loop.is_running(), asyncio.get_running_loop() is loop)))
    run_one_turn(loop)
    assert seen == [(True, True)]
    assert not loop.is_running()
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()


def raised(function, *args):
    try:
        function(*args)
    except Exception as exc:
        return type(exc), str(exc)


def test_running_loop_cannot_be_run_or_closed(loop):
    seen = []
    future = loop.create_future()

    def callback():
        seen.append(raised(loop.run_until_complete, future))
        seen.append(raised(loop.close))

    loop.call_soon(callback)
    run_one_turn(loop)
    assert seen == [
        (RuntimeError, "This event loop is already running"),
        (RuntimeError, "Cannot close a running event loop"),
    ]


def test_nested_run_forever_leaves_the_loop_running(loop):
    seen = []
    loop.call_soon(lambda: seen.append(raised(loop.run_forever)))
    loop.call_soon(lambda: seen.append(loop.is_running()))
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert seen == [(RuntimeError, "This event loop is already running"), True]


def test_second_loop_cannot_run_inside_the_first(loop, loop_factory):
    seen = []
    second = loop_factory()
    loop.call_soon(lambda: seen.append(raised(second.run_forever)))
    run_one_turn(loop)
    second.close()
    assert seen == [(RuntimeError, "Cannot run the event loop while another loop is running")]


def test_two_loops_run_one_after_the_other(loop, loop_factory):
    second = loop_factory()
    seen = []
    for each in (loop, second, loop):
        each.call_soon(lambda: seen.append(asyncio.get_running_loop()))
        run_one_turn(each)
    second.close()
    assert seen == [loop, second, loop]


def test_run_until_complete_returns_the_result(loop):
    async def answer():
        await asyncio.sleep(0)
        return 42

    future = loop.create_future()
    loop.call_soon(future.set_result, 43)
    assert [loop.run_until_complete(answer()), loop.run_until_complete(future)] == [42, 43]
    assert loop.run_until_complete(future) == 43


def test_run_until_complete_raises_the_exception(loop):
    async def fail():
        raise LookupError("lost")

    with pytest.raises(LookupError, match="lost"):
        loop.run_until_complete(fail())


def test_run_until_complete_stopped_early_raises(loop):
    future = loop.create_future()
    loop.call_soon(loop.stop)
    with pytest.raises(RuntimeError, match=r"^Event loop stopped before Future completed\.$"):
        loop.run_until_complete(future)


def test_run_until_complete_refuses_a_future_of_another_loop(loop, loop_factory):
    other = loop_factory()
    future = other.create_future()
    text = "The future belongs to a different loop than the one specified as the loop argument"
    with pytest.raises(ValueError, match=text):
        loop.run_until_complete(future)
    other.close()


def test_run_until_complete_refuses_what_cannot_be_awaited(loop):
    text = "An asyncio.Future, a coroutine or an awaitable is required"
    with pytest.raises(TypeError, match=text):
        loop.run_until_complete(42)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_interrupt_from_a_callback_leaves_the_rest_for_the_next_run(loop, error):
    calls = []

    def interrupt():
        raise error("now")

    loop.call_soon(calls.append, 1)
    loop.call_soon(interrupt)
    loop.call_soon(calls.append, 2)
    loop.call_soon(calls.append, 3)
    with pytest.raises(error, match="now"):
        loop.run_forever()
    assert calls == [1]
    assert not loop.is_running()
    loop.call_soon(calls.append, 4)
    run_one_turn(loop)
    assert calls == [1, 2, 3, 4]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_interrupt_from_a_task_leaves_run_until_complete(loop, error):
    async def interrupt():
        await asyncio.sleep(0)
        raise error("now")

    with pytest.raises(error, match="now"):
        loop.run_until_complete(interrupt())
    assert loop.run_until_complete(asyncio.sleep(0, "usable")) == "usable"


CLOSED = {
    "call_soon": lambda loop: loop.call_soon(print),
    "call_soon_threadsafe": lambda loop: loop.call_soon_threadsafe(print),
    "call_later": lambda loop: loop.call_later(1, print),
    "call_at": lambda loop: loop.call_at(1, print),
    "run_forever": lambda loop: loop.run_forever(),
    "run_until_complete": lambda loop: loop.run_until_complete(None),
    "create_task": lambda loop: loop.create_task(None),
    "run_in_executor": lambda loop: loop.run_in_executor(None, print),
    "add_reader": lambda loop: loop.add_reader(0, print),
    "add_writer": lambda loop: loop.add_writer(1, print),
    "add_signal_handler": lambda loop: loop.add_signal_handler(10, print),
}


@pytest.mark.parametrize("method", CLOSED)
def test_closed_loop_refuses(loop, method):
    loop.close()
    with pytest.raises(RuntimeError, match="^Event loop is closed$"):
        CLOSED[method](loop)


def test_closed_loop_still_answers(loop):
    assert not loop.is_closed()
    loop.close()
    loop.close()
    assert loop.is_closed()
    assert not loop.is_running()
    assert isinstance(loop.time(), float)
    assert loop.remove_reader(0) is False
    assert loop.remove_writer(1) is False
    loop.stop()


def test_close_drops_callbacks_that_did_not_run(loop):
    calls = []
    loop.call_soon(calls.append, "soon")
    loop.call_later(0, calls.append, "later")
    loop.close()
    assert calls == []


def test_unclosed_loop_warns(loop_factory):
    loop = loop_factory()
    with pytest.warns(
        ResourceWarning, match="unclosed event loop <.* running=False closed=False debug=False>"
    ):
        del loop
        gc.collect()


def test_repr_tells_the_state(loop):
    assert re.fullmatch(r"<\w+ running=False closed=False debug=False>", repr(loop))
    loop.set_debug(True)
    loop.close()
    assert re.fullmatch(r"<\w+ running=False closed=True debug=True>", repr(loop))


def test_time_is_the_monotonic_clock(loop):
    before = time.monotonic()
    now = loop.time()
    assert before <= now <= time.monotonic()
    assert type(now) is float


def test_debug_refuses_coroutines_and_uncallable_callbacks(loop):
    async def coroutine_function():
        pass

    loop.set_debug(True)
    coroutine = coroutine_function()
    for callback in (coroutine, coroutine_function):
        with pytest.raises(TypeError, match=r"^coroutines cannot be used with call_soon\(\)$"):
            loop.call_soon(callback)
        with pytest.raises(TypeError, match=r"^coroutines cannot be used with call_at\(\)$"):
            loop.call_later(0, callback)
    with pytest.raises(TypeError, match=r"^a callable object was expected by call_soon\(\), got 42$"):
        loop.call_soon(42)
    coroutine.close()


@pytest.mark.parametrize("kind", ["callback", "task"])
def test_debug_logs_a_slow_callback(loop, caplog, kind):
    async def slow_task():
        pass

    def slow_callback():
        pass

    loop.set_debug(True)
    loop.slow_callback_duration = 0
    if kind == "task":
        task = loop.create_task(slow_task())
        loop.run_until_complete(task)
    else:
        loop.call_soon(slow_callback)
        run_one_turn(loop)
    pattern = (
        rf"Executing <{'Task' if kind == 'task' else 'Handle'} .*slow_{kind}.* took \d+\.\d{{3}} seconds"
    )
    messages = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert any(re.match(pattern, message) for message in messages), messages


def test_subclass_may_override_call_soon(loop_factory):
    scheduled = []
    sample = loop_factory()
    sample.close()

    class Loop(type(sample)):
        def call_soon(self, callback, *args, context=None):
            scheduled.append(callback)
            return super().call_soon(callback, *args, context=context)

    loop = Loop()
    assert loop.run_until_complete(asyncio.sleep(0, "done")) == "done"
    loop.close()
    assert scheduled


def test_subclass_may_override_time(loop_factory):
    sample = loop_factory()
    sample.close()

    class Loop(type(sample)):
        def time(self):
            return super().time() + 1000

    loop = Loop()
    assert loop.call_later(0, print).when() > sample.time() + 900
    loop.close()
