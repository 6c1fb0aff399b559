"""Signal handlers of the loop, plain signal handlers, what loading the engine leaves alone."""

import asyncio
import contextvars
import os
import re
import signal
import subprocess
import sys
import threading

import pytest


def run_until(loop, condition):
    """Run the loop, asleep in its selector, until a callback has made condition() true."""

    async def wait():
        while not condition():
            await asyncio.sleep(0.001)

    loop.run_until_complete(asyncio.wait_for(wait(), 10))


def test_handler_is_called_with_its_arguments(loop):
    seen = []

    def handler(*args):
        seen.append((args, asyncio.get_running_loop() is loop, threading.current_thread()))
        loop.stop()

    assert loop.add_signal_handler(signal.SIGUSR1, handler, 1, "two") is None
    loop.call_soon(os.kill, os.getpid(), signal.SIGUSR1)
    loop.run_forever()
    assert seen == [((1, "two"), True, threading.main_thread())]
    assert loop.remove_signal_handler(signal.SIGUSR1) is True
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL


def test_signal_wakes_a_sleeping_loop(loop):
    seen = []
    loop.add_signal_handler(signal.SIGUSR1, loop.stop)
    thread = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1))  # when the loop has gone to sleep
    loop.call_soon(thread.start)
    loop.call_soon(seen.append, "ran")
    loop.run_forever()
    thread.join()
    assert seen == ["ran"]


def test_signal_between_two_runs_is_delivered_in_the_next(loop):
    seen = []
    loop.add_signal_handler(signal.SIGUSR1, seen.append, "signal")
    loop.stop()
    loop.run_forever()
    os.kill(os.getpid(), signal.SIGUSR1)
    assert seen == []
    run_until(loop, lambda: seen)
    assert seen == ["signal"]


def test_second_handler_replaces_the_first(loop):
    seen = []
    loop.add_signal_handler(signal.SIGUSR1, seen.append, "first")
    loop.add_signal_handler(signal.SIGUSR1, seen.append, "second")
    os.kill(os.getpid(), signal.SIGUSR1)
    run_until(loop, lambda: seen)
    assert seen == ["second"]


def test_two_signals_go_to_their_handlers(loop):
    seen = []
    loop.add_signal_handler(signal.SIGUSR1, seen.append, 1)
    loop.add_signal_handler(signal.SIGUSR2, seen.append, 2)
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        os.kill(os.getpid(), number)
    run_until(loop, lambda: len(seen) == 2)
    assert sorted(seen) == [1, 2]
    assert loop.remove_signal_handler(signal.SIGUSR1) is True
    os.kill(os.getpid(), signal.SIGUSR2)
    run_until(loop, lambda: len(seen) == 3)


def test_remove_tells_whether_there_was_a_handler(loop):
    assert loop.remove_signal_handler(signal.SIGUSR1) is False
    loop.add_signal_handler(signal.SIGUSR1, print)
    assert loop.remove_signal_handler(signal.SIGUSR1) is True
    assert loop.remove_signal_handler(signal.SIGUSR1) is False


