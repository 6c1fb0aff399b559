"""Who awaits whom: asyncio's call graphs inside a program, and ``python -m asyncio ps`` from outside."""

import asyncio
import re
import subprocess
import sys
import time

import pytest

from conftest import LIMIT
from protocols import turns

pytestmark = pytest.mark.since("3.14")


def stack(graph):
    """The functions of a graph's own stack, the innermost first."""
    return [entry.frame.f_code.co_name for entry in graph.call_stack]


async def capture():
    return asyncio.capture_call_graph()


async def format_graph():
    return asyncio.format_call_graph()


async def through(coroutine):
    return await coroutine


def test_graph_of_the_current_task_leads_to_the_task_that_awaits_it(loop, run):
    async def main():
        task = loop.create_task(through(capture()))
        graph = await task
        assert graph.future is task
        assert stack(graph) == ["capture", "through"]
        [awaiter] = graph.awaited_by
        assert awaiter.future is asyncio.current_task()
        assert stack(awaiter)[0] == "main"
        assert awaiter.awaited_by == ()

    run(main())


def test_graph_of_a_waiting_task_ends_in_the_wait(loop, run, socket_pair):
    async def main():
        ours, peer = socket_pair()
        reading = loop.create_task(through(loop.sock_recv(ours, 10)))
        await turns(1)
        graph = asyncio.capture_call_graph(reading)
        assert (stack(graph), graph.awaited_by) == (["sock_recv", "through"], ())
        peer.send(b"hello")
        assert await reading == b"hello"
        assert stack(asyncio.capture_call_graph(reading)) == []

    run(main())


def test_formatted_graph_names_tasks_and_functions(loop, run):
    async def main():
        return await loop.create_task(through(format_graph()), name="the reader")

    lines = [line.strip() for line in run(main()).splitlines()]
    assert lines[0].startswith("* Task(name='the reader', id=0x")
    functions = [line.split(" in ")[1] for line in lines if " in " in line]
    assert functions[:2] == ["async format_graph()", "async through()"]
    assert functions[2].endswith("main()")
    assert lines.index("+ Awaited by:") > lines.index("+ Call stack:")


def test_callback_has_no_graph(loop):
    graphs = []
    loop.call_soon(lambda: graphs.append(asyncio.capture_call_graph()))
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert graphs == [None]


# One task waits in the loop's own code, one in asyncio's, and a third for both.
WAITING = """
    async def branch(sock):
        asyncio.get_running_loop().call_soon(print, "waiting")
        await asyncio.get_running_loop().sock_recv(sock, 1)

    async def main():
        ours, peer = socket.socketpair()
        ours.setblocking(False)
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(1000), name="the sleeper")
            group.create_task(branch(ours), name="the reader")

    run(main())
"""


def tell(command, pid):
    """What ``python -m asyncio COMMAND PID`` prints; asked again where it met the process on its way."""
    deadline = time.monotonic() + LIMIT
    while True:
        told = subprocess.run(
            [sys.executable, "-m", "asyncio", command, str(pid)],
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
        if "insufficient permissions" in told.stdout + told.stderr:
            pytest.skip("this system lets no process read the memory of another")
        if told.returncode == 0 or time.monotonic() > deadline:
            assert (told.returncode, told.stderr) == (0, "")
            return told.stdout


@pytest.fixture
def waiting(script):
    """The pid of a process all of whose tasks wait."""
    process = script.start(WAITING)
    assert process.stdout.readline() == "waiting\n", process.communicate()
    return process.pid


def test_asyncio_ps_lists_the_tasks_of_a_process(waiting):
    rows = [re.split(r"  +", line.strip()) for line in tell("ps", waiting).splitlines()[2:]]
    tasks = {row[2]: row for row in rows}
    assert set(tasks) == {"the sleeper", "the reader", "Task-1"}
    assert {row[0] for row in rows} == {str(waiting)}  # the thread is the main one
    assert tasks["the sleeper"][3] == "sleep"
    assert re.fullmatch(r"\w+\.sock_recv -> branch", tasks["the reader"][3])
    for name in ("the sleeper", "the reader"):
        assert tasks[name][4:] == [tasks["Task-1"][3], "Task-1", tasks["Task-1"][1]]


def test_asyncio_pstree_shows_who_awaits_whom(waiting):
    lines = [re.sub(r"^[\s│├└─]+", "", line) for line in tell("pstree", waiting).splitlines()]
    names = [re.sub(r"^(\w+\.)?(\w+) \S+:\d+$", r"\2", line) for line in lines if line]
    assert names == [
        "(T) Task-1",
        "main",
        "__aexit__",
        "_aexit",
        "(T) the sleeper",
        "sleep",
        "(T) the reader",
        "branch",
        "sock_recv",
    ]
