"""Programs that the tests of subprocesses start, and what a parent knows of its children."""

import asyncio
import os
import sys

PYTHON = sys.executable
PIPE, STDOUT, DEVNULL = asyncio.subprocess.PIPE, asyncio.subprocess.STDOUT, asyncio.subprocess.DEVNULL
EXEC, SHELL = asyncio.create_subprocess_exec, asyncio.create_subprocess_shell


def python(source, *args, **kwargs):
    """Start a program with pipes; -I -S keep the interpreter's start short."""
    kwargs = {"stdin": PIPE, "stdout": PIPE, **kwargs}
    return EXEC(PYTHON, "-I", "-S", "-c", source, *args, **kwargs)


async def output(*args, **kwargs):
    """Run a program to its end and return what it printed; it must exit 0."""
    process = await EXEC(*args, stdout=PIPE, **kwargs)
    out, _ = await process.communicate()
    assert process.returncode == 0
    return out


def is_zombie_or_alive(pid):
    """Whether a child is there to be waited for; it is not taken."""
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


async def until(condition):
    while not condition():
        await asyncio.sleep(0.001)


def descriptors():
    return set(os.listdir("/proc/self/fd"))


class Record(asyncio.SubprocessProtocol):
    """Notes what is called."""

    def __init__(self):
        self.calls = []
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.calls.append("made")

    def pipe_data_received(self, fd, data):
        self.calls.append(("data", fd, data))

    def pipe_connection_lost(self, fd, exc):
        self.calls.append(("pipe lost", fd, exc))

    def process_exited(self):
        self.calls.append("exited")

    def connection_lost(self, exc):
        self.calls.append(("lost", exc))
        self.lost.set_result(None)
