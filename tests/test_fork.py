"""Processes that fork with a loop, running or not: each child gets an engine of its own, the parent keeps its."""

import importlib.util
import pathlib
import shutil
import subprocess
import sys
import textwrap

import pytest

from conftest import Script

HERE = str(pathlib.Path(__file__).parent)


@pytest.fixture
def script(loop_name):
    """A Script whose programs find forking.py, and the loop's name in LOOP."""
    script = Script(loop_name)
    script.prelude += f"sys.path.insert(0, {HERE!r})\nimport forking\nLOOP = {loop_name!r}\n"
    yield script
    script.stop()


def test_a_hundred_forks_of_a_busy_process(script):
    """From callbacks and from a thread at once, while the parent serves a client and runs timers."""
    out = script("""
        asked = ticks = 0
        finished = threading.Event()
        failures = []

        def ask(address):
            global asked
            try:
                with socket.create_connection(address, 10) as sock:
                    while not finished.is_set():
                        question = b"%08d" % asked
                        sock.sendall(question)
                        assert sock.recv(8, socket.MSG_WAITALL) == question
                        asked += 1
            except BaseException as exc:
                failures.append(exc)

        def tick(loop):
            global ticks
            ticks += 1
            if not finished.is_set():
                loop.call_later(0.001, tick, loop)

        def fork_from_a_thread():
            for _ in range(50):
                forking.wait(forking.fork(forking.do_work, LOOP))

        async def fork_from_callbacks():
            loop = asyncio.get_running_loop()
            for _ in range(50):
                before = ticks, asked
                pid = forking.fork(forking.do_work, LOOP)
                await loop.run_in_executor(None, forking.wait, pid)
                while ticks == before[0] or (asked == before[1] and not failures):
                    await asyncio.sleep(0.001)

        async def main():
            loop = asyncio.get_running_loop()
            server = await asyncio.start_server(forking.echo, "127.0.0.1", 0)
            client = threading.Thread(target=ask, args=[server.sockets[0].getsockname()])
            client.start()
            tick(loop)
            await asyncio.gather(fork_from_callbacks(), loop.run_in_executor(None, fork_from_a_thread))
            finished.set()
            await loop.run_in_executor(None, client.join)
            server.close()
            await forking.work()

        run(main())
        print(failures, asked > 50, ticks > 50)
    """)
    assert out == "[] True True\n"


def test_three_generations(script):
    script("""
        forking.nested(LOOP, 3)
        forking.wait(forking.fork(forking.nested, LOOP, 2))
        forking.do_work(LOOP)
    """)


def test_prefork_server_whose_master_ran_a_loop_first(script):
    out = script("""
        def serve(listener):
            async def main():
                stop = asyncio.Event()
                asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)

                async def answer(reader, writer):
                    server.close()  # each worker takes one connection
                    writer.write(b"%d\\n" % os.getpid())
                    writer.close()

                server = await asyncio.start_server(answer, sock=listener)
                await stop.wait()

            forking.run(LOOP, main())

        run(forking.work())
        listener = socket.create_server(("127.0.0.1", 0), backlog=8)
        workers = [forking.fork(serve, listener) for _ in range(4)]
        answers = []
        for _ in workers:
            with socket.create_connection(listener.getsockname(), 10) as sock:
                answers.append(int(sock.makefile().readline()))
        for pid in workers:
            os.kill(pid, signal.SIGTERM)
            forking.wait(pid)
        print(sorted(answers) == sorted(workers))
        listener.close()
        run(forking.work())
    """)
    assert out == "True\n"


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_multiprocessing(script, method):
    """Children by each start method run loops, and so does the executor over them."""
    out = script(f"""
        import concurrent.futures, multiprocessing

        if __name__ == "__main__":
            context = multiprocessing.get_context({method!r})
            run(forking.work())
            children = [context.Process(target=forking.do_work, args=[LOOP]) for _ in range(2)]
            for child in children:
                child.start()
            run(forking.work())
            for child in children:
                child.join()
            print([child.exitcode for child in children])
            with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as executor:
                print(run(forking.work_in(executor, LOOP)))
    """)
    assert out == "[0, 0]\n[0, 1, 2, 3, 3]\n"


