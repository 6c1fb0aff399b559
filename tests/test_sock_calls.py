"""What a call of sock_recv and its kin is, whoever makes it: a coroutine, of any socket, at any time."""

import asyncio
import gc
import inspect
import socket
import warnings

import pytest

from protocols import turns

CALLS = {
    "sock_recv": lambda loop, sock: loop.sock_recv(sock, 10),
    "sock_recv_into": lambda loop, sock: loop.sock_recv_into(sock, bytearray(10)),
    "sock_sendall": lambda loop, sock: loop.sock_sendall(sock, b"hello"),
}


@pytest.fixture(params=CALLS)
def call(request):
    return CALLS[request.param]


def test_call_is_a_coroutine(loop, socket_pair, call):
    coroutine = call(loop, socket_pair()[0])
    assert inspect.iscoroutine(coroutine) and asyncio.iscoroutine(coroutine)
    assert inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED
    coroutine.close()
    assert inspect.iscoroutinefunction(loop.sock_recv)


@pytest.mark.parametrize("name", CALLS)
def test_call_that_is_not_awaited_is_told_and_not_made(loop, socket_pair, name):
    ours, peer = socket_pair()
    peer.send(b"hello")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        CALLS[name](loop, ours)
        gc.collect()
    [warning] = caught
    assert f"{name}' was never awaited" in str(warning.message)
    assert ours.recv(10) == b"hello"


def test_task_of_a_call_shows_its_name(loop, run, socket_pair):
    async def main():
        task = loop.create_task(loop.sock_recv(socket_pair()[0], 10))
        await turns(2)
        assert "sock_recv() running at" in repr(task)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(main())


@pytest.mark.goloop_only  # asyncio's reader stays until the next call
def test_thrown_exception_ends_the_wait(loop, run, socket_pair):
    async def main():
        ours, peer = socket_pair()
        coroutine = loop.sock_recv(ours, 10)
        assert asyncio.isfuture(coroutine.send(None))
        with pytest.raises(LookupError, match="thrown") as caught:
            coroutine.throw(LookupError("thrown"))
        assert loop.remove_reader(ours) is False
        assert caught.value.__traceback__  # and with it the coroutine's frame
        peer.send(b"hello")
        assert await loop.sock_recv(ours, 10) == b"hello"

    run(main())


def test_data_that_another_takes_first_are_waited_for_again(loop, run, socket_pair):
    async def main():
        (ours, peer), (trigger, other) = socket_pair(), socket_pair()
        task = loop.create_task(loop.sock_recv(ours, 10))
        await turns(3)
        taken = []

        def take():
            taken.append(trigger.recv(1) + ours.recv(10))

        loop.add_reader(trigger, take)
        other.send(b"x")  # ready before ours: both loops call take() first
        peer.send(b"first")
        while not taken:
            await asyncio.sleep(0)
        loop.remove_reader(trigger)
        await turns(3)
        assert not task.done()
        peer.send(b"second")
        assert await task == b"second"
        assert taken == [b"xfirst"]

    run(main())


def test_socket_with_a_timeout_is_waited_for_as_long(loop, run, socket_pair):
    ours, peer = socket_pair()
    ours.settimeout(0.001)
    with pytest.raises(socket.timeout, match="timed out"):
        run(loop.sock_recv(ours, 10))
    peer.send(b"hello")
    assert run(loop.sock_recv(ours, 10)) == b"hello"


def test_blocking_socket_is_refused_in_debug_mode(loop, run, socket_pair, call):
    ours, _ = socket_pair()
    ours.setblocking(True)
    loop.set_debug(True)
    with pytest.raises(ValueError, match="the socket must be non-blocking"):
        run(call(loop, ours))


def test_replaced_method_of_socket_is_called(loop, run, socket_pair, monkeypatch):
    calls = []

    class Patched:
        def recv(self, n):
            calls.append(n)
            return self._recv(n)

    async def main():
        ours, peer = socket_pair()
        peer.send(b"hello")
        assert await loop.sock_recv(ours, 10) == b"hello"
        monkeypatch.setattr(socket.socket, "_recv", socket.socket.recv, raising=False)
        monkeypatch.setattr(socket.socket, "recv", Patched.recv, raising=False)
        peer.send(b"hello")
        assert await loop.sock_recv(ours, 7) == b"hello"

    run(main())
    assert calls == [7]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda loop, sock: loop.sock_recv(sock, -1), ValueError),
        (lambda loop, sock: loop.sock_recv(sock, "x"), TypeError),
        (lambda loop, sock: loop.sock_recv(sock, 1 << 100), OverflowError),
        (lambda loop, sock: loop.sock_recv_into(sock, b"constant"), TypeError),
        (lambda loop, sock: loop.sock_sendall(sock, "text"), TypeError),
        (lambda loop, sock: loop.sock_sendall(sock, memoryview(b"abcd")[::2]), BufferError),
    ],
    ids=["negative", "text for a size", "huge", "constant buffer", "text", "with gaps"],
)
def test_arguments_are_refused_in_the_words_of_the_socket(loop, run, socket_pair, call, error):
    ours, _ = socket_pair()
    with pytest.raises(error):
        run(call(loop, ours))


def test_nothing_is_asked_of_the_system_for_no_bytes(loop, run, socket_pair):
    ours, _ = socket_pair()
    assert run(loop.sock_recv(ours, 0)) == b""
    assert run(loop.sock_recv_into(ours, bytearray())) == 0
    assert run(loop.sock_sendall(ours, b"")) is None


def test_closed_socket_is_told_by_the_system(loop, run, socket_pair, call):
    ours, _ = socket_pair()
    ours.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        run(call(loop, ours))


def test_buffer_may_grow_while_its_data_are_waited_for(loop, run, socket_pair):
    async def main():
        ours, peer = socket_pair()
        buffer = bytearray(1)
        task = loop.create_task(loop.sock_recv_into(ours, buffer))
        await turns(3)
        buffer.extend(bytes(9))
        peer.send(b"hello")
        assert await task == 5
        assert buffer == b"hello" + bytes(5)

    run(main())


def test_data_may_be_resized_once_their_sending_has_been_cancelled(loop, run, socket_pair):
    """The traceback of what ended it is at hand then, with all frames."""

    async def send(sock, data):
        try:
            await loop.sock_sendall(sock, data)
        except asyncio.CancelledError:
            data.clear()

    async def main():
        ours, _ = socket_pair()
        data = bytearray(4 << 20)
        task = loop.create_task(send(ours, data))
        await turns(3)
        task.cancel()
        await task
        assert not data

    run(main())
