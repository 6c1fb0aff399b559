"""What becomes of ``signal.set_wakeup_fd``, which the loop and the program share."""

import asyncio
import os
import signal

import pytest


@pytest.fixture
def theirs(socket_pair):
    """A descriptor of the program's, and nobody's at the end."""
    _, fd = socket_pair()
    yield fd.fileno()
    signal.set_wakeup_fd(-1)


@pytest.mark.parametrize("sleeps", [False, True], ids=["at once", "after a sleep"])
def test_program_s_descriptor_survives_the_run_in_which_it_is_set(loop, run, theirs, sleeps):
    async def main():
        if sleeps:
            await asyncio.sleep(0.001)
        signal.set_wakeup_fd(theirs, warn_on_full_buffer=False)
        await asyncio.sleep(0.001)

    run(main())
    assert signal.set_wakeup_fd(-1) == theirs


@pytest.mark.parametrize("sleeps", [False, True], ids=["awake", "after a sleep"])
def test_none_is_left_by_a_handler_that_came_and_went_in_a_run(loop, run, sleeps):
    async def main():
        if sleeps:
            await asyncio.sleep(0.001)
        loop.add_signal_handler(signal.SIGUSR1, print)
        loop.remove_signal_handler(signal.SIGUSR1)

    run(main())
    assert signal.set_wakeup_fd(-1) == -1


def test_none_is_left_when_a_handler_of_before_goes_in_a_run(loop, run):
    async def main():
        loop.remove_signal_handler(signal.SIGUSR1)

    loop.add_signal_handler(signal.SIGUSR1, print)
    run(main())
    assert signal.set_wakeup_fd(-1) == -1


def test_one_stays_for_a_handler_that_stays(loop, run):
    async def main():
        loop.add_signal_handler(signal.SIGUSR1, called.set)
        await asyncio.sleep(0.001)

    async def signalled():
        os.kill(os.getpid(), signal.SIGUSR1)
        await asyncio.wait_for(called.wait(), 10)

    called = asyncio.Event()
    run(main())
    run(signalled())
    loop.remove_signal_handler(signal.SIGUSR1)
    assert signal.set_wakeup_fd(-1) == -1


def test_child_of_fork_has_none(loop, run):
    """It would write to its parent's pipe."""

    async def main():
        await asyncio.sleep(0.001)
        pid = os.fork()
        if not pid:
            os._exit(signal.set_wakeup_fd(-1) != -1)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    assert run(main()) == 0
