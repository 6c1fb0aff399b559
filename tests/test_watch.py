"""add_reader and add_writer: callbacks on descriptors."""

import asyncio
import contextvars
import os
import re
import socket

import pytest

from protocols import Recorder


def run_turns(loop, count=3):
    for _ in range(count):
        loop.stop()
        loop.run_forever()


@pytest.mark.parametrize("kind", ["int", "socket"])
def test_reader_is_called_with_its_arguments_when_there_is_data(loop, socket_pair, kind):
    ours, peer = socket_pair()
    fd = ours.fileno() if kind == "int" else ours
    seen = []

    def read(*args):
        seen.append((args, ours.recv(10)))
        loop.stop()

    assert loop.add_reader(fd, read, 1, "two") is None
    run_turns(loop)
    assert seen == []
    peer.send(b"hello")
    loop.run_forever()
    assert seen == [((1, "two"), b"hello")]
    assert loop.remove_reader(fd) is True


@pytest.mark.parametrize("kind", ["int", "socket"])
def test_writer_is_called_with_its_arguments_when_there_is_room(loop, socket_pair, kind):
    ours, peer = socket_pair()
    fd = ours.fileno() if kind == "int" else ours
    seen = []

    def write(*args):
        seen.append(args)
        loop.stop()

    assert loop.add_writer(fd, write, 1, "two") is None
    loop.run_forever()
    assert seen == [(1, "two")]
    assert loop.remove_writer(fd) is True


def test_reader_is_called_again_while_data_remains(loop, socket_pair):
    ours, peer = socket_pair()
    peer.send(b"hello")
    seen = []

    def read():
        seen.append(ours.recv(1))
        if len(seen) == 5:
            loop.stop()

    loop.add_reader(ours, read)
    loop.run_forever()
    loop.remove_reader(ours)
    assert b"".join(seen) == b"hello"


def test_reader_is_called_for_end_of_file(loop, socket_pair):
    ours, peer = socket_pair()
    loop.add_reader(ours, loop.stop)
    peer.close()
    loop.run_forever()
    loop.remove_reader(ours)
    assert ours.recv(1) == b""


def test_both_directions_of_one_descriptor(loop, socket_pair):
    ours, peer = socket_pair()
    seen = []
    loop.add_reader(ours, seen.append, "read")
    loop.add_writer(ours, seen.append, "write")
    run_turns(loop)
    assert set(seen) == {"write"}
    peer.send(b"x")
    run_turns(loop)
    assert set(seen) == {"read", "write"}
    assert loop.remove_writer(ours) is True
    seen.clear()
    run_turns(loop)
    assert set(seen) == {"read"}
    assert loop.remove_reader(ours) is True
    seen.clear()
    run_turns(loop)
    assert seen == []


def test_readable_and_writable_calls_the_reader_first(loop, socket_pair):
    ours, peer = socket_pair()
    peer.send(b"x")
    seen = []
    loop.add_writer(ours, seen.append, "write")
    loop.add_reader(ours, seen.append, "read")
    run_turns(loop, 4)
    loop.remove_reader(ours)
    loop.remove_writer(ours)
    assert seen[:2] == ["read", "write"]


def test_second_add_replaces_the_callback(loop, socket_pair):
    ours, peer = socket_pair()
    peer.send(b"x")
    seen = []
    loop.add_reader(ours, seen.append, "first")
    loop.add_reader(ours, seen.append, "second")
    loop.add_writer(ours, seen.append, "third")
    loop.add_writer(ours, seen.append, "fourth")
    run_turns(loop)
    assert set(seen) == {"second", "fourth"}
    assert loop.remove_reader(ours) and loop.remove_writer(ours)
    assert not loop.remove_reader(ours) and not loop.remove_writer(ours)


def test_remove_tells_whether_there_was_a_callback(loop, socket_pair):
    ours, _ = socket_pair()
    assert loop.remove_reader(ours) is False
    assert loop.remove_writer(ours) is False
    loop.add_reader(ours, print)
    assert loop.remove_writer(ours) is False
    assert loop.remove_reader(ours) is True
    assert loop.remove_reader(ours) is False


