"""Calls every public method with arguments of every kind, on asyncio and on goloop, and compares the ends.

    python api_calls.py NUMBER SEED

A program of its own, started by test_api_calls.py: a crash ends it, not the tests. A call's end is "returned" or
the type of its exception.
"""

import asyncio
import contextlib
import contextvars
import functools
import gc
import inspect
import io
import logging
import os
import selectors
import socket
import subprocess
import sys
import warnings

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

import goloop

LIMITS = (0.02, 2)  # seconds that a coroutine may take; then its end is TimeoutError, and it gets the second

# Not called: they do not return.
EXCLUDED = {("loop", "run_forever"), ("server", "serve_forever")}

CLOSED = (
    "asyncio's transports write to their socket when the loop is closed; ours is the engine's, and has gone"
)
LATE = (
    "asyncio's heap compares the times, later and in another callback's name; goloop converts a time at once"
)
PIPE = "asyncio's pipe has forgotten its loop by then, and misses an attribute"
LOST = "asyncio from 3.12 writes although the connection is lost, and misses what it has let go of"
SENDTO = "asyncio's datagram transport sends although it is lost, and misses its socket"
ITERATOR = "asyncio takes an iterator that yields nothing for data, and finds none"

# (subject, method, asyncio's end, goloop's end) -> why, and a call that shows it where that is on every Python
CHILD = "a closed loop starts no child, whatever is wrong with its arguments; asyncio's does, and fails then"
DIVERGENCES = {
    ("loop", "call_at", "left the loop with TypeError", "TypeError"): (LATE, ("open", ["str", "function"])),
    ("loop", "call_later", "left the loop with TypeError", "TypeError"): (LATE, ("open", ["1j", "function"])),
    ("stream", "write", "returned", "RuntimeError"): (CLOSED, ("closed loop", ["bytes"])),
    ("stream", "writelines", "returned", "RuntimeError"): (CLOSED, ("closed loop", ["list of bytes"])),
    ("stream", "write_eof", "returned", "RuntimeError"): (CLOSED, ("closed loop", [])),
    ("write pipe", "write", "returned", "RuntimeError"): (CLOSED, ("closed loop", ["bytes"])),
    ("write pipe", "writelines", "returned", "RuntimeError"): (CLOSED, ("closed loop", ["list of bytes"])),
    ("datagram", "sendto", "AttributeError", "returned"): (SENDTO, ("aborted", ["bytes"])),
    ("datagram", "sendto", "returned", "RuntimeError"): (CLOSED, None),
    ("stream", "writelines", "AssertionError", "returned"): (ITERATOR, None),
    ("stream", "writelines", "TypeError", "returned"): (LOST, None),
    ("stream", "writelines", "AttributeError", "returned"): (LOST, None),
    ("read pipe", "is_reading", "NotImplementedError", "returned"): (
        "asyncio's pipes have it since 3.11",
        None,
    ),
    ("write pipe", "abort", "AttributeError", "returned"): (PIPE, ("aborted", [])),
    **{
        ("loop", method, error, "RuntimeError"): (CHILD, None)
        for method in ("subprocess_exec", "subprocess_shell")
        for error in ("TypeError", "ValueError", "FileNotFoundError", "PermissionError")
    },
}


class World:
    """One loop, and the values of one call; everything in it is closed by :meth:`close`."""

    def __init__(self, loop):
        self.loop = loop
        self.opened = []

    def keep(self, thing):
        self.opened.append(thing)
        return thing

    def close(self):
        for thing in self.opened:
            try:
                thing.close()
            except Exception:
                pass


def closed(thing):
    thing.close()
    return thing


def tcp_listener(world):
    sock = world.keep(socket.socket())
    sock.bind(("127.0.0.1", 0))
    sock.listen()
    sock.setblocking(False)
    return sock


def tcp_client(world):
    sock = world.keep(socket.create_connection(tcp_listener(world).getsockname()))
    sock.setblocking(False)
    return sock


def unix_pair(world):
    ours, peer = socket.socketpair()
    world.keep(peer)
    ours.setblocking(False)
    return world.keep(ours)


def datagram_socket(world):
    sock = world.keep(socket.socket(type=socket.SOCK_DGRAM))
    sock.setblocking(False)
    sock.bind(("127.0.0.1", 0))
    return sock


def descriptor(world):
    """The same number in each call, and no signal's."""
    fd = os.dup2(unix_pair(world).fileno(), 200, False)
    return world.keep(io.FileIO(fd)).fileno()


def pipe_end(world, end):
    ends = os.pipe()
    os.set_blocking(ends[0], False)  # a method that iterates over its argument must not wait for a line
    files = [io.FileIO(fd, mode) for fd, mode in zip(ends, ("rb", "wb"))]
    return [world.keep(file) for file in files][end]


def regular_file(world):
    return world.keep(open(__file__, "rb"))


def done_future(world):
    future = world.loop.create_future()
    future.set_result(1)
    return future


async def coroutine():
    return 1


