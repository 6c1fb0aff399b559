"""sock_recv, sock_sendall, sock_connect, sock_accept and their kin."""

import asyncio
import errno
import inspect
import io
import os
import re
import socket
import ssl
import tempfile

import pytest

from protocols import Recorder, reset, turns


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener


def test_sock_recv_returns_what_is_there(loop, run, socket_pair):
    ours, peer = socket_pair()
    peer.send(b"hello")
    assert run(loop.sock_recv(ours, 3)) == b"hel"
    assert run(loop.sock_recv(ours, 100)) == b"lo"
    peer.close()
    assert run(loop.sock_recv(ours, 100)) == b""


def test_sock_recv_waits_for_data(loop, run, socket_pair):
    async def main():
        ours, peer = socket_pair()
        task = loop.create_task(loop.sock_recv(ours, 100))
        await turns(3)
        assert not task.done()
        peer.send(b"hello")
        assert await task == b"hello"
        assert loop.remove_reader(ours) is False

    run(main())


def test_sock_recv_into_fills_the_buffer(loop, run, socket_pair):
    async def main():
        ours, peer = socket_pair()
        buffer = bytearray(5)
        task = loop.create_task(loop.sock_recv_into(ours, memoryview(buffer)[1:]))
        await turns(3)
        peer.send(b"hey")
        assert await task == 3
        assert buffer == b"\0hey\0"

    run(main())


