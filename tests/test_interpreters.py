"""Loops in sub-interpreters: each imports the loop anew and runs its own, and they end in any order.

Each program is a process of its own. `kind` says whether an interpreter has a GIL of its own.
"""

import pathlib
import textwrap

import pytest

from conftest import Script

HERE = str(pathlib.Path(__file__).parent)
KINDS = ["isolated", "legacy"]

# asyncio's loop passes these too, but on a loaded machine now and then leaves a task or a server to the interpreter's end.
pytestmark = pytest.mark.goloop_only

since_313 = pytest.mark.since("3.13")


@pytest.fixture
def script(loop_name, pem_folder):
    """A Script whose programs find interpreting.py, with LOOP, FOLDER, and new(kind), an interpreter that knows both."""
    script = Script(loop_name)
    script.prelude += textwrap.dedent(f"""
        sys.path.insert(0, {HERE!r})
        import forking, interpreting
        LOOP, FOLDER = {loop_name!r}, {pem_folder!r}
        WORK = f"interpreting.work(LOOP, {{FOLDER!r}})"

        def new(kind):
            return interpreting.Interpreter(kind, LOOP)
    """)
    yield script
    script.stop()


@pytest.mark.goloop_only
@pytest.mark.until("3.13")
@pytest.mark.parametrize("kind", ["legacy", pytest.param("isolated", marks=pytest.mark.since("3.12"))])
def test_import_in_a_sub_interpreter_is_refused(script, kind):
    """asyncio itself and what it imports cannot be in several."""
    options = "isolated=False" if kind == "legacy" else ""
    out = script(f"""
        import _xxsubinterpreters as interpreters

        def import_in_another():
            "What an import in another interpreter says."
            code = '''if True:
                try:
                    import goloop
                except ImportError as exc:
                    text = str(exc)
                else:
                    text = "imported"
                import os
                os.write(1, text.encode() + bytes([10]))
            '''
            interpreter = interpreters.create({options})
            assert interpreters.run_string(interpreter, code) is None
            interpreters.destroy(interpreter)

        import_in_another()
        run(asyncio.sleep(0.001))
        import_in_another()
        print(run(asyncio.sleep(0.001, "main")))
    """)
    first, second, last = out.splitlines()
    assert "interpreter" in first and first != "imported"
    assert second == first
    assert last == "main"


@since_313
@pytest.mark.parametrize("kind", KINDS)
def test_whole_work_of_a_loop(script, kind):
    """Before the main interpreter has a loop, beside it, and after it."""
    out = script(f"""
        one = new({kind!r})
        one(WORK)
        forking.run(LOOP, forking.work())
        one(WORK)
        loop = new_event_loop()
        one(WORK)
        print(loop.run_until_complete(asyncio.sleep(0.001, "main")))
        loop.close()
        one(WORK)
        one.end()
        print(run(asyncio.sleep(0.001, "main again")))
    """)
    assert out == "main\nmain again\n"


@since_313
@pytest.mark.parametrize("kind", KINDS)
def test_interpreters_work_at_once_in_threads(script, kind):
    """Four of them and the main one; then again with new ones, when all have ended."""
    script(f"""
        for _ in range(2):
            four = [new({kind!r}) for _ in range(4)]
            works = [*[lambda one=one: one(WORK) for one in four], lambda: interpreting.work(LOOP, FOLDER)]
            interpreting.in_threads(lambda work: work(), works)
            for one in four:
                one.end()
    """)


@since_313
@pytest.mark.parametrize("order", ["first made, first ended", "last made, first ended", "from the middle"])
@pytest.mark.parametrize("kind", KINDS)
def test_interpreters_end_in_any_order(script, kind, order):
    """Those that are left, and the main one, go on with the loops that they have."""
    out = script(f"""
        three = [new({kind!r}) for _ in range(3)]
        main = new_event_loop()
        for one in three:
            one("loop = new_event_loop(); loop.run_until_complete(forking.work())")
        if {order!r} == "last made, first ended":
            three.reverse()
        elif {order!r} == "from the middle":
            three = [three[1], three[0], three[2]]
        while three:
            one = three.pop(0)
            one("loop.close()")
            one.end()
            for other in three:
                other("loop.run_until_complete(forking.work())")
            main.run_until_complete(forking.work())
        main.close()
        one = new({kind!r})
        one(WORK)
        one.end()
        print(run(asyncio.sleep(0.001, "main")))
    """)
    assert out == "main\n"


