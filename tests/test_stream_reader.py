"""What arrives for a StreamReader: asyncio's methods take it, or whatever a program has put in their place."""

import asyncio
import contextlib
import sys

import hypothesis
import pytest
from hypothesis import strategies as st

from protocols import turns

REPLACEABLE = {
    "data_received": asyncio.StreamReaderProtocol,
    "feed_data": asyncio.StreamReader,
    "_wakeup_waiter": asyncio.StreamReader,
}


async def opened(pair, **options):
    """A reader and a writer on one end of a pair of sockets, and the other end."""
    near, far = pair()
    reader, writer = await asyncio.open_connection(sock=near, **options)
    return reader, writer, far


async def made(loop, pair, reader_class=asyncio.StreamReader, protocol_class=asyncio.StreamReaderProtocol):
    """A reader under a protocol of these classes."""
    near, far = pair()
    reader = reader_class(loop=loop)
    protocol = protocol_class(reader, loop=loop)
    transport, _ = await loop.create_connection(lambda: protocol, sock=near)
    return reader, protocol, transport, far


async def until(condition):
    while not condition():
        await asyncio.sleep(0)


async def fed_with(reader, size):
    await until(lambda: len(reader._buffer) == size)


async def changed(reader):
    """Until something has been fed."""
    waiter, before = reader._waiter, bytes(reader._buffer)
    await until(lambda: reader._buffer != before or reader._waiter is not waiter)


async def finish(writer):
    writer.close()
    with contextlib.suppress(Exception):  # of the connection
        await writer.wait_closed()


class Spy:
    """A method that notes that it was called, and calls what it stands for."""

    def __init__(self, method):
        self.calls = 0
        spy = self

        def called(*args):
            spy.calls += 1
            return method(*args)

        self.method = called


@pytest.mark.parametrize("name", REPLACEABLE)
def test_subclass_may_override(loop, run, socket_pair, name):
    spy = Spy(getattr(REPLACEABLE[name], name))
    derived = type("Derived", (REPLACEABLE[name],), {name: spy.method})
    classes = {"protocol_class" if name == "data_received" else "reader_class": derived}

    async def main():
        reader, _, transport, far = await made(loop, socket_pair, **classes)
        far.send(b"hello")
        assert await reader.readexactly(5) == b"hello"
        transport.close()
        await turns(3)

    run(main())
    assert spy.calls


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", REPLACEABLE)
def test_method_of_the_class_may_be_replaced(loop, run, socket_pair, monkeypatch, name, when):
    spy = Spy(getattr(REPLACEABLE[name], name))

    async def main():
        if when == "before":
            monkeypatch.setattr(REPLACEABLE[name], name, spy.method)
        reader, writer, far = await opened(socket_pair)
        far.send(b"one")
        assert await reader.readexactly(3) == b"one"
        monkeypatch.setattr(REPLACEABLE[name], name, spy.method)
        before = spy.calls
        far.send(b"two")
        assert await reader.readexactly(3) == b"two"
        assert spy.calls > before
        monkeypatch.undo()
        before = spy.calls
        far.send(b"three")
        assert await reader.readexactly(5) == b"three"
        assert spy.calls == before
        await finish(writer)

    run(main())


@pytest.mark.parametrize("name", REPLACEABLE)
def test_method_of_the_object_may_be_replaced(loop, run, socket_pair, name):
    async def main():
        reader, protocol, transport, far = await made(loop, socket_pair)
        far.send(b"one")
        assert await reader.readexactly(3) == b"one"
        owner = protocol if name == "data_received" else reader
        spy = Spy(getattr(owner, name))
        setattr(owner, name, spy.method)
        far.send(b"two")
        assert await reader.readexactly(3) == b"two"
        assert spy.calls
        delattr(owner, name)
        before = spy.calls
        far.send(b"three")
        assert await reader.readexactly(5) == b"three"
        assert spy.calls == before
        transport.close()
        await turns(3)

    run(main())


