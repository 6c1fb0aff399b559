"""What is submitted while there is no room: it is handed over first, and what that has to tell waits for the next turn."""

import asyncio
import itertools
import logging

import pytest

from crowds import BRISK, CROWD, crowd, kernel_has
from protocols import Recorder, turns


class Told(logging.Handler):
    """Does something once when asyncio logs."""

    def __init__(self, do):
        super().__init__()
        self.do = do

    def emit(self, record):
        do, self.do = self.do, None
        if do:
            do()


@pytest.fixture
def fill_submissions(loop, run, socket_pair):
    """Makes room for no submission more. Among them is a write that was held back: when they are handed over it fails, is
    logged, and `do` is called."""
    logger = logging.getLogger("asyncio")
    level, handlers, opened = logger.level, [], []
    logger.setLevel(logging.DEBUG)

    async def fill(do, most=None):
        """Returns what submits one, and how many were needed after which that has called `do`."""
        ours, peer = socket_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        ours, witness = socket_pair()
        other, _ = await loop.create_connection(Recorder, sock=ours)
        opened.extend([transport, other])
        loop.set_debug(False)  # which makes no callback short
        while True:
            await crowd(loop, BRISK // CROWD)
            peer.send(b"x")  # a turn that asks the system, after those that did not need to
            await protocol.received(len(protocol.data) + 1)
            for _ in range(CROWD):
                loop.call_soon(int)
            await asyncio.sleep(0)
            other.write(b"x")
            if kernel_has(witness) == b"":  # it is held back
                break
        peer.close()
        transport.write(b"held")
        loop.set_debug(True)
        handlers.append(Told(do))
        logger.addHandler(handlers[-1])
        submits = itertools.cycle([other.pause_reading, other.resume_reading])
        for number in range(1 << 16):
            if number == most or handlers[-1].do is None:
                break
            next(submits)()
        return submits, number

    async def full(do):
        _, number = await fill(int)
        submits, _ = await fill(do, number - 1)
        return submits

    yield full
    logger.setLevel(level)
    for handler in handlers:
        logger.removeHandler(handler)
    for transport in opened:
        transport.abort()
    run(turns(2))


@pytest.mark.goloop_only
def test_wait_that_ends_where_submissions_are_full_leaves_the_next_alone(
    loop, run, socket_pair, fill_submissions
):
    async def main():
        ours, peer = socket_pair()
        ready = loop.create_future()
        waiting = loop.sock_recv(ours, 1)
        waiting.send(None)
        submits = await fill_submissions(lambda: loop.add_reader(ours, ready.set_result, None))
        waiting.close()
        next(submits)()
        peer.send(b"x")
        await ready
        loop.remove_reader(ours)

    run(main())


@pytest.mark.goloop_only
def test_cancelled_timer_for_which_submissions_are_full_loses_no_exit(loop, run, fill_submissions):
    def leave():
        raise KeyboardInterrupt

    async def main():
        timers = [loop.call_later(3600, int) for _ in range(600)]  # so many the engine takes
        submits = await fill_submissions(leave)
        timers[0].cancel()
        next(submits)()
        await turns(2)

    with pytest.raises(KeyboardInterrupt):
        run(main())


@pytest.mark.parametrize("pieces", [1, 2])
@pytest.mark.goloop_only
def test_write_for_which_submissions_are_full_comes_before_what_it_makes_others_write(
    loop, run, socket_pair, fill_submissions, pieces
):
    async def main():
        ours, peer = socket_pair()
        transport, _ = await loop.create_connection(Recorder, sock=ours)
        told = []

        def tell():
            transport.write(b"2")
            told.append(True)

        await fill_submissions(tell)
        if pieces == 1:
            transport.write(b"1")
        else:
            transport.writelines([b"1"] * pieces)
        await turns(5)
        assert told
        assert kernel_has(peer) == b"1" * pieces + b"2"
        transport.close()

    run(main())