@since_313
@pytest.mark.parametrize("kind", KINDS)
def test_loop_of_the_main_interpreter_ends_first(script, kind):
    script(f"""
        main = new_event_loop()
        main.run_until_complete(forking.work())
        one = new({kind!r})
        one("loop = new_event_loop(); loop.run_until_complete(forking.work())")
        main.close()
        one("loop.run_until_complete(forking.work()); loop.close()")
        one(WORK)
        one.end()
    """)


@since_313
@pytest.mark.parametrize("left", ["never run", "with a server", "in debug mode", "with a lookup and a child"])
@pytest.mark.parametrize("kind", KINDS)
def test_interpreter_that_ends_with_an_open_loop(script, kind, left):
    """Nobody closes it. What the end prints is asyncio's business; the others go on, and the process lives."""
    process = script.start(f"""
        LEFT = {left!r}
        one, other = new({kind!r}), new({kind!r})
        other("loop = new_event_loop()")
        one(f'''
            import warnings
            warnings.simplefilter("ignore")
            loop = new_event_loop()

            async def main():
                global server, reader, writer, timer, child, lookup
                server = await asyncio.start_server(forking.echo, "127.0.0.1", 0)
                reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
                writer.write(b"asked")
                assert await reader.readexactly(5) == b"asked"
                timer = loop.call_later(1000, print)
                loop.call_soon_threadsafe(int)
                if {{LEFT!r}} == "with a lookup and a child":
                    child = await asyncio.create_subprocess_exec("/bin/cat", stdin=asyncio.subprocess.PIPE)
                    lookup = asyncio.ensure_future(loop.getaddrinfo("localhost", 80))

            loop.set_debug({{LEFT!r}} == "in debug mode")
            if {{LEFT!r}} != "never run":
                loop.run_until_complete(main())
        ''')
        one.end()
        other("loop.run_until_complete(forking.work()); loop.close()")
        other.end()
        last = new({kind!r})
        last(WORK)
        last.end()
        print(run(asyncio.sleep(0.001, "main")))
    """)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "main\n"), err


@since_313
@pytest.mark.parametrize("kind", KINDS)
def test_process_that_ends_before_its_interpreters(script, kind):
    """One rests, one has an open loop that it has run; both are left to the end of the main interpreter."""
    process = script.start(f"""
        import warnings
        warnings.simplefilter("ignore")  # 3.14 and newer say that there are some
        one, other = new({kind!r}), new({kind!r})
        one(WORK)
        other("loop = new_event_loop(); loop.run_until_complete(forking.work())")
        print(run(asyncio.sleep(0.001, "main")))
    """)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "main\n"), err


@since_313
@pytest.mark.parametrize("kind", KINDS)
def test_interpreters_come_and_go(script, kind):
    """Made, used and ended in three threads, twelve times; no descriptor and no thread is left behind by each."""
    out = script(f"""
        def held():
            return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))

        def come_and_go(times):
            for _ in range(times):
                one = new({kind!r})
                one("forking.run(LOOP, forking.work())")
                one.end()

        come_and_go(1)
        interpreting.in_threads(come_and_go, [1] * 3)
        before = held()
        interpreting.in_threads(come_and_go, [4] * 3)
        after = held()
        print(after[0] - before[0], after[1] < before[1] + 12)
    """)
    assert out == "0 True\n"


@since_313
@pytest.mark.parametrize("kind", KINDS)
def test_loop_moves_between_the_threads_that_enter_its_interpreter(script, kind):
    out = script(f"""
        one = new({kind!r})
        one("loop = new_event_loop(); seen = set()")
        for _ in range(5):
            interpreting.in_threads(one, ['''
                loop.run_until_complete(forking.work())
                seen.add(threading.get_native_id())
            '''])
        one("loop.run_until_complete(forking.work()); loop.close(); os.write(1, b'%d' % (len(seen) >= 1))")
        one.end()
    """)
    assert out == "1"


@since_313
@pytest.mark.parametrize("kind", KINDS)
def test_threads_of_an_interpreter_have_loops_of_their_own(script, kind):
    """And its end waits for the threads that it has started."""
    out = script(f"""
        one = new({kind!r})
        one(f'''
            interpreting.in_threads(lambda _: forking.run(LOOP, forking.work()), range(4))
            left = threading.Thread(target=lambda: forking.run(LOOP, forking.work(30)) and os.write(1, b"ended"))
            left.start()
        ''')
        one.end()
    """)
    assert out == "ended"


