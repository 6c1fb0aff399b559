"""What learns that a child has ended: the engine's watchers, asyncio's own, policies, and SIGCHLD beside them."""

import asyncio
import os
import signal
import subprocess
import threading
import warnings

import pytest

WATCHERS = ["pidfd", "sigchld", "thread"]
ASYNCIO_WATCHERS = [
    "SafeChildWatcher",
    "FastChildWatcher",
    "MultiLoopChildWatcher",
    "ThreadedChildWatcher",
    "PidfdChildWatcher",
]

pytestmark = pytest.mark.usefixtures("fresh_policy")


@pytest.fixture(params=WATCHERS)
def watcher(request, monkeypatch):
    """The engine's watcher, forced for the loops that are made from now on."""
    monkeypatch.setenv("GOLOOP_CHILD_WATCHER", request.param)
    return request.param


@pytest.fixture
def sigchld():
    """The handler of SIGCHLD is again what it was."""
    previous = signal.getsignal(signal.SIGCHLD)
    yield
    signal.signal(signal.SIGCHLD, previous)


async def work():
    """Children one by one and at once, with and without pipes."""

    async def one(number):
        process = await asyncio.create_subprocess_exec("sh", "-c", f"exit {number}")
        return await process.wait()

    assert await one(3) == 3
    assert await asyncio.gather(*(one(number) for number in range(10))) == list(range(10))
    process = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
    assert await process.communicate(b"text") == (b"text", None)
    process = await asyncio.create_subprocess_exec("sleep", "100")
    process.terminate()
    assert await process.wait() == -signal.SIGTERM


async def quiet_work():
    """Children that end one by one and only when asked.

    asyncio's MultiLoopChildWatcher waits in a signal handler, which a second signal may interrupt: it then
    takes one status twice.
    """
    for number in range(3):
        process = await asyncio.create_subprocess_exec("sh", "-c", f"cat; exit {number}", stdin=-1, stdout=-1)
        assert await process.communicate(b"text") == (b"text", None)
        assert await process.wait() == number


def run_on(loop, coroutine):
    return loop.run_until_complete(asyncio.wait_for(coroutine, 15))


# ---- the engine's ----


@pytest.mark.goloop_only
def test_each_of_the_engines_watchers_works(watcher, sigchld, loop, run):
    run(work())
    assert loop._watcher_name == watcher


@pytest.mark.goloop_only
def test_each_works_in_another_thread(watcher, loop_factory):
    def thread():
        loop = loop_factory()
        try:
            run_on(loop, work())
            done.append(1)
        finally:
            loop.close()

    done = []
    threads = [threading.Thread(target=thread) for _ in range(3)]
    for started in threads:
        started.start()
    for started in threads:
        started.join()
    assert done == [1] * 3


@pytest.mark.goloop_only
def test_a_loop_of_the_main_thread_and_one_of_another_at_once(watcher, loop, loop_factory, run):
    def thread():
        other = loop_factory()
        try:
            run_on(other, work())
        finally:
            other.close()

    async def main():
        await asyncio.gather(work(), loop.run_in_executor(None, thread), work())

    run(main())


@pytest.mark.goloop_only
def test_child_that_ends_while_the_loop_does_not_run(watcher, loop, run):
    async def start():
        return await asyncio.create_subprocess_exec("sh", "-c", "read x; exit 5", stdin=-1)

    process = run(start())
    process._transport.get_extra_info("subprocess").stdin.close()
    process._transport.get_pipe_transport(0).abort()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert run(process.wait()) == 5


@pytest.mark.goloop_only
def test_loop_that_goes_on_in_another_thread(watcher, loop, run):
    async def start():
        return await asyncio.create_subprocess_exec("sh", "-c", "read x; exit 5", stdin=-1)

    async def end():
        process.stdin.close()
        return await process.wait()

    process = run(start())
    codes = []
    thread = threading.Thread(target=lambda: codes.append(run_on(loop, end())))
    thread.start()
    thread.join()
    assert codes == [5]


@pytest.mark.goloop_only
def test_unknown_watcher_is_refused(loop_factory, monkeypatch):
    for name in ("fork", "PIDFD", "a name that is longer than any"):
        monkeypatch.setenv("GOLOOP_CHILD_WATCHER", name)
        with pytest.raises(ValueError, match=f"no child watcher called {name} .GOLOOP_CHILD_WATCHER."):
            loop_factory()


@pytest.mark.goloop_only
@pytest.mark.linux_only
def test_closed_loop_leaves_no_descriptor(watcher, loop_factory):
    before = os.listdir("/proc/self/fd")
    loop = loop_factory()

    async def main():
        return await loop.subprocess_exec(
            asyncio.SubprocessProtocol, "sleep", "100", stdin=None, stdout=None, stderr=None
        )

    transport, _ = run_on(loop, main())
    loop.close()
    transport.close()
    transport.get_extra_info("subprocess").wait()
    assert os.listdir("/proc/self/fd") == before


