"""connect_read_pipe and connect_write_pipe: FIFOs, and sockets that are used as such."""

import asyncio
import contextvars
import errno
import os
import socket

import pytest

from protocols import Recorder, fill, turns


async def read_until_end(file):
    """Read a file that others write to, in a thread, until they have closed it."""
    loop = asyncio.get_running_loop()
    os.set_blocking(file.fileno(), True)
    return await loop.run_in_executor(None, file.read)


# reading


def test_read_pipe_delivers_until_the_end(loop, run, pipe):
    async def main():
        reader, writer = pipe()
        transport, protocol = await loop.connect_read_pipe(Recorder, reader)
        assert protocol.transport is transport
        writer.write(b"first")
        assert await protocol.received(5) == b"first"
        writer.write(b" last")
        writer.close()
        assert await protocol.lost() is None
        assert protocol.data == b"first last"
        assert protocol.calls[-2:] == ["eof_received", "connection_lost"]
        await turns(1)
        assert reader.closed
        assert transport.is_closing()
        assert transport.get_protocol() is None

    run(main())


def test_eof_closes_whatever_eof_received_returns(loop, run, pipe):
    async def main():
        reader, writer = pipe()
        _, protocol = await loop.connect_read_pipe(lambda: Recorder(keep_open=True), reader)
        writer.close()
        assert await protocol.lost() is None
        assert protocol.calls == ["connection_made", "eof_received", "connection_lost"]

    run(main())


def test_paused_read_pipe_leaves_the_bytes_in_it(loop, run, pipe):
    async def main():
        reader, writer = pipe()
        transport, protocol = await loop.connect_read_pipe(Recorder, reader)
        transport.pause_reading()
        writer.write(b"hello")
        await turns(5)
        assert protocol.data == b""
        assert os.read(reader.fileno(), 2) == b"he"
        transport.resume_reading()
        assert await protocol.received(3) == b"llo"
        transport.close()
        await protocol.lost()

    run(main())


@pytest.mark.since("3.11")
def test_read_pipe_tells_whether_it_reads(loop, run, pipe):
    async def main():
        reader, _ = pipe()
        transport, protocol = await loop.connect_read_pipe(Recorder, reader)
        reads = [transport.is_reading()]
        for change in (transport.pause_reading, transport.resume_reading, transport.close):
            change()
            reads.append(transport.is_reading())
        await protocol.lost()
        return reads

    assert run(main()) == [True, False, True, False]


def test_end_of_a_paused_pipe_waits(loop, run, pipe):
    async def main():
        reader, writer = pipe()
        transport, protocol = await loop.connect_read_pipe(Recorder, reader)
        transport.pause_reading()
        writer.write(b"last")
        writer.close()
        await turns(5)
        assert protocol.calls == ["connection_made"]
        transport.resume_reading()
        assert await protocol.lost() is None
        assert protocol.data == b"last"

    run(main())