@since_313
@pytest.mark.parametrize("kind", KINDS)
def test_loop_within_a_callback_of_the_main_loop(script, kind):
    """One thread runs two loops of two interpreters, one inside the other, while the outer one has things to do."""
    out = script(f"""
        one = new({kind!r})

        async def main():
            server = await asyncio.start_server(forking.echo, "127.0.0.1", 0)
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            for number in range(3):
                writer.write(b"%d" % number)
                timer = asyncio.ensure_future(asyncio.sleep(0.001))
                one(WORK)  # blocks this loop
                assert await reader.readexactly(1) == b"%d" % number
                await timer
            writer.close()
            await writer.wait_closed()
            server.close()
            return "served"

        print(run(main()))
        one.end()
    """)
    assert out == "served\n"


@since_313
@pytest.mark.parametrize("kind", KINDS)
def test_signals_are_the_main_interpreters(script, kind):
    """A sub-interpreter's loop refuses add_signal_handler, is not ended by a signal, and takes none of the main loop's."""
    out = script(f"""
        one, other = new({kind!r}), new({kind!r})
        came = []
        signal.signal(signal.SIGALRM, lambda *_: came.append("alarm"))
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        one('''
            import signal
            loop = new_event_loop()
            try:
                loop.add_signal_handler(signal.SIGUSR1, print)
            except RuntimeError as exc:
                os.write(1, str(exc).encode())
            loop.run_until_complete(asyncio.sleep(0.05))
            loop.close()
        ''')
        print(f" {{came}}")

        async def main():
            loop = asyncio.get_running_loop()
            stopped = asyncio.Event()
            signals = []
            loop.add_signal_handler(signal.SIGUSR1, lambda: signals.append(1) or len(signals) == 20 and stopped.set())
            beside = loop.run_in_executor(None, one, "forking.run(LOOP, forking.work(30))")
            for sent in range(1, 21):
                os.kill(os.getpid(), signal.SIGUSR1)
                while len(signals) < sent:
                    await asyncio.sleep(0.001)
            await stopped.wait()
            await beside
            return len(signals)

        print(run(main()))
        for interpreter in (one, other):
            interpreter.end()
    """)
    refusal = "set_wakeup_fd only works in main thread of the main interpreter"
    assert out == f"{refusal} ['alarm']\n20\n"


@since_313
@pytest.mark.parametrize("kind", KINDS)
def test_ctrl_c_while_a_sub_interpreters_loop_runs(script, kind):
    """The loop runs to its end; KeyboardInterrupt is raised in the main interpreter then."""
    out = script(f"""
        one = new({kind!r})
        threading.Timer(0.05, os.kill, [os.getpid(), signal.SIGINT]).start()
        try:
            one("os.write(1, forking.run(LOOP, asyncio.sleep(0.2, b'whole ')))")
            for _ in range(1000):
                time.sleep(0.001)  # where Ctrl-C comes
        except KeyboardInterrupt:
            print("interrupted")
        one(WORK)
        one.end()
    """)
    assert out == "whole interrupted\n"


@since_313
@pytest.mark.parametrize("watcher", ["pidfd", "sigchld", "thread"])
@pytest.mark.parametrize("kind", KINDS)
def test_children_of_interpreters(script, monkeypatch, kind, watcher):
    """Each interpreter's loop waits for its own, by each of the engine's ways, and gets their own exit codes."""
    monkeypatch.setenv("GOLOOP_CHILD_WATCHER", watcher)
    script(f"""
        three = [new({kind!r}) for _ in range(3)]
        for one in three:
            one('''
                async def exit(code):
                    child = await asyncio.create_subprocess_exec("/bin/sh", "-c", f"exit {{code}}")
                    assert await child.wait() == code

                async def main(first):
                    for _ in range(3):
                        await asyncio.gather(*[exit(code) for code in range(first, first + 4)])
            ''')
        works = [lambda one=one, first=first: one(f"forking.run(LOOP, main({{first}}))") for first, one in enumerate(three)]
        interpreting.in_threads(lambda work: work(), [*works, lambda: forking.run(LOOP, interpreting.child())])
        for one in three:
            one.end()
    """)


