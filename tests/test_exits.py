"""The ends of an interpreter: its exit code, and nothing in stderr that the program did not cause."""

import concurrent.futures
import textwrap

import pytest

REPEATS = {"asyncio": 1, "goloop": 3}  # of each program, two at a time: ends are races

# name -> (source, exit code, what stderr must contain, or None for nothing)
EXITS = {
    "daemon thread": (
        """
        def serve():
            loop = new_event_loop()
            loop.call_later(0.001, tick, loop)
            loop.run_until_complete(asyncio.start_server(print, "127.0.0.1", 0))
            loop.run_forever()

        def tick(loop):
            running.set()
            loop.call_later(0.001, tick, loop)

        running = threading.Event()
        threading.Thread(target=serve, daemon=True).start()
        running.wait()
        """,
        0,
        None,
    ),
    "sleeping daemon thread": (
        """
        loop = new_event_loop()
        running = threading.Event()
        loop.call_soon(running.set)
        threading.Thread(target=loop.run_forever, daemon=True).start()
        running.wait()
        """,
        0,
        None,
    ),
    "unclosed loop": (
        """
        kept = new_event_loop()
        kept.call_later(1000, print)
        run(asyncio.sleep(0))
        """,
        0,
        None,
    ),
    "unclosed loop in a cycle": (
        """
        loop = new_event_loop()
        loop.itself = loop
        loop.call_soon(loop.stop)
        loop.run_forever()
        del loop
        """,
        0,
        None,
    ),
    "sys.exit from a callback": (
        """
        loop = new_event_loop()
        loop.call_later(0.001, sys.exit, 3)
        loop.run_forever()
        """,
        3,
        None,
    ),
    "sys.exit from a task": (
        """
        async def main():
            await asyncio.sleep(0.001)
            sys.exit(4)

        run(main())
        """,
        4,
        None,
    ),
    "os._exit from a callback": (
        """
        loop = new_event_loop()
        loop.call_later(0.001, os._exit, 5)
        loop.run_forever()
        """,
        5,
        None,
    ),
    "exception out of main": (
        """
        async def main():
            await asyncio.sleep(0.001)
            raise LookupError("from main")

        run(main())
        """,
        1,
        "LookupError: from main",
    ),
    "pending timers, futures and readers": (
        """
        loop = new_event_loop()
        futures = [loop.create_future() for _ in range(100)]
        timers = [loop.call_later(number, print) for number in range(1, 100)]
        ours, peer = socket.socketpair()
        loop.add_reader(ours, print)
        loop.call_soon(loop.stop)
        loop.run_forever()
        """,
        0,
        None,
    ),
    "open transports with buffered data": (
        """
        async def main():
            server = await asyncio.start_server(taken.append, "127.0.0.1", 0)
            for _ in range(5):
                reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
                writer.write(b"x" * 10_000_000)
                opened.append(writer)
            return server

        taken, opened = (lambda reader, writer: None), []
        taken = type("Taken", (list,), {"append": lambda self, *args: list.append(self, args)})()
        loop = new_event_loop()
        server = loop.run_until_complete(main())
        """,
        0,
        None,
    ),
    "unclosed server and running tasks": (
        """
        async def main():
            return await asyncio.start_server(print, "127.0.0.1", 0)

        loop = new_event_loop()
        server = loop.run_until_complete(main())
        """,
        0,
        None,
    ),
    "KeyboardInterrupt": (
        """
        async def main():
            asyncio.get_running_loop().call_later(0.01, os.kill, os.getpid(), signal.SIGINT)
            await asyncio.sleep(1000)

        try:
            run(main())
        except KeyboardInterrupt:
            sys.exit(6)
        """,
        6,
        None,
    ),
    "KeyboardInterrupt out of run_forever": (
        """
        loop = new_event_loop()
        loop.call_later(0.01, os.kill, os.getpid(), signal.SIGINT)
        loop.run_forever()
        """,
        -2,
        "KeyboardInterrupt",
    ),
    "SIGTERM of a sleeping loop": (
        """
        threading.Timer(0.05, os.kill, [os.getpid(), signal.SIGTERM]).start()
        run(asyncio.sleep(1000))
        """,
        -15,
        None,
    ),
    "busy executor threads": (
        """
        loop = new_event_loop()
        started = threading.Event()

        def work():
            started.set()
            time.sleep(0.1)  # still at it when the loop is forgotten

        for _ in range(3):
            loop.run_in_executor(None, work)
        started.wait()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
        """,
        0,
        None,
    ),
    "loop in an atexit handler": (
        """
        import atexit
        atexit.register(lambda: print(run(asyncio.sleep(0.001, "at exit"))))
        run(asyncio.sleep(0))
        """,
        0,
        None,
    ),
    "first loop in an atexit handler": (
        """
        import atexit
        atexit.register(lambda: print(run(asyncio.sleep(0.001, "at exit"))))
        """,
        0,
        None,
    ),
    "loop made when a module is imported": (
        """
        import types
        module = types.ModuleType("made_at_import")
        sys.modules["made_at_import"] = module
        exec("loop = new_event_loop()", {**globals(), **vars(module)}, vars(module))
        asyncio.set_event_loop(module.loop)
        module.loop.run_until_complete(asyncio.sleep(0.001))
        """,
        0,
        None,
    ),
    "thread that runs loops until the end": (
        """
        def work():
            while True:
                loop = new_event_loop()
                loop.run_until_complete(asyncio.sleep(0))
                loop.close()
                worked.set()

        worked = threading.Event()
        threading.Thread(target=work, daemon=True).start()
        worked.wait()
        """,
        0,
        None,
    ),
}

# The programs leave open what they have; what asyncio says of that is not the matter here. Nor is the word on
# futures that an executor answers too late.
QUIET = """
    import logging, warnings
    warnings.simplefilter("ignore", ResourceWarning)
    logging.getLogger("concurrent.futures").setLevel(logging.CRITICAL + 1)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL + 1)
"""


@pytest.mark.parametrize("name", EXITS)
def test_exit(script, loop_name, name):
    source, code, said = EXITS[name]
    repeats = REPEATS[loop_name]
    script.prelude += textwrap.dedent(QUIET)

    def one(_):
        process = script.start(source)
        out, err = process.communicate(timeout=15)
        return process.returncode, err

    with concurrent.futures.ThreadPoolExecutor(2) as executor:
        ends = list(executor.map(one, range(repeats)))
    if said is None:
        assert ends == [(code, "")] * repeats
    else:
        assert [code for code, _ in ends] == [code] * repeats
        for _, err in ends:
            assert err.rstrip().splitlines()[-1] == said
            assert err.count("Traceback") == 1


def test_unclosed_loop_is_told_once_at_the_end(script):
    process = script.start("""
        loop = new_event_loop()
        loop.call_later(1000, print)
    """)
    out, err = process.communicate(timeout=15)
    assert process.returncode == 0
    assert err.count("ResourceWarning: unclosed event loop") == 1
