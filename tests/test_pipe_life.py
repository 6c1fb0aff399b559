"""Transports of pipes that nobody refers to, or whose loop has gone."""

import asyncio
import gc

import pytest

from protocols import turns


def test_write_pipe_that_nobody_refers_to_hears_that_its_reader_has_gone(loop, run, pipe):
    async def main():
        reader, writer = pipe()
        lost = loop.create_future()

        class Told(asyncio.Protocol):
            def connection_lost(self, exc):
                lost.set_result(exc)

        await loop.connect_write_pipe(Told, writer)
        await turns(2)
        gc.collect()
        reader.close()
        assert await lost is None

    run(main())


@pytest.mark.parametrize("method", ["connect_read_pipe", "connect_write_pipe"])
def test_forgotten_pipe_warns_and_closes(loop, run, pipe, method):
    async def main():
        files = pipe()
        file = files[method == "connect_write_pipe"]
        transport, _ = await getattr(loop, method)(asyncio.Protocol, file)
        if method == "connect_read_pipe":
            transport.pause_reading()
        await turns(2)
        return file, transport

    file, transport = run(main())
    if method == "connect_write_pipe":
        # The watch for the reader's close keeps it alive until the loop goes.
        loop.close()
    text = repr(transport)
    assert "closing" not in text
    with pytest.warns(ResourceWarning, match="unclosed transport"):
        del transport
        gc.collect()
    assert file.closed


def test_pipes_of_a_closed_loop_say_that_they_are_open(loop, run, pipe):
    async def main():
        files = pipe()
        return [
            files,
            (await loop.connect_read_pipe(asyncio.Protocol, files[0]))[0],
            (await loop.connect_write_pipe(asyncio.Protocol, files[1]))[0],
        ]

    files, *transports = run(main())
    run(asyncio.sleep(0))
    loop.close()
    for file, transport in zip(files, transports):
        assert repr(transport).endswith(f"fd={file.fileno()} open>")
        transport._pipe = None  # the test closes the files itself: no warning
    del transport
    transports.clear()
    gc.collect()
    assert not any(file.closed for file in files)