def test_popen_from_a_callback(script):
    """Its child is forked too, and runs Python only for preexec_fn."""
    out = script("""
        import subprocess

        def popen(**options):
            # close_fds: the descriptors of the loop go before the exec.
            child = subprocess.Popen(["/bin/echo", "hello"], stdout=subprocess.PIPE, **options)
            return child.communicate(timeout=10)[0]

        async def main():
            print(popen(), popen(preexec_fn=os.getpid), popen(close_fds=False))
            print(await asyncio.get_running_loop().run_in_executor(None, popen))
            await forking.work()

        run(main())
    """)
    assert out == "b'hello\\n' b'hello\\n' b'hello\\n'\nb'hello\\n'\n"


@pytest.mark.since("3.12")
def test_signal_of_the_child_does_not_reach_the_parents_handler(script):
    out = script("""
        async def main():
            loop = asyncio.get_running_loop()
            handled = []
            loop.add_signal_handler(signal.SIGUSR1, lambda: handled.append("parent"))

            def child():
                async def main():
                    loop = asyncio.get_running_loop()
                    signalled = asyncio.Event()
                    loop.add_signal_handler(signal.SIGUSR1, signalled.set)
                    os.kill(os.getpid(), signal.SIGUSR1)
                    await signalled.wait()

                forking.run(LOOP, main())

            pid = forking.fork(child)
            await loop.run_in_executor(None, forking.wait, pid)
            await asyncio.sleep(0)
            print(handled)
            os.kill(os.getpid(), signal.SIGUSR1)
            while not handled:
                await asyncio.sleep(0.001)
            print(handled)

        run(main())
    """)
    assert out == "[]\n['parent']\n"


def test_forks_while_loops_run_in_threads(script):
    script("""
        def serve_until(finished):
            async def main():
                while not finished.is_set():
                    await forking.work(1)

            forking.run(LOOP, main())

        finished = threading.Event()
        threads = [threading.Thread(target=serve_until, args=[finished]) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(20):
            forking.wait(forking.fork(forking.do_work, LOOP, 1))
        finished.set()
        for thread in threads:
            thread.join()
    """)


INHERITED = textwrap.dedent("""
    import gc

    a, b = socket.socketpair()
    a.setblocking(False)
    b.setblocking(False)
    inherited = new_event_loop()
    future = inherited.create_future()
    reader = inherited.add_reader(a, print)
    inherited.call_soon(print, "must not run")
    inherited.call_later(0, print, "must not run")

    def refused(function, *args):
        try:
            function(*args)
        except RuntimeError as exc:
            assert "belongs to the parent process" in str(exc), (function, exc)
        else:
            raise AssertionError(f"{function} was not refused")

    def try_all():
        refused(inherited.run_forever)
        refused(inherited.run_until_complete, future)
        refused(inherited.call_soon, print)
        refused(inherited.call_soon_threadsafe, print)
        refused(inherited.call_later, 1, print)
        refused(inherited.call_at, 1, print)
        refused(inherited.add_reader, a, print)
        refused(inherited.add_writer, b, print)
        refused(inherited.add_signal_handler, signal.SIGUSR2, print)
""")


@pytest.mark.goloop_only
def test_inherited_loop_is_refused_closed_and_collected(script):
    script.prelude += INHERITED
    out = script("""
        def child():
            global inherited, future
            try_all()
            forking.do_work(LOOP)
            try_all()
            inherited.close()
            inherited.close()
            assert inherited.is_closed()
            inherited = future = None
            gc.collect()
            forking.do_work(LOOP)

        forking.wait(forking.fork(child))
        inherited.remove_reader(a)
        inherited.call_soon(inherited.stop)
        inherited.run_forever()
        inherited.close()
        a.close(), b.close()
    """)
    assert out == "must not run\nmust not run\n"  # the parent's two, and none of the child's


