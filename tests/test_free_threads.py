"""Loops in many threads at once, which share no lock: calls, handles, futures, signals, children and names.

The programs are right ones, and hold with the GIL and without; test_wrong_threads.py has those that are not.
"""

import asyncio
import concurrent.futures
import contextvars
import gc
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref

import pytest

import interpreting
from conftest import LIMIT
from crowd import ask, at_once, echo, join, threads_of

# asyncio of 3.12 and 3.13 silences it around each child by warnings.catch_warnings(), whose filters are the process's:
# one thread takes away what another has just set.
pytestmark = pytest.mark.filterwarnings("ignore:'get_child_watcher' is deprecated:DeprecationWarning")


@pytest.fixture(autouse=True)
def busy_threads():
    """Threads change often, where there is a GIL."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.0002)
    yield
    sys.setswitchinterval(interval)


@pytest.fixture
def in_loops(loop_factory, reports):
    """Runs coroutines function(number), each in a thread with a loop of its own, and returns their results."""

    def in_loops(function, count):
        def work(number):
            loop = loop_factory()
            loop.set_exception_handler(reports)
            try:
                return loop.run_until_complete(asyncio.wait_for(function(number), LIMIT))
            finally:
                loop.run_until_complete(loop.shutdown_default_executor())
                loop.close()

        return at_once(work, count)

    yield in_loops
    assert reports == []


@pytest.mark.goloop_only
@pytest.mark.free_threaded
def test_goloop_does_not_bring_the_gil_back(script):
    """Neither its import, any of its modules', the first loop nor TLS."""
    out = script("""
        import importlib, pkgutil, ssl
        import goloop

        for module in pkgutil.iter_modules(goloop.__path__):
            if not module.name.startswith("_engine"):
                importlib.import_module(f"goloop.{module.name}")
        print(sys._is_gil_enabled())
        run(asyncio.sleep(0.001))
        print(sys._is_gil_enabled())
    """)
    assert out == "False\nFalse\n"


def test_all_that_a_loop_can_do_in_four_threads(loop_name, pem_folder):
    at_once(lambda _: interpreting.work(loop_name, pem_folder), 4)


def test_loops_of_threads_share_tls_contexts(in_loops, server_context, client_context):
    async def main(number):
        server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=server_context)
        reader, writer = await asyncio.open_connection(
            *server.sockets[0].getsockname(), ssl=client_context, server_hostname="localhost"
        )
        for step in range(20):
            writer.write(message := b"%04d%04d" % (number, step) * 1000)
            assert await reader.readexactly(len(message)) == message
        writer.close()
        await writer.wait_closed()
        server.close()
        await server.wait_closed()
        return number

    assert in_loops(main, 4) == [0, 1, 2, 3]


# ---- calls ----


def test_calls_of_eight_threads_into_four_loops_that_serve(in_loops):
    """Each thread calls all loops in turn; each loop sees each thread's calls in order, and none twice."""
    count = 4000
    loops, calls = {}, {}
    there, finished = threading.Barrier(5), threading.Event()

    def produce(number):
        for index in range(count):
            loops[index % 4].call_soon_threadsafe(calls[index % 4, number].append, index)

    async def main(number):
        loops[number] = asyncio.get_running_loop()
        calls.update({(number, thread): [] for thread in range(8)})
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        await asyncio.to_thread(there.wait, LIMIT)
        right = 0
        while not finished.is_set():
            right += await ask(address, number, 5)
        await asyncio.sleep(0)
        server.close()
        await server.wait_closed()
        return right % 5

    def call_all():
        there.wait(LIMIT)
        join(threads_of(produce, 8))
        finished.set()

    caller = threading.Thread(target=call_all)
    caller.start()
    assert in_loops(main, 4) == [0] * 4
    caller.join()
    for (number, thread), seen in calls.items():
        assert seen == list(range(number, count, 4)), (number, thread)


