"""A cancelled sock_recv, sock_accept or sock_sendall: nothing is lost, nothing doubled, nothing goes on."""

import asyncio
import contextlib
import socket

import hypothesis
import pytest
from hypothesis import strategies as st

from protocols import turns


async def cancelled_when_ready(loop, call, make_ready, socket_pair):
    """Cancel a waiting call in the turn in which its descriptor becomes ready, after the loop has seen that."""
    task = loop.create_task(call)
    await turns(3)
    trigger, peer = socket_pair()

    def cancel():
        trigger.recv(1)
        task.cancel()

    loop.add_reader(trigger, cancel)
    make_ready()
    peer.send(b"x")  # ready after the call's descriptor, so its reader is called after the call's
    with pytest.raises(asyncio.CancelledError):
        await task
    loop.remove_reader(trigger)


def test_sock_recv_cancelled_when_data_have_come_leaves_them(loop, run, socket_pair):
    async def main():
        ours, peer = socket_pair()
        await cancelled_when_ready(loop, loop.sock_recv(ours, 100), lambda: peer.send(b"hello"), socket_pair)
        assert ours.recv(100) == b"hello"

    run(main())


def test_sock_recv_into_cancelled_when_data_have_come_leaves_them(loop, run, socket_pair):
    async def main():
        ours, peer = socket_pair()
        buffer = bytearray(5)
        call = loop.sock_recv_into(ours, buffer)
        await cancelled_when_ready(loop, call, lambda: peer.send(b"hello"), socket_pair)
        assert buffer == bytes(5)
        assert ours.recv(100) == b"hello"

    run(main())


@pytest.mark.since("3.11")
def test_sock_recvfrom_cancelled_when_a_datagram_has_come_leaves_it(loop, run, socket_pair):
    async def main():
        with socket.socket(type=socket.SOCK_DGRAM) as ours, socket.socket(type=socket.SOCK_DGRAM) as peer:
            ours.bind(("127.0.0.1", 0))
            ours.setblocking(False)
            call = loop.sock_recvfrom(ours, 100)
            await cancelled_when_ready(
                loop, call, lambda: peer.sendto(b"hello", ours.getsockname()), socket_pair
            )
            assert ours.recv(100) == b"hello"

    run(main())


def test_sock_accept_cancelled_when_a_connection_has_come_leaves_it(loop, run, socket_pair):
    async def main():
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            listener.setblocking(False)

            def connect():
                stack.enter_context(socket.create_connection(listener.getsockname()))

            await cancelled_when_ready(loop, loop.sock_accept(listener), connect, socket_pair)
            conn, _ = listener.accept()
            conn.close()

    run(main())


def test_timeout_of_sock_recv_takes_no_data(loop, run, socket_pair):
    async def main():
        ours, peer = socket_pair()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(loop.sock_recv(ours, 100), 0.001)
        assert loop.remove_reader(ours) is False
        peer.send(b"hello")
        assert await asyncio.wait_for(loop.sock_recv(ours, 100), 10) == b"hello"

    run(main())


def test_cancelled_sock_connect_leaves_the_number(loop, run, socket_pair, full_listener):
    async def main():
        ours = socket.socket()
        ours.setblocking(False)
        number = ours.fileno()
        task = loop.create_task(loop.sock_connect(ours, full_listener.getsockname()))
        while not loop.remove_writer(number):  # it waits; and now for ever
            await asyncio.sleep(0)
        await turns(3)
        assert not task.done()
        task.cancel()
        ours.close()
        again, peer = socket_pair()
        assert number in (again.fileno(), peer.fileno())
        peer.send(b"hello")
        assert await loop.sock_recv(again, 10) == b"hello"
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())


def test_coroutine_closed_while_it_waits_frees_the_descriptor(loop, run, socket_pair):
    async def main():
        ours, peer = socket_pair()
        coroutine = loop.sock_recv(ours, 10)
        coroutine.send(None)
        coroutine.close()
        peer.send(b"hello")
        assert await loop.sock_recv(ours, 10) == b"hello"

    run(main())


# asyncio's own loop loses what has come in the turn of a cancellation; see the tests above.
@pytest.mark.goloop_only
@hypothesis.settings(max_examples=100)
@hypothesis.given(
    st.lists(
        st.one_of(
            st.tuples(st.just("send"), st.integers(1, 50)),
            st.tuples(st.just("recv"), st.integers(1, 50)),
            st.tuples(st.just("recv_into"), st.integers(1, 50)),
            st.tuples(st.just("turns"), st.integers(1, 4)),
            st.tuples(st.just("cancel"), st.just(0)),
        ),
        max_size=60,
    )
)
def test_cancellations_neither_lose_nor_double_a_byte(loop, run, steps):
    sent, received = bytearray(), bytearray()
    task = None

    async def receive(kind, sock, size):
        if kind == "recv":
            received.extend(await loop.sock_recv(sock, size))
        else:
            buffer = bytearray(size)
            received.extend(buffer[: await loop.sock_recv_into(sock, buffer)])

    async def main():
        nonlocal task
        ours, peer = socket.socketpair()
        with ours, peer:
            ours.setblocking(False)
            for kind, number in steps:
                if kind == "send":
                    numbered = bytes((len(sent) + i) % 251 for i in range(number))
                    sent.extend(numbered)
                    peer.sendall(numbered)
                elif kind == "turns":
                    await turns(number)
                elif kind == "cancel":
                    if task:
                        task.cancel()
                elif task is None or task.done():
                    task = loop.create_task(receive(kind, ours, number))
            if task:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            peer.close()
            while rest := await loop.sock_recv(ours, 100):
                received.extend(rest)
            assert received == sent

    run(main())


@hypothesis.settings(max_examples=25)
@hypothesis.given(turns_before=st.integers(0, 12), reads=st.lists(st.integers(1, 200_000), max_size=12))
def test_cancelled_sock_sendall_has_sent_a_beginning(loop, run, turns_before, reads):
    data = bytes(range(251)) * 8_000

    async def main():
        ours, peer = socket.socketpair()
        with ours, peer:
            ours.setblocking(False)
            peer.setblocking(False)
            task = loop.create_task(loop.sock_sendall(ours, data))
            received = bytearray()
            await turns(turns_before)
            for size in reads:
                received += await loop.sock_recv(peer, size)
                await turns(1)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert loop.remove_writer(ours) is False
            await loop.sock_sendall(ours, b"") if task.cancelled() else None
            ours.close()
            while rest := await loop.sock_recv(peer, 1 << 20):
                received += rest
            assert data.startswith(received)
            assert task.cancelled() or received == data

    run(main())


# asyncio's own loop loses what has come in the turn of a cancellation; see the tests above.
@pytest.mark.goloop_only
@hypothesis.settings(max_examples=40)
@hypothesis.given(
    st.lists(st.sampled_from(["connect", "accept", "turn", "cancel"]), max_size=40),
)
def test_cancelled_sock_accept_loses_no_connection(loop, run, steps):
    clients, accepted = [], []
    task = None

    async def accept(listener):
        conn, address = await loop.sock_accept(listener)
        conn.close()
        accepted.append(address)

    async def main():
        nonlocal task
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            for step in steps:
                if step == "connect":
                    clients.append(socket.create_connection(listener.getsockname()))
                elif step == "turn":
                    await turns(1)
                elif step == "cancel":
                    if task:
                        task.cancel()
                elif task is None or task.done():
                    task = loop.create_task(accept(listener))
            if task:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            while len(accepted) < len(clients):
                await accept(listener)
            assert accepted == [client.getsockname() for client in clients]

    try:
        run(main())
    finally:
        for client in clients:
            client.close()
