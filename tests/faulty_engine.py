"""Faults of goloop's engine of which asyncio has no like, or which it takes otherwise: each is a function that asserts."""

import asyncio
import contextvars
import errno
import functools
import gc
import os
import socket
import sys
import time
import traceback

import programs
from faulty import OnGoloop, pair, told
from faulty_calls import HELLO, LONG, settle
from protocols import DatagramRecorder, Recorder


async def end_of_file_is_refused(world):
    """write_eof() has returned long before its end of file leaves: the error is that of the connection."""
    for waiting in (False, True):
        ours, peer = pair(world)
        with peer.sock:
            transport, protocol = await world.loop.create_connection(Recorder, sock=ours)
            transport.write(LONG if waiting else HELLO)
            world.inject("shutdown", ours.fileno(), errno.EIO)
            transport.write_eof()
            assert await settle(protocol, lambda peer=peer: peer.take() and False) == ["OSError", errno.EIO]
            assert protocol.calls[-1] == "connection_lost"
            assert peer.data == (LONG if waiting else HELLO)


async def end_of_file_to_a_lost_connection(world):
    """What has been received is still told."""
    ours, peer = pair(world)
    with peer.sock:
        transport, protocol = await world.loop.create_connection(Recorder, sock=ours)
        world.inject("shutdown", ours.fileno(), errno.ENOTCONN)
        transport.write_eof()
        peer.sock.send(HELLO)
        assert await settle(protocol, lambda: protocol.data == HELLO) == "open"


async def datagram_socket_cannot_be_watched(world):
    """It would be deaf, or never send what waits: it has come to its end."""
    ours, peer = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with peer:
        world.inject("epoll_ctl add", ours.fileno(), errno.ENOSPC)
        transport, protocol = await world.loop.create_datagram_endpoint(DatagramRecorder, sock=ours)
        await protocol.called("connection_lost")
        assert told(protocol.lost_with) == ["OSError", errno.ENOSPC]
        assert transport.is_closing()
        assert world.reports == []


async def stream_cannot_be_watched(world):
    ours, peer = pair(world)
    with peer.sock:
        world.inject("epoll_ctl add", ours.fileno(), errno.ENOSPC)
        transport, protocol = await world.loop.create_connection(Recorder, sock=ours)
        assert await settle(protocol, lambda: False) == ["OSError", errno.ENOSPC]
        assert protocol.calls == ["connection_made", "connection_lost"]


async def server_cannot_be_watched(world):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        world.inject("epoll_ctl add", listener.fileno(), errno.ENOMEM)
        try:
            await world.loop.create_server(Recorder, sock=listener)
        except OSError as exc:
            assert exc.errno == errno.ENOMEM
        else:
            raise AssertionError("a server that nobody can reach was started")


async def child_without_a_pidfd(world):
    """A thread waits for it."""
    for number in (errno.EMFILE, errno.ENOMEM, errno.EPERM):
        world.inject("pidfd_open", -1, number)
        assert await programs.output(sys.executable, "-I", "-S", "-c", "print('out')") == b"out\n"


async def loop_cannot_be_made(world):
    import goloop

    before = set(os.listdir("/dev/fd"))
    for calls in ("eventfd", "epoll_create1", "epoll_ctl add"):
        for number in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
            world.inject(calls, -1, number)
            try:
                goloop.new_event_loop()
            except OSError as exc:
                assert exc.errno == number
            else:
                raise AssertionError("a loop was made")
    assert set(os.listdir("/dev/fd")) == before
    goloop.new_event_loop().close()


async def loop_finds_no_memory(world):
    """For its rings and its arena."""
    import goloop

    other = goloop.new_event_loop()  # has what an earlier one may have left
    world.inject("mmap", -1, errno.ENOMEM, times=2)  # it is tried again with less to spare
    try:
        goloop.new_event_loop()
    except MemoryError:
        goloop.new_event_loop().close()
    else:
        raise AssertionError("a loop was made")
    other.close()


