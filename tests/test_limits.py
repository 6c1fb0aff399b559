"""Limits of threads and of memory: what cannot be had is an exception, and the process lives."""

import textwrap

import pytest

pytestmark = pytest.mark.linux_only

PRELUDE = """
    import concurrent.futures.thread, encodings.idna, errno, limits
    import warnings

    kept = []
    BY_LIBC = dict(family=socket.AF_INET, flags=socket.AI_V4MAPPED)  # a question whose answer nobody keeps

    async def echo():
        async def serve(reader, writer):
            while data := await reader.read(1000):
                writer.write(data)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())

        async def trip():
            writer.write(b"x" * 100)
            await reader.readexactly(100)

        kept.append(trip)
        await trip()
        return trip

    def attempt(function, *args):
        try:
            return function(*args)
        except (MemoryError, RuntimeError, OSError) as exc:
            return exc

    def often(function):  # in processes that have no engine yet: Go begins its heap at a random place
        for _ in range(20):
            if (pid := os.fork()) == 0:
                function()
            assert os.waitpid(pid, 0)[1] == 0

    def leave(*words):  # without what a process at its limits may not do any more
        print(*words)
        os._exit(0)
"""


@pytest.fixture
def limited(script):
    return lambda source: script(textwrap.dedent(PRELUDE) + textwrap.dedent(source))


@pytest.mark.parametrize("mebibytes", [64, 256, 512, 640, 700, 740, 780, 800, 820, 830, 840, 860, 1024, 4096])
def test_first_loop_with_few_addresses(limited, mebibytes):
    out = limited(f"""
        def first_loop():
            limits.limit_addresses({mebibytes})
            loop = attempt(new_event_loop)
            if isinstance(loop, Exception):
                leave(type(loop).__name__, "RLIMIT_AS" in str(loop))
            leave(loop.run_until_complete(asyncio.sleep(0.01, "works")))

        often(first_loop)
    """)
    assert set(out.splitlines()) in ({"works"}, {"RuntimeError True"})


@pytest.mark.parametrize("mebibytes", [16, 48, 64, 128, 132, 136, 140, 1024])
def test_first_loop_with_little_data(limited, mebibytes):
    out = limited(f"""
        import resource

        def first_loop():
            with open("/proc/self/statm") as file:
                used = int(file.read().split()[5]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_DATA, (used + ({mebibytes} << 20),) * 2)
            loop = attempt(new_event_loop)
            if isinstance(loop, Exception):
                leave(type(loop).__name__, "RLIMIT_DATA" in str(loop))
            leave(loop.run_until_complete(asyncio.sleep(0.01, "works")))

        often(first_loop)
    """)
    assert set(out.splitlines()) in ({"works"}, {"RuntimeError True"})


@pytest.mark.goloop_only
def test_first_loop_can_be_tried_again(limited):
    out = limited("""
        for _ in range(3):
            limits.limit_addresses(200)
            print(type(attempt(new_event_loop)).__name__, len(os.listdir("/proc/self/task")))
            limits.lift_addresses()
        print(run(asyncio.sleep(0.01, "works")))
    """)
    assert out == "RuntimeError 1\n" * 3 + "works\n"


@pytest.mark.goloop_only
def test_first_loop_where_an_audit_hook_refuses_to_map(limited):
    out = limited("""
        asked = []

        def refuse(event, args):
            if event == "mmap.__new__":
                asked.append(event)
                raise ZeroDivisionError

        sys.addaudithook(refuse)
        print(run(asyncio.sleep(0.01, "works")), len(asked))
    """)
    assert out == "works 1\n"


@pytest.mark.goloop_only
def test_forked_child_with_few_addresses(limited):
    out = limited("""
        warnings.filterwarnings("ignore", ".*use of fork", DeprecationWarning)
        new_event_loop().close()
        pid = os.fork()
        if pid == 0:
            limits.limit_addresses(200)
            leave(type(attempt(new_event_loop)).__name__)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    """)
    assert out == "RuntimeError\n"


