"""What transports say of themselves: logs, and what asyncio tells of a callback's arguments, have these texts."""

import re
import socket

import pytest

from protocols import Recorder


async def stream(loop, ends):
    transport, _ = await loop.create_connection(Recorder, sock=ends[0])
    return transport


async def datagrams(loop, ends):
    transport, _ = await loop.create_datagram_endpoint(Recorder, sock=ends[0])
    return transport


async def reading_pipe(loop, ends):
    transport, _ = await loop.connect_read_pipe(Recorder, ends[0])
    return transport


async def writing_pipe(loop, ends):
    transport, _ = await loop.connect_write_pipe(Recorder, ends[0])
    return transport


@pytest.mark.parametrize(
    "make, kind, text",
    [
        (stream, socket.SOCK_STREAM, "<_SelectorSocketTransport fd=N read=polling write=<idle, bufsize=0>>"),
        (
            datagrams,
            socket.SOCK_DGRAM,
            "<_SelectorDatagramTransport fd=N read=polling write=<idle, bufsize=0>>",
        ),
        (reading_pipe, socket.SOCK_STREAM, "<_UnixReadPipeTransport fd=N polling>"),
        (writing_pipe, socket.SOCK_STREAM, "<_UnixWritePipeTransport fd=N idle bufsize=0>"),
    ],
    ids=["stream", "datagrams", "reading pipe", "writing pipe"],
)
def test_the_text_and_the_class_have_asyncio_s_name(loop, run, make, kind, text):
    async def main():
        ends = socket.socketpair(socket.AF_UNIX, kind)
        for end in ends:
            end.setblocking(False)
        fd = ends[0].fileno()
        with ends[1]:
            transport = await make(loop, ends)
            try:
                assert (
                    re.sub(r"fd=\d+", f"fd={'N' if f'fd={fd} ' in repr(transport) else '?'}", repr(transport))
                    == text
                )
                assert repr(transport).startswith(f"<{type(transport).__name__} ")
            finally:
                transport.abort() if hasattr(transport, "abort") else transport.close()

    run(main())
