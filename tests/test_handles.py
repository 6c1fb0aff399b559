"""Handle and TimerHandle, as call_soon, call_later and call_at return them."""

import asyncio
import contextvars
import functools
import gc
import re
import weakref

import pytest


class Thing:
    """Something that a callback can hold and a weak reference can watch."""

    def method(self):
        pass


def callback(*args):
    pass


def run_one_turn(loop):
    loop.stop()
    loop.run_forever()


def test_handles_are_asyncios_types(loop):
    soon, threadsafe = loop.call_soon(callback), loop.call_soon_threadsafe(callback)
    later, at = loop.call_later(1, callback), loop.call_at(1, callback)
    for handle in (soon, threadsafe):
        assert isinstance(handle, asyncio.Handle)
        assert not isinstance(handle, asyncio.TimerHandle)
    for handle in (later, at):
        assert isinstance(handle, asyncio.Handle)
        assert isinstance(handle, asyncio.TimerHandle)


@pytest.mark.parametrize("method", ["call_soon", "call_soon_threadsafe", "call_later", "call_at"])
def test_cancelled_callback_does_not_run(loop, method):
    calls = []
    args = {"call_later": (0,), "call_at": (0,)}.get(method, ())
    handle = getattr(loop, method)(*args, calls.append, "ran")
    assert handle.cancelled() is False
    assert handle.cancel() is None
    assert handle.cancelled() is True
    handle.cancel()
    assert handle.cancelled() is True
    run_one_turn(loop)
    run_one_turn(loop)
    assert calls == []


def test_callback_cancelled_by_an_earlier_one_of_the_turn_does_not_run(loop):
    calls = []
    loop.call_soon(lambda: handle.cancel())
    handle = loop.call_soon(calls.append, "cancelled")
    loop.call_soon(calls.append, "kept")
    run_one_turn(loop)
    assert calls == ["kept"]


@pytest.mark.parametrize("method", ["call_soon", "call_later"])
def test_callback_may_cancel_itself(loop, method):
    calls = []

    def cancel_itself():
        handle.cancel()
        calls.append(handle.cancelled())
        loop.stop()

    args = (0,) if method == "call_later" else ()
    handle = getattr(loop, method)(*args, cancel_itself)
    loop.run_forever()
    assert calls == [True]


@pytest.mark.parametrize("method", ["call_soon", "call_later"])
def test_cancel_after_the_run_changes_nothing_else(loop, method):
    calls = []
    args = (0,) if method == "call_later" else ()
    handle = getattr(loop, method)(*args, calls.append, 1)
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert handle.cancelled() is False
    handle.cancel()
    assert handle.cancelled() is True
    run_one_turn(loop)
    assert calls == [1]


@pytest.mark.parametrize("method", ["call_soon", "call_later"])
def test_cancel_drops_callback_and_arguments(loop, method):
    thing, other = Thing(), Thing()
    watch = [weakref.ref(thing), weakref.ref(other)]
    args = (1000,) if method == "call_later" else ()
    handle = getattr(loop, method)(*args, thing.method, other)
    del thing, other
    assert None not in [each() for each in watch]
    handle.cancel()
    assert [each() for each in watch] == [None, None]


@pytest.mark.parametrize("method", ["call_soon", "call_later"])
def test_run_drops_callback_and_arguments(loop, method):
    thing = Thing()
    watch = weakref.ref(thing)
    args = (0,) if method == "call_later" else ()
    getattr(loop, method)(*args, callback, thing)
    del thing
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert watch() is None


@pytest.mark.parametrize("method", ["call_soon", "call_later"])
def test_close_drops_callback_and_arguments(loop, method):
    thing = Thing()
    watch = weakref.ref(thing)
    args = (1000,) if method == "call_later" else ()
    getattr(loop, method)(*args, callback, thing)
    del thing
    loop.close()
    gc.collect()
    assert watch() is None


def test_cancelled_timer_does_not_keep_a_cycle_alive(loop):
    thing = Thing()
    watch = weakref.ref(thing)
    thing.timer = loop.call_later(1000, thing.method)
    thing.timer.cancel()
    del thing
    gc.collect()
    assert watch() is None


def test_cycle_through_a_handle_that_ran_is_collected(loop):
    thing = Thing()
    watch = weakref.ref(thing)
    thing.handle = loop.call_soon(thing.method)
    del thing
    run_one_turn(loop)
    gc.collect()
    assert watch() is None


def test_cycle_through_a_closed_loop_is_collected(loop_factory):
    loop = loop_factory()
    watch = weakref.ref(loop)
    context = contextvars.copy_context()
    loop.attribute = [loop.call_soon(callback, loop), loop.call_later(1000, callback, loop, context=context)]
    loop.close()
    del loop
    gc.collect()
    assert watch() is None


def test_pending_callback_keeps_its_arguments_without_its_handle(loop):
    thing = Thing()
    watch = weakref.ref(thing)
    timer = loop.call_later(1000, callback, thing)
    del thing
    gc.collect()
    assert watch() is not None
    timer.cancel()


def test_handles_can_be_weakly_referenced(loop):
    for handle in (loop.call_soon(callback), loop.call_later(1000, callback)):
        assert weakref.ref(handle)() is handle


@pytest.mark.since("3.12")
def test_get_context_returns_the_given_context(loop):
    context = contextvars.copy_context()
    assert loop.call_soon(callback, context=context).get_context() is context
    assert loop.call_later(1, callback, context=context).get_context() is context
    assert isinstance(loop.call_soon(callback).get_context(), contextvars.Context)


