"""Programs that are wrong: threads touch loops, transports and handles that belong to another thread's loop.

asyncio promises nothing for them. Here no memory is corrupted, no process lost or hung, and connections that nobody has
touched go on. Each program is a process of its own.
"""

import pathlib
import sys
import textwrap

import pytest

from conftest import FREE_THREADED, LIMIT, Script

HERE = str(pathlib.Path(__file__).parent)

pytestmark = pytest.mark.goloop_only

# What makes more than a loop can do in its turns sleeps.
TOUCHES = {
    "call_soon": "prey.loop.call_soon(int)",
    "call_soon, cancelled": "prey.loop.call_soon(int).cancel()",
    "call_later": "prey.loop.call_later(0.0001, int)",
    "call_later, cancelled": "prey.loop.call_later(0.001, int).cancel(); prey.loop.call_at(0, int).when()",
    "handles of the loop": "prey.handle.cancel(); prey.soon.cancel(); repr(prey.handle); prey.soon.cancelled()",
    "handles, compared": "prey.handle < prey.loop.call_later(1000, int); hash(prey.handle); prey.handle == prey.soon",
    "all kinds of calls": "prey.loop.call_soon(int); prey.loop.call_soon_threadsafe(int).cancel(); prey.loop.call_later(0, int)",
    "add_reader": "prey.loop.add_reader(pair.ours, int); prey.loop.remove_reader(pair.ours)",
    "add_writer": "prey.loop.add_writer(pair.peer, int); prey.loop.remove_writer(pair.peer)",
    "a reader of a closed socket": "prey.loop.add_reader(pair.ours, int); pair.__exit__(); pair.__enter__()",
    "write": "prey.transport.write(b'x' * 1000)",
    "write much": "prey.transport.write(b'x' * 1_000_000); prey.transport.get_write_buffer_size()",
    "writelines": "prey.transport.writelines([b'x' * 100, memoryview(b'y' * 100), bytearray(100)])",
    "write_eof": "prey.transport.write(b'last'); prey.transport.write_eof()",
    "pause and resume": "prey.transport.pause_reading(); prey.transport.is_reading(); prey.transport.resume_reading()",
    "limits": "prey.transport.set_write_buffer_limits(10, 5); prey.transport.get_write_buffer_limits(); prey.transport.write(b'x')",
    "close": "prey.transport.close(); prey.transport.is_closing()",
    "abort": "prey.transport.write(b'x' * 1000); prey.transport.abort()",
    "close and write": "prey.transport.close(); prey.transport.write(b'x'); prey.transport.abort(); prey.transport.write(b'x')",
    "set_protocol": "prey.transport.set_protocol(disturbing.Noting()); prey.transport.get_protocol()",
    "get_extra_info": "prey.transport.get_extra_info('socket'); prey.transport.get_extra_info('peername'); repr(prey.transport)",
    "sendto": "prey.endpoint.sendto(b'x' * 100, prey.own); prey.endpoint.get_write_buffer_size()",
    "endpoint closed": "prey.endpoint.sendto(b'x' * 100, prey.own); prey.endpoint.close()",
    "server closed": "prey.server.sockets; prey.server.close(); prey.server.is_serving()",
    "clients of a server that closes": "socket.create_connection(prey.server.sockets[0].getsockname()).close(); prey.server.close()",
    "future": "prey.future.set_result(1)",
    "task": "prey.task.cancel()",
    "create_task": "prey.loop.create_task(asyncio.sleep(0)); time.sleep(0.001)",
    "run_in_executor": "prey.loop.run_in_executor(None, int); time.sleep(0.001)",
    "getaddrinfo": "prey.loop.create_task(prey.loop.getaddrinfo('localhost', 80)); time.sleep(0.001)",
    "debug": "prey.loop.set_debug(True); prey.loop.call_soon_threadsafe(int); prey.loop.set_debug(False)",
    "loop, closed": "prey.loop.close()",
    "loop, run": "prey.loop.run_forever()",
    "loop, asked": "repr(prey.loop); prey.loop.time(); prey.loop.is_running(); prey.loop.is_closed(); prey.loop.get_debug()",
    "exception handler": "prey.loop.set_exception_handler(lambda *_: None); prey.loop.get_exception_handler()",
    "signal handlers": "prey.loop.add_signal_handler(10, int)",
    "collector": "disturbing.collect()",
}
if FREE_THREADED and sys.version_info < (3, 14):
    del TOUCHES[
        "task"
    ]  # a Task of CPython 3.13 is one thread's: half of such programs end by a segmentation fault, on asyncio as well