def test_arguments_and_contexts_of_calls_from_threads(loop, run):
    """Each call gets its own; all are let go when they have run."""
    number = contextvars.ContextVar("number")
    seen = {thread: [] for thread in range(4)}

    class Argument:
        def __init__(self, index):
            self.index = index

    def called(thread, argument, *more):
        seen[thread].append((number.get(), argument.index, more))

    def produce(thread):
        alive = []
        for index in range(500):
            context = contextvars.Context()
            context.run(number.set, (thread, index))
            argument = Argument(index)
            alive.append(weakref.ref(argument))
            loop.call_soon_threadsafe(called, thread, argument, *range(index % 4), context=context)
        return alive

    async def main():
        references = await asyncio.to_thread(at_once, produce, 4)
        await asyncio.sleep(0)
        return references

    references = run(main())
    for thread, calls in seen.items():
        assert calls == [((thread, index), index, tuple(range(index % 4))) for index in range(500)]
    gc.collect()
    assert not any(reference() for alive in references for reference in alive)


def test_two_loops_call_each_other(in_loops):
    """Ping-pong through call_soon_threadsafe, eight balls at once: no wake-up is missed."""
    loops, there = {}, threading.Barrier(2)

    async def main(number):
        loop = loops[number] = asyncio.get_running_loop()
        returned = []
        done = loop.create_future()

        def play(ball, count, owner):
            if count < 400:
                other = loops[0] if asyncio.get_running_loop() is loops[1] else loops[1]
                other.call_soon_threadsafe(play, ball, count + 1, owner)
            else:
                loops[owner[0]].call_soon_threadsafe(owner[1], ball)

        def home(ball):
            returned.append(ball)
            if len(returned) == 4:
                done.set_result(None)

        await asyncio.to_thread(there.wait, LIMIT)
        for ball in range(4):
            play(ball, 0, (number, home))
        await done
        await asyncio.to_thread(there.wait, LIMIT)
        return sorted(returned)

    assert in_loops(main, 2) == [[0, 1, 2, 3]] * 2


def test_loops_that_close_while_threads_call_them(loop_factory):
    """Over and over: each thread is refused in the end, and what it was told is taken runs or is dropped, once."""
    for _ in range(40):
        loop = loop_factory()
        ran = {number: [] for number in range(4)}
        taken = dict.fromkeys(range(4), 0)
        refused = []
        started = threading.Barrier(5)

        def call(number, loop=loop, ran=ran, taken=taken, refused=refused, started=started):
            started.wait(LIMIT)
            try:
                while True:
                    loop.call_soon_threadsafe(ran[number].append, taken[number])
                    taken[number] += 1
            except RuntimeError as exc:
                refused.append(str(exc))

        threads = threads_of(call, 4)
        started.wait(LIMIT)
        loop.call_later(0.001, loop.stop)
        loop.run_forever()
        loop.close()
        join(threads)
        assert refused == ["Event loop is closed"] * 4
        for number in range(4):
            assert ran[number] == list(range(len(ran[number])))
            assert len(ran[number]) <= taken[number]


# ---- handles ----


@pytest.mark.parametrize("method", ["call_soon_threadsafe", "call_soon", "call_later"])
def test_handles_cancelled_by_other_threads_while_they_run(loop, loop_name, reports, run, method):
    """A callback runs once or not at all; one that nobody has cancelled runs."""
    reports.expected = loop_name == "asyncio"  # without a GIL it calls what has just become None
    count = 3000
    ran = [0] * count
    cancelled = [False] * count
    handles = [None] * count

    def callback(index):
        ran[index] += 1

    def cancel(number):
        rng = random.Random(number)
        for index in range(count):
            while handles[index] is None:
                time.sleep(0)  # lets the loop have the interpreter
            if rng.random() < 0.3:
                cancelled[index] = True
                handles[index].cancel()
                assert handles[index].cancelled()
            else:
                repr(handles[index])

    async def main():
        args = {"call_later": (0,)}.get(method, ())
        cancelling = asyncio.ensure_future(asyncio.to_thread(at_once, cancel, 2))
        for index in range(count):
            handles[index] = getattr(loop, method)(*args, callback, index)
            if index % 7 == 0:
                await asyncio.sleep(0)
        await cancelling
        await asyncio.sleep(0.01)  # the timers that were due, and their turn

    run(main())
    assert set(ran) <= {0, 1}
    assert [index for index in range(count) if not cancelled[index] and not ran[index]] == []


def test_timers_cancelled_by_another_thread_never_fire(loop, run):
    """And those between them do, in their order."""
    fired, handles = [], []

    def cancel(number):
        for handle in handles[number + 1 :: 4]:
            handle.cancel()

    async def main():
        nonlocal handles
        for _ in range(20):
            now = loop.time()
            handles = [loop.call_at(now + 0.05 + index / 1e5, fired.append, index) for index in range(200)]
            await asyncio.to_thread(at_once, cancel, 3)
            if loop.time() > now + 0.05:
                fired.clear()  # too slow: some were due
                continue
            while len(fired) < 50:
                await asyncio.sleep(0.001)
            assert fired == list(range(0, 200, 4))
            fired.clear()

    run(main())


