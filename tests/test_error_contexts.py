"""What the exception handler is told when a callback of a protocol raises: asyncio's words, and asyncio's keys."""

import asyncio
import socket

import pytest

from protocols import DatagramRecorder, Recorder, fill, turns

LOST = "Exception in callback {}._call_connection_lost("
HANDLE = {"message", "exception", "handle"}
FATAL = {"message", "exception", "transport", "protocol"}


class Failing(Recorder):
    pass


class FailingDatagrams(DatagramRecorder):
    pass


def failing(name, factory=Failing):
    return lambda: factory(errors={name: LookupError("failed")})


async def over_tcp(loop, name):
    """An accepted connection whose protocol fails in a callback, until it is lost."""
    made = asyncio.Queue()

    def factory():
        made.put_nowait(protocol := failing(name)())
        return protocol

    server = await loop.create_server(factory, "127.0.0.1", 0)
    peer, reader = await loop.create_connection(Recorder, *server.sockets[0].getsockname())
    protocol = await made.get()
    await served(protocol, name, peer, reader)
    peer.abort()
    await protocol.lost()
    server.close()
    await server.wait_closed()
    return protocol


async def served(protocol, name, peer, reader):
    await protocol.called("connection_made")
    peer.write(b"data")
    await protocol.called("data_received")
    if name.endswith("_writing"):
        peer.pause_reading()
        await fill(protocol.transport, protocol)
        peer.resume_reading()
        await protocol.called("resume_writing")
    if name == "eof_received":
        peer.write_eof()
    else:
        protocol.transport.close()
    await protocol.lost()


async def connected(loop, name):
    ours, theirs = socket.socketpair()
    peer, reader = await loop.create_connection(Recorder, sock=theirs)
    _, protocol = await loop.create_connection(failing(name), sock=ours)
    await served(protocol, name, peer, reader)
    peer.abort()
    await reader.lost()
    return protocol


async def reading_pipe(loop, name, pipe):
    reader, writer = pipe()
    _, protocol = await loop.connect_read_pipe(failing(name), reader)
    writer.write(b"data")
    await protocol.called("data_received")
    writer.close()
    await protocol.lost()
    return protocol


async def writing_pipe(loop, name, pipe):
    reader, writer = pipe()
    transport, protocol = await loop.connect_write_pipe(failing(name), writer)
    await fill(transport, protocol)
    _, drain = await loop.connect_read_pipe(Recorder, reader)
    await protocol.called("resume_writing")
    transport.close()
    await protocol.lost()
    await drain.lost()
    return protocol