@pytest.fixture
def script(loop_name):
    """A Script whose programs find disturbing.py and crowd.py; what warns there is no error."""
    script = Script(loop_name)
    script.prelude += textwrap.dedent(f"""
        import warnings
        warnings.simplefilter("ignore")
        sys.setswitchinterval(0.0002)
        sys.path.insert(0, {HERE!r})
        import crowd, disturbing
    """)
    yield script
    script.stop()


def ends_well(script, source):
    """Run the program; its exit code is 0. What it tells of transports that were left is open."""
    process = script.start(source)
    out, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, err
    assert "Fatal" not in err and "SystemError" not in err
    return out


@pytest.mark.parametrize("touch", TOUCHES)
def test_loop_goes_on_while_threads_touch_what_is_its_own(script, touch):
    ends_well(
        script,
        f"""
        def touch(prey, pair):
            {TOUCHES[touch]}

        run(disturbing.disturbed(touch))
        run(asyncio.sleep(0.001))
        """,
    )


def test_all_touches_at_once(script):
    """Each thread picks one after the other."""
    ends_well(
        script,
        f"""
        import itertools, random

        touches = [compile(source, source, "exec") for source in {sorted(TOUCHES.values())!r}]
        several = itertools.count()

        def touch(prey, pair):
            rng = random.Random(next(several))
            for code in rng.sample(touches, 5):
                try:
                    exec(code, {{**globals(), "prey": prey, "pair": pair}})
                except (OSError, RuntimeError, ValueError, TypeError, AttributeError, asyncio.InvalidStateError):
                    pass

        disturbing.SECONDS = 2
        run(disturbing.disturbed(touch))
        run(asyncio.sleep(0.001))
        """,
    )


def test_one_loop_run_by_many_threads_at_once(script):
    """One of them runs it, the others are refused."""
    out = ends_well(
        script,
        """
        loop = new_event_loop()
        finished = threading.Event()

        def stop(number):
            while not finished.is_set():
                loop.call_soon_threadsafe(loop.stop)
                time.sleep(0.001)  # a stop may end another run than it was meant for

        stopping = crowd.threads_of(stop, 1)
        for _ in range(100):
            ran = []

            def run_loop(number):
                try:
                    loop.run_forever()
                    ran.append(number)
                except RuntimeError as exc:
                    if "already running" not in str(exc):
                        raise

            crowd.at_once(run_loop, 4)
            assert ran
            assert not loop.is_running()
        finished.set()
        crowd.join(stopping)
        loop.stop()
        loop.run_forever()
        loop.run_until_complete(asyncio.sleep(0.001))
        loop.close()
        print("ended")
        """,
    )
    assert out == "ended\n"


def test_one_loop_closed_by_many_threads_at_once(script):
    """While others call it, wake it, look at it, and add to it."""
    out = ends_well(
        script,
        """
        def touch(loop, transport, number):
            try:
                while True:
                    loop.call_soon_threadsafe(int)
                    loop.call_soon(int)
                    loop.call_later(0.001, int).cancel()
                    repr(loop)
                    transport.write(b"x")
                    if number == 3:
                        loop.close()
            except RuntimeError as exc:
                return str(exc)

        for _ in range(60):
            loop = new_event_loop()
            ours, peer = socket.socketpair()
            peer.setblocking(False)
            transport, _ = loop.run_until_complete(loop.create_unix_connection(asyncio.Protocol, sock=ours))
            refusals = crowd.at_once(lambda number: touch(loop, transport, number) if number else loop.close(), 5)
            assert refusals == [None] + ["Event loop is closed"] * 4, refusals
            peer.close()
        print("closed")
        """,
    )
    assert out == "closed\n"


