"""connect_read_pipe and connect_write_pipe of what is opened by path: terminals, other character devices, FIFOs."""

import errno
import os
import sys

import pytest

from protocols import Recorder, turns


def test_terminal_is_read_until_the_other_side_closes(loop, run, terminal):
    async def main():
        master, slave = terminal()
        _, protocol = await loop.connect_read_pipe(Recorder, master)
        slave.write(b"line\n")
        assert await protocol.received(5) == b"line\n"
        slave.close()
        failure = await protocol.lost()
        assert failure.errno == errno.EIO
        assert "eof_received" not in protocol.calls

    run(main())


def test_terminal_is_written(loop, run, terminal):
    async def main():
        master, slave = terminal()
        transport, protocol = await loop.connect_write_pipe(Recorder, slave)
        receiving, receiver = await loop.connect_read_pipe(Recorder, master)
        transport.write(b"x" * 100_000)  # more than a terminal holds
        assert await receiver.received(100_000) == b"x" * 100_000
        transport.close()
        await protocol.lost()
        receiving.close()
        await receiver.lost()

    run(main())


def test_one_terminal_both_ways_by_one_number(loop, run, terminal, unbuffered):
    async def main():
        master, slave = terminal()
        screen, display = await loop.connect_write_pipe(Recorder, slave)
        keyboard, typed = await loop.connect_read_pipe(Recorder, unbuffered(os.dup(slave.fileno()), "rb"))
        outside, shown = await loop.connect_write_pipe(Recorder, master)
        got = []
        loop.add_reader(master, lambda: got.append(os.read(master.fileno(), 100)))
        outside.write(b"keys")
        assert await typed.received(4) == b"keys"
        screen.write(b"text")
        while b"".join(got) != b"text":
            await turns(1)
        assert loop.remove_reader(master)
        for transport, protocol in ((screen, display), (keyboard, typed), (outside, shown)):
            transport.close()
            await protocol.lost()

    run(main())


def test_null_device_is_written(loop, run, unbuffered):
    async def main():
        transport, protocol = await loop.connect_write_pipe(Recorder, unbuffered(os.devnull, "wb"))
        transport.write(b"nothing")
        await turns(2)
        assert transport.get_write_buffer_size() == 0
        transport.close()
        assert await protocol.lost() is None

    run(main())


def test_null_device_cannot_be_watched(loop, run, errors, unbuffered):
    if os.environ.get("GOLOOP_SELECTOR") in ("poll", "select"):
        pytest.skip("only epoll refuses it")

    async def main():
        transport, protocol = await loop.connect_read_pipe(Recorder, unbuffered(os.devnull, "rb"))
        await turns(3)
        assert not transport.is_closing()
        transport.pause_reading()
        with pytest.raises(PermissionError):
            transport.resume_reading()
        transport.close()
        assert await protocol.lost() is None

    run(main())
    assert [type(context["exception"]) for context in errors] == [PermissionError]
    assert errors.messages()[0].startswith("Exception in callback ")


def test_full_device_loses_the_connection(loop, run, unbuffered):
    async def main():
        transport, protocol = await loop.connect_write_pipe(Recorder, unbuffered("/dev/full", "wb"))
        transport.write(b"x")
        return await protocol.lost()

    assert run(main()).errno == errno.ENOSPC


def test_standard_streams_that_are_one_terminal(script, terminal):
    """stdin and stdout of a program in a terminal are the same open file."""
    master, slave = terminal()
    program = script.start(
        """
        async def main():
            loop = asyncio.get_running_loop()
            reader = asyncio.StreamReader()
            terminal = os.open("TERMINAL", os.O_RDWR | os.O_NOCTTY)
            os.dup2(terminal, 0)
            os.dup2(terminal, 1)
            os.close(terminal)
            source, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
            transport, protocol = await loop.connect_write_pipe(
                lambda: asyncio.streams.FlowControlMixin(loop=loop), sys.stdout)
            writer = asyncio.StreamWriter(transport, protocol, None, loop)
            while line := await reader.readline():
                writer.write(b"got " + line)
                await writer.drain()
                if line == b"end\\n":
                    break
            writer.close()
            source.close()
            await asyncio.sleep(0)
        run(main())
    """.replace("TERMINAL", os.ttyname(slave.fileno()))
    )
    master.write(b"one\nend\n")
    expected = b"got one\ngot end\n"
    received = b""
    while len(received) < len(expected):
        received += os.read(master.fileno(), 100)
    assert received == expected
    assert program.wait(10) == 0


def test_fifo_ends_with_its_last_writer(loop, run, unbuffered, tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)

    async def main():
        reading, protocol = await loop.connect_read_pipe(
            Recorder, unbuffered(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb")
        )
        first, writing = await loop.connect_write_pipe(Recorder, unbuffered(path, "wb"))
        with open(path, "wb", 0) as second:
            first.write(b"one ")
            assert await protocol.received(4) == b"one "
            first.close()
            await writing.lost()
            second.write(b"two")
            assert await protocol.received(7) == b"one two"
            assert not reading.is_closing()
        assert await protocol.lost() is None

    run(main())


@pytest.mark.goloop_only
@pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning")
def test_exit_while_a_transport_is_made_closes_no_number_twice(loop, terminal, monkeypatch):
    closed = []
    monkeypatch.setattr(os, "close", lambda fd, close=os.close: (closed.append(fd), close(fd)))

    def leave(frame, event, arg):
        if event == "c_return" and arg.__name__ == "_connected_pipe":
            sys.setprofile(None)
            raise KeyboardInterrupt

    async def main(slave):
        sys.setprofile(leave)
        await loop.connect_write_pipe(Recorder, slave)

    _, slave = terminal()
    try:
        with pytest.raises(KeyboardInterrupt):
            loop.run_until_complete(main(slave))
    finally:
        sys.setprofile(None)
    assert closed == []  # the transport had closed it already: its number may have been another's