@pytest.mark.since("3.11")
def test_pipe_paused_in_connection_made_does_not_read(loop, run, pipe):
    class Paused(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            transport.pause_reading()

    async def main():
        reader, writer = pipe()
        writer.write(b"hello")
        transport, protocol = await loop.connect_read_pipe(Paused, reader)
        await turns(5)
        assert protocol.data == b""
        transport.resume_reading()
        assert await protocol.received(5) == b"hello"
        transport.close()
        await protocol.lost()

    run(main())


def test_closed_read_pipe_leaves_the_rest_to_others(loop, run, pipe, unbuffered):
    async def main():
        reader, writer = pipe()
        other = unbuffered(os.dup(reader.fileno()), "rb")
        transport, protocol = await loop.connect_read_pipe(Recorder, reader)
        await turns(3)
        transport.close()
        writer.write(b"for another")
        assert await protocol.lost() is None
        assert other.read(100) == b"for another"
        assert protocol.calls == ["connection_made", "connection_lost"]

    run(main())


def test_data_received_that_raises_is_reported_and_reading_goes_on(loop, run, pipe, errors):
    async def main():
        reader, writer = pipe()
        failure = ZeroDivisionError()
        transport, protocol = await loop.connect_read_pipe(
            lambda: Recorder(errors={"data_received": failure}), reader
        )
        writer.write(b"one")
        await protocol.received(3)
        await turns(2)
        writer.write(b"two")
        assert await protocol.received(6) == b"onetwo"
        assert not transport.is_closing()
        transport.close()
        await protocol.lost()
        return failure

    failure = run(main())
    assert [context["exception"] for context in errors] == [failure]
    assert errors.messages()[0].startswith("Exception in callback ")


def test_read_error_is_reported(loop, run, errors):
    """EISDIR and its like are no end of a pipe: asyncio tells the exception handler."""

    async def main():
        # Reading a socket that was never connected fails; it may be used as a pipe all the same.
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        _, protocol = await loop.connect_read_pipe(Recorder, sock)
        return await protocol.lost()

    failure = run(main())
    assert isinstance(failure, OSError)
    assert errors.messages() == ["Fatal read error on pipe transport"]
    assert errors[0]["exception"] is failure


def test_lines_through_a_stream_reader(loop, run, pipe):
    async def main():
        reader, writer = pipe()
        stream = asyncio.StreamReader(limit=1000)
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), reader)
        feeding = loop.run_in_executor(None, write_lines, writer)
        lines = [line async for line in stream]  # its limit pauses the transport again and again
        await feeding
        transport.close()
        return lines

    def write_lines(writer):
        for number in range(5000):
            writer.write(b"line %d\n" % number)
        writer.close()

    assert run(main()) == [b"line %d\n" % number for number in range(5000)]


def test_read_pipe_has_no_writing_methods(loop, run, pipe):
    async def main():
        reader, _ = pipe()
        transport, protocol = await loop.connect_read_pipe(Recorder, reader)
        assert isinstance(transport, asyncio.ReadTransport)
        assert not isinstance(transport, asyncio.WriteTransport)
        assert not hasattr(transport, "write")
        assert not hasattr(transport, "abort")
        transport.close()
        await protocol.lost()

    run(main())


# writing


def test_write_pipe_keeps_the_order(loop, run, pipe):
    async def main():
        reader, writer = pipe()
        transport, protocol = await loop.connect_write_pipe(Recorder, writer)
        assert isinstance(transport, asyncio.WriteTransport)
        written = bytearray()
        reading = asyncio.ensure_future(read_until_end(reader))
        for number in range(2000):
            data = b"%d," % number * (number % 300)
            transport.write((bytes, bytearray, memoryview)[number % 3](data))
            written += data
            if number % 50 == 0:
                await turns(1)
        transport.writelines([b"the ", b"end"])
        transport.close()
        assert await reading == bytes(written) + b"the end"
        assert await protocol.lost() is None
        await turns(1)
        assert writer.closed

    run(main())


def test_write_eof_closes(loop, run, pipe):
    async def main():
        reader, writer = pipe()
        transport, protocol = await loop.connect_write_pipe(Recorder, writer)
        assert transport.can_write_eof()
        transport.write(b"all")
        transport.write_eof()
        assert transport.is_closing()
        transport.write_eof()  # twice is once
        assert await read_until_end(reader) == b"all"
        assert await protocol.lost() is None

    run(main())


def test_write_pipe_hears_that_its_reader_has_gone(loop, run, pipe):
    async def main():
        reader, writer = pipe()
        transport, protocol = await loop.connect_write_pipe(Recorder, writer)
        transport.write(b"unread")
        await turns(2)
        assert not transport.is_closing()
        reader.close()
        assert await protocol.lost() is None
        assert protocol.calls == ["connection_made", "connection_lost"]

    run(main())


def test_reader_that_has_gone_before_is_told_after_connection_made(loop, run, pipe):
    async def main():
        reader, writer = pipe()
        reader.close()
        _, protocol = await loop.connect_write_pipe(Recorder, writer)
        assert await protocol.lost() is None
        assert protocol.calls == ["connection_made", "connection_lost"]

    run(main())


def test_reader_that_goes_with_bytes_waiting_is_a_broken_pipe(loop, run, pipe):
    async def main():
        reader, writer = pipe()
        transport, protocol = await loop.connect_write_pipe(Recorder, writer)
        await fill(transport, protocol)
        reader.close()
        failure = await protocol.lost()
        assert type(failure) is BrokenPipeError
        assert failure.args == ()

    run(main())