def test_loop_stopped_by_many_threads(script):
    """stop() wakes no loop of another thread: a timer does."""
    out = ends_well(
        script,
        """
        loop = new_event_loop()
        finished = threading.Event()

        def tick():
            loop.call_later(0.001, tick)

        def stop(number):
            while not finished.is_set():
                loop.stop()
                time.sleep(0)  # lets the loop have the interpreter

        tick()
        threads = crowd.threads_of(stop, 3)
        for number in range(300):
            ran = []
            loop.call_soon(ran.append, number)
            while not ran:
                loop.run_forever()
        finished.set()
        crowd.join(threads)
        loop.stop()
        loop.run_forever()
        loop.run_until_complete(asyncio.sleep(0.001))
        loop.close()
        print("stopped")
        """,
    )
    assert out == "stopped\n"


def test_transports_of_one_loop_used_within_another(script):
    """Two loops in two threads, each with the other's transports and handles: nothing is lost but order."""
    out = ends_well(
        script,
        """
        transports, there, done = {}, threading.Barrier(2), threading.Barrier(2)

        async def main(number):
            loop = asyncio.get_running_loop()
            server = await asyncio.start_server(crowd.echo, "127.0.0.1", 0)
            address = server.sockets[0].getsockname()
            transports[number], protocol = await loop.create_connection(disturbing.Noting, *address)
            await loop.run_in_executor(None, there.wait, 20)
            for step in range(300):
                other = transports[1 - number]
                other.write(b"x" * 100)
                other.pause_reading()
                other.resume_reading()
                other.get_write_buffer_size()
                if step % 20 == 0:
                    assert await crowd.ask(address, number, 3) == 3
            await loop.run_in_executor(None, done.wait, 20)
            loop.call_soon(int)  # a turn, so that what was written leaves
            while protocol.size < 30_000:
                await asyncio.sleep(0.001)
            await loop.run_in_executor(None, done.wait, 20)
            transports[1 - number].abort()
            await loop.run_in_executor(None, done.wait, 20)
            server.close()
            await asyncio.sleep(0.01)  # for the abort, which the other loop has not been told of

        def work(number):
            loop = new_event_loop()
            loop.run_until_complete(main(number))
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

        crowd.at_once(work, 2)
        print("ended")
        """,
    )
    assert out == "ended\n"


def test_forks_while_threads_run_and_touch_loops(script):
    """Each child has a loop of its own; what it inherited of the parent's, in whatever state, does not end it."""
    out = ends_well(
        script,
        """
        import forking

        loops, finished = [], threading.Event()

        async def main():
            loops.append(asyncio.get_running_loop())
            server = await asyncio.start_server(crowd.echo, "127.0.0.1", 0)
            while not finished.is_set():
                assert await crowd.ask(server.sockets[0].getsockname(), 1, 3) == 3
            server.close()

        def work(number):
            loop = new_event_loop()
            loop.run_until_complete(main())
            loop.close()

        def touch(number):
            while not finished.is_set():
                for loop in list(loops):
                    loop.call_soon_threadsafe(int)
                    loop.call_soon(int)
                time.sleep(0)  # lets the loops have the interpreter

        threads = crowd.threads_of(work, 3) + crowd.threads_of(touch, 2)
        while len(loops) < 3:
            time.sleep(0.001)  # nothing tells of it: the next look
        for _ in range(10):
            forking.wait(forking.fork(forking.do_work, new_event_loop.__module__.partition(".")[0]))
        finished.set()
        crowd.join(threads)
        print("forked")
        """,
    )
    assert out == "forked\n"


def test_engine_of_a_loop_that_sleeps_in_another_thread_is_refused(script):
    """What needs an answer of it at once; the loop goes on."""
    out = ends_well(
        script,
        """
        loop = new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        for ask in (loop._signal_fd, lambda: loop._child_watcher("")):
            while True:  # until it sleeps
                try:
                    ask()
                except RuntimeError as error:
                    print(error)
                    break
        print(asyncio.run_coroutine_threadsafe(asyncio.sleep(0.001, "goes on"), loop).result())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        """,
    )
    refused = "Non-thread-safe operation invoked on an event loop other than the current one\n"
    assert out == 2 * refused + "goes on\n"