@pytest.mark.goloop_only
def test_inherited_loop_is_collected_without_being_closed(script):
    """asyncio's ResourceWarning apart: it does not know that the loop is not the child's to close."""
    script("""
        import gc, warnings

        warnings.simplefilter("ignore", ResourceWarning)

        inherited = new_event_loop()
        inherited.call_later(1000, print)

        def child():
            global inherited
            forking.do_work(LOOP)
            inherited = None
            gc.collect()
            forking.do_work(LOOP)

        forking.wait(forking.fork(child))
        inherited.close()
    """)


@pytest.mark.goloop_only
def test_inherited_loop_that_was_running_is_refused_and_closed(script):
    """The fork is made by a callback: is_running() was true in the parent, and the loop runs on there."""
    script.prelude += INHERITED
    script("""
        def child():
            try_all()
            inherited.close()
            assert inherited.is_closed()
            forking.do_work(LOOP)

        def callback():
            inherited.stop()
            inherited.remove_reader(a)
            forking.wait(forking.fork(child))

        inherited.call_soon(callback)
        inherited.run_forever()
        inherited.close()
        a.close(), b.close()
    """)


@pytest.mark.goloop_only
def test_transports_of_an_inherited_loop_are_inert(script):
    """The child writes, aborts and closes all it has inherited: the parent's connections do not notice."""
    out = script("""
        import gc

        class Echo(asyncio.Protocol):
            def connection_made(self, transport):
                self.transport = transport
                transports.append(transport)

            def data_received(self, data):
                self.transport.write(data)

        transports = []

        async def main():
            loop = asyncio.get_running_loop()
            server = await loop.create_server(Echo, "127.0.0.1", 0)
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"before\\n")
            print(await reader.readline())

            def child():
                try:
                    transports[0].write(b"from the child\\n")
                except RuntimeError as exc:
                    assert "belongs to the parent process" in str(exc)
                else:
                    raise AssertionError("the child could write")
                for transport in [*transports, writer.transport]:
                    transport.abort()
                server.close()
                forking.do_work(LOOP)
                for fd in range(3, 256):  # whatever is left of the parent's
                    try:
                        os.close(fd)
                    except OSError:
                        pass
                forking.do_work(LOOP)

            await loop.run_in_executor(None, forking.wait, forking.fork(child))
            writer.write(b"after\\n")
            print(await reader.readline())
            _, another = await asyncio.open_connection(*server.sockets[0].getsockname())
            for each in (writer, another):
                each.close()
                await each.wait_closed()
            server.close()

        run(main())
    """)
    assert out == "b'before\\n'\nb'after\\n'\n"


@pytest.mark.goloop_only
def test_watches_of_the_child_are_not_the_parents(script):
    """A shared epoll would tell the parent of the child's descriptors, and lose its own with them."""
    out = script("""
        a, b = socket.socketpair()
        a.setblocking(False)
        loop = new_event_loop()
        seen = []
        loop.add_reader(a, lambda: (seen.append(a.recv(10)), loop.stop()))

        def child():
            loop.close()
            own = new_event_loop()
            own.add_reader(a, own.stop)
            own.remove_reader(a)
            own.add_writer(a, own.stop)
            own.run_forever()
            own.remove_writer(a)
            own.close()

        forking.wait(forking.fork(child))
        turns = loop._stats()["turns"]
        b.send(b"hello")
        loop.run_forever()
        print(seen, loop._stats()["turns"] - turns < 5)
        loop.remove_reader(a)
        loop.close()
        a.close(), b.close()
    """)
    assert out == "[b'hello'] True\n"


