"""Wrong arguments: the same exception with the same text as asyncio's, computed from asyncio at run time."""

import asyncio
import inspect
import re
import socket
import ssl

import pytest

from protocols import Recorder, turns


def normalised(text):
    """The text without what differs by nature: addresses, class and module names, descriptors, ports."""
    text = re.sub(r"0x[0-9a-f]+", "0x", text)
    text = re.sub(r"\b(?:\w+\.)*(\w+)\(\)", r"\1()", text)
    text = re.sub(r"<[\w.]*(Transport|Server|Loop|Handle)\b[^<>]*(<[^<>]*>)?[^<>]*>", r"<\1>", text)
    text = re.sub(r"fd=\d+", "fd", text)
    return re.sub(r"laddr=\([^)]*\)", "laddr", text)


async def attempt(function, *args):
    try:
        result = function(*args)
        if inspect.isawaitable(result):
            result = await asyncio.wait_for(result, 5)
    except Exception as exc:
        return type(exc), normalised(str(exc))
    return "no exception", result


LOOP_CALLS = {
    "call_soon without callback": lambda loop: loop.call_soon(),
    "call_soon with keyword": lambda loop: loop.call_soon(print, end=""),
    "call_soon with bad context": lambda loop: bad_context(loop, "call_soon"),
    "call_soon_threadsafe without callback": lambda loop: loop.call_soon_threadsafe(),
    "call_soon_threadsafe with keyword": lambda loop: loop.call_soon_threadsafe(print, end=""),
    "call_later without arguments": lambda loop: loop.call_later(),
    "call_later without callback": lambda loop: loop.call_later(1),
    "call_later of a string": lambda loop: loop.call_later("1", print),
    "call_later of None": lambda loop: loop.call_later(None, print),
    "call_later of a list": lambda loop: loop.call_later([], print),
    "call_later of a huge int": lambda loop: loop.call_later(10**400, print),
    "call_later with keyword": lambda loop: loop.call_later(1, print, end=""),
    "call_at without callback": lambda loop: loop.call_at(1),
    "run_until_complete inside the loop": lambda loop: loop.run_until_complete(None),
    "create_task of None": lambda loop: loop.create_task(None),
    "create_task of a function": lambda loop: loop.create_task(print),
    "create_future with an argument": lambda loop: loop.create_future(1),
    "set_exception_handler of a string": lambda loop: loop.set_exception_handler("x"),
    "set_task_factory of a string": lambda loop: loop.set_task_factory("x"),
    "set_default_executor of a string": lambda loop: loop.set_default_executor("x"),
    "call_exception_handler without context": lambda loop: loop.call_exception_handler(),
    "add_reader without callback": lambda loop: loop.add_reader(0),
    "add_reader of a string": lambda loop: loop.add_reader("0", print),
    "add_writer of None": lambda loop: loop.add_writer(None, print),
    "remove_reader without arguments": lambda loop: loop.remove_reader(),
    "add_signal_handler without callback": lambda loop: loop.add_signal_handler(10),
    "run_in_executor without function": lambda loop: loop.run_in_executor(None),
    "create_connection without target": lambda loop: loop.create_connection(Recorder),
    "create_connection with server_hostname only": lambda loop: loop.create_connection(
        Recorder, "127.0.0.1", 1, server_hostname="x"
    ),
    "create_connection with ssl but no host": lambda loop: loop.create_connection(Recorder, sock=1, ssl=True),
    "create_connection with ssl_handshake_timeout only": lambda loop: loop.create_connection(
        Recorder, "127.0.0.1", 1, ssl_handshake_timeout=1
    ),
    "create_connection with host and sock": lambda loop: with_socket(
        lambda sock: loop.create_connection(Recorder, "127.0.0.1", 1, sock=sock)
    ),
    "create_connection with a datagram socket": lambda loop: with_socket(
        lambda sock: loop.create_connection(Recorder, sock=sock), socket.SOCK_DGRAM
    ),
    "create_connection to a bad port": lambda loop: loop.create_connection(
        Recorder, "127.0.0.1", "no-such-port"
    ),
    "create_connection to port 70000": lambda loop: loop.create_connection(Recorder, "127.0.0.1", 70000),
    "create_server without address": lambda loop: loop.create_server(Recorder),
    "create_server with ssl=True": lambda loop: loop.create_server(Recorder, "127.0.0.1", 0, ssl=True),
    "create_server with ssl_handshake_timeout only": lambda loop: loop.create_server(
        Recorder, "127.0.0.1", 0, ssl_handshake_timeout=1
    ),
    "create_server with host and sock": lambda loop: with_socket(
        lambda sock: loop.create_server(Recorder, "127.0.0.1", 0, sock=sock)
    ),
    "create_server with a datagram socket": lambda loop: with_socket(
        lambda sock: loop.create_server(Recorder, sock=sock), socket.SOCK_DGRAM
    ),
    "create_server on a foreign address": lambda loop: loop.create_server(Recorder, "192.0.2.1", 0),
    "create_server on port 70000": lambda loop: loop.create_server(Recorder, "127.0.0.1", 70000),
    "create_server with an unknown keyword": lambda loop: loop.create_server(
        Recorder, "127.0.0.1", 0, colour=1
    ),
    "connect_accepted_socket with a datagram socket": lambda loop: with_socket(
        lambda sock: loop.connect_accepted_socket(Recorder, sock), socket.SOCK_DGRAM
    ),
    "create_unix_connection without path": lambda loop: loop.create_unix_connection(Recorder),
    "create_unix_server without path": lambda loop: loop.create_unix_server(Recorder),
    "sock_recv of an SSLSocket": lambda loop: with_ssl_socket(lambda sock: loop.sock_recv(sock, 1)),
    "sock_sendall of an SSLSocket": lambda loop: with_ssl_socket(lambda sock: loop.sock_sendall(sock, b"x")),
    "sock_connect of an SSLSocket": lambda loop: with_ssl_socket(
        lambda sock: loop.sock_connect(sock, ("::1", 1))
    ),
    "sock_accept of an SSLSocket": lambda loop: with_ssl_socket(lambda sock: loop.sock_accept(sock)),
    "sock_recv of a string": lambda loop: loop.sock_recv("x", 1),
    "sock_sendall of a string": lambda loop: with_socket(lambda sock: loop.sock_sendall(sock, "x")),
    "sock_accept of a socket that does not listen": lambda loop: with_socket(loop.sock_accept),
    "sendfile of None": lambda loop: loop.sendfile(None, None),
    "start_tls without context": lambda loop: loop.start_tls(None, None, None),
    "create_datagram_endpoint without address": lambda loop: loop.create_datagram_endpoint(Recorder),
    "subprocess_exec with bufsize": lambda loop: loop.subprocess_exec(Recorder, "true", bufsize=1),
    "subprocess_shell of a list": lambda loop: loop.subprocess_shell(Recorder, ["true"]),
    "unknown attribute": lambda loop: loop.no_such_method,
}