VALUES = {
    "None": lambda world: None,
    "True": lambda world: True,
    "0": lambda world: 0,
    "1": lambda world: 1,
    "-1": lambda world: -1,
    "10": lambda world: 10,
    "2**31": lambda world: 2**31,
    "10**30": lambda world: 10**30,
    "0.001": lambda world: 0.001,
    "nan": lambda world: float("nan"),
    "-inf": lambda world: float("-inf"),
    "1j": lambda world: 1j,
    "empty str": lambda world: "",
    "str": lambda world: "127.0.0.1",
    "surrogate": lambda world: "\ud800",
    "NUL": lambda world: "a\0b",
    "empty bytes": lambda world: b"",
    "bytes": lambda world: b"bytes",
    "bytearray": lambda world: bytearray(10),
    "memoryview": lambda world: memoryview(bytearray(8)).cast("I"),
    "strided": lambda world: memoryview(b"abcdef")[::2],
    "tuple": lambda world: (),
    "address": lambda world: ("127.0.0.1", 1),
    "long address": lambda world: ("::1", 1, 2, 3, 4),
    "list": lambda world: [],
    "list of bytes": lambda world: [b"a", b"b"],
    "list of str": lambda world: ["a"],
    "dict": lambda world: {},
    "object": lambda world: object(),
    "class": lambda world: int,
    "function": lambda world: lambda *args: None,
    "raising": lambda world: functools.partial(int, "x"),
    "protocol factory": lambda world: asyncio.Protocol,
    "buffered factory": lambda world: asyncio.BufferedProtocol,
    "datagram factory": lambda world: asyncio.DatagramProtocol,
    "subprocess factory": lambda world: asyncio.SubprocessProtocol,
    "protocol": lambda world: asyncio.Protocol(),
    "coroutine": lambda world: world.keep(coroutine()),
    "future": done_future,
    "context": lambda world: contextvars.copy_context(),
    "loop": lambda world: world.loop,
    "TCP listener": tcp_listener,
    "TCP client": tcp_client,
    "UDP socket": datagram_socket,
    "Unix socket": unix_pair,
    "closed socket": lambda world: closed(socket.socket()),
    "blocking socket": lambda world: world.keep(socket.socket()),
    "pipe to read": lambda world: pipe_end(world, 0),
    "pipe to write": lambda world: pipe_end(world, 1),
    "descriptor": descriptor,
    "regular file": regular_file,
    "closed file": lambda world: closed(io.BytesIO()),
    "exception": lambda world: ValueError("x"),
    "SIGUSR1": lambda world: 10,
    "SIGKILL": lambda world: 9,
    "PIPE": lambda world: subprocess.PIPE,
}

KEYWORDS = [
    "context",
    "sock",
    "ssl",
    "host",
    "port",
    "family",
    "flags",
    "proto",
    "local_addr",
    "remote_addr",
    "server_hostname",
    "backlog",
    "reuse_port",
    "start_serving",
    "offset",
    "count",
    "fallback",
    "name",
    "stdin",
    "stdout",
    "shell",
    "happy_eyeballs_delay",
    "default",
    "high",
    "low",
]


async def stream(world):
    transport, _ = await world.loop.create_connection(asyncio.Protocol, sock=tcp_client(world))
    return world.keep(transport)


async def datagram(world):
    transport, _ = await world.loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, sock=datagram_socket(world)
    )
    return world.keep(transport)


async def read_pipe(world):
    transport, _ = await world.loop.connect_read_pipe(asyncio.Protocol, pipe_end(world, 0))
    return world.keep(transport)


async def write_pipe(world):
    transport, _ = await world.loop.connect_write_pipe(asyncio.BaseProtocol, pipe_end(world, 1))
    return world.keep(transport)


class Child:
    """Ends the child of a subprocess transport, also where no loop is left to do it."""

    def __init__(self, transport):
        self.transport = transport
        self.popen = transport.get_extra_info("subprocess")

    def close(self):
        self.popen.kill()
        self.popen.wait()
        self.transport.close()


async def process(world):
    transport, _ = await world.loop.subprocess_exec(asyncio.SubprocessProtocol, "/bin/cat")
    world.keep(Child(transport))
    return transport


async def server(world):
    return world.keep(await world.loop.create_server(asyncio.Protocol, sock=tcp_listener(world)))


async def itself(world):
    return world.loop


async def handle(world):
    return world.loop.call_soon(int)


async def timer(world):
    return world.loop.call_later(100, int)


SUBJECTS = {
    "loop": (itself, asyncio.AbstractEventLoop),
    "stream": (stream, asyncio.Transport),
    "datagram": (datagram, asyncio.DatagramTransport),
    "read pipe": (read_pipe, asyncio.ReadTransport),
    "write pipe": (write_pipe, asyncio.WriteTransport),
    "process": (process, asyncio.SubprocessTransport),
    "server": (server, asyncio.AbstractServer),
    "handle": (handle, asyncio.Handle),
    "timer": (timer, asyncio.TimerHandle),
}