@pytest.mark.root_only
@pytest.mark.parametrize("threads", [0, 1, 2, 4, 5, 6, 7, 8, 9, 12])
def test_first_loop_with_few_threads(limited, threads):
    out = limited(f"""
        limits.limit_threads({threads})
        loop = attempt(new_event_loop)
        if isinstance(loop, Exception):
            leave(type(loop).__name__, "RLIMIT_NPROC" in str(loop))

        async def main():
            trip = await echo()
            for _ in range(100):
                await trip()
            lookups = [loop.getaddrinfo("localhost", port, **BY_LIBC) for port in range(1, 41)]
            answers = await asyncio.gather(*lookups, return_exceptions=True)
            return {{type(answer) for answer in answers}} <= {{list, RuntimeError}}

        leave("works", loop.run_until_complete(main()))
    """)
    assert out in ("works True\n", "RuntimeError True\n")


@pytest.mark.root_only
def test_lookups_without_another_thread(limited, loop_name):
    out = limited("""
        loop = new_event_loop()

        async def main():
            await loop.getaddrinfo("localhost", 1, **BY_LIBC)
            limits.limit_threads(0)
            trip = await echo()
            lookups = [loop.getaddrinfo("localhost", port, **BY_LIBC) for port in range(1, 101)]
            answers = await asyncio.gather(*lookups, return_exceptions=True)
            for _ in range(100):
                await trip()
            return sum(type(answer) is list for answer in answers), {type(answer) for answer in answers} <= {list, RuntimeError}

        leave(*loop.run_until_complete(main()))
    """)
    count, known = out.split()
    assert known == "True"
    if loop_name == "goloop":  # asyncio's executor refuses, unless a thread of it has nothing to do
        assert count == "100"


@pytest.mark.goloop_only  # asyncio forks, or has a thread of its own for each child
@pytest.mark.root_only
def test_children_without_another_thread(limited, monkeypatch):
    monkeypatch.setenv("GOLOOP_CHILD_WATCHER", "thread")
    out = limited("""
        loop = new_event_loop()

        async def main():
            limits.limit_threads(1)  # the child itself
            with open(os.devnull) as null:
                try:
                    process = await asyncio.create_subprocess_exec("true", stdin=null)
                except OSError as exc:
                    return exc.errno == errno.EAGAIN

        leave(loop.run_until_complete(main()))
    """)
    assert out == "True\n"


def test_loop_goes_on_when_memory_is_out(limited):
    out = limited("""
        loop = new_event_loop()

        async def main():
            trip = await echo()
            for first in range(3000, 4000, 50):  # Go's runtime has then what it keeps for each processor
                ports = range(first, first + 50)
                await asyncio.gather(*(loop.getaddrinfo("localhost", port, **BY_LIBC) for port in ports))
                await trip()
            limits.limit_addresses(40)
            taken = limits.take_all()
            for n in range(2000):
                await trip()
                try:
                    await loop.getaddrinfo("localhost", n + 1, **BY_LIBC)
                except RuntimeError:  # asyncio's executor, unless a thread of it has nothing to do
                    pass
                if n % 10 == 0:
                    a, b = socket.socketpair()
                    a.setblocking(False)
                    transport, _ = await loop.create_connection(asyncio.Protocol, sock=a)
                    transport.abort()
                    b.close()
            return n

        leave(loop.run_until_complete(main()))
    """)
    assert out == "1999\n"


TOO_MUCH = {
    "timers": "loop.call_later(1000 + n % 977, int)",
    "callbacks": "loop.call_soon(int)",
    "writes": "transport.write(piece)",
    "datagrams": "datagrams.sendto(piece)",
}


