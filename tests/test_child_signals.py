"""Children among many signals, and the moments in which a SIGCHLD could be lost."""

import asyncio
import contextlib
import os
import signal
import subprocess

import pytest

import signal_traffic
from programs import EXEC, PIPE

# In an interpreter of its own: the handlers of many signals at once are more than the stack bears that
# faulthandler, which pytest enables, gives to them.
PROGRAM = f"""
sys.path.insert(0, {os.path.dirname(__file__)!r})
from signal_traffic import traffic

async def main():
    return [await asyncio.wait_for(traffic(asyncio.get_running_loop(), seed), 10) for seed in range(2)]

print(*run(main()))
"""


def test_children_end_among_many_signals(script):
    assert script(PROGRAM) == f"{signal_traffic.CHILDREN} {signal_traffic.CHILDREN}\n"


@pytest.mark.goloop_only
@pytest.mark.parametrize("watcher", ["pidfd", "sigchld", "thread"])
def test_children_end_among_many_signals_with_each_watcher(script, monkeypatch, watcher):
    monkeypatch.setenv("GOLOOP_CHILD_WATCHER", watcher)
    assert script(PROGRAM) == f"{signal_traffic.CHILDREN} {signal_traffic.CHILDREN}\n"


@pytest.fixture
def sigchld_loop(monkeypatch, request, fresh_policy):
    """A loop whose engine hears of ends by SIGCHLD; asyncio's as it is."""
    monkeypatch.setenv("GOLOOP_CHILD_WATCHER", "sigchld")
    previous = signal.getsignal(signal.SIGCHLD)
    yield request.getfixturevalue("loop")
    signal.signal(signal.SIGCHLD, previous)


def remove_the_last(loop):
    loop.add_signal_handler(signal.SIGUSR1, print)
    loop.remove_signal_handler(signal.SIGUSR1)


def add_what_cannot_be_caught(loop):
    with pytest.raises(RuntimeError):
        loop.add_signal_handler(signal.SIGKILL, print)


@pytest.mark.parametrize("change", [remove_the_last, add_what_cannot_be_caught])
def test_child_that_ends_while_a_handler_goes(sigchld_loop, run, monkeypatch, change):
    """Nothing has changed when the child ends that would say so a second time."""

    async def main():
        process = await EXEC("cat", stdin=PIPE, stdout=subprocess.DEVNULL)
        waiter = asyncio.ensure_future(process.wait())
        await asyncio.sleep(0)
        popen = process._transport.get_extra_info("subprocess")
        set_wakeup_fd = signal.set_wakeup_fd

        def end_between(fd, **options):
            previous = set_wakeup_fd(fd, **options)
            if fd == -1:
                popen.send_signal(signal.SIGKILL)
                os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            return previous

        monkeypatch.setattr(signal, "set_wakeup_fd", end_between)
        change(sigchld_loop)
        monkeypatch.setattr(signal, "set_wakeup_fd", set_wakeup_fd)
        process.stdin.close()
        return await asyncio.wait_for(waiter, 5)

    assert run(main()) in (-signal.SIGKILL, 0)


@pytest.mark.parametrize("take_away", ["handler", "descriptor"])
def test_next_child_tells_of_one_that_ended_unheard(sigchld_loop, run, take_away):
    async def main():
        process = await EXEC("cat", stdin=PIPE, stdout=subprocess.DEVNULL)
        if take_away == "handler":
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        else:
            signal.set_wakeup_fd(-1)
        os.kill(process.pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):  # a thread of asyncio's was faster
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        other = await EXEC("true")
        return await asyncio.wait_for(asyncio.gather(process.wait(), other.wait()), 5)

    first, second = run(main())
    assert (first, second) == (-signal.SIGKILL, 0)