# Python words these by the kind of function (Python or C) or by the name of the class.
WORDED_BY_KIND = re.compile(
    r"required positional|positional arguments? but|unexpected keyword|has no attribute 'no_such"
)


async def with_socket(function, type=socket.SOCK_STREAM):
    with socket.socket(type=type) as sock:
        sock.setblocking(False)
        await function(sock)


async def with_ssl_socket(function):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with context.wrap_socket(socket.socket(), do_handshake_on_connect=False) as sock:
        sock.setblocking(False)
        await function(sock)


async def bad_context(loop, method):
    """A context that is none fails when the callback runs; the report is the outcome."""
    reported = loop.create_future()
    previous = loop.get_exception_handler()
    loop.set_exception_handler(lambda loop, context: reported.set_exception(context["exception"]))
    try:
        getattr(loop, method)(print, context={})
        await reported
    finally:
        loop.set_exception_handler(previous)


@pytest.fixture
def model():
    loop = asyncio.SelectorEventLoop()
    yield loop
    loop.close()


@pytest.mark.parametrize("name", LOOP_CALLS)
def test_bad_loop_call_fails_as_in_asyncio(loop, run, model, name):
    expected = model.run_until_complete(attempt(LOOP_CALLS[name], model))
    outcome = run(attempt(LOOP_CALLS[name], loop))
    assert expected[0] != "no exception"
    if WORDED_BY_KIND.search(expected[1]):
        expected, outcome = expected[:1], outcome[:1]
    assert outcome == expected


TRANSPORT_CALLS = {
    "write of a string": lambda transport: transport.write("x"),
    "write of an int": lambda transport: transport.write(1),
    "write of None": lambda transport: transport.write(None),
    "write of a list": lambda transport: transport.write([b"x"]),
    "write without data": lambda transport: transport.write(),
    "write of an empty string": lambda transport: transport.write(""),
    "writelines of an int": lambda transport: transport.writelines(1),
    "writelines of strings": lambda transport: transport.writelines(["x"]),
    "writelines without data": lambda transport: transport.writelines(),
    "set_write_buffer_limits low above high": lambda transport: transport.set_write_buffer_limits(1, 2),
    "set_write_buffer_limits of a string": lambda transport: transport.set_write_buffer_limits("1"),
    "get_extra_info without name": lambda transport: transport.get_extra_info(),
    "set_protocol without protocol": lambda transport: transport.set_protocol(),
    "close with an argument": lambda transport: transport.close(1),
    "pause_reading with an argument": lambda transport: transport.pause_reading(1),
    "get_write_buffer_size with an argument": lambda transport: transport.get_write_buffer_size(1),
}

# What writelines makes of a bad argument has changed with every Python: only the type is compared.
TYPE_ONLY = {"writelines of an int", "writelines of strings", "set_write_buffer_limits of a string"}


async def attempt_on_transport(loop, function):
    ours, peer = socket.socketpair()
    with peer:
        transport, protocol = await loop.create_connection(Recorder, sock=ours)
        outcome = await attempt(function, transport)
        assert not transport.is_closing()
        transport.abort()
        await protocol.lost()
        await turns(2)
        return outcome


@pytest.mark.parametrize("name", TRANSPORT_CALLS)
def test_bad_transport_call_fails_as_in_asyncio(loop, run, model, name):
    expected = model.run_until_complete(attempt_on_transport(model, TRANSPORT_CALLS[name]))
    outcome = run(attempt_on_transport(loop, TRANSPORT_CALLS[name]))
    assert expected[0] != "no exception"
    if name in TYPE_ONLY or WORDED_BY_KIND.search(expected[1]):
        expected, outcome = expected[:1], outcome[:1]
    assert outcome == expected


@pytest.mark.parametrize("name", ["cancel", "cancelled", "when"])
def test_handle_methods_take_no_arguments(loop, name):
    handle = loop.call_later(1, print)
    with pytest.raises(TypeError, match=name):
        getattr(handle, name)(1)
    handle.cancel()


def test_what_the_words_for_no_bytes_raise_is_raised(loop, run, pipe):
    class Wordless:
        def __repr__(self):
            raise KeyError("words")

    async def main():
        _, writer = pipe()
        transport, protocol = await loop.connect_write_pipe(Recorder, writer)
        with pytest.raises(KeyError):
            transport.write(Wordless())
        transport.close()
        await protocol.lost()

    run(main())
