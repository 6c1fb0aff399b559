"""The contexts of many callbacks that are scheduled in one turn: each has its own, as if it had been alone."""

import contextvars
import gc
import weakref

import pytest

from nesting import by_handles

MANY = 50

number = contextvars.ContextVar("number", default=None)


def schedule(loop, how, callback, *args):
    if how == "later":
        return loop.call_later(0, callback, *args)
    return getattr(loop, how)(callback, *args)


@pytest.fixture(params=["call_soon", "call_soon_threadsafe", "later"])
def how(request):
    return request.param


def run(loop, begin):
    def start():
        begin()
        loop.call_later(0.001, loop.stop)  # behind all that begin has scheduled

    loop.call_soon(start)
    loop.run_forever()


def test_what_a_callback_sets_is_not_the_next_one_s(loop, how):
    seen = []

    def callback(i):
        seen.append(number.get())
        number.set(i)

    run(loop, lambda: [schedule(loop, how, callback, i) for i in range(MANY)])
    assert seen == [None] * MANY


def test_values_are_those_of_the_time_of_scheduling(loop, how):
    seen = []

    def begin():
        for i in range(MANY):
            if i % 3 == 0:
                number.set(i)
            schedule(loop, how, lambda: seen.append(number.get()))
        number.set("after")

    run(loop, begin)
    assert seen == [i - i % 3 for i in range(MANY)]


def test_each_handle_has_a_context_of_its_own(loop, how):
    seen = []
    handles = []

    def callback(i):
        seen.append(number.get())
        number.set(f"set by {i}")

    def begin():
        handles.extend(schedule(loop, how, callback, i) for i in range(MANY))
        for i in range(0, MANY, 2):
            handles[i]._context.run(number.set, i)

    run(loop, begin)
    contexts = [handle._context for handle in handles]
    assert len({id(context) for context in contexts}) == MANY
    assert seen == [None if i % 2 else i for i in range(MANY)]
    assert [context[number] for context in contexts] == [f"set by {i}" for i in range(MANY)]
    assert all(handle._context is context for handle, context in zip(handles, contexts, strict=True))


def test_context_of_a_handle_can_be_replaced_and_taken_away(loop, how):
    seen = []
    other = contextvars.copy_context()
    other.run(number.set, "other")

    def begin():
        for _ in range(MANY):
            handle = schedule(loop, how, lambda: seen.append(number.get()))
            handle._context = other
        handle = schedule(loop, how, int)
        handle._context  # noqa: B018
        del handle._context
        with pytest.raises(AttributeError):
            handle._context  # noqa: B018
        with pytest.raises(AttributeError):
            del handle._context
        handle.cancel()

    run(loop, begin)
    assert seen == ["other"] * MANY


def test_exception_handler_is_given_the_context_in_which_the_callback_ran(loop, how):
    contexts = []
    loop.set_exception_handler(lambda loop, context: contexts.append(context["handle"]._context))

    def callback(i):
        number.set(i)
        raise ValueError(i)

    run(loop, lambda: [schedule(loop, how, callback, i) for i in range(MANY)])
    assert [context[number] for context in contexts] == list(range(MANY))


def test_context_that_a_callback_copies_is_its_own(loop, how):
    copies = []

    def callback(i):
        number.set(i)
        copies.append(contextvars.copy_context())

    run(loop, lambda: [schedule(loop, how, callback, i) for i in range(MANY)])
    assert [copy[number] for copy in copies] == list(range(MANY))


def test_values_live_no_longer_than_the_callbacks(loop, how):
    class Value:
        pass

    gone = []

    def begin():
        value = Value()
        gone.append(weakref.ref(value))
        context = contextvars.copy_context()
        context.run(number.set, value)
        context.run(lambda: [schedule(loop, how, int) for _ in range(MANY)])

    seen = []

    def look():
        gc.collect()
        seen.append(gone[0]() is None)
        loop.stop()

    def start():
        begin()
        loop.call_later(0.001, look)  # behind all that begin has scheduled

    loop.call_soon(start)
    loop.run_forever()
    assert seen == [True]


def test_what_a_callback_sets_lives_no_longer_than_it(loop, how):
    class Value:
        pass

    gone = []
    seen = []

    def callback():
        seen.append([ref() for ref in gone])
        value = Value()
        gone.append(weakref.ref(value))
        number.set(value)

    run(loop, lambda: [schedule(loop, how, callback) for _ in range(MANY)])
    assert seen == [[None] * i for i in range(MANY)]


def test_callback_that_runs_the_loop_again_keeps_its_context(loop, loop_name, how):
    seen = []
    if loop_name == "asyncio":  # whose own turn does not bear that a callback takes another
        loop.__class__ = type("Patched", (type(loop),), {"_run_once": by_handles})

    def inner(i):
        seen.append((i, number.get()))
        number.set("inner")

    def outer(i):
        number.set(i)
        if i == 5:
            loop._run_once()
        seen.append((i, number.get()))

    def begin():
        for i in range(MANY):
            schedule(loop, how, outer if i % 5 == 0 else inner, i)

    run(loop, begin)
    assert sorted(seen) == [(i, i if i % 5 == 0 else None) for i in range(MANY)]