@pytest.mark.parametrize("direction", ["reader", "writer"])
def test_callback_may_remove_itself(loop, socket_pair, direction):
    ours, peer = socket_pair()
    peer.send(b"x")
    seen = []

    def callback():
        seen.append(getattr(loop, f"remove_{direction}")(ours))

    getattr(loop, f"add_{direction}")(ours, callback)
    run_turns(loop, 5)
    assert seen == [True]


def test_callback_removed_by_an_earlier_one_of_the_turn_does_not_run(loop, socket_pair):
    pairs = [socket_pair() for _ in range(2)]
    seen = []

    def read(index):
        seen.append(index)
        for sock, _ in pairs:
            loop.remove_reader(sock)

    for index, (ours, peer) in enumerate(pairs):
        peer.send(b"x")
        loop.add_reader(ours, read, index)
    run_turns(loop, 5)
    assert len(seen) == 1


def test_descriptor_number_reused_in_the_turn_gets_no_stale_event(loop, socket_pair):
    pairs = [socket_pair() for _ in range(2)]
    fresh, fresh_peer = socket_pair()
    seen = []

    def read(index):
        seen.append(index)
        loop.remove_reader(pairs[index][0])
        other = pairs[1 - index][0]
        loop.remove_reader(other)
        os.dup2(fresh.fileno(), other.fileno())  # closes the other and takes its number
        loop.add_reader(other.fileno(), seen.append, "fresh")

    for index, (ours, peer) in enumerate(pairs):
        peer.send(b"x")
        loop.add_reader(ours, read, index)
    run_turns(loop, 5)
    assert seen in ([0], [1])
    fresh_peer.send(b"y")
    run_turns(loop)
    assert "fresh" in seen
    loop.remove_reader(pairs[1 - seen[0]][0])


def test_descriptor_closed_without_remove_can_be_removed_afterwards(loop, socket_pair):
    run_turns(loop)  # the first run may open descriptors of its own, and take the number
    ours, _ = socket_pair()
    fd = ours.fileno()
    loop.add_reader(fd, print, "never")
    ours.close()
    run_turns(loop)
    assert loop.remove_reader(fd) is True
    assert loop.remove_reader(fd) is False
    again, peer = socket_pair()
    assert again.fileno() == fd
    seen = []
    loop.add_reader(fd, seen.append, "again")
    peer.send(b"x")
    run_turns(loop)
    loop.remove_reader(fd)
    assert set(seen) == {"again"}


def test_pipes_can_be_watched(loop):
    reader, writer = os.pipe()
    seen = []

    def read():
        seen.append(os.read(reader, 10))
        loop.stop()

    loop.add_reader(reader, read)
    loop.add_writer(writer, seen.append, "writable")
    run_turns(loop)
    loop.remove_writer(writer)
    os.write(writer, b"x")
    loop.run_forever()
    loop.remove_reader(reader)
    os.close(reader)
    os.close(writer)
    assert seen[0] == "writable" and seen[-1] == b"x"


class Fileno:
    def __init__(self, number):
        self.number = number

    def fileno(self):
        return self.number


BAD = {
    "negative": lambda closed: -1,
    "string": lambda closed: "0",
    "float": lambda closed: 1.0,
    "None": lambda closed: None,
    "object": lambda closed: Exception,
    "fileno returns a string": lambda closed: Fileno("x"),
    "fileno returns a negative": lambda closed: Fileno(-5),
    "closed socket": lambda closed: closed,
    "number nobody has": lambda closed: 19_999,
    "beyond a C int": lambda closed: 2**40,
    "regular file": lambda closed: Fileno(os.open(__file__, os.O_RDONLY)),
}


@pytest.mark.parametrize("method", ["add_reader", "add_writer", "remove_reader", "remove_writer"])
@pytest.mark.parametrize("name", BAD)
def test_bad_descriptor_fails_as_in_asyncio(loop, method, name):
    def outcome(loop):
        sock = socket.socket()
        sock.close()
        fd = BAD[name](sock)
        try:
            return getattr(loop, method)(fd, *([print] if method.startswith("add") else []))
        except Exception as exc:
            return type(exc), re.sub("0x[0-9a-f]+", "0x", str(exc))
        finally:
            if name == "regular file":
                os.close(fd.number)

    if name == "regular file" and os.environ.get("GOLOOP_SELECTOR") in ("poll", "select"):
        assert outcome(loop) in (None, False)  # only epoll refuses one, and asyncio's default is epoll
        return
    model = asyncio.SelectorEventLoop()
    try:
        expected = outcome(model)
    finally:
        model.close()
    assert outcome(loop) == expected
    assert type(expected) is tuple or (method.startswith("remove") and expected is False)


