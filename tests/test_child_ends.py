"""The end of a child: wait() needs nothing else, a start that is cut short leaves nothing, nobody stays a zombie."""

import asyncio
import contextlib
import gc
import os
import subprocess
import sys
import time
import warnings

import pytest

from programs import EXEC, PIPE, descriptors, is_zombie_or_alive, python, until

pytestmark = [
    pytest.mark.usefixtures("pidfd_watcher", "started"),
    # What asyncio's transports leave is seen in the next test.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <function (_Unix|BaseSubprocess)"),
]

SOON = 2  # seconds: what has not ended by then hangs


@pytest.fixture
def started(monkeypatch):
    """The Popen objects that are made, also those of starts that fail."""
    started = []

    class Popen(subprocess.Popen):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Popen)
    yield started
    for popen in started:  # of a test that failed
        popen.kill()
        popen.wait()
        for file in popen.stdin, popen.stdout, popen.stderr:
            if file is not None:
                file.close()


# ---- wait() ----


@contextlib.asynccontextmanager
async def with_grandchild(then, **pipes):
    """A child whose own child keeps its pipes, and writes "late" to the end of this; `then` is what the child does."""
    source = f"""
import os, sys, time
if os.fork() == 0:
    os.read({{read}}, 1)
    os.write(1, b"late")
    os._exit(0)
{then}
"""
    read, write = os.pipe()
    try:
        process = await python(source.format(read=read), pass_fds=[read], **pipes)
        os.close(read)
        yield process
    finally:
        os.close(write)


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_wait_ends_with_the_child_while_a_grandchild_holds_a_pipe(run, name):
    pipes = {"stdin": None, "stdout": None, "stderr": None, name: PIPE}

    async def main():
        async with with_grandchild("os.kill(os.getpid(), 9)", **pipes) as process:
            assert await asyncio.wait_for(process.wait(), SOON) == -9
            transport = process._transport.get_pipe_transport({"stdout": 1, "stderr": 2}[name])
            assert not transport.is_closing()
        await until(transport.is_closing)
        await asyncio.sleep(0.01)  # for connection_lost

    run(main())


def test_wait_ends_with_the_child_while_nobody_reads_what_it_wrote(run, started):
    size = 180_000  # more than the reader takes unasked, and what is left fits into the pipe

    async def main():
        process = await python(f"import os; os.write(1, bytes({size}))", stdin=None)
        try:
            assert await asyncio.wait_for(process.wait(), SOON) == 0
        finally:
            assert len(await process.stdout.read()) == size

    run(main())


def test_communicate_reads_what_a_grandchild_writes_after_the_childs_end(run):
    async def main():
        async with with_grandchild("os.write(1, b'early, ')") as process:
            communicate = asyncio.ensure_future(process.communicate())
            await until(lambda: process.returncode is not None)
            assert not communicate.done()
        assert await communicate == (b"early, late", None)

    run(main())


@pytest.mark.since("3.11")  # asyncio of 3.10, and of 3.14, ends wait() before it looks at the pipes
@pytest.mark.until("3.14")
def test_wait_comes_after_connection_lost_where_nothing_holds_the_pipes(run):
    async def main():
        for _ in range(5):
            process = await python("import sys; sys.stdin.read(1); print('x' * 50_000)", stderr=PIPE)
            transport = process._transport
            process.stdin.write(b"x")  # it ends no sooner
            assert await process.wait() == 0
            assert transport.is_closing()
            assert [transport.get_pipe_transport(fd).is_closing() for fd in range(3)] == [True] * 3
            assert len(await process.stdout.read()) == 50_001

    run(main())


# ---- starts that are cut short ----


async def start():
    return await EXEC("sleep", "60", stdin=PIPE, stdout=PIPE, stderr=PIPE)


async def cut_short(turns, cancel):
    """A start that `cancel(task)` ends after so many turns; whether it had become a process by then."""
    others = asyncio.all_tasks()
    task = asyncio.create_task(start())
    for _ in range(turns):
        await asyncio.sleep(0)
    cancel(task, asyncio.all_tasks() - others)
    await asyncio.wait([task], timeout=SOON)
    assert task.done()
    if task.cancelled():
        return False
    process = task.result()
    process.kill()
    await process.communicate()
    return True


def cancel_start(task, made):
    task.cancel()


def cancel_all(task, made):
    """As asyncio.run() ends."""
    for other in made:
        other.cancel()