async def datagrams(loop, name):
    transport, protocol = await loop.create_datagram_endpoint(
        failing(name, FailingDatagrams), local_addr=("127.0.0.1", 0)
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.sendto(b"data", transport.get_extra_info("sockname"))
        await protocol.called("datagram_received")
    transport.close()
    await protocol.lost()
    return protocol


async def refused_datagrams(loop, name):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind(("127.0.0.1", 0))
        address = gone.getsockname()
    transport, protocol = await loop.create_datagram_endpoint(
        failing(name, FailingDatagrams), remote_addr=address
    )
    transport.sendto(b"data")
    await protocol.called("error_received")
    transport.close()
    await protocol.lost()
    return protocol


SOCKETS = [
    ("connection_made", "Exception in callback _Recording.connection_made(", HANDLE),
    ("data_received", "Fatal error: protocol.data_received() call failed.", FATAL),
    ("eof_received", "Fatal error: protocol.eof_received() call failed.", FATAL),
    ("pause_writing", "protocol.pause_writing() failed", FATAL),
    ("resume_writing", "protocol.resume_writing() failed", FATAL),
    ("connection_lost", LOST.format("_SelectorSocketTransport"), HANDLE),
]
CASES = [
    *[(over_tcp, *case) for case in SOCKETS],
    *[(connected, *case) for case in SOCKETS],
    (reading_pipe, "connection_made", "Exception in callback _Recording.connection_made(", HANDLE),
    (reading_pipe, "data_received", "Exception in callback _UnixReadPipeTransport._read_ready(", HANDLE),
    (reading_pipe, "eof_received", "Exception in callback _Recording.eof_received(", HANDLE),
    (
        reading_pipe,
        "connection_lost",
        LOST.format("_UnixReadPipeTransport"),
        HANDLE,
    ),
    (writing_pipe, "connection_made", "Exception in callback _Recording.connection_made(", HANDLE),
    (writing_pipe, "pause_writing", "protocol.pause_writing() failed", FATAL),
    (writing_pipe, "resume_writing", "protocol.resume_writing() failed", FATAL),
    (
        writing_pipe,
        "connection_lost",
        LOST.format("_UnixWritePipeTransport"),
        HANDLE,
    ),
    (datagrams, "connection_made", "Exception in callback _Recording.connection_made(", HANDLE),
    (datagrams, "datagram_received", "Exception in callback _SelectorDatagramTransport._read_ready(", HANDLE),
    (
        refused_datagrams,
        "error_received",
        "Exception in callback _SelectorDatagramTransport._read_ready(",
        HANDLE,
    ),
    (
        datagrams,
        "connection_lost",
        LOST.format("_SelectorTransport"),
        HANDLE,
    ),
]


@pytest.mark.parametrize("debug", [False, True], ids=["", "debug"])
@pytest.mark.parametrize(
    "kind, name, message, keys", CASES, ids=[f"{kind.__name__}-{name}" for kind, name, *_ in CASES]
)
def test_failure_of_a_callback_is_told_as_asyncio_tells_it(
    loop, run, request, errors, kind, name, message, keys, debug
):
    loop.set_debug(debug)
    pipe = [request.getfixturevalue("pipe")] if kind in (reading_pipe, writing_pipe) else []
    protocol = run(kind(loop, name, *pipe))
    [context] = errors
    assert context["message"].startswith(message)
    assert str(context["exception"]) == "failed"
    traced = {"source_traceback"} if debug and keys is HANDLE else set()
    assert set(context) == keys | traced
    if keys is HANDLE:
        assert isinstance(context["handle"], asyncio.Handle)
    else:
        assert context["protocol"] is protocol
        assert context["transport"] is protocol.transport


def test_arguments_of_connection_made_are_shown_in_debug_mode(loop, run, errors):
    loop.set_debug(True)
    run(over_tcp(loop, "connection_made"))
    [context] = errors
    assert "connection_made(<" in context["message"]


# asyncio leaves closing to the socket's finaliser
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_protocol_factory_that_raises_is_told_in_debug_mode(loop, run, server_context, errors, tls):
    def factory():
        raise LookupError("failed")

    async def main():
        loop.set_debug(True)
        server = await loop.create_server(factory, "127.0.0.1", 0, ssl=server_context if tls else None)
        with socket.create_connection(server.sockets[0].getsockname()):
            while not errors:
                await turns(1)
        server.close()

    run(main())
    [context] = errors
    assert context["message"] == "Error on transport creation for incoming connection"
    assert set(context) == {"message", "exception"}


@pytest.mark.parametrize("debug", [False, True], ids=["", "debug"])
def test_handshake_of_an_accepted_connection_that_fails_is_told_in_debug_mode(
    loop, run, serve_tls, errors, debug
):
    made = []

    def factory():
        made.append(Failing())
        return made[-1]

    async def main():
        loop.set_debug(debug)
        server, port = await serve_tls(factory)
        transport, peer = await loop.create_connection(Recorder, "127.0.0.1", port)
        transport.write(b"no TLS at all\r\n" * 10)
        await peer.lost()
        await turns(5)
        server.close()
        await server.wait_closed()

    run(main())
    told = [context for context in errors if context["message"].startswith("Error on transport creation")]
    assert [set(context) for context in told] == ([FATAL] if debug else [])
    assert [context["protocol"] for context in told] == (made if debug else [])