@pytest.mark.parametrize(
    "upgraded",
    [False, pytest.param(True, marks=pytest.mark.since("3.11"))],
    ids=["from the start", "by start_tls"],
)
def test_methods_may_be_replaced_over_tls(loop, run, monkeypatch, server_context, client_context, upgraded):
    async def reply(reader, writer):
        if upgraded:
            assert await reader.readline() == b"STARTTLS\n"
            writer.write(b"go\n")
            await writer.start_tls(server_context)
        while data := await reader.read(1000):
            writer.write(data)
            await writer.drain()
        await finish(writer)

    async def main():
        now = {"ssl": server_context} if not upgraded else {}
        server = await asyncio.start_server(reply, "127.0.0.1", 0, **now)
        now = {"ssl": client_context} if not upgraded else {}
        reader, writer = await asyncio.open_connection("localhost", server.sockets[0].getsockname()[1], **now)
        if upgraded:
            writer.write(b"STARTTLS\n")
            assert await reader.readline() == b"go\n"
            await writer.start_tls(client_context, server_hostname="localhost")
        for name in (None, *REPLACEABLE):
            spy = Spy(getattr(REPLACEABLE[name], name)) if name else None
            if spy:
                monkeypatch.setattr(REPLACEABLE[name], name, spy.method)
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
            monkeypatch.undo()
            assert not spy or spy.calls >= 2
        await finish(writer)
        server.close()
        await server.wait_closed()

    run(main())


def test_method_may_get_other_code(loop, run, socket_pair, monkeypatch):
    def feed_data(self, data):
        self._buffer.extend(data.upper())
        self._wakeup_waiter()

    async def main():
        reader, writer, far = await opened(socket_pair)
        far.send(b"one")
        assert await reader.readexactly(3) == b"one"
        monkeypatch.setattr(asyncio.StreamReader.feed_data, "__code__", feed_data.__code__)
        far.send(b"two")
        assert await reader.readexactly(3) == b"TWO"
        monkeypatch.undo()
        await finish(writer)

    run(main())


def test_property_may_stand_for_the_reader(loop, run, socket_pair, monkeypatch):
    async def main():
        reader, writer, far = await opened(socket_pair)
        other = asyncio.StreamReader(loop=loop)
        monkeypatch.setattr(asyncio.StreamReaderProtocol, "_stream_reader", property(lambda self: other))
        far.send(b"hello")
        assert await other.readexactly(5) == b"hello"
        monkeypatch.undo()
        assert not reader._buffer
        await finish(writer)

    run(main())


def test_attribute_may_become_a_property(loop, run, socket_pair, monkeypatch):
    waiters = {}

    async def main():
        reader, writer, far = await opened(socket_pair)
        stands = property(lambda self: waiters.get(self), waiters.__setitem__)
        monkeypatch.setattr(asyncio.StreamReader, "_waiter", stands, raising=False)
        loop.call_soon(far.send, b"hello")
        assert await reader.readexactly(5) == b"hello"
        assert waiters == {reader: None}
        monkeypatch.undo()
        await finish(writer)

    run(main())


def test_every_attribute_may_be_looked_at(loop, run, socket_pair, monkeypatch):
    seen = set()

    def getattribute(self, name):
        seen.add(name)
        return object.__getattribute__(self, name)

    async def main():
        reader, writer, far = await opened(socket_pair)
        monkeypatch.setattr(asyncio.StreamReader, "__getattribute__", getattribute)
        far.send(b"hello")
        await until(lambda: object.__getattribute__(reader, "_buffer"))
        monkeypatch.undo()
        assert {"feed_data", "_buffer", "_eof", "_wakeup_waiter"} <= seen
        await finish(writer)

    run(main())


