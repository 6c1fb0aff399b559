"""The context in which each callback of a pipe runs: that of whoever caused it, as asyncio has it."""

import contextlib
import contextvars

from protocols import Recorder, fill, turns

PLACE = contextvars.ContextVar("place", default="nowhere")


@contextlib.contextmanager
def place(name):
    token = PLACE.set(name)
    try:
        yield
    finally:
        PLACE.reset(token)


class Witness(Recorder):
    """Notes the place in which each callback runs."""

    def __init__(self):
        super().__init__()
        self.places = {}

    def _record(self, name):
        self.places[name] = PLACE.get()
        super()._record(name)


def test_reading_until_the_end(loop, run, pipe):
    async def main():
        reader, writer = pipe()
        with place("creation"):
            _, witness = await loop.connect_read_pipe(Witness, reader)
        writer.write(b"x")
        await witness.received(1)
        writer.close()
        await witness.lost()
        return witness.places

    names = ["connection_made", "data_received", "eof_received", "connection_lost"]
    assert run(main()) == dict.fromkeys(names, "creation")


def test_reading_after_a_pause(loop, run, pipe):
    async def main():
        reader, writer = pipe()
        with place("creation"):
            transport, witness = await loop.connect_read_pipe(Witness, reader)
        transport.pause_reading()
        await turns(2)
        writer.write(b"x")
        writer.close()
        with place("resume"):
            transport.resume_reading()
        await witness.lost()
        return witness.places

    names = ["data_received", "eof_received", "connection_lost"]
    assert run(main()) == {"connection_made": "creation", **dict.fromkeys(names, "resume")}


def test_reader_that_goes(loop, run, pipe):
    async def main():
        reader, writer = pipe()
        with place("creation"):
            _, witness = await loop.connect_write_pipe(Witness, writer)
        reader.close()
        await witness.lost()
        return witness.places

    assert run(main()) == dict.fromkeys(["connection_made", "connection_lost"], "creation")


def test_write_that_fails(loop, run, pipe):
    async def main():
        reader, writer = pipe()
        with place("creation"):
            transport, witness = await loop.connect_write_pipe(Witness, writer)
        reader.close()
        with place("write"):
            transport.write(b"x")
        await witness.lost()
        return witness.places

    assert run(main()) == {"connection_made": "creation", "connection_lost": "write"}


def test_flow_control_and_the_end_of_a_closing_writer(loop, run, pipe):
    async def main():
        reader, writer = pipe()
        with place("creation"):
            transport, witness = await loop.connect_write_pipe(Witness, writer)
        with place("write"):
            await fill(transport, witness)
        with place("close"):
            transport.close()
        _, drain = await loop.connect_read_pipe(Recorder, reader)
        await drain.lost()
        await witness.lost()
        return witness.places

    names = ["pause_writing", "resume_writing", "connection_lost"]
    assert run(main()) == {"connection_made": "creation", **dict.fromkeys(names, "write")}


def test_terminal_whose_other_side_goes(loop, run, terminal):
    async def main():
        master, slave = terminal()
        with place("creation"):
            _, witness = await loop.connect_read_pipe(Witness, master)
        slave.close()
        await witness.lost()
        return witness.places

    assert run(main()) == dict.fromkeys(["connection_made", "connection_lost"], "creation")