def test_cancelled_sock_recv_takes_no_data(loop, run, socket_pair):
    async def main():
        ours, peer = socket_pair()
        task = loop.create_task(loop.sock_recv(ours, 100))
        await turns(3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        peer.send(b"hello")
        await turns(3)
        assert loop.remove_reader(ours) is False
        assert await loop.sock_recv(ours, 100) == b"hello"

    run(main())


def test_sock_recv_cancelled_and_asked_again_in_one_turn(loop, run, socket_pair):
    async def main():
        ours, peer = socket_pair()
        first = loop.create_task(loop.sock_recv(ours, 100))
        await turns(3)
        first.cancel()
        second = loop.create_task(loop.sock_recv(ours, 100))
        await turns(3)
        peer.send(b"hello")
        assert await second == b"hello"

    run(main())


def test_sock_sendall_sends_more_than_the_kernel_takes_at_once(loop, run, socket_pair):
    async def main():
        ours, peer = socket_pair()
        data = os.urandom(4 << 20)
        task = loop.create_task(loop.sock_sendall(ours, data))
        received = bytearray()
        while len(received) < len(data):
            received += await loop.sock_recv(peer, 1 << 20)
        assert await task is None
        assert received == data

    run(main())


def test_cancelled_sock_sendall_stops_sending(loop, run, socket_pair):
    async def main():
        ours, peer = socket_pair()
        task = loop.create_task(loop.sock_sendall(ours, bytes(4 << 20)))
        await turns(3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert loop.remove_writer(ours) is False
        ours.close()
        received = 0
        while chunk := await loop.sock_recv(peer, 1 << 20):
            received += len(chunk)
        assert 0 < received < 4 << 20

    run(main())


def test_sock_connect_and_sock_accept_meet(loop, run, listener):
    async def main():
        with socket.socket() as ours:
            ours.setblocking(False)
            accepting = loop.create_task(loop.sock_accept(listener))
            await turns(3)
            assert await loop.sock_connect(ours, listener.getsockname()) is None
            peer, address = await accepting
            with peer:
                assert address == ours.getsockname()
                assert peer.gettimeout() == 0
                await loop.sock_sendall(peer, b"hello")
                assert await loop.sock_recv(ours, 10) == b"hello"

    run(main())


def test_sock_connect_resolves_a_name(loop, run, listener):
    async def main():
        with socket.socket() as ours:
            ours.setblocking(False)
            await loop.sock_connect(ours, ("localhost", listener.getsockname()[1]))
            assert ours.getpeername() == listener.getsockname()

    run(main())


def test_sock_connect_refused_names_the_address(loop, run, listener):
    address = listener.getsockname()
    listener.close()
    with socket.socket() as ours:
        ours.setblocking(False)
        with pytest.raises(ConnectionRefusedError) as caught:
            run(loop.sock_connect(ours, address))
    assert caught.value.errno == errno.ECONNREFUSED
    assert caught.value.strerror == f"Connect call failed {address}"


def test_socket_after_sock_connect_is_as_after_connect(loop, run, listener):
    """What the system says of it next: of a connected one, and of one that was refused."""

    async def main():
        with socket.socket() as ours, socket.socket() as refused, socket.socket() as nobody:
            ours.setblocking(False)
            await loop.sock_connect(ours, listener.getsockname())
            assert ours.connect_ex(listener.getsockname()) == 0
            assert ours.connect_ex(listener.getsockname()) == errno.EISCONN
            nobody.bind(("127.0.0.1", 0))
            refused.setblocking(False)
            with pytest.raises(ConnectionRefusedError):
                await loop.sock_connect(refused, nobody.getsockname())
            assert await loop.sock_recv(refused, 10) == b""

    run(main())


def test_sock_connect_waits_until_the_connection_is_there(loop, run, full_listener):
    async def main():
        with socket.socket() as ours:
            ours.setblocking(False)
            task = loop.create_task(loop.sock_connect(ours, full_listener.getsockname()))
            await turns(5)
            assert not task.done()
            with pytest.raises(OSError):
                ours.getpeername()
            full_listener.setblocking(False)
            while not task.done():
                peer, _ = await loop.sock_accept(full_listener)  # makes room: the system asks again
                peer.close()
            assert await task is None
            assert ours.getpeername() == full_listener.getsockname()

    run(main())


def test_sock_connect_after_one_that_was_refused_waits_for_its_own(loop, run, full_listener):
    """Its socket has the same number, as where the next address is tried."""

    async def connect(refuses, numbers):
        with socket.socket() as ours:
            ours.setblocking(False)
            numbers.append(ours.fileno())
            with pytest.raises(ConnectionRefusedError):
                await loop.sock_connect(ours, refuses)
        with socket.socket() as ours:
            ours.setblocking(False)
            numbers.append(ours.fileno())
            await loop.sock_connect(ours, full_listener.getsockname())
            return ours.getpeername()

    async def main():
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            numbers = []
            task = loop.create_task(connect(nobody.getsockname(), numbers))
            await asyncio.sleep(0.05)  # long enough for an answer that is nobody's
            assert not task.done()
            assert len(numbers) == 2 and len(set(numbers)) == 1
            full_listener.setblocking(False)
            while not task.done():
                accepting = loop.create_task(loop.sock_accept(full_listener))
                await asyncio.wait({task, accepting}, return_when=asyncio.FIRST_COMPLETED)
                if accepting.done():
                    accepting.result()[0].close()
                else:
                    accepting.cancel()
            assert await task == full_listener.getsockname()

    run(main())


def test_sock_connect_that_cannot_begin_says_why_in_the_words_of_the_system(loop, run):
    with socket.socket() as ours:
        ours.setblocking(False)
        with pytest.raises(OSError) as caught:
            run(loop.sock_connect(ours, ("255.255.255.255", 1)))
    assert caught.value.strerror == os.strerror(caught.value.errno)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_sock_connect_to_a_port_given_as_text(loop, run, host):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as ours, socket.create_server((host, 0), family=family) as listener:
        ours.setblocking(False)
        run(loop.sock_connect(ours, (host, str(listener.getsockname()[1]))))
        assert ours.getpeername() == listener.getsockname()


def test_sock_connect_to_a_missing_unix_socket_fails(loop, run):
    with socket.socket(socket.AF_UNIX) as ours, tempfile.TemporaryDirectory() as folder:
        ours.setblocking(False)
        with pytest.raises(FileNotFoundError):
            run(loop.sock_connect(ours, os.path.join(folder, "none")))


def test_cancelled_sock_accept_leaves_the_connection_to_the_next(loop, run, listener):
    async def main():
        task = loop.create_task(loop.sock_accept(listener))
        await turns(3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with socket.create_connection(listener.getsockname()) as ours:
            peer, address = await loop.sock_accept(listener)
            peer.close()
            assert address == ours.getsockname()

    run(main())


def test_fifty_connections_through_sock_accept(loop, run, listener):
    async def main():
        async def connect(number):
            with socket.socket() as ours:
                ours.setblocking(False)
                await loop.sock_connect(ours, listener.getsockname())
                await loop.sock_sendall(ours, b"%d" % number)
                return await loop.sock_recv(ours, 10)

        async def serve():
            for _ in range(50):
                peer, _ = await loop.sock_accept(listener)
                with peer:
                    await loop.sock_sendall(peer, await loop.sock_recv(peer, 10))

        server = loop.create_task(serve())
        answers = await asyncio.gather(*(connect(number) for number in range(50)))
        await server
        assert answers == [b"%d" % number for number in range(50)]

    run(main())


def test_reset_by_peer_is_raised_by_sock_recv(loop, run, tcp_pair):
    async def main():
        ours, peer = tcp_pair()
        task = loop.create_task(loop.sock_recv(ours, 10))
        await turns(3)
        reset(peer)
        with pytest.raises(ConnectionResetError):
            await task

    run(main())


def test_transports_socket_is_refused_where_it_would_wait(loop, run, socket_pair):
    async def main():
        ours, _ = socket_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        refused = f"^File descriptor {ours.fileno()} is used by transport <"
        with pytest.raises(RuntimeError, match=refused):
            await loop.sock_recv(ours, 10)
        with pytest.raises(RuntimeError, match=refused):
            await loop.sock_recv_into(ours, bytearray(10))
        with pytest.raises(RuntimeError, match=refused):
            await loop.sock_sendall(ours, bytes(4 << 20))
        transport.close()
        await protocol.lost()

    run(main())


ADDRESS = ("127.0.0.1", 1)
CALLS = {
    "sock_recv": lambda: (1,),
    "sock_recv_into": lambda: (bytearray(1),),
    "sock_sendall": lambda: (b"x",),
    "sock_connect": lambda: (ADDRESS,),
    "sock_accept": lambda: (),
    "sock_sendfile": lambda: (io.BytesIO(),),
    "sock_recvfrom": lambda: (1,),
    "sock_recvfrom_into": lambda: (bytearray(1),),
    "sock_sendto": lambda: (b"x", ADDRESS),
}
SINCE_311 = {"sock_recvfrom", "sock_recvfrom_into", "sock_sendto"}
every_method = pytest.mark.parametrize(
    "method", [pytest.param(m, marks=pytest.mark.since("3.11") if m in SINCE_311 else ()) for m in CALLS]
)


@every_method
def test_debug_refuses_a_blocking_socket(loop, run, method):
    loop.set_debug(True)
    with socket.socket() as blocking:
        with pytest.raises(ValueError, match="^the socket must be non-blocking$"):
            run(getattr(loop, method)(blocking, *CALLS[method]()))


@every_method
def test_ssl_socket_is_refused(loop, run, method):
    with socket.socket() as plain:
        plain.setblocking(False)
        with ssl.create_default_context().wrap_socket(
            plain, do_handshake_on_connect=False, server_hostname="localhost"
        ) as sock:
            with pytest.raises(TypeError, match="^Socket cannot be of type SSLSocket$"):
                run(getattr(loop, method)(sock, *CALLS[method]()))


@every_method
def test_method_is_a_coroutine_function(loop, method):
    assert inspect.iscoroutinefunction(getattr(loop, method))
    with socket.socket() as sock:
        sock.setblocking(False)
        coroutine = getattr(loop, method)(sock, *CALLS[method]())
        with pytest.warns(RuntimeWarning, match=f"{method}' was never awaited"):
            del coroutine


def answer(coroutine):
    """The result of a coroutine that must not wait."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    finally:
        coroutine.close()
    raise AssertionError("it waits")


def test_ready_socket_is_answered_without_a_turn(loop, socket_pair, listener):
    ours, peer = socket_pair()
    assert answer(loop.sock_sendall(peer, b"hello")) is None
    assert answer(loop.sock_recv(ours, 3)) == b"hel"
    assert answer(loop.sock_recv_into(ours, bytearray(10))) == 2
    with socket.create_connection(listener.getsockname()) as client:
        conn, address = answer(loop.sock_accept(listener))
        conn.close()
        assert address == client.getsockname()


WRONG = {
    "sock_recv of None": ("sock_recv", (None,)),
    "sock_recv of a negative size": ("sock_recv", (-1,)),
    "sock_recv_into bytes": ("sock_recv_into", (b"12345",)),
    "sock_recv_into a number": ("sock_recv_into", (5,)),
    "sock_recv_into nothing": ("sock_recv_into", (bytearray(),)),
    "sock_sendall of a string": ("sock_sendall", ("hello",)),
    "sock_sendall of a number": ("sock_sendall", (7,)),
    "sock_sendall of None": ("sock_sendall", (None,)),
    "sock_accept of a connection": ("sock_accept", ()),
    "sock_connect of a connection": ("sock_connect", ("nowhere",)),
    "sock_connect of a number": ("sock_connect", (7,)),
    "sock_sendfile of text": ("sock_sendfile", (io.StringIO("x"),)),
    "sock_sendfile with a negative count": ("sock_sendfile", (io.BytesIO(), 0, -1)),
    "sock_sendfile with count 0": ("sock_sendfile", (io.BytesIO(), 0, 0)),
    "sock_sendfile from a negative offset": ("sock_sendfile", (io.BytesIO(), -1)),
    "sock_sendfile with a float": ("sock_sendfile", (io.BytesIO(), 0, 1.5)),
}


@pytest.mark.parametrize("closed", [False, True], ids=["open", "closed"])
@pytest.mark.parametrize("name", WRONG)
def test_wrong_call_fails_as_in_asyncio(loop, run, socket_pair, name, closed):
    method, args = WRONG[name]
    pairs = socket_pair(), socket_pair()

    def outcome(loop, sock):
        if closed:
            sock.close()
        try:
            return loop.run_until_complete(asyncio.wait_for(getattr(loop, method)(sock, *args), 5))
        except Exception as exc:
            return type(exc), re.sub("0x[0-9a-f]+|fd=[0-9]+", "0x", str(exc))

    model = asyncio.SelectorEventLoop()
    try:
        expected = outcome(model, pairs[0][0])
    finally:
        model.run_until_complete(model.shutdown_default_executor())
        model.close()
    assert outcome(loop, pairs[1][0]) == expected
    assert expected in (0, b"") or type(expected) is tuple


@pytest.mark.parametrize("what", ["a string", "no socket"])
def test_what_is_no_socket_fails_as_in_asyncio(loop, run, what):
    wrong = "socket" if what == "a string" else object()
    with pytest.raises(AttributeError, match="has no attribute 'recv'"):
        run(loop.sock_recv(wrong, 1))


@pytest.mark.since("3.11")
def test_datagrams_through_sock_sendto_and_sock_recvfrom(loop, run):
    async def main():
        with socket.socket(type=socket.SOCK_DGRAM) as ours, socket.socket(type=socket.SOCK_DGRAM) as peer:
            for sock in (ours, peer):
                sock.bind(("127.0.0.1", 0))
                sock.setblocking(False)
            task = loop.create_task(loop.sock_recvfrom(peer, 100))
            await turns(3)
            assert await loop.sock_sendto(ours, b"hello", peer.getsockname()) == 5
            assert await task == (b"hello", ours.getsockname())
            buffer = bytearray(3)
            await loop.sock_sendto(ours, b"you", peer.getsockname())
            assert await loop.sock_recvfrom_into(peer, buffer) == (3, ours.getsockname())
            assert buffer == b"you"

    run(main())


def test_sock_sendfile_sends_the_rest_of_the_file(loop, run, socket_pair):
    async def main():
        ours, peer = socket_pair()
        with tempfile.TemporaryFile() as file:
            data = os.urandom(1 << 20)
            file.write(data)
            file.seek(0)
            task = loop.create_task(loop.sock_sendfile(ours, file, 1000))
            received = bytearray()
            while len(received) < len(data) - 1000:
                received += await loop.sock_recv(peer, 1 << 20)
            assert await task == len(data) - 1000
            assert file.tell() == len(data)
        assert received == data[1000:]

    run(main())


def test_getaddrinfo_and_getnameinfo_answer(loop, run):
    [*_, address] = run(loop.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM))[0]
    assert address == ("127.0.0.1", 80)
    flags = socket.NI_NUMERICHOST | socket.NI_NUMERICSERV
    assert run(loop.getnameinfo(("127.0.0.1", 80), flags)) == ("127.0.0.1", "80")


def test_getaddrinfo_of_an_unknown_name_raises_gaierror(loop, run):
    with pytest.raises(socket.gaierror) as caught:
        run(loop.getaddrinfo("127.0.0.256", 80, flags=socket.AI_NUMERICHOST))
    assert re.search("not known|not supported", str(caught.value))