@pytest.mark.goloop_only
@pytest.mark.linux_only
def test_child_leaves_no_descriptor_behind(script):
    script("""
        def descriptors():
            with os.scandir("/proc/self/fd") as entries:
                return {os.readlink(entry.path) for entry in entries}

        new_event_loop().close()

        def child():
            before = descriptors()
            forking.do_work(LOOP)
            # Go keeps two files of its cgroup open, to know how many cores it may use.
            new = {name for name in descriptors() - before if "/cgroup/" not in name}
            assert len(new) <= 1, new  # scandir's own
            before = len(os.listdir("/proc/self/fd"))
            for _ in range(3):
                forking.do_work(LOOP)
            assert len(os.listdir("/proc/self/fd")) == before

        forking.wait(forking.fork(child))
    """)


@pytest.mark.goloop_only
@pytest.mark.linux_only
def test_without_memfd_the_engine_is_copied_to_the_temporary_folder(script, tmp_path):
    script.prelude += "import seccomp\n"
    out = script(f"""
        run(forking.work())
        seccomp.refuse("memfd_create")
        os.environ["TMPDIR"] = {str(tmp_path)!r}

        def child():
            forking.nested(LOOP, 2)
            with open("/proc/self/maps") as maps:
                assert {str(tmp_path)!r} + "/goloop-engine-" in maps.read()

        forking.wait(forking.fork(child))
        print(os.listdir({str(tmp_path)!r}))
    """)
    if out == "no seccomp\n":
        pytest.skip("this system lets no process have a seccomp filter")
    assert out == "[]\n"


@pytest.mark.goloop_only
@pytest.mark.linux_only
def test_without_memfd_and_temporary_folder_the_child_is_told(script, tmp_path):
    script.prelude += "import seccomp\n"
    out = script(f"""
        new_event_loop().close()
        seccomp.refuse("memfd_create")
        os.environ["TMPDIR"] = {str(tmp_path / "missing")!r}

        def child():
            for _ in range(2):
                try:
                    new_event_loop()
                except RuntimeError as exc:
                    print(exc, flush=True)
            asyncio.SelectorEventLoop().close()
            os.environ["TMPDIR"] = {str(tmp_path)!r}
            forking.do_work(LOOP)

        forking.wait(forking.fork(child))
    """)
    if out == "no seccomp\n":
        pytest.skip("this system lets no process have a seccomp filter")
    line = (
        "goloop: a forked child needs a copy of the engine, and neither memory nor the temporary folder takes one: "
        "No such file or directory\n"
    )
    assert out == 2 * line


@pytest.mark.goloop_only
@pytest.mark.linux_only
def test_copy_that_finds_no_room_is_told(script):
    """A limit of the size of files holds for memory files too; what was begun is given back."""
    out = script("""
        import resource

        new_event_loop().close()

        def child():
            before = os.listdir("/proc/self/fd")
            resource.setrlimit(resource.RLIMIT_FSIZE, (65536, resource.RLIM_INFINITY))
            try:
                new_event_loop()
            except RuntimeError as exc:
                text = str(exc)
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            print(text, flush=True)
            assert os.listdir("/proc/self/fd") == before
            forking.do_work(LOOP)

        forking.wait(forking.fork(child))
    """)
    assert out.startswith("goloop: a forked child needs a copy of the engine")
    assert out.endswith("File too large\n")


@pytest.mark.goloop_only
def test_missing_engine_is_told_when_the_first_loop_is_made(loop_name, tmp_path):
    package = tmp_path / loop_name
    installed = pathlib.Path(importlib.util.find_spec(loop_name).origin).parent
    shutil.copytree(installed, package, ignore=shutil.ignore_patterns("_engine*"))
    source = f"""
        import sys
        sys.path.insert(0, {str(tmp_path)!r})
        import goloop
        for _ in range(2):
            try:
                goloop.new_event_loop()
            except RuntimeError as exc:
                print(exc)
    """
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(source)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 2
    for line in done.stdout.splitlines():
        assert line.startswith("goloop: cannot load its engine: ")
        assert str(package / "_engine.so") in line