@since_313
@pytest.mark.parametrize("kind", KINDS)
def test_fork_when_the_interpreters_have_ended(script, kind):
    """The child has loops and interpreters of its own. A fork beside living ones ends the child within CPython."""
    script(f"""
        def child():
            one = new({kind!r})
            interpreting.in_threads(one, [WORK])
            forking.do_work(LOOP)
            one.end()

        for _ in range(2):
            one = new({kind!r})
            one(WORK)
            one.end()
            forking.wait(forking.fork(child))
            forking.do_work(LOOP)
    """)


@since_313
def test_interpreters_of_both_kinds_serve_each_other(script):
    """Echo servers in two, clients in two others and in the main one, each in a thread."""
    script("""
        serving = '''
            import queue

            def serve(listener, stop):
                import socket
                async def main():
                    server = await asyncio.start_server(forking.echo, sock=socket.socket(fileno=listener))
                    reader = asyncio.StreamReader()
                    protocol = asyncio.StreamReaderProtocol(reader)
                    await loop.connect_read_pipe(lambda: protocol, open(stop, "rb", 0))
                    await reader.read()
                    server.close()
                    await server.wait_closed()
                loop = new_event_loop()
                loop.run_until_complete(main())
                loop.close()
        '''
        asking = '''
            async def ask(*addresses):
                for address in addresses * 3:
                    await interpreting.converse(*await asyncio.open_connection(*address))
        '''
        listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        addresses = [listener.getsockname() for listener in listeners]
        reading, writing = os.pipe()
        servers, clients = [[new(kind) for kind in ("isolated", "legacy")] for _ in range(2)]
        threads = []
        for one, listener in zip(servers, listeners):
            one(serving)
            call = f"serve({listener.detach()}, {os.dup(reading)})"
            threads.append(threading.Thread(target=one, args=[call]))
            threads[-1].start()
        for one in clients:
            one(asking)
        exec(__import__("textwrap").dedent(asking))
        works = [lambda one=one: one(f"forking.run(LOOP, ask(*{addresses}))") for one in clients]
        interpreting.in_threads(lambda work: work(), [*works, lambda: forking.run(LOOP, ask(*addresses))])
        os.close(reading)
        os.close(writing)
        for thread in threads:
            thread.join()
        for one in servers + clients:
            one.end()
    """)


@pytest.mark.since("3.14")
def test_concurrent_interpreters(script):
    """The module's own calls: exec, call, call_in_thread, a queue to and from."""
    out = script("""
        from concurrent import interpreters

        def serve(name, folder, numbers, answers):
            import interpreting
            interpreting.work(name, folder)
            answers.put(numbers.get() + 1)

        one, other = interpreters.create(), interpreters.create()
        numbers, answers = interpreters.create_queue(), interpreters.create_queue()
        for interpreter in (one, other):
            interpreter.exec(f"import sys; sys.path[:] = {sys.path!r}")
        one.call(interpreting.work, LOOP, FOLDER)
        threads = [one.call_in_thread(serve, LOOP, FOLDER, numbers, answers) for one in (one, other)]
        interpreting.work(LOOP, FOLDER)
        for number in (1, 2):
            numbers.put(number)
        for thread in threads:
            thread.join()
        print(sorted(answers.get() for _ in threads))
        one.close()
        other.close()
    """)
    assert out == "[2, 3]\n"


@pytest.mark.since("3.14")
def test_interpreter_pool_executor(script):
    """Jobs that run loops, in the executor of a loop that works too; the pool ends while that loop lives."""
    out = script("""
        import concurrent.futures

        def path(entries):
            sys.path[:] = entries

        async def main():
            loop = asyncio.get_running_loop()
            with concurrent.futures.InterpreterPoolExecutor(
                3, initializer=exec, initargs=(f"import sys; sys.path[:] = {sys.path!r}",)
            ) as pool:
                jobs = [loop.run_in_executor(pool, interpreting.work, LOOP, FOLDER) for _ in range(6)]
                jobs += [loop.run_in_executor(pool, forking.do_work, LOOP, rounds) for rounds in range(4)]
                results = await asyncio.gather(*jobs, forking.work())
            return results, await forking.work()

        print(run(main()))
    """)
    assert out == "([None, None, None, None, None, None, 0, 1, 2, 3, 3], 3)\n"