@pytest.mark.goloop_only
@pytest.mark.linux_only
def test_want_of_descriptors_is_no_loss_of_children(script):
    out = script("""
        import resource

        async def main():
            await (await asyncio.create_subprocess_exec("true")).wait()  # all is loaded
            low, high = resource.getrlimit(resource.RLIMIT_NOFILE)
            free = os.dup(0)
            os.close(free)
            room = free + 2  # for what Popen needs itself
            codes, process = [], None
            for spare in range(8):
                resource.setrlimit(resource.RLIMIT_NOFILE, (room + spare, high))
                try:
                    process = await asyncio.create_subprocess_exec("sh", "-c", "exit 4")
                except OSError as exc:
                    assert exc.errno == 24, exc  # EMFILE
                else:
                    codes.append(await asyncio.wait_for(process.wait(), 10))
                process = None
            resource.setrlimit(resource.RLIMIT_NOFILE, (low, high))
            print(codes[-1], set(codes))

        loop = new_event_loop()
        loop.run_until_complete(main())
        loop.close()
    """)
    assert out.split() == ["4", "{4}"]


# ---- SIGCHLD ----


@pytest.mark.parametrize("how", ["before", "after", "loop"])
def test_handler_of_the_program_is_called_beside(watcher, loop, run, sigchld, how):
    seen = []

    async def main():
        if how == "loop":
            loop.add_signal_handler(signal.SIGCHLD, seen.append, 1)
        await work()
        if how == "after":
            signal.signal(signal.SIGCHLD, lambda *args: seen.append(args))
        await work()
        while not seen:
            await asyncio.sleep(0.001)
        if how == "loop":
            assert loop.remove_signal_handler(signal.SIGCHLD)
            await work()

    if how == "before":
        signal.signal(signal.SIGCHLD, lambda *args: seen.append(args))
    run(main())
    assert seen


def test_handlers_removal_tells_whether_the_program_had_one(watcher, loop, run, sigchld):
    async def main():
        await work()
        assert loop.remove_signal_handler(signal.SIGCHLD) is False
        await work()

    run(main())


@pytest.mark.goloop_only
@pytest.mark.parametrize(
    "disposition", [signal.SIG_DFL, lambda number, frame: None], ids=["default", "handler"]
)
def test_disposition_is_what_it_was_once_the_loop_is_closed(watcher, loop, run, sigchld, disposition):
    signal.signal(signal.SIGCHLD, disposition)
    run(work())
    needed = watcher == "sigchld" and disposition is signal.SIG_DFL
    assert (signal.getsignal(signal.SIGCHLD) is not disposition) is needed
    loop.close()
    assert signal.getsignal(signal.SIGCHLD) is disposition


@pytest.mark.goloop_only
def test_ignored_sigchld_is_255_as_the_system_keeps_no_status(watcher, loop, run, sigchld):
    """With sigchld the loop needs a handler, and so ends the ignoring."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)

    async def main():
        process = await asyncio.create_subprocess_exec("sh", "-c", "exit 3")
        return await process.wait()

    assert run(main()) == (3 if watcher == "sigchld" else 255)


@pytest.mark.goloop_only
def test_program_with_a_wake_up_descriptor_of_its_own(watcher, loop, run, socket_pair):
    ours, theirs = socket_pair()

    async def main():
        signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        await work()

    try:
        run(main())
    finally:
        assert signal.set_wakeup_fd(-1) in (theirs.fileno(), -1)


# ---- asyncio's ----


def set_watcher(name, loop, calls):
    """Set one of asyncio's watchers, which notes the pids that it is given."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        watcher = getattr(asyncio, name)()
        add = watcher.add_child_handler

        def add_child_handler(pid, *args):
            calls.append(pid)
            add(pid, *args)

        watcher.add_child_handler = add_child_handler
        watcher.attach_loop(loop)
        asyncio.set_child_watcher(watcher)
    return watcher


@pytest.mark.until("3.14")
@pytest.mark.parametrize("own_policy", [False, True])
@pytest.mark.parametrize("name", ASYNCIO_WATCHERS)
def test_watcher_that_the_program_sets_is_used(loop, loop_name, run, sigchld, name, own_policy):
    if (loop_name, name) == ("asyncio", "MultiLoopChildWatcher"):
        pytest.skip(
            "asyncio's loop with this watcher of asyncio's now and then waits for ever, on a busy machine"
        )
    if own_policy and type(loop).__module__.startswith("goloop"):
        import goloop

        asyncio.set_event_loop_policy(goloop.EventLoopPolicy())
    calls = []
    watcher = set_watcher(name, loop, calls)
    run(quiet_work())
    assert len(calls) == 3
    watcher.attach_loop(None)


