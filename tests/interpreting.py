"""What the programs of test_interpreters.py have in common: interpreters, and the whole work of a loop in each.

Sub-interpreters import this module too.
"""

import asyncio
import os
import pathlib
import socket
import ssl
import textwrap
import threading

import forking

HERE = str(pathlib.Path(__file__).parent)


class Interpreter:
    """A sub-interpreter with a GIL of its own ("isolated") or the main one's ("legacy"). It knows this module, and LOOP."""

    def __init__(self, kind, loop_name):
        import _interpreters  # 3.13 and newer

        self._module = _interpreters
        self.number = _interpreters.create(kind)
        self(f"""
            import sys
            sys.path.insert(0, {HERE!r})
            import asyncio, forking, interpreting, os, threading, time
            LOOP = {loop_name!r}
            new_event_loop = __import__(LOOP).new_event_loop
        """)

    def __call__(self, source):
        """Run a program in it, in this thread; what it raises is a RuntimeError with its traceback."""
        failed = self._module.run_string(self.number, textwrap.dedent(source))
        if failed is not None:
            raise RuntimeError(failed.errdisplay)

    def end(self):
        self._module.destroy(self.number)


def work(loop_name, folder):
    """Make a loop, use all of it, close it."""
    forking.run(loop_name, everything(loop_name, folder))


def in_threads(function, arguments):
    """Call the function for each argument, at once; the first failure is raised."""
    failures = []

    def call(argument):
        try:
            function(argument)
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=call, args=[argument]) for argument in arguments]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


async def everything(loop_name, folder):
    """Servers and clients of all kinds, TLS, timers, a child process, names and threads, at once."""
    assert type(asyncio.get_running_loop()).__module__.partition(".")[0] == loop_name
    jobs = (tcp(), tls(folder), unix(), datagrams(), sockets(), pipe(), timers(), child(), names(), threads())
    await asyncio.gather(*jobs)
    await asyncio.get_running_loop().shutdown_default_executor()


async def converse(reader, writer, rounds=20):
    for number in range(rounds):
        question = b"%06d " % number * 500
        writer.write(question)
        assert await reader.readexactly(len(question)) == question
    writer.close()
    await writer.wait_closed()


async def tcp():
    server = await asyncio.start_server(forking.echo, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    await asyncio.gather(*[converse(*await asyncio.open_connection(*address)) for _ in range(5)])
    server.close()
    await server.wait_closed()


async def tls(folder):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(folder, "server.pem"))
    server = await asyncio.start_server(forking.echo, "127.0.0.1", 0, ssl=context)
    context = ssl.create_default_context(cafile=os.path.join(folder, "authority.pem"))
    options = {"ssl": context, "server_hostname": "localhost"}
    await converse(*await asyncio.open_connection(*server.sockets[0].getsockname(), **options))
    server.close()
    await server.wait_closed()


async def unix():
    ours, peer = socket.socketpair()
    reader, writer = await asyncio.open_unix_connection(sock=peer)
    echoing = asyncio.ensure_future(forking.echo(reader, writer))
    await converse(*await asyncio.open_unix_connection(sock=ours))
    await echoing


class Answering(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport
        self.came = asyncio.Queue()

    def datagram_received(self, data, addr):
        self.came.put_nowait(data)
        if data.startswith(b"question"):
            self.transport.sendto(b"answer" + data[8:], addr)


async def datagrams():
    loop = asyncio.get_running_loop()
    server, _ = await loop.create_datagram_endpoint(Answering, local_addr=("127.0.0.1", 0))
    address = server.get_extra_info("sockname")
    client, protocol = await loop.create_datagram_endpoint(Answering, remote_addr=address)
    for number in range(10):
        client.sendto(b"question %d" % number)
        assert await protocol.came.get() == b"answer %d" % number
    client.close()
    server.close()
    await asyncio.sleep(0)


async def sockets():
    """The loop's sock_* methods, and add_reader."""
    loop = asyncio.get_running_loop()
    ours, peer = socket.socketpair()
    with ours, peer:
        ours.setblocking(False)
        peer.setblocking(False)
        receiving = asyncio.ensure_future(loop.sock_recv(ours, 100))
        await asyncio.sleep(0)
        await loop.sock_sendall(peer, b"by the loop")
        assert await receiving == b"by the loop"
        ready = loop.create_future()
        loop.add_reader(ours, lambda: ready.done() or ready.set_result(None))
        peer.send(b"seen")
        await ready
        assert loop.remove_reader(ours)


async def pipe():
    loop = asyncio.get_running_loop()
    reading, writing = (os.fdopen(end, mode, 0) for end, mode in zip(os.pipe(), ("rb", "wb")))
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), reading)
    transport, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, writing)
    transport.write(b"through")
    transport.close()
    assert await reader.read() == b"through"


async def timers():
    loop = asyncio.get_running_loop()
    fired = []
    now = loop.time()  # this thread may have to wait between two calls
    handles = [loop.call_at(now + 0.002 * (10 - number), fired.append, number) for number in range(10)]
    handles[4].cancel()
    await asyncio.sleep(0.03)
    assert fired == [9, 8, 7, 6, 5, 3, 2, 1, 0]


async def child():
    process = await asyncio.create_subprocess_exec(
        "/bin/sh",
        "-c",
        "read line; echo got $line; exit 7",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate(b"this\n")
    assert (out, process.returncode) == (b"got this\n", 7)


async def names():
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo("localhost", 80, family=socket.AF_INET, type=socket.SOCK_STREAM)
    assert [address for *_, address in found] == [("127.0.0.1", 80)]
    assert await loop.getnameinfo(("127.0.0.1", 80), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV) == (
        "127.0.0.1",
        "80",
    )


async def threads():
    """call_soon_threadsafe from threads, and the default executor."""
    loop = asyncio.get_running_loop()
    came = {number: [] for number in range(3)}

    def call(number):
        for step in range(300):
            loop.call_soon_threadsafe(came[number].append, step)

    await asyncio.gather(*[loop.run_in_executor(None, call, number) for number in came])
    await asyncio.sleep(0)
    assert came == {number: list(range(300)) for number in came}