@pytest.mark.parametrize("method", ["add_reader", "add_writer", "remove_reader", "remove_writer"])
def test_descriptor_of_a_transport_is_refused(loop, run, socket_pair, method):
    async def main():
        ours, _ = socket_pair()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        args = [print] if method.startswith("add") else []
        for fd in (ours, ours.fileno()):
            with pytest.raises(RuntimeError, match="^File descriptor .* is used by transport <"):
                getattr(loop, method)(fd, *args)
        transport.close()
        await protocol.lost()

    run(main())


def test_descriptor_of_a_closed_transport_can_be_watched_again(loop, run, socket_pair):
    async def main():
        ours, _ = socket_pair()
        number = ours.fileno()
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        transport.close()
        await protocol.lost()
        again, peer = socket_pair()
        assert again.fileno() == number
        readable = loop.create_future()
        loop.add_reader(again, readable.set_result, None)
        peer.send(b"x")
        await readable
        loop.remove_reader(again)

    run(main())


def test_chain_of_callbacks_does_not_starve_io(loop, socket_pair):
    ours, peer = socket_pair()
    seen = []

    def spin():
        if not seen:
            loop.call_soon(spin)
        else:
            loop.stop()

    loop.add_reader(ours, seen.append, "read")
    peer.send(b"x")
    loop.call_soon(spin)
    loop.run_forever()
    loop.remove_reader(ours)
    assert seen


def test_io_does_not_starve_timers_or_callbacks(loop, socket_pair):
    ours, peer = socket_pair()
    seen = set()

    def note(name):
        seen.add(name)
        if seen == {"callback", "timer"}:
            loop.stop()

    loop.add_writer(ours, int)  # ready at every turn
    loop.call_soon(loop.call_soon, note, "callback")
    loop.call_later(0.002, note, "timer")
    loop.run_forever()
    assert loop.remove_writer(ours)


def test_every_one_of_two_hundred_ready_descriptors_is_called(loop, socket_pair):
    pairs = [socket_pair() for _ in range(200)]
    seen = set()

    def read(index):
        pairs[index][0].recv(1)
        seen.add(index)
        if len(seen) == len(pairs):
            loop.stop()

    for index, (ours, peer) in enumerate(pairs):
        loop.add_reader(ours, read, index)
        peer.send(b"x")
    loop.run_forever()
    assert all(loop.remove_reader(ours) for ours, _ in pairs)
    assert len(seen) == 200


def test_failing_reader_is_reported_and_stays(loop, socket_pair, errors):
    ours, peer = socket_pair()
    peer.send(b"x")

    def read():
        raise LookupError("reader")

    loop.add_reader(ours, read)
    run_turns(loop, 3)
    assert loop.remove_reader(ours) is True
    assert len(errors) >= 2
    assert {str(context["exception"]) for context in errors} == {"reader"}


def test_close_with_callbacks_left_forgets_them(loop, socket_pair):
    ours, peer = socket_pair()
    peer.send(b"x")
    loop.add_reader(ours, print, "never")
    loop.add_writer(ours, print, "never")
    loop.close()
    assert ours.recv(1) == b"x"


def test_watched_descriptor_and_timer_run_in_the_context_of_their_caller(loop, run, socket_pair):
    async def main():
        ours, peer = socket_pair()
        place = contextvars.ContextVar("place")
        seen = []
        place.set("add_reader")
        loop.add_reader(ours, lambda: seen.append(place.get()))
        place.set("add_writer")
        loop.add_writer(peer, lambda: seen.append(place.get()))
        place.set("call_later")
        loop.call_later(0, lambda: seen.append(place.get()))
        peer.send(b"x")
        while len(set(seen)) < 3:
            await asyncio.sleep(0)
        loop.remove_reader(ours)
        loop.remove_writer(peer)
        return set(seen)

    assert run(main()) == {"add_reader", "add_writer", "call_later"}
