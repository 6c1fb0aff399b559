"""What the programs of test_fork.py have in common: a loop's whole work, and children that do it."""

import asyncio
import importlib
import os
import signal
import traceback
import warnings

CHILD_LIMIT = 15  # seconds after which a child that hangs is killed by SIGALRM

# CPython 3.12 and newer say so of every process with threads, and an engine has threads.
warnings.filterwarnings("ignore", ".*use of fork", DeprecationWarning)


def run(loop_name, coroutine):
    """Run a coroutine on a new loop of that kind; the loop that a callback has left running is none of ours."""
    loop = importlib.import_module(loop_name).new_event_loop()
    assert type(loop).__module__.partition(".")[0] == loop_name
    try:
        return loop.run_until_complete(asyncio.wait_for(coroutine, CHILD_LIMIT))
    finally:
        loop.close()


async def echo(reader, writer):
    while data := await reader.read(1000):
        writer.write(data)
    writer.close()


async def work(rounds=3):
    """Serve a connection, be its client too, and sleep: sockets and timers. Returns the number of answers."""
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    for number in range(rounds):
        writer.write(b"%d\n" % number)
        assert await reader.readline() == b"%d\n" % number
        await asyncio.sleep(0.001)
    writer.close()
    await writer.wait_closed()
    server.close()
    await server.wait_closed()
    return rounds


def do_work(loop_name, rounds=3):
    return run(loop_name, work(rounds))


async def work_in(executor, loop_name):
    """Four pieces of work in the processes of an executor, while this loop works too."""
    loop = asyncio.get_running_loop()
    jobs = [loop.run_in_executor(executor, do_work, loop_name, rounds) for rounds in range(4)]
    return await asyncio.gather(*jobs, work())


def fork(function, *args):
    """Fork. The child calls the function and exits, 0 when it raised nothing."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(CHILD_LIMIT)
        function(*args)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def wait(pid):
    """Wait for a child, which must have exited 0."""
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status == 0, f"a child exited with {status}"


def nested(loop_name, generations):
    """Each generation works, forks the next one, and works again."""
    do_work(loop_name)
    if generations > 1:
        wait(fork(nested, loop_name, generations - 1))
    do_work(loop_name)
