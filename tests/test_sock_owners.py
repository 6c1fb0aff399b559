"""sock_recv and its kin on one descriptor with several owners: at once, one after the other, and when it is closed."""

import asyncio
import os
import socket
import time

import hypothesis
import pytest
from hypothesis import strategies as st

from protocols import turns

MIB = 1 << 20


async def ended(*tasks):
    """Cancel tasks and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def test_one_socket_is_read_and_written_at_once(loop, run, socket_pair):
    async def receive(sock, size):
        received = bytearray()
        while len(received) < size:
            received += await loop.sock_recv(sock, 1 << 18)
        return bytes(received)

    async def main():
        ends = socket_pair()
        data = [os.urandom(4 * MIB), os.urandom(3 * MIB)]
        *received, _, _ = await asyncio.gather(
            receive(ends[0], len(data[1])),
            receive(ends[1], len(data[0])),
            loop.sock_sendall(ends[0], data[0]),
            loop.sock_sendall(ends[1], data[1]),
        )
        assert received == data[::-1]
        for sock in ends:
            assert not loop.remove_reader(sock) and not loop.remove_writer(sock)

    run(main())


def test_later_of_two_readers_gets_the_data(loop, run, socket_pair):
    async def main():
        ours, peer = socket_pair()
        first = loop.create_task(loop.sock_recv(ours, 100))
        await turns(2)
        second = loop.create_task(loop.sock_recv(ours, 100))
        await turns(2)
        peer.send(b"hello")
        assert await second == b"hello"
        peer.send(b"more")
        await turns(5)
        assert not first.done()
        assert await loop.sock_recv(ours, 100) == b"more"
        await ended(first)

    run(main())


def test_replaced_reader_that_is_cancelled_leaves_the_later_one(loop, run, socket_pair):
    async def main():
        ours, peer = socket_pair()
        first = loop.create_task(loop.sock_recv(ours, 100))
        await turns(2)
        second = loop.create_task(loop.sock_recv(ours, 100))
        await turns(2)
        await ended(first)
        peer.send(b"hello")
        assert await second == b"hello"

    run(main())


def test_add_reader_takes_the_place_of_sock_recv(loop, run, socket_pair):
    async def main():
        ours, peer = socket_pair()
        task = loop.create_task(loop.sock_recv(ours, 100))
        await turns(2)
        readable = loop.create_future()
        loop.add_reader(ours, readable.set_result, None)
        peer.send(b"hello")
        await readable
        assert loop.remove_reader(ours) is True
        await turns(3)
        assert not task.done()
        await ended(task)
        assert ours.recv(10) == b"hello"

    run(main())


def test_remove_reader_takes_the_wait_of_sock_recv(loop, run, socket_pair):
    async def main():
        ours, peer = socket_pair()
        task = loop.create_task(loop.sock_recv(ours, 100))
        await turns(2)
        assert loop.remove_reader(ours) is True
        peer.send(b"hello")
        await turns(3)
        assert not task.done()
        await ended(task)

    run(main())


def test_reader_added_for_a_socket_outlives_a_sock_sendall(loop, run, socket_pair):
    async def main():
        ours, peer = socket_pair()
        seen = []
        loop.add_reader(ours, lambda: seen.append(ours.recv(10)))
        task = loop.create_task(loop.sock_sendall(ours, bytes(4 * MIB)))
        await turns(3)
        await ended(task)
        peer.send(b"hello")
        while not seen:
            await asyncio.sleep(0)
        assert seen == [b"hello"]
        assert loop.remove_reader(ours) is True

    run(main())


@pytest.mark.skipif(
    os.environ.get("GOLOOP_SELECTOR") in ("poll", "select"), reason="these report a closed number as ready"
)
def test_socket_closed_while_sock_recv_waits_leaves_it_waiting(loop, run, socket_pair):
    async def main():
        ours, peer = socket_pair()
        task = loop.create_task(loop.sock_recv(ours, 100))
        await turns(2)
        ours.close()
        peer.close()
        await turns(5)
        assert not task.done()
        await ended(task)

    run(main())


def test_closed_socket_with_a_dup_tells_the_waiting_sock_recv(loop, run, socket_pair):
    async def main():
        ours, peer = socket_pair()
        task = loop.create_task(loop.sock_recv(ours, 100))
        await turns(2)
        with ours.dup():
            ours.close()
            peer.send(b"x")
            with pytest.raises(OSError, match="Bad file descriptor"):
                await task

    run(main())


@pytest.mark.parametrize("cancel", [False, True], ids=["left waiting", "cancelled"])
def test_number_of_a_closed_socket_serves_its_next_owner_at_once(loop, run, socket_pair, cancel):
    async def main():
        ours, peer = socket_pair()
        number = ours.fileno()
        old = loop.create_task(loop.sock_recv(ours, 100))
        await turns(3)
        with ours.dup():  # the old file stays open, and will be readable
            ours.close()
            if cancel:
                old.cancel()
            again, again_peer = socket_pair()
            assert number in (again.fileno(), again_peer.fileno())
            if again.fileno() != number:
                again, again_peer = again_peer, again
            new = loop.create_task(loop.sock_recv(again, 100))
            await turns(3)
            peer.send(b"for the old one")
            await turns(5)
            assert not new.done()
            again_peer.send(b"for the new one")
            assert await new == b"for the new one"
            await ended(old)

    run(main())


def test_loop_closed_while_calls_wait(loop, run, socket_pair, tcp_pair):
    pairs = [socket_pair() for _ in range(3)]

    async def main():
        tasks = [loop.create_task(loop.sock_recv(ours, 10)) for ours, _ in pairs]
        tasks.append(loop.create_task(loop.sock_sendall(pairs[0][0], bytes(4 * MIB))))
        await turns(3)
        return tasks

    tasks = loop.run_until_complete(main())
    loop.close()
    for ours, peer in pairs:
        peer.send(b"x")
        assert ours.recv(10) == b"x"
    for task in tasks:
        task._log_destroy_pending = False
        assert not task.done()
    with pytest.raises(RuntimeError, match="^Event loop is closed$"):
        loop.sock_recv(pairs[0][0], 10).send(None)


# asyncio's own loop takes the next owner of a number for the earlier one (FileNotFoundError of EPOLL_CTL_MOD).
@pytest.mark.goloop_only
@hypothesis.settings(max_examples=40)
@hypothesis.given(
    st.lists(
        st.tuples(
            st.integers(0, 5), st.sampled_from(["close", "send half", "dup", "cancel", "send", "turn"])
        ),
        max_size=60,
    )
)
def test_no_answer_goes_to_the_next_owner_of_a_number(loop, run, steps):
    """Six slots of a socket with a waiting sock_recv; what it gets must be what its own peer has sent."""
    serial = 0
    slots, opened, tasks = {}, [], []

    async def receive(sock, mark):
        received = b""
        while len(received) < 8:
            received += await loop.sock_recv(sock, 8 - len(received))
        assert received == mark
        return received

    def open_slot(place):
        nonlocal serial
        serial += 1
        mark = b"%08d" % serial
        ours, peer = socket.socketpair()
        ours.setblocking(False)
        opened.extend([ours, peer])
        task = loop.create_task(receive(ours, mark))
        tasks.append(task)
        slots[place] = ours, peer, mark, task

    async def main():
        for place, action in steps:
            if action == "turn":
                await turns(place)
            elif place not in slots:
                open_slot(place)
            else:
                ours, peer, mark, task = slots[place]
                if action == "send":
                    peer.send(mark)
                    assert await task == mark
                elif action == "cancel":
                    task.cancel()
                elif action == "dup":
                    opened.append(ours.dup())
                    peer.send(mark)
                elif action == "send half":
                    peer.send(mark[:4])
                ours.close()
                del slots[place]
                open_slot(place)
        for _, peer, mark, task in slots.values():
            peer.send(mark)
            assert await task == mark
        await ended(*tasks)
        for task in tasks:
            if not task.cancelled() and task.exception():
                assert isinstance(task.exception(), OSError), task

    try:
        run(main())
    finally:
        for sock in opened:
            sock.close()


# ---- a wait that follows one for the same, and asks the system later ----


@pytest.mark.parametrize("kept", [False, True], ids=["closed", "open elsewhere and readable"])
@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_number_that_is_another_files_between_two_waits(loop, run, socket_pair, busy, kept):
    async def main():
        ours, peer = socket_pair()
        other, other_peer = socket_pair()
        going = busy

        def again():
            if going:
                loop.call_soon(again)

        again()
        for _ in range(3):  # so that the waits follow each other
            task = loop.create_task(loop.sock_recv(ours, 1))
            await turns(2)
            peer.send(b"x")
            assert await task == b"x"

        async def receive():
            received = await loop.sock_recv(ours, 1)
            before = ours.dup() if kept else None
            os.dup2(other.fileno(), ours.fileno())
            received += await loop.sock_recv(ours, 100)
            if before:
                before.close()
            return received

        task = loop.create_task(receive())
        await turns(2)
        peer.send(b"xy" if kept else b"x")
        await turns(3)
        assert not task.done()
        other_peer.send(b"of the other")
        assert await task == b"xof the other"
        going = False

    run(main())


def test_both_directions_of_a_number_that_is_another_files_between_two_waits(loop, run, socket_pair):
    async def main():
        ours, peer = socket_pair()
        other, other_peer = socket_pair()

        async def receive():
            received = await loop.sock_recv(ours, 1)
            os.dup2(other.fileno(), ours.fileno())
            sending = loop.create_task(loop.sock_sendall(ours, bytes(4 * MIB)))
            received += await loop.sock_recv(ours, 100)
            return received, sending

        task = loop.create_task(receive())
        await turns(2)
        peer.send(b"x")
        await turns(4)
        other_peer.send(b"y")
        received, sending = await task
        assert received == b"xy"
        left = 4 * MIB
        while left:
            left -= len(await loop.sock_recv(other_peer, MIB))
        await sending

    run(main())


def test_other_direction_begins_in_the_turn_of_a_wait_that_follows_another(loop, run, socket_pair):
    async def receive(ours, peer, other, other_peer):
        assert await loop.sock_recv(ours, 1) == b"x"
        os.dup2(other.fileno(), ours.fileno())
        receiving = loop.sock_recv(ours, 100)
        waiting = receiving.send(None)
        writable = loop.create_future()
        loop.add_writer(ours, lambda: writable.done() or writable.set_result(None))
        await writable
        assert loop.remove_writer(ours) is True
        other_peer.send(b"y")
        await asyncio.wait([waiting])
        with pytest.raises(StopIteration) as ends:
            receiving.send(None)
        return ends.value.value

    async def main():
        ours, peer = socket_pair()
        task = loop.create_task(receive(ours, peer, *socket_pair()))
        await turns(2)
        peer.send(b"x")
        assert await task == b"y"

    run(main())


def test_wait_that_follows_another_is_cancelled_removed_and_replaced(loop, run, socket_pair):
    async def main():
        ours, peer = socket_pair()

        async def receive(then):
            assert await loop.sock_recv(ours, 1) == b"x"
            loop.call_soon(then, asyncio.current_task())
            return await loop.sock_recv(ours, 100)

        async def begins(then):
            task = loop.create_task(receive(then))
            await turns(2)
            peer.send(b"x")
            await turns(5)
            return task

        first = await begins(asyncio.Task.cancel)
        assert first.cancelled() and not loop.remove_reader(ours)
        removed = []
        second = await begins(lambda task: removed.append(loop.remove_reader(ours)))
        assert removed == [True]
        peer.send(b"y")
        await turns(5)
        assert not second.done()
        assert ours.recv(10) == b"y"
        seen = []
        third = await begins(lambda task: loop.add_reader(ours, lambda: seen.append(ours.recv(10))))
        peer.send(b"z")
        await turns(5)
        assert seen == [b"z"] and not third.done()
        assert loop.remove_reader(ours) is True
        await ended(second, third)

    run(main())


def test_waits_of_many_sockets_that_are_always_ready(loop, run, socket_pair):
    """More than one round of what is asked seldom."""

    async def main():
        async def echo(sock):
            while data := await loop.sock_recv(sock, 100):
                await loop.sock_sendall(sock, data)

        async def ask(sock, mark):
            for i in range(100):
                await loop.sock_sendall(sock, mark + b"%d" % i)
                assert await loop.sock_recv(sock, 100) == mark + b"%d" % i
            sock.close()

        pairs = [socket_pair() for _ in range(5)]
        await asyncio.gather(
            *[echo(ours) for ours, _ in pairs], *[ask(peer, b"%d " % n) for n, (_, peer) in enumerate(pairs)]
        )

    run(main())


@pytest.mark.skipif(
    os.environ.get("GOLOOP_SELECTOR") in ("poll", "select"),
    reason="these can watch any file, and find it ready",
)
def test_wait_that_follows_another_for_what_cannot_be_watched(loop, run, socket_pair):
    """The number is another file's by now. Nobody is woken again and again: the wait is refused, as each that begins."""

    class Stubborn(socket.socket):
        attempts = 0

        def recv(self, size):
            self.attempts += 1
            if self.attempts > 2:
                raise BlockingIOError
            return super().recv(size)

    async def receive(ours, directory):
        received = await loop.sock_recv(ours, 1)
        os.dup2(directory, ours.fileno())
        with pytest.raises(PermissionError):
            await loop.sock_recv(ours, 1)
        return received

    async def main():
        plain, peer = socket_pair()
        directory = os.open(".", os.O_RDONLY)
        try:
            with Stubborn(fileno=plain.detach()) as ours:
                ours.setblocking(False)
                task = loop.create_task(receive(ours, directory))
                await turns(2)
                peer.send(b"x")
                assert await asyncio.wait_for(task, 5) == b"x"
                assert ours.attempts < 10
        finally:
            os.close(directory)

    run(main())


def test_wait_that_follows_another_is_asked_about_in_a_busy_loop(loop, run, socket_pair):
    """Each turn takes 2 ms, and tells the engine something that needs no turn of it."""

    async def main():
        ours, peer = socket_pair()
        other, other_peer = socket_pair()
        watched, _ = socket_pair()
        with pytest.raises(BlockingIOError):  # it is not writable
            while True:
                watched.send(bytes(4096))
        loop.add_reader(watched, int)
        count, before = 0, None

        def again():
            nonlocal count
            count += 1
            time.sleep(0.002)
            loop.add_writer(watched, int)
            loop.remove_writer(watched)
            if not task.done() and count < 200:
                loop.call_soon(again)

        async def receive():
            nonlocal before
            received = await loop.sock_recv(ours, 1)
            os.dup2(other.fileno(), ours.fileno())
            before = count
            loop.call_later(0, other_peer.send, b"y")
            return received + await loop.sock_recv(ours, 1)

        task = loop.create_task(receive())
        await turns(2)
        again()
        peer.send(b"x")
        assert await task == b"xy"
        assert count - before < 20
        loop.remove_reader(watched)

    run(main())