# ---- futures and executors ----


def test_results_of_one_executor_that_serves_four_loops(in_loops):
    with concurrent.futures.ThreadPoolExecutor(8) as executor:

        async def main(number):
            loop = asyncio.get_running_loop()
            jobs = [loop.run_in_executor(executor, pow, number, index) for index in range(300)]
            cancelled = random.Random(number).sample(jobs, 100)
            for job in cancelled:
                job.cancel()
            results = await asyncio.gather(*jobs, return_exceptions=True)
            for index, (job, result) in enumerate(zip(jobs, results)):
                assert result == number**index or (job in cancelled and job.cancelled())

        in_loops(main, 4)


def test_coroutines_that_threads_start_in_a_loop(loop, run):
    """run_coroutine_threadsafe: each result goes to the thread that asked, and a cancelled one is cancelled in the loop."""
    ended = []

    async def double(number, index):
        try:
            await asyncio.sleep(0.0005 * (index % 3))
            return number, 2 * index
        finally:
            ended.append((number, index))

    def ask_loop(number):
        for index in range(150):
            future = asyncio.run_coroutine_threadsafe(double(number, index), loop)
            if index % 5 == 0 and future.cancel():
                continue
            assert future.result(LIMIT) == (number, 2 * index)
        return number

    async def main():
        return await asyncio.to_thread(at_once, ask_loop, 6)

    assert run(main()) == list(range(6))
    assert len(ended) == len(set(ended))


def test_futures_of_other_threads_wake_a_sleeping_loop(in_loops):
    async def main(number):
        for index in range(100):
            future = concurrent.futures.Future()
            thread = threading.Thread(target=future.set_result, args=[index])
            waiting = asyncio.wrap_future(future)
            thread.start()
            assert await waiting == index
            thread.join()
        return number

    assert in_loops(main, 4) == [0, 1, 2, 3]


# ---- connections that change their loops ----


def test_connections_accepted_by_one_loop_and_served_by_others(in_loops):
    """The first loop accepts and hands each socket on through call_soon_threadsafe."""
    loops, listener = {}, socket.create_server(("127.0.0.1", 0))
    address = listener.getsockname()
    there, asked = threading.Barrier(4), threading.Barrier(4)
    served = {number: [] for number in range(4)}

    async def serve(sock):
        await echo(*await asyncio.open_connection(sock=sock))

    def take(number, sock):
        served[number].append(asyncio.ensure_future(serve(sock)))

    async def dispatch(loop):
        for count in range(3 * 15):
            sock, _ = await loop.sock_accept(listener)
            owner = 1 + count % 3
            loops[owner].call_soon_threadsafe(take, owner, sock)

    async def main(number):
        loop = loops[number] = asyncio.get_running_loop()
        await loop.run_in_executor(None, there.wait, LIMIT)
        right = 0
        if number == 0:
            await dispatch(loop)
        else:
            right = sum(
                await asyncio.gather(*[ask(address, 100 * number + client, 10) for client in range(15)])
            )
        await loop.run_in_executor(None, asked.wait, LIMIT)
        await asyncio.gather(*served[number])
        return right

    listener.setblocking(False)
    with listener:
        assert in_loops(main, 4) == [0, 150, 150, 150]


def test_collections_while_loops_run(in_loops):
    """The cyclic collector runs in a thread of its own all the time, and finds cycles through loops' objects."""
    finished = threading.Event()

    def collect():
        while not finished.is_set():
            gc.collect()
            time.sleep(0.001)  # each stops all threads, for long where the heap is large

    async def main(number):
        loop = asyncio.get_running_loop()
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        right = 0
        for round in range(8):
            right += await ask(address, round, 5)
            for _ in range(20):
                future = loop.create_future()
                future.cycle = [future, loop.call_later(1000, future.set_result, loop.call_soon(id, future))]
                future.cycle[1].cancel()
        server.close()
        await server.wait_closed()
        return right

    collector = threading.Thread(target=collect)
    collector.start()
    try:
        assert in_loops(main, 3) == [40] * 3
    finally:
        finished.set()
        collector.join()


