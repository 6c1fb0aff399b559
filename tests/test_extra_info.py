"""get_extra_info of streams: what it tells, and when."""

import asyncio
import contextlib
import gc
import os
import socket
import sys

import pytest

from protocols import Recorder, turns

NAMES = ["peername", "socket", "sockname"]


async def both_ends(loop, family):
    """The transport of an accepted connection, and of one that was connected, with their protocols."""
    accepted = loop.create_future()

    class Accepted(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            accepted.set_result(self)

    address = "::1" if family == socket.AF_INET6 else "127.0.0.1"
    server = await loop.create_server(Accepted, address, 0)
    _, client = await loop.create_connection(Recorder, *server.sockets[0].getsockname()[:2])
    peer = await accepted
    server.close()
    return peer, client


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
@pytest.mark.parametrize(
    "order", [NAMES, NAMES[::-1], ["sslcontext", "peername", "nothing", "socket", "sockname"]]
)
def test_tells_the_socket_and_both_addresses_in_any_order(loop, run, family, order):
    async def main():
        ends = await both_ends(loop, family)
        told = [{name: end.transport.get_extra_info(name) for name in order} for end in ends]
        for ours, theirs in (told, told[::-1]):
            assert ours["sockname"] == theirs["peername"]
            assert ours["socket"].getsockname() == ours["sockname"]
            assert ours["socket"].family == family
            assert ours.get("sslcontext") is None
        for end, first in zip(ends, told):
            for name in NAMES:
                assert end.transport.get_extra_info(name) is first[name]
            assert end.transport.get_extra_info("nothing", 5) == 5
            end.transport.close()
        await turns(4)

    run(main())


@pytest.mark.parametrize("asked", [[], ["peername"], ["socket"]])
def test_tells_the_same_after_the_end(loop, run, asked):
    async def main():
        ends = await both_ends(loop, socket.AF_INET)
        for end in ends:
            for name in asked:
                assert end.transport.get_extra_info(name)
            end.transport.close()
        for end in ends:
            await end.lost()
            await turns(2)
            told = end.transport.get_extra_info("socket")
            assert told.fileno() == -1
            assert told.family == socket.AF_INET
            assert end.transport.get_extra_info("socket") is told
        ours, theirs = (end.transport for end in ends)
        assert ours.get_extra_info("sockname") == theirs.get_extra_info("peername") is not None
        assert ours.get_extra_info("peername") == theirs.get_extra_info("sockname") is not None

    run(main())


def test_tells_it_in_a_forked_child_too(script):
    out = script("""
        async def main():
            loop = asyncio.get_running_loop()
            accepted = loop.create_future()

            class Accepted(asyncio.Protocol):
                def connection_made(self, transport):
                    accepted.set_result(transport)

            server = await loop.create_server(Accepted, "127.0.0.1", 0)
            client, _ = await loop.create_connection(asyncio.Protocol, *server.sockets[0].getsockname())
            peer = await accepted
            pid = os.fork()
            if pid == 0:
                signal.alarm(15)
                told = [[end.get_extra_info(name) for name in ("sockname", "peername", "socket")] for end in (client, peer)]
                same = told[0][0] == told[1][1] and told[0][1] == told[1][0] == told[1][2].getsockname()
                os._exit(0 if same and None not in told[0] else 1)
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
            client.close()
            peer.close()
            server.close()

        run(main())
    """)
    assert out == "0\n"


def test_names_are_hashed(loop, run):
    async def main():
        ours, theirs = await both_ends(loop, socket.AF_INET)
        for name in (set(), [], {}):
            for _ in range(2):
                with pytest.raises(TypeError, match="unhashable"):
                    ours.transport.get_extra_info(name)
            assert theirs.transport.get_extra_info(frozenset(), 5) == 5
        ours.transport.close()
        theirs.transport.close()

    run(main())


@pytest.mark.goloop_only
def test_a_streams_connection_makes_no_socket_object(loop, run, monkeypatch):
    made = []
    original = socket.socket.__init__

    def init(self, *args, **options):
        made.append(options)
        original(self, *args, **options)

    async def main():
        done = loop.create_future()

        async def reply(reader, writer):
            writer.write(await reader.readline() + str(writer.get_extra_info("peername")).encode())
            writer.close()
            await writer.wait_closed()
            done.set_result(None)

        server = await asyncio.start_server(reply, "127.0.0.1", 0)
        client = socket.create_connection(server.sockets[0].getsockname())
        monkeypatch.setattr(socket.socket, "__init__", init)
        client.sendall(b"hello\n")
        await done
        monkeypatch.undo()
        with client:
            assert client.recv(100) == b"hello\n" + str(client.getsockname()).encode()
        server.close()

    run(main())
    assert not made


class Text(str):
    """A name of the program's."""


def test_name_may_be_any_string(loop, run):
    async def main():
        ends = await both_ends(loop, socket.AF_INET)
        for end in ends:
            assert end.transport.get_extra_info(Text("peername")) == end.transport.get_extra_info("peername")
            assert end.transport.get_extra_info("".join(["sock", "et"])) is end.transport.get_extra_info(
                "socket"
            )
            assert end.transport.get_extra_info(7, "default") == "default"
            end.transport.close()
        await turns(4)

    run(main())


class Interrupted(Exception):
    pass


def interrupt():
    """As a handler of a signal does, anywhere."""
    raise Interrupted


def with_a_break(step, inside, call):
    """Calls ``inside`` at that instruction of the Python code of a call, and tells whether it has so many.

    The collector waits meanwhile: what it runs in between is not of the call, and what that raises reaches nobody.
    """
    left = step

    def trace(frame, event, arg):
        nonlocal left
        frame.f_trace_opcodes = True
        if event in ("line", "opcode"):
            left -= 1
            if left == 0:
                inside()
        return trace

    before = sys.gettrace()
    gc.disable()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
        gc.enable()
    return left <= 0


async def closed(*ends):
    for end in ends:
        end.transport.close()
    await turns(4)


async def at_each_step(has):
    """Awaits has(1), has(2) and so on, until there is no such step."""
    step = 1
    while await has(step):
        step += 1


def after_exceptions_within(loop, run, name, check):
    """Breaks get_extra_info(name) off at each of its steps, and awaits check(peer, client, step) after each."""

    async def has(step):
        peer, client = await both_ends(loop, socket.AF_INET)
        more = True
        with contextlib.suppress(Interrupted):
            more = with_a_break(step, interrupt, lambda: peer.transport.get_extra_info(name))
        await check(peer, client, step)
        await closed(peer, client)
        return more

    run(at_each_step(has))


def test_tells_all_after_an_exception_within(loop, run):
    async def check(peer, client, step):
        assert None not in [peer.transport.get_extra_info(name) for name in NAMES], step

    after_exceptions_within(loop, run, "sockname", check)


def test_connection_outlives_an_exception_within(loop, run):
    async def check(peer, client, step):
        os.fstat(peer.transport.get_extra_info("socket").fileno())
        client.transport.write(b"data")
        await peer.until(lambda: peer.data == b"data")

    after_exceptions_within(loop, run, "socket", check)


def test_tells_the_same_to_who_asks_meanwhile(loop, run):
    """As from another thread."""

    async def has(step):
        peer, client = await both_ends(loop, socket.AF_INET)
        told = []

        def ask():
            told.append(peer.transport.get_extra_info("socket"))

        more = with_a_break(step, ask, ask)
        ask()
        assert told[0] is not None and all(each is told[0] for each in told), step
        await closed(peer, client)
        return more

    run(at_each_step(has))