@pytest.mark.parametrize("looked_at", [False, True], ids=["", "after vars()"])
def test_objects_may_have_more_attributes(loop, run, socket_pair, looked_at):
    async def main():
        reader, protocol, transport, far = await made(loop, socket_pair)
        for number, owner in enumerate((reader, protocol, reader, protocol)):
            setattr(owner, f"more{number}", number)
            if looked_at:
                assert vars(owner)[f"more{number}"] == number
            loop.call_soon(far.send, b"hello")
            assert await reader.readexactly(5) == b"hello"
            assert reader._waiter is None
        transport.close()
        await turns(3)

    run(main())


def test_buffer_may_be_replaced(loop, run, socket_pair):
    class Upper(bytearray):
        def extend(self, data):
            super().extend(data.upper())

    async def main():
        reader, writer, far = await opened(socket_pair)
        reader._buffer = Upper()
        far.send(b"hello")
        assert await reader.readexactly(5) == b"HELLO"
        reader._buffer = bytearray(b"begin ")
        far.send(b"end")
        assert await reader.readexactly(9) == b"begin end"
        await finish(writer)

    run(main())


def test_exported_buffer_ends_the_connection(loop, run, socket_pair, errors):
    async def main():
        reader, writer, far = await opened(socket_pair)
        with memoryview(reader._buffer):
            far.send(b"hello")
            await until(reader.exception)
        assert isinstance(reader.exception(), BufferError)
        await finish(writer)

    run(main())
    assert [context["message"] for context in errors] == [
        "Fatal error: protocol.data_received() call failed."
    ]


def test_data_after_the_end_was_fed_are_an_error(loop, run, socket_pair, errors):
    async def main():
        reader, writer, far = await opened(socket_pair)
        reader.feed_eof()
        far.send(b"hello")
        await until(reader.exception)
        assert str(reader.exception()) == "feed_data after feed_eof"
        await finish(writer)

    run(main())
    assert len(errors) == 1


def test_data_without_a_reader_are_dropped(loop, run, socket_pair):
    async def main():
        reader, protocol, transport, far = await made(loop, socket_pair)
        del reader
        far.send(b"hello")
        far.setblocking(False)
        transport.write(b"there")
        assert await loop.sock_recv(far, 5) == b"there"
        await turns(3)
        assert protocol._stream_reader is None
        assert not transport.is_closing()
        transport.close()
        await turns(3)

    run(main())


def test_waiter_of_the_program_is_woken(loop, run, socket_pair):
    class Waiter:
        def __init__(self, is_cancelled):
            self.is_cancelled = is_cancelled
            self.results = []

        def cancelled(self):
            return self.is_cancelled

        def set_result(self, result):
            self.results.append(result)

    async def main():
        reader, writer, far = await opened(socket_pair)
        for is_cancelled in (False, True):
            reader._waiter = waiter = Waiter(is_cancelled)
            far.send(b"hello")
            await until(lambda: len(reader._buffer) == 5)
            assert reader._waiter is None
            assert waiter.results == ([] if is_cancelled else [None])
            reader._buffer.clear()
        await finish(writer)

    run(main())


def test_woken_twice_is_an_error(loop, run, socket_pair, errors):
    async def main():
        reader, writer, far = await opened(socket_pair)
        reader._waiter = loop.create_future()
        reader._waiter.set_result(None)
        far.send(b"hello")
        await until(reader.exception)
        assert isinstance(reader.exception(), asyncio.InvalidStateError)
        await finish(writer)

    run(main())
    assert len(errors) == 1


@pytest.mark.parametrize("limit", [1, 10, 1000, 1 << 70, 10.0])
def test_reader_pauses_above_twice_its_limit(loop, run, socket_pair, limit):
    async def main():
        reader, writer, far = await opened(socket_pair, limit=limit)
        total = min(2 * int(limit), 5000)
        for size, fed, paused in ((total, total, False), (1, total + 1, limit <= 1000)):
            far.send(bytes(size))
            await fed_with(reader, fed)
            assert reader._paused == paused
        assert writer.transport.is_reading() != paused
        assert await reader.readexactly(total + 1) == bytes(total + 1)
        assert not reader._paused
        assert writer.transport.is_reading()
        await finish(writer)

    run(main())