def test_reader_that_goes_while_closing_is_a_broken_pipe(loop, run, pipe):
    async def main():
        reader, writer = pipe()
        transport, protocol = await loop.connect_write_pipe(Recorder, writer)
        await fill(transport, protocol)
        transport.close()
        await turns(2)
        reader.close()
        assert type(await protocol.lost()) is BrokenPipeError

    run(main())


def test_write_before_the_loss_is_noticed_is_a_broken_pipe(loop, run, pipe):
    async def main():
        reader, writer = pipe()
        transport, protocol = await loop.connect_write_pipe(Recorder, writer)
        reader.close()
        transport.write(b"x")
        failure = await protocol.lost()
        assert type(failure) is BrokenPipeError
        assert failure.errno == errno.EPIPE

    run(main())


def test_writes_after_the_end_warn_once_they_are_many(loop, run, pipe, caplog):
    async def main():
        _, writer = pipe()
        transport, protocol = await loop.connect_write_pipe(Recorder, writer)
        transport.close()
        warned = []
        for _ in range(7):
            transport.write(b"x")
            warned.append(len(caplog.records))
        await protocol.lost()
        return warned

    assert run(main()) == [0, 0, 0, 0, 0, 1, 2]
    assert caplog.records[0].getMessage() == "pipe closed by peer or os.write(pipe, data) raised exception."


def test_flow_control_of_a_write_pipe(loop, run, pipe):
    async def main():
        reader, writer = pipe()
        transport, protocol = await loop.connect_write_pipe(Recorder, writer)
        assert transport.get_write_buffer_limits() == (16384, 65536)
        transport.set_write_buffer_limits(high=1000, low=10)
        assert transport.get_write_buffer_limits() == (10, 1000)
        written = await fill(transport, protocol, b"x" * 5000)
        assert transport.get_write_buffer_size() > 1000
        reading = asyncio.ensure_future(read_until_end(reader))
        await protocol.until(lambda: not protocol.paused)
        assert transport.get_write_buffer_size() <= 10
        transport.close()
        assert await reading == written
        await protocol.lost()

    run(main())


def test_abort_drops_what_waits(loop, run, pipe):
    async def main():
        reader, writer = pipe()
        transport, protocol = await loop.connect_write_pipe(Recorder, writer)
        written = await fill(transport, protocol)
        transport.abort()
        assert transport.is_closing()
        assert await protocol.lost() is None
        assert len(await read_until_end(reader)) < len(written)

    run(main())


@pytest.mark.parametrize("data", [None, "text", 5, [b"x"]], ids=repr)
def test_only_bytes_are_written(loop, run, pipe, data):
    async def main():
        _, writer = pipe()
        transport, protocol = await loop.connect_write_pipe(Recorder, writer)
        with pytest.raises(AssertionError) as raised:
            transport.write(data)
        assert str(raised.value) == repr(data)
        transport.write(b"")
        assert transport.get_write_buffer_size() == 0
        transport.close()
        await protocol.lost()

    run(main())


def test_write_pipe_does_not_read(loop, run, pipe):
    async def main():
        _, writer = pipe()
        transport, protocol = await loop.connect_write_pipe(Recorder, writer)
        for method in (transport.is_reading, transport.pause_reading, transport.resume_reading):
            with pytest.raises(NotImplementedError):
                method()
        transport.close()
        await protocol.lost()

    run(main())


def test_small_pipe_takes_a_large_write_in_pieces(loop, run, pipe):
    async def main():
        reader, writer = pipe()
        transport, protocol = await loop.connect_write_pipe(Recorder, writer)
        data = os.urandom(1 << 20)
        transport.write(data)
        other, receiver = await loop.connect_read_pipe(Recorder, reader)
        assert await receiver.received(len(data)) == data
        transport.close()
        assert await receiver.lost() is None
        assert await protocol.lost() is None
        assert other.is_closing()

    run(main())


# what both have