def methods():
    for subject, (_, interface) in SUBJECTS.items():
        for name in sorted(dir(interface)):
            public = not name.startswith("_") and callable(getattr(interface, name))
            if public and (subject, name) not in EXCLUDED:
                yield subject, name


async def end_of(world, call, limit):
    """What comes of a call, as a word."""
    try:
        result = call()
        if inspect.isawaitable(result):
            await asyncio.wait_for(result, limit)
    except asyncio.CancelledError:
        return "CancelledError"
    except Exception as exc:
        # asyncio.TimeoutError is the builtin one since 3.11.
        return "TimeoutError" if isinstance(exc, asyncio.TimeoutError) else type(exc).__name__
    for thing in result if isinstance(result, tuple) else [result]:
        if isinstance(thing, (asyncio.BaseTransport, asyncio.AbstractServer)):
            world.keep(thing)
    return "returned"


async def attempt(world, limit, subject, state, method, args, kwargs):
    target = await SUBJECTS[subject][0](world)
    if state == "closing" and hasattr(target, "close") and subject != "loop":
        target.close()
    if state == "cancelled" and hasattr(target, "cancel"):
        target.cancel()
    if state == "aborted" and hasattr(target, "abort"):
        target.abort()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    args = [VALUES[name](world) for name in args]
    kwargs = {key: VALUES[name](world) for key, name in kwargs.items()}
    return await end_of(world, lambda: getattr(target, method)(*args, **kwargs), limit)


def outcome(factory, limit, subject, state, method, args, kwargs):
    world = World(factory())
    world.loop.set_exception_handler(lambda loop, context: None)
    try:
        if state == "closed loop":
            target = world.loop.run_until_complete(SUBJECTS[subject][0](world))
            values = [VALUES[name](world) for name in args], {k: VALUES[v](world) for k, v in kwargs.items()}
            world.loop.close()
            try:
                result = getattr(target, method)(*values[0], **values[1])
                if inspect.iscoroutine(result):
                    try:
                        result.send(None)
                    finally:
                        result.close()
            except StopIteration:
                return "returned"
            except Exception as exc:
                return type(exc).__name__
            return "returned"
        main = world.loop.create_task(attempt(world, limit, subject, state, method, args, kwargs))
        try:
            return world.loop.run_until_complete(main)
        except Exception as exc:
            return f"left the loop with {type(exc).__name__}"
    finally:
        world.close()
        if not world.loop.is_closed():
            drain(world.loop)
        with contextlib.suppress(AttributeError):  # of what 3.10 takes for an executor
            world.loop.close()


def drain(loop):
    """Lets closed transports lose their connection, and waits for cancelled tasks."""
    try:
        for _ in range(4):
            loop.call_soon(loop.stop)
            loop.run_forever()
            for task in asyncio.all_tasks(loop):
                task.cancel()
    except Exception:
        pass  # the call has broken the loop, and outcome() has said so


names = st.sampled_from(sorted(VALUES))
calls = st.tuples(
    st.sampled_from(sorted(methods())),
    st.sampled_from(["open", "closing", "cancelled", "aborted", "closed loop"]),
    st.lists(names, max_size=4),
    st.dictionaries(st.sampled_from(KEYWORDS), names, max_size=1),
)


def asyncio_loop():
    """With the selector that goloop is forced to have: they differ in what they can watch."""
    forced = os.environ.get("GOLOOP_SELECTOR")
    selector = getattr(selectors, f"{forced.capitalize()}Selector") if forced else selectors.DefaultSelector
    return asyncio.SelectorEventLoop(selector())


def ends(subject, state, method, args, kwargs):
    """asyncio's and goloop's. A loaded machine makes one of them late: then both get more time."""
    for limit in LIMITS:
        pair = tuple(
            outcome(factory, limit, subject, state, method, args, kwargs)
            for factory in (asyncio_loop, goloop.new_event_loop)
        )
        if pair[0] == pair[1]:
            break
    return pair


def main(number, first):
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    sys.unraisablehook = lambda unraisable: None
    # Numbers that a call takes for descriptors: always the same files, which nothing can watch.
    null = os.open(os.devnull, os.O_RDWR)
    while os.dup(null) < 64:
        pass

    for (subject, method, *wanted), (_, example) in DIVERGENCES.items():
        if example:
            state, args = example
            assert list(ends(subject, state, method, args, {})) == wanted, (
                subject,
                method,
                "diverges no more",
            )

    @settings(
        max_examples=number,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @seed(first)
    @given(calls)
    def same_end(call):
        (subject, method), state, args, kwargs = call
        wanted, got = ends(subject, state, method, args, kwargs)
        main.calls += 1
        if main.calls % 100 == 0:
            gc.collect()  # transports of closed loops, with their descriptors
        same = got == wanted or (subject, method, wanted, got) in DIVERGENCES
        assert same, f"asyncio: {wanted}, goloop: {got}"

    main.calls = 0
    same_end()
    print(main.calls, "calls")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