def test_reader_in_debug_mode(loop, run, socket_pair):
    loop.set_debug(True)

    async def main():
        reader, writer, far = await opened(socket_pair)
        assert reader._source_traceback
        loop.call_soon(far.send, b"hello")
        assert await reader.readexactly(5) == b"hello"
        await finish(writer)

    run(main())


@pytest.mark.goloop_only
@pytest.mark.parametrize("more", [False, True], ids=["", "with an attribute of the program's"])
def test_what_is_asyncios_own_takes_no_frame(loop, run, socket_pair, more):
    names = set()

    async def main():
        reader, protocol, transport, far = await made(loop, socket_pair)
        if more:
            reader.more = protocol.more = True
        loop.call_soon(far.send, b"hello")
        sys.setprofile(lambda frame, event, argument: names.add(frame.f_code.co_name))
        try:
            assert await reader.readexactly(5) == b"hello"
        finally:
            sys.setprofile(None)
        transport.close()
        await turns(3)

    run(main())
    assert "readexactly" in names
    assert not names & {*REPLACEABLE, "_stream_reader"}


CHUNKS = st.tuples(st.just("chunk"), st.text("ab\n", min_size=1, max_size=40).map(str.encode))
READS = st.one_of(
    st.tuples(st.just("read"), st.integers(1, 40)),
    st.tuples(st.just("readexactly"), st.integers(1, 60)),
    st.tuples(st.just("readuntil"), st.sampled_from([b"\n", b"ab", b"\n\n"])),
    st.tuples(st.just("cancel"), st.none()),
)


class Ignored(asyncio.Transport):
    """What a reader pauses that nothing is behind."""

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass


class Fed:
    """A reader, and the read under way."""

    def __init__(self, loop, reader):
        self.loop, self.reader = loop, reader
        self.task = None
        self.results = []

    def read(self, method, argument):
        if self.task is None:
            self.task = self.loop.create_task(getattr(self.reader, method)(argument))

    def settle(self):
        if self.task is not None and self.task.done():
            cancelled = self.task.cancelled()
            error = None if cancelled else self.task.exception()
            self.results.append("cancelled" if cancelled else repr(error) if error else self.task.result())
            self.task = None

    def state(self):
        reader = self.reader
        return self.results, reader._buffer, reader._paused, reader._eof, self.task is None


@hypothesis.settings(max_examples=60)
@hypothesis.given(st.integers(1, 40), st.lists(st.one_of(CHUNKS, READS), max_size=30))
def test_chunks_and_reads_are_as_with_feed_data(loop, run, socket_pair, limit, steps):
    async def main():
        reader, writer, far = await opened(socket_pair, limit=limit)
        came, model = Fed(loop, reader), Fed(loop, asyncio.StreamReader(limit=limit, loop=loop))
        model.reader.set_transport(Ignored())
        sent = 0
        for kind, argument in [*steps, ("end", None)]:
            if kind == "chunk" and not model.reader._paused:
                sent += 1
                far.send(argument)
                model.reader.feed_data(argument)
                await changed(reader)
            elif kind == "cancel":
                for fed in (came, model):
                    if fed.task is not None:
                        fed.task.cancel()
            elif kind == "end":
                far.close()
                model.reader.feed_eof()
                await until(lambda: reader._eof or reader._paused)
            elif kind != "chunk":
                came.read(kind, argument)
                model.read(kind, argument)
            await turns(4)
            came.settle()
            model.settle()
            if kind != "end" or not model.reader._paused:
                assert came.state() == model.state()
        for fed in (came, model):
            if fed.task is not None:
                fed.task.cancel()
        await finish(writer)

    run(main())