def cancel_pipes(task, made):
    """Only what the start itself has made."""
    for other in made - {task}:
        other.cancel()


# asyncio of 3.14 drops a coroutine, which is seen in the next test.
@pytest.mark.filterwarnings("ignore:coroutine .*_wait:RuntimeWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("cancel", [cancel_start, cancel_all, cancel_pipes])
def test_start_that_is_cut_short_ends_and_leaves_nothing(loop, run, started, cancel):
    async def main():
        became = [await cut_short(turns, cancel) for turns in range(10)]
        assert not all(became)
        assert became[-1]

    async def nothing_is_left():
        await until(lambda: not any(is_zombie_or_alive(popen.pid) for popen in started))
        await until(lambda: descriptors() <= before)

    run(start_and_end())  # opens what stays open
    before = descriptors()
    started.clear()
    run(main())
    run(nothing_is_left())


async def start_and_end():
    process = await start()
    process.kill()
    await process.communicate()


@pytest.mark.goloop_only  # asyncio's hangs now and then
def test_run_ends_while_children_are_started_and_cancelled(script):
    """Ten starts at any stage, in a program that ends."""
    out = script("""
        import subprocess, warnings
        warnings.simplefilter("ignore")  # those that run are left running

        async def one():
            process = await asyncio.create_subprocess_exec("sleep", "0.002", stdout=subprocess.PIPE)
            await process.communicate()

        async def main():
            tasks = set()
            end = time.monotonic() + 0.5
            while time.monotonic() < end:
                tasks |= {asyncio.create_task(one()) for _ in range(10 - len(tasks))}
                _, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)

        signal.alarm(4)
        for _ in range(3):
            run(main())
        print("ended")
    """)
    assert out == "ended\n"


# ---- loops that are closed ----


def gone(pid):
    """Wait until a child has been reaped; None after SOON."""
    end = time.monotonic() + SOON
    while is_zombie_or_alive(pid):
        if time.monotonic() > end:
            return None
        time.sleep(0.001)  # nothing tells of a reaped child: the next look
    return True


@pytest.mark.goloop_only  # asyncio leaves a zombie, unless the Popen object is collected first
def test_loop_that_is_closed_at_once_has_reaped_what_close_killed(loop, run):
    async def main():
        transport, _ = await loop.subprocess_exec(
            asyncio.SubprocessProtocol, "sleep", "60", stdout=None, stderr=None
        )
        transport.close()
        return transport.get_pid()

    pid = run(main())
    loop.close()
    assert not is_zombie_or_alive(pid)


def test_child_that_outlives_its_loop_is_reaped(loop, run):
    async def main():
        read, write = os.pipe()
        process = await EXEC("head", "-c1", stdin=read, stdout=subprocess.DEVNULL)
        os.close(read)
        return process, write

    process, write = run(main())
    popen = process._transport.get_extra_info("subprocess")
    loop.close()
    os.write(write, b"x")
    os.close(write)
    assert gone(process.pid)
    del process, popen
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # an unclosed transport
        gc.collect()


@pytest.mark.goloop_only
def test_status_of_a_child_that_outlives_its_loop_is_its_popens(loop, run):
    async def main():
        return await EXEC(sys.executable, "-I", "-S", "-c", "import sys; sys.exit(7)")

    process = run(main())
    popen = process._transport.get_extra_info("subprocess")
    loop.close()
    assert popen.wait(SOON) == 7
    process._transport._closed = True  # there is nothing to warn of


def test_close_does_not_take_the_status_of_a_child_that_has_ended(loop, run, caplog):
    class Ends(asyncio.SubprocessProtocol):
        def __init__(self):
            self.returncode = loop.create_future()

        def connection_made(self, transport):
            self.transport = transport

        def process_exited(self):
            self.returncode.set_result(self.transport.get_returncode())

    async def main():
        read, write = os.pipe()
        transport, protocol = await loop.subprocess_exec(
            Ends, "sh", "-c", "read line; exit 7", stdin=read, stdout=None, stderr=None
        )
        os.close(read)
        os.close(write)
        os.waitid(os.P_PID, transport.get_pid(), os.WEXITED | os.WNOWAIT)  # before the loop looks
        transport.close()
        return await asyncio.wait_for(protocol.returncode, SOON)

    assert run(main()) == 7
    assert "Unknown child process" not in caplog.text