@pytest.mark.goloop_only  # a transport of asyncio's adds up its queue at each write: 30 minutes
@pytest.mark.parametrize("what", TOO_MUCH)
def test_memory_error_of_what_is_too_much(limited, what, tmp_path):
    out = limited(f"""
        loop = new_event_loop()
        piece = b"y" * 60

        async def main():
            trip = await echo()
            a, b = socket.socketpair()
            a.setblocking(False)
            transport, _ = await loop.create_connection(asyncio.Protocol, sock=a)
            peer = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            peer.bind({str(tmp_path / "peer")!r})
            datagrams, _ = await loop.create_datagram_endpoint(
                asyncio.DatagramProtocol, remote_addr=peer.getsockname(), family=socket.AF_UNIX
            )
            reserve = bytearray(4 << 20)
            limits.limit_addresses(40)
            try:
                for n in range(10**7):
                    {TOO_MUCH[what]}
                    if n % 4999 == 0 and {what!r} != "callbacks":
                        await asyncio.sleep(0)
            except MemoryError:
                del reserve  # to end the limit takes some itself
                limits.lift_addresses()
            transport.abort()
            datagrams.abort()
            kept.extend((b, peer))
            for _ in range(100):
                await trip()
            return n < 10**7 - 1

        leave(loop.run_until_complete(main()))
    """)
    assert out == "True\n"


CROWDS = {
    "callbacks": """
        for n in range(300_000):
            loop.call_soon(int)
        await asyncio.sleep(0.01)
    """,
    "timers": """
        for n in range(300_000):
            loop.call_later(0.001, int)
        await asyncio.sleep(0.1)
    """,
    "cancelled timers": """
        handles = [loop.call_later(1000 + n % 977, int) for n in range(300_000)]
        await asyncio.sleep(0)
        for handle in handles:
            handle.cancel()
        del handle, handles
    """,
    "writes": """
        a, b = socket.socketpair()
        a.setblocking(False)
        b.setblocking(False)
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=a)
        count = 200_000
        for n in range(count):
            transport.write(b"%0100d" % n)
        for n in range(count):
            assert int(await exactly(b, 100)) == n
        transport.close()
        b.close()
    """,
}


@pytest.mark.goloop_only  # asyncio's writes take minutes; what its heap and deque keep is Python's
@pytest.mark.with_gil
@pytest.mark.parametrize("crowd", CROWDS)
def test_memory_is_given_back(limited, crowd):
    out = limited(f"""
        loop = new_event_loop()
        rest = bytearray()

        async def exactly(sock, n):
            while len(rest) < n:
                rest.extend(await loop.sock_recv(sock, 1 << 16))
            data = bytes(rest[:n])
            del rest[:n]
            return data

        async def crowd():
{textwrap.indent(textwrap.dedent(CROWDS[crowd]), " " * 12)}

        async def main():
            await asyncio.sleep(0.01)
            before = limits.resident()
            await crowd()
            for _ in range(20):
                await asyncio.sleep(0.5)  # the table of timers is looked at once a second
                more = limits.resident() - before
                if more < 12:
                    return True
            return more

        leave(loop.run_until_complete(main()))
    """)
    assert out == "True\n"


@pytest.mark.goloop_only
def test_timers_after_their_table_was_given_back(limited):
    out = limited("""
        loop = new_event_loop()

        async def main():
            fired = []
            for round in range(3):
                keep = loop.call_later(1000, int)
                old = [loop.call_later(1000, fired.append, "old") for _ in range(20_000)]
                await asyncio.sleep(0)
                for handle in old:
                    handle.cancel()
                await asyncio.sleep(1.1)  # once a second
                await asyncio.sleep(0.01)
                new = [loop.call_later(0.001 * (n % 10), fired.append, n) for n in range(10_000)]
                await asyncio.sleep(0.1)
                keep.cancel()
            return sorted(fired) == sorted(list(range(10_000)) * 3)

        leave(loop.run_until_complete(main()))
    """)
    assert out == "True\n"