# ---- signals, children, names ----


def test_signals_reach_the_main_loop_while_others_run(loop, run, in_loops):
    finished = threading.Event()
    results = []

    async def busy(number):
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        right = 0
        while not finished.is_set():
            right += await ask(server.sockets[0].getsockname(), number, 5)
        server.close()
        await server.wait_closed()
        return right % 5

    async def main():
        came = asyncio.Queue()
        loop.add_signal_handler(signal.SIGUSR1, came.put_nowait, "one")
        loop.add_signal_handler(signal.SIGUSR2, came.put_nowait, "two")
        for _ in range(50):
            os.kill(os.getpid(), signal.SIGUSR1)
            assert await came.get() == "one"
            at_once(lambda _: signal.raise_signal(signal.SIGUSR2), 1)  # of the process, in another thread
            assert await came.get() == "two"
        loop.remove_signal_handler(signal.SIGUSR1)
        loop.remove_signal_handler(signal.SIGUSR2)
        finished.set()

    thread = threading.Thread(target=lambda: results.extend(in_loops(busy, 3)))
    thread.start()
    try:
        run(main())
    finally:
        finished.set()
        thread.join()
    assert results == [0] * 3


@pytest.mark.filterwarnings(
    "ignore:.*child_watcher:DeprecationWarning"
)  # asyncio ignores it for all threads at once
@pytest.mark.usefixtures("fresh_policy")
@pytest.mark.parametrize("watcher", ["pidfd", "sigchld", "thread"])
def test_children_of_loops_in_threads(monkeypatch, loop_name, in_loops, watcher):
    """Each loop gets the ends and the output of its own; none is left."""
    monkeypatch.setenv("GOLOOP_CHILD_WATCHER", watcher)
    if loop_name == "asyncio" and sys.version_info < (3, 12):
        asyncio.set_child_watcher(asyncio.ThreadedChildWatcher())

    async def start(code):
        child = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", f"echo {code}; exit {code}", stdout=subprocess.PIPE
        )
        out, _ = await child.communicate()
        return int(out), child.returncode

    async def main(number):
        results = []
        for _ in range(3):
            codes = range(10 * number, 10 * number + 5)
            results += await asyncio.gather(*[start(code) for code in codes])
        return results

    for number, results in enumerate(in_loops(main, 4)):
        assert results == [(code, code) for code in range(10 * number, 10 * number + 5)] * 3
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_lookups_of_loops_in_threads(in_loops):
    """Names and literals, some of them given up."""

    async def main(number):
        loop = asyncio.get_running_loop()
        for round in range(10):
            port = 1000 * number + round + 1
            hosts = ["localhost"] * 3 + [
                "localhost"[:round] + "localhost"[round:].upper()
            ]  # the last is another each time
            names = [
                asyncio.ensure_future(loop.getaddrinfo(host, port + index, family=socket.AF_INET))
                for index, host in enumerate(hosts)
            ]
            if round % 3 == 0:
                await asyncio.sleep(0)
                names.pop().cancel()
            for index, found in enumerate(await asyncio.gather(*names)):
                assert {address for *_, address in found} == {("127.0.0.1", port + index)}
            assert await loop.getnameinfo(
                ("127.0.0.1", port), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
            ) == (
                "127.0.0.1",
                str(port),
            )

    in_loops(main, 4)


# ---- the end of the process ----


def test_process_ends_while_daemon_threads_run_loops(script):
    """Some serve, some are called from others; the process exits with the code that it was given."""
    process = script.start("""
        def serve(number):
            async def main():
                loop = loops[number] = asyncio.get_running_loop()

                async def echo(reader, writer):
                    while data := await reader.read(1000):
                        writer.write(data)

                server = await asyncio.start_server(echo, "127.0.0.1", 0)
                reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
                while True:
                    writer.write(b"x")
                    await reader.readexactly(1)
                    going.release()

            new_event_loop().run_until_complete(main())

        def call(number):
            while True:
                for loop in list(loops.values()):
                    loop.call_soon_threadsafe(int)

        loops, going = {}, threading.Semaphore(0)
        for function in (serve, serve, serve, call, call):
            threading.Thread(target=function, args=[len(threading.enumerate())], daemon=True).start()
        for _ in range(300):
            going.acquire()
        sys.exit(7)
    """)
    out, err = process.communicate(timeout=LIMIT)
    assert (process.returncode, out) == (7, ""), err