def test_when_is_the_time_of_the_call(loop):
    before = loop.time()
    handle = loop.call_later(10, callback)
    assert before + 10 <= handle.when() <= loop.time() + 10
    assert loop.call_at(12.5, callback).when() == 12.5
    handle.cancel()
    assert before + 10 <= handle.when()


def test_timer_handles_compare_by_when(loop):
    early, late = loop.call_at(1e9, callback), loop.call_at(2e9, callback)
    assert early < late and early <= late and late > early and late >= early
    assert not (late < early or late <= early or early > late or early >= late)
    assert early != late
    assert sorted([late, early]) == [early, late]


def test_timer_handles_are_equal_by_when_callback_arguments_and_state(loop):
    first, second = loop.call_at(1e9, callback, 1), loop.call_at(1e9, callback, 1)
    assert first == second and first <= second and first >= second
    assert hash(first) == hash(second) == hash(1e9)
    assert first != loop.call_at(1e9, callback, 2)
    assert first != loop.call_at(1e9, print, 1)
    second.cancel()
    assert first != second


@pytest.mark.parametrize("operation", ["__lt__", "__le__", "__gt__", "__ge__", "__eq__"])
def test_timer_handle_does_not_compare_with_other_types(loop, operation):
    handle = loop.call_later(1, callback)
    assert getattr(handle, operation)(1.0) is NotImplemented
    assert getattr(handle, operation)(loop.call_soon(callback)) is NotImplemented


def test_plain_handles_are_equal_only_to_themselves(loop):
    first, second = loop.call_soon(callback), loop.call_soon(callback)
    assert first == first
    assert first != second
    assert len({first, second, first}) == 2


def make_plain(loop, *args):
    return loop.call_soon(callback, *args), asyncio.Handle(callback, args, loop)


def make_timer(loop, *args):
    return loop.call_at(12.5, callback, *args), asyncio.TimerHandle(12.5, callback, args, loop)


@pytest.mark.parametrize("make", [make_plain, make_timer], ids=["handle", "timer"])
def test_repr_is_asyncios(loop, make):
    handle, model = make(loop, 1, "two")
    assert repr(handle) == repr(model)
    assert re.match(
        r"<(Handle|TimerHandle when=12.5) callback\(.*\) at .*test_handles\.py:\d+>", repr(handle)
    )


@pytest.mark.parametrize("make", [make_plain, make_timer], ids=["handle", "timer"])
def test_repr_of_a_cancelled_handle_is_asyncios(loop, make):
    handle, model = make(loop, 1)
    for each in (handle, model):
        # The model was not scheduled, so its loop must not count it.
        asyncio.Handle.cancel(each) if each is model else each.cancel()
    assert repr(handle) == repr(model)
    assert re.fullmatch(r"<(Handle cancelled|TimerHandle cancelled when=12.5)>", repr(handle))


@pytest.mark.parametrize("make", [make_plain, make_timer], ids=["handle", "timer"])
def test_repr_in_debug_mode_tells_where_it_was_created(loop, make):
    loop.set_debug(True)
    handle, model = make(loop, 1, "two")
    assert repr(handle) == repr(model)
    name = "make_plain" if make is make_plain else "make_timer"
    line = globals()[name].__code__.co_firstlineno + 1
    assert f"callback(1, 'two') at {__file__}:{callback.__code__.co_firstlineno}" in repr(handle)
    assert repr(handle).endswith(f" created at {__file__}:{line}>")


@pytest.mark.parametrize("make", [make_plain, make_timer], ids=["handle", "timer"])
def test_repr_in_debug_mode_keeps_the_callback_after_cancel(loop, make):
    loop.set_debug(True)
    handle, _ = make(loop, 1, "two")
    handle.cancel()
    assert re.match(
        r"<(Handle|TimerHandle) cancelled.* callback\(1, 'two'\) at .* created at .*>", repr(handle)
    )


def test_debug_call_later_points_at_its_caller(loop):
    loop.set_debug(True)
    handle = loop.call_later(1000, callback)
    line = test_debug_call_later_points_at_its_caller.__code__.co_firstlineno + 2
    assert repr(handle).endswith(f" created at {__file__}:{line}>")


def test_repr_names_partials_methods_and_lambdas_as_asyncio_does(loop):
    for function in (functools.partial(callback, 1), Thing().method, lambda: None, print, Thing):
        assert repr(loop.call_soon(function)) == repr(asyncio.Handle(function, (), loop))


def test_handle_passed_to_its_own_callback_is_collected(loop):
    thing = Thing()
    watch = weakref.ref(thing)
    holder = [thing]
    holder.append(loop.call_soon(callback, holder))
    del thing, holder
    run_one_turn(loop)
    gc.collect()
    assert watch() is None


def test_cancelled_timer_that_says_it_is_another_loops(loop, loop_factory):
    other, calls = loop_factory(), []
    timer = loop.call_later(0.2, calls.append, "cancelled")
    other.call_later(0.2, calls.append, "of the other loop")
    try:
        for one in (loop, other):  # which sleep: both engines have theirs
            one.call_later(0.01, one.stop)
            one.run_forever()
        timer._loop = other
        timer.cancel()
        del timer
        later = [loop.call_later(1000, callback) for _ in range(100)]  # in its memory, if it has been freed
        for one in (other, loop):
            one.call_later(0.4, one.stop)
            one.run_forever()
        assert len(later) == 100
        assert calls == ["of the other loop"]
    finally:
        other.close()