def test_removing_the_sigint_handler_gives_keyboard_interrupt_back(loop):
    loop.add_signal_handler(signal.SIGINT, print)
    loop.remove_signal_handler(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_close_removes_the_handlers(loop):
    loop.add_signal_handler(signal.SIGUSR1, print)
    loop.add_signal_handler(signal.SIGUSR2, print)
    loop.close()
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL
    assert signal.getsignal(signal.SIGUSR2) == signal.SIG_DFL
    assert signal.set_wakeup_fd(-1) == -1


def test_failing_handler_is_reported(loop, errors):
    def handler():
        raise LookupError("handler")

    loop.add_signal_handler(signal.SIGUSR1, handler)
    os.kill(os.getpid(), signal.SIGUSR1)
    run_until(loop, lambda: errors)
    assert str(errors[0]["exception"]) == "handler"


BAD = {
    "string": ("SIGUSR1", TypeError, "sig must be an int, not 'SIGUSR1'"),
    "None": (None, TypeError, "sig must be an int, not None"),
    "float": (10.0, TypeError, "sig must be an int, not 10.0"),
    "zero": (0, ValueError, "invalid signal number 0"),
    "negative": (-1, ValueError, "invalid signal number -1"),
    "too large": (1000, ValueError, "invalid signal number 1000"),
}


@pytest.mark.parametrize("method", ["add_signal_handler", "remove_signal_handler"])
@pytest.mark.parametrize("name", BAD)
def test_bad_signal_number_is_refused(loop, method, name):
    number, error, text = BAD[name]
    args = [print] if method.startswith("add") else []
    with pytest.raises(error, match=f"^{re.escape(text)}$"):
        getattr(loop, method)(number, *args)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_uncatchable_signal_is_refused(loop, number):
    with pytest.raises(RuntimeError, match=f"^sig {int(number)} cannot be caught$"):
        loop.add_signal_handler(int(number), print)
    assert signal.set_wakeup_fd(-1) == -1


def test_coroutine_as_a_handler_is_refused(loop):
    async def handler():
        pass

    with pytest.raises(TypeError, match=r"^coroutines cannot be used with add_signal_handler\(\)$"):
        loop.add_signal_handler(signal.SIGUSR1, handler)


def test_handler_outside_the_main_thread_is_refused(loop):
    errors = []

    def add():
        try:
            loop.add_signal_handler(signal.SIGUSR1, print)
        except RuntimeError as exc:
            errors.append(str(exc))

    thread = threading.Thread(target=add)
    thread.start()
    thread.join()
    assert errors == ["set_wakeup_fd only works in main thread of the main interpreter"]


def test_main_thread_adds_a_handler_to_a_loop_of_another_thread(script):
    """A handler that the sleeping loop runs, in its own thread."""
    out = script("""
        import threading

        loop = new_event_loop()
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop)
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            came = threading.Event()
            named = []
            loop.add_signal_handler(number, lambda: (named.append(threading.current_thread()), came.set()))
            os.kill(os.getpid(), number)
            print(came.wait(10), named == [thread])
            print(loop.remove_signal_handler(number))
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
    """)
    assert out == "True True\nTrue\n" * 2


def test_plain_handler_runs_while_the_loop_sleeps(loop):
    seen = []

    def handler(number, frame):
        seen.append(number)
        loop.call_soon_threadsafe(loop.stop)

    previous = signal.signal(signal.SIGUSR1, handler)
    try:
        thread = threading.Timer(
            0.05, os.kill, (os.getpid(), signal.SIGUSR1)
        )  # when the loop has gone to sleep
        loop.call_soon(thread.start)
        loop.run_forever()
        thread.join()
    finally:
        signal.signal(signal.SIGUSR1, previous)
    assert seen == [signal.SIGUSR1]


KILLER = """
import os, random, signal, time

while os.read(0, 1):
    until = time.perf_counter() + random.random() * 300e-6
    while time.perf_counter() < until:
        pass
    os.kill(os.getppid(), signal.SIGUSR1)
"""


@pytest.mark.goloop_only  # asyncio has a window of about a microsecond before it sleeps
def test_plain_signal_wakes_the_loop_however_close_it_comes_to_its_sleep(loop):
    late = []

    def give_up():
        late.append("slept through the signal")
        loop.stop()

    previous = signal.signal(signal.SIGUSR1, lambda number, frame: loop.call_soon_threadsafe(loop.stop))
    killer = subprocess.Popen([sys.executable, "-c", KILLER], stdin=subprocess.PIPE, bufsize=0)
    try:
        for _ in range(500):
            watchdog = loop.call_later(1, give_up)
            loop.call_soon(killer.stdin.write, b"x")
            loop.run_forever()
            watchdog.cancel()
            if len(late) == 3:
                break
    finally:
        killer.stdin.close()
        killer.wait()
        signal.signal(signal.SIGUSR1, previous)
    assert late == []


def test_exception_of_a_plain_handler_leaves_a_sleeping_loop(loop):
    def handler(number, frame):
        raise LookupError("handler")

    previous = signal.signal(signal.SIGUSR1, handler)
    try:
        thread = threading.Timer(
            0.05, os.kill, (os.getpid(), signal.SIGUSR1)
        )  # when the loop has gone to sleep
        loop.call_soon(thread.start)
        with pytest.raises(LookupError, match="handler"):
            loop.run_forever()
        thread.join()
    finally:
        signal.signal(signal.SIGUSR1, previous)
    assert not loop.is_running()
    assert loop.run_until_complete(asyncio.sleep(0, "usable")) == "usable"


def test_hundred_plain_signals_do_not_disturb_io_and_timers(loop, socket_pair):
    ours, peer = socket_pair()
    handled, seen = [], []
    previous = signal.signal(signal.SIGUSR1, lambda number, frame: handled.append(number))

    def read():
        seen.append(ours.recv(100))
        os.kill(os.getpid(), signal.SIGUSR1)
        if len(seen) == 100:
            loop.stop()
        else:
            loop.call_later(0.0002, peer.send, b"x")

    try:
        loop.add_reader(ours, read)
        peer.send(b"x")
        loop.run_forever()
    finally:
        loop.remove_reader(ours)
        signal.signal(signal.SIGUSR1, previous)
    assert (b"".join(seen), len(handled)) == (b"x" * 100, 100)


@pytest.mark.goloop_only
@pytest.mark.linux_only
def test_loading_the_engine_leaves_signal_dispositions_alone(script):
    process = script.start("""
        def ignored_and_blocked():
            # 32 and 33 belong to the C library, which takes them with the first thread
            with open("/proc/self/status") as status:
                lines = [line.split() for line in status if line.startswith(("SigIgn", "SigBlk"))]
            return [int(bits, 16) & ~(3 << 31) for _, bits in lines]

        def handlers():
            return [signal.getsignal(number) for number in sorted(signal.valid_signals())]

        before = ignored_and_blocked(), handlers()
        loop = new_event_loop()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
        after = ignored_and_blocked(), handlers()
        print("same dispositions" if after == before else f"{before} became {after}")
        reader, writer = os.pipe()
        os.close(reader)
        try:
            os.write(writer, b"x")
        except BrokenPipeError:
            print("BrokenPipeError")
        os.kill(os.getpid(), signal.SIGURG)  # ignored by default
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        print("the default of SIGPIPE kills")
        os.write(writer, b"x")
        print("survived")
    """)
    out, err = process.communicate(timeout=20)
    assert out.splitlines() == ["same dispositions", "BrokenPipeError", "the default of SIGPIPE kills"]
    assert (process.returncode, err) == (-signal.SIGPIPE, "")


def test_signal_handler_runs_in_the_context_of_its_caller(loop, run):
    async def main():
        place = contextvars.ContextVar("place", default="nowhere")
        seen = loop.create_future()
        token = place.set("add_signal_handler")
        loop.add_signal_handler(signal.SIGUSR1, lambda: seen.set_result(place.get()))
        place.reset(token)
        signal.raise_signal(signal.SIGUSR1)
        try:
            return await seen
        finally:
            loop.remove_signal_handler(signal.SIGUSR1)

    assert run(main()) == "add_signal_handler"


def test_sigprof_that_the_program_blocks_stays_pending(script):
    out = script("""
        async def main():
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGPROF])
            os.kill(os.getpid(), signal.SIGPROF)
            print(signal.SIGPROF in signal.sigpending())

        run(main())
    """)
    assert out == "True\n"