def test_regular_file_is_refused(loop, run, tmp_path):
    async def main():
        with open(tmp_path / "file", "w+b") as file:
            with pytest.raises(ValueError, match=r"^Pipe transport is for pipes/sockets only\.$"):
                await loop.connect_read_pipe(Recorder, file)
            with pytest.raises(
                ValueError, match=r"^Pipe transport is only for pipes, sockets and character devices$"
            ):
                await loop.connect_write_pipe(Recorder, file)
            file.write(b"still open")

    run(main())


@pytest.mark.parametrize("method", ["connect_read_pipe", "connect_write_pipe"])
def test_closed_file_is_refused(loop, run, pipe, method):
    async def main():
        file, _ = pipe()
        file.close()
        with pytest.raises(ValueError, match="closed file"):
            await getattr(loop, method)(Recorder, file)

    run(main())


def test_extra_info_is_the_file(loop, run, pipe):
    async def main():
        files = pipe()
        reader, _ = await loop.connect_read_pipe(Recorder, files[0])
        writer, protocol = await loop.connect_write_pipe(Recorder, files[1])
        for transport, file in zip((reader, writer), files):
            assert transport.get_extra_info("pipe") is file
            assert transport._pipe is file
            assert transport._fileno == file.fileno()
            assert transport.get_extra_info("socket") is None
            assert transport.get_extra_info("socket", "none") == "none"
            assert not os.get_blocking(file.fileno())
            fd = file.fileno()
            assert f"fd={fd}" in repr(transport)
            transport.close()
            assert "closing" in repr(transport)
        await protocol.lost()
        await turns(1)
        for transport in (reader, writer):
            assert "closed" in repr(transport)
            assert transport._pipe is None

    run(main())


def test_set_protocol_changes_who_hears(loop, run, pipe):
    async def main():
        reader, writer = pipe()
        source, first = await loop.connect_read_pipe(Recorder, reader)
        second = Recorder()
        source.set_protocol(second)
        assert source.get_protocol() is second
        writer.write(b"x")
        await second.received(1)
        writer.close()
        assert await second.lost() is None
        assert first.calls == ["connection_made"]

    run(main())


def test_callbacks_run_in_the_context_of_the_call(loop, run, pipe):
    variable = contextvars.ContextVar("variable", default="default")
    seen = []

    class Looks(Recorder):
        def _record(self, name):
            seen.append((name, variable.get()))
            super()._record(name)

    async def main():
        files = pipe()
        variable.set("reader")
        _, reader = await loop.connect_read_pipe(Looks, files[0])
        files[1].write(b"x")
        await reader.received(1)
        variable.set("changed")
        files[1].close()
        await reader.lost()
        expected = ["connection_made", "data_received", "eof_received", "connection_lost"]
        assert seen == [(name, "reader") for name in expected]
        seen.clear()
        files = pipe()
        variable.set("writer")
        _, writer = await loop.connect_write_pipe(Looks, files[1])
        files[0].close()
        await writer.lost()
        assert seen == [("connection_made", "writer"), ("connection_lost", "writer")]

    run(main())


def test_number_of_a_closed_pipe_can_be_used_again(loop, run, pipe):
    async def main():
        numbers = set()
        for count in range(20):
            reader, writer = pipe()
            numbers.add((reader.fileno(), writer.fileno()))
            source, receiver = await loop.connect_read_pipe(Recorder, reader)
            sink, sender = await loop.connect_write_pipe(Recorder, writer)
            sink.write(b"%d" % count)
            sink.close()
            assert await receiver.lost() is None
            assert receiver.data == b"%d" % count
            await sender.lost()
            source.close()
            await turns(2)
        return numbers

    assert len(run(main())) < 20


# sockets as pipes


def test_both_ends_of_a_socket(loop, run, socket_pair):
    async def main():
        ours, peer = socket_pair()
        sink, sender = await loop.connect_write_pipe(Recorder, ours)
        source, receiver = await loop.connect_read_pipe(Recorder, peer)
        sink.write(b"through")
        assert await receiver.received(7) == b"through"
        source.close()
        await receiver.lost()
        assert await sender.lost() is None

    run(main())


def test_socket_that_is_sent_to_is_taken_as_closed(loop, run, socket_pair):
    async def main():
        ours, peer = socket_pair()
        _, sender = await loop.connect_write_pipe(Recorder, ours)
        peer.send(b"unasked")
        assert await sender.lost() is None

    run(main())