async def connections_in_batches(world):
    """Three and more are served together: each has its own error, and the others none."""
    pairs = [pair(world) for _ in range(8)]
    protocols = [(await world.loop.create_connection(Recorder, sock=ours))[1] for ours, _ in pairs]
    for _, peer in pairs:
        peer.sock.send(HELLO)
    for protocol in protocols:
        await protocol.received(len(HELLO))
    world.inject("recv|io_uring recv", pairs[2][0].fileno(), errno.ECONNRESET)
    for _, peer in pairs:
        peer.sock.send(HELLO)
    assert told(await protocols[2].lost()) == ["ConnectionResetError", errno.ECONNRESET]
    del protocols[2], pairs[2]
    for protocol in protocols:
        assert await protocol.received(2 * len(HELLO)) == 2 * HELLO
    world.inject("send|io_uring send", pairs[3][0].fileno(), errno.EPIPE)
    for protocol in protocols:
        protocol.transport.write(HELLO)
    assert told(await protocols[3].lost()) == ["BrokenPipeError", errno.EPIPE]
    for i, (protocol, (_, peer)) in enumerate(zip(protocols, pairs, strict=True)):
        if i != 3:
            await programs.until(lambda peer=peer: peer.take(len(HELLO)))
            protocol.transport.close()
            await protocol.lost()
        peer.take()
        assert peer.data == (b"" if i == 3 else HELLO)


async def timers_of_another_thread_find_no_memory(world):
    """Nobody makes room for what a wrong program schedules while the engine waits: all of it comes due, some later."""
    ran = []

    def schedule():
        for number in range(20_000):
            while True:
                try:
                    world.loop.call_later(number % 3 / 100, ran.append, number)
                    break
                except MemoryError:
                    time.sleep(0)  # the engine does not wait as yet, and nothing tells when it does

    world.inject("mmap|mremap", -1, errno.ENOMEM, times=1_000_000)
    await world.loop.run_in_executor(None, schedule)
    while len(ran) < 20_000:
        await asyncio.sleep(0)
    assert sorted(ran) == list(range(20_000))


async def cancelled_timers_for_which_there_is_no_memory(world):
    """What a cancelled one lets go of may run anything, and finds each timer where it belongs, once."""
    found = []

    class Finalized:
        def __del__(self):
            timers = [each for each in gc.get_referents(world.loop) if isinstance(each, asyncio.TimerHandle)]
            found.append((len(timers), len(set(map(id, timers)))))

    def in_a_turn(schedule):
        while True:
            try:
                return schedule()
            except MemoryError:
                time.sleep(0)  # the engine does not wait as yet, and nothing tells when it does

    def schedule_and_cancel():
        when = world.loop.time() + 2
        timers = [in_a_turn(lambda: world.loop.call_at(when, int)) for _ in range(20_000)]
        context = contextvars.Context()
        context.run(contextvars.ContextVar("finalized").set, Finalized())
        timers.append(in_a_turn(functools.partial(world.loop.call_at, when, int, context=context)))
        del context
        world.loop.call_soon_threadsafe(int)  # the next turn is shown them,
        time.sleep(0.2)  # only goloop.control tells that it waits, which the fault would meet
        timers.pop().cancel()  # and is in its wait
        del timers[-100:]
        world.loop.call_soon_threadsafe(int)
        time.sleep(0.2)  # only goloop.control tells that it waits, which the fault would meet
        for timer in timers:
            timer.cancel()

    world.inject("mmap|mremap", -1, errno.ENOMEM, times=1_000_000)
    await world.loop.run_in_executor(None, schedule_and_cancel)
    assert len(found) == 1
    total, different = found[0]
    assert total == different, found


SCENARIOS = (
    timers_of_another_thread_find_no_memory,
    cancelled_timers_for_which_there_is_no_memory,
    end_of_file_is_refused,
    end_of_file_to_a_lost_connection,
    datagram_socket_cannot_be_watched,
    stream_cannot_be_watched,
    server_cannot_be_watched,
    child_without_a_pidfd,
    loop_cannot_be_made,
    loop_finds_no_memory,
    connections_in_batches,
)


def main(name):
    scenario = next(scenario for scenario in SCENARIOS if scenario.__name__ == name)
    world = OnGoloop()
    world.reports = []
    world.loop.set_exception_handler(
        lambda loop, context: world.reports.append((context["message"], told(context.get("exception"))))
    )
    asyncio.set_event_loop(world.loop)
    world.loop.run_until_complete(asyncio.wait_for(scenario(world), 10))
    assert world.met(), "no call met the fault"
    world.loop.close()


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except BaseException:
        traceback.print_exc()
        sys.exit(1)
