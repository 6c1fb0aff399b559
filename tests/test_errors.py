"""Where an exception of a callback goes."""

import asyncio
import contextvars
import gc
import logging
import re
import sys
import traceback
import weakref

import pytest

FAIL = r"fail\(('one')?\)"  # since 3.13 the arguments are shown in debug mode only
COLOUR = contextvars.ContextVar("colour", default="none")


def fail(text="failed"):
    raise LookupError(text)


def run_one_turn(loop):
    loop.stop()
    loop.run_forever()


def error_logs(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]


def test_default_handler_logs_callback_and_traceback(loop, caplog):
    loop.set_exception_handler(None)
    loop.call_soon(fail, "one")
    run_one_turn(loop)
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    first, second = record.getMessage().splitlines()
    assert record.name == "asyncio"
    assert re.match(rf"Exception in callback {FAIL} at ", first)
    assert re.match(rf"handle: <Handle {FAIL} at ", second)
    assert str(record.exc_info[1]) == "one"
    assert traceback.extract_tb(record.exc_info[2])[-1].name == "fail"


def test_failing_callback_does_not_stop_the_turn(loop, errors):
    calls = []
    loop.call_soon(fail)
    loop.call_soon(calls.append, "next")
    run_one_turn(loop)
    assert calls == ["next"]
    assert len(errors) == 1


def test_custom_handler_gets_message_exception_and_handle(loop):
    seen = []
    loop.set_exception_handler(lambda *args: seen.append(args))
    handle = loop.call_soon(fail, "one")
    run_one_turn(loop)
    [(given_loop, context)] = seen
    assert given_loop is loop
    assert set(context) == {"message", "exception", "handle"}
    assert re.match(rf"Exception in callback {FAIL} at ", context["message"])
    assert isinstance(context["exception"], LookupError)
    assert context["handle"] is handle


def test_timer_that_fails_is_reported_with_its_handle(loop, errors):
    handle = loop.call_later(0, fail)
    loop.call_later(0.001, loop.stop)
    loop.run_forever()
    assert errors[0]["handle"] is handle
    assert isinstance(handle, asyncio.TimerHandle)


def test_debug_adds_the_source_traceback(loop, errors):
    loop.set_debug(True)
    loop.call_soon(fail)
    run_one_turn(loop)
    [context] = errors
    last = context["source_traceback"][-1]
    assert (last.filename, last.name) == (__file__, "test_debug_adds_the_source_traceback")


@pytest.mark.since("3.12")
def test_custom_handler_runs_in_the_context_of_the_handle(loop):
    seen = []
    loop.set_exception_handler(lambda loop, context: seen.append(COLOUR.get()))
    context = contextvars.copy_context()
    context.run(COLOUR.set, "red")
    loop.call_soon(fail, context=context)
    run_one_turn(loop)
    assert seen == ["red"]


def test_failing_custom_handler_is_logged(loop, caplog):
    loop.set_exception_handler(lambda loop, context: 1 / 0)
    loop.call_soon(fail)
    run_one_turn(loop)
    [text] = error_logs(caplog)
    assert text.startswith(
        "Unhandled error in exception handler\ncontext: {'message': 'Exception in callback fail()"
    )


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_interrupt_from_the_handler_leaves_the_loop(loop, error):
    def handler(loop, context):
        raise error

    calls = []
    loop.set_exception_handler(handler)
    loop.call_soon(fail)
    loop.call_soon(calls.append, "next run")
    with pytest.raises(error):
        loop.run_forever()
    assert calls == []
    run_one_turn(loop)
    assert calls == ["next run"]


def test_overridden_call_exception_handler_is_used(loop_factory):
    seen = []
    sample = loop_factory()
    sample.close()

    class Loop(type(sample)):
        def call_exception_handler(self, context):
            seen.append(context["message"])

    loop = Loop()
    loop.call_soon(fail)
    run_one_turn(loop)
    loop.close()
    assert len(seen) == 1


def test_exception_handler_can_be_read_replaced_and_reset(loop, reports):
    assert loop.get_exception_handler() is reports
    loop.set_exception_handler(print)
    assert loop.get_exception_handler() is print
    loop.set_exception_handler(None)
    assert loop.get_exception_handler() is None
    with pytest.raises(TypeError, match="A callable object or None is expected, got 'print'"):
        loop.set_exception_handler("print")


def test_uncallable_callback_is_reported_when_it_runs(loop, errors):
    loop.call_soon(42)
    run_one_turn(loop)
    [context] = errors
    assert isinstance(context["exception"], TypeError)
    assert str(context["exception"]) == "'int' object is not callable"


def test_wrong_argument_count_is_reported(loop, errors):
    loop.call_soon(lambda: None, "too many")
    run_one_turn(loop)
    assert "takes 0 positional arguments but 1 was given" in str(errors[0]["exception"])


def test_generator_exit_and_cancelled_error_are_reported_like_any_other(loop, errors):
    def leave(error):
        raise error

    for error in (GeneratorExit, asyncio.CancelledError):
        loop.call_soon(leave, error)
    run_one_turn(loop)
    assert [type(context["exception"]) for context in errors] == [GeneratorExit, asyncio.CancelledError]


def test_reported_exception_is_not_kept_alive(loop, errors):
    class Failure(Exception):
        pass

    def callback():
        raise Failure

    loop.call_soon(callback)
    run_one_turn(loop)
    exception = weakref.ref(errors[0]["exception"])
    errors.clear()
    gc.collect()
    assert exception() is None


def test_callback_runs_with_no_exception_in_flight_after_a_failed_one(loop, errors):
    seen = []
    loop.call_soon(fail)
    loop.call_soon(lambda: seen.append(sys.exc_info()))
    run_one_turn(loop)
    assert seen == [(None, None, None)]


def test_future_whose_exception_nobody_reads_is_reported(loop, errors):
    future = loop.create_future()
    future.set_exception(LookupError("unread"))
    del future
    assert errors.messages() == ["Future exception was never retrieved"]


def test_deep_recursion_in_a_callback_is_reported(loop, errors):
    def recurse():
        recurse()

    loop.call_soon(recurse)
    run_one_turn(loop)
    assert isinstance(errors[0]["exception"], RecursionError)