@pytest.mark.until("3.14")
def test_inactive_watcher_starts_no_process(loop, run, sigchld):
    calls = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        asyncio.set_child_watcher(asyncio.SafeChildWatcher())  # attached to no loop

    async def main():
        with pytest.raises(RuntimeError, match=r"^asyncio.get_child_watcher\(\) is not activated, "):
            await asyncio.create_subprocess_exec("true", preexec_fn=lambda: calls.append(1))

    run(main())
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.goloop_only
@pytest.mark.until("3.14")
def test_policy_without_watchers_leaves_it_to_the_engine(loop, run):
    class Policy(asyncio.events.BaseDefaultEventLoopPolicy):
        pass

    asyncio.set_event_loop_policy(Policy())
    try:
        run(work())
    finally:
        asyncio.set_event_loop_policy(None)
    assert loop._watcher_name


@pytest.mark.goloop_only
@pytest.mark.until("3.14")
def test_policy_with_a_way_of_its_own_is_asked(loop, run):
    calls = []

    class Watcher(asyncio.ThreadedChildWatcher):
        __module__ = asyncio.unix_events.__name__  # no warning of a subclass

        def add_child_handler(self, pid, *args):
            calls.append(pid)
            super().add_child_handler(pid, *args)

    class Policy(asyncio.DefaultEventLoopPolicy):
        def get_child_watcher(self):
            return watcher

    watcher = Watcher()
    asyncio.set_event_loop_policy(Policy())
    run(work())
    assert len(calls) == 13


# ---- goloop's policy and ChildWatcher ----


@pytest.mark.goloop_only
@pytest.mark.until("3.14")
def test_goloops_policy_warns_as_asyncios():
    import goloop

    def said(policy):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            watcher = policy.get_child_watcher()
            assert policy.get_child_watcher() is watcher
            policy.set_child_watcher(None)
            policy.set_child_watcher(watcher)
            with pytest.raises(AssertionError):
                policy.set_child_watcher("none")
        return [(w.category, str(w.message)) for w in caught], watcher

    ours, watcher = said(goloop.EventLoopPolicy())
    theirs, _ = said(asyncio.DefaultEventLoopPolicy())
    assert ours == theirs
    assert type(watcher) is goloop.ChildWatcher
    assert isinstance(watcher, asyncio.AbstractChildWatcher)
    assert goloop.ChildWatcher.__module__ == "goloop.childwatcher"


@pytest.mark.goloop_only
@pytest.mark.until("3.14")
@pytest.mark.parametrize("on", ["goloop", "asyncio"])
def test_goloops_watcher_as_a_program_uses_it(watcher, sigchld, on):
    import goloop

    loop = goloop.new_event_loop() if on == "goloop" else asyncio.SelectorEventLoop()
    watching = goloop.ChildWatcher()
    seen = []

    async def main():
        assert watching.is_active()
        with watching as entered:
            assert entered is watching
            popen = subprocess.Popen(["sh", "-c", "read x; exit 6"], stdin=subprocess.PIPE)
            if on == "goloop":
                watching.add_child_handler(popen.pid, seen.append)
            watching.add_child_handler(
                popen.pid, lambda *args: (seen.append(args), loop.call_soon_threadsafe(ended.set)), "argument"
            )
        popen.stdin.close()
        await ended.wait()
        popen.returncode = 6
        assert seen == [(popen.pid, 6, "argument")]
        assert on == "asyncio" or watching.remove_child_handler(popen.pid) is False

    async def removed():
        popen = subprocess.Popen(["sleep", "100"])
        watching.add_child_handler(popen.pid, seen.append)
        assert watching.remove_child_handler(popen.pid) is True
        assert watching.remove_child_handler(popen.pid) is False
        popen.kill()
        assert await loop.run_in_executor(None, popen.wait) == -signal.SIGKILL
        assert len(seen) == 1

    ended = asyncio.Event()
    try:
        run_on(loop, main())
        if on == "goloop":
            run_on(loop, removed())
            with pytest.raises(RuntimeError, match="no running event loop"):
                watching.add_child_handler(1, print)
        run_on(loop, loop.shutdown_default_executor())
    finally:
        watching.attach_loop(None)
        watching.close()
        loop.close()


@pytest.mark.goloop_only
@pytest.mark.until("3.14")
def test_failing_handler_is_reported(loop, run, errors):
    import goloop

    async def main():
        popen = subprocess.Popen(["true"])
        goloop.ChildWatcher().add_child_handler(popen.pid, lambda *args: 1 / 0)
        while not errors:
            await asyncio.sleep(0.001)
        popen.returncode = 0

    run(main())
    assert type(errors[0]["exception"]) is ZeroDivisionError


@pytest.mark.goloop_only
def test_programs_that_use_subprocesses_hear_no_warning(script):
    out = script("""
        import goloop
        goloop.install() if sys.version_info < (3, 14) else None

        async def main():
            process = await asyncio.create_subprocess_exec("true")
            print(await process.wait())

        loop = new_event_loop()
        loop.run_until_complete(main())
        loop.close()
    """)
    assert out == "0\n"
