"""Many connections in one turn: goloop serves them with one system call, where the system has io_uring."""

import pathlib
import random
import textwrap

import pytest

from protocols import Recorder, turns

HERE = str(pathlib.Path(__file__).parent)

# A program with 20 echoing connections; talk() sends each of them a message and checks what comes back.
CROWD = """
    class Echo(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport

        def data_received(self, data):
            self.transport.write(data[:1])
            self.transport.write(data[1:])

        def connection_lost(self, exc):
            self.lost.set_result(exc)

    peers, lost = [], []

    async def open_all():
        for _ in range(20):
            ours, peer = socket.socketpair()
            ours.setblocking(False)
            peer.settimeout(10)
            _, protocol = await asyncio.get_running_loop().create_connection(Echo, sock=ours)
            peers.append(peer)
            lost.append(asyncio.get_running_loop().create_future())
            protocol.lost = lost[-1]

    async def close_all():
        for peer in peers:
            peer.close()
        await asyncio.gather(*lost)

    async def talk(rounds=3):
        loop = asyncio.get_running_loop()
        for i in range(rounds):
            for n, peer in enumerate(peers):
                peer.send(b"%d of %d;" % (i, n))
            for n, peer in enumerate(peers):
                want, got = b"%d of %d;" % (i, n), b""
                while len(got) < len(want):
                    got += await loop.run_in_executor(None, peer.recv, 100)
                assert got == want, (got, want)
        return loop._stats()["batches"]

    def rings():
        names = []
        for fd in os.listdir("/proc/self/fd"):
            try:
                names.append(os.readlink("/proc/self/fd/" + fd))
            except FileNotFoundError:
                pass
        return names.count("anon_inode:[io_uring]")
"""


@pytest.mark.parametrize("count", [3, 70, 200])
def test_each_of_many_connections_gets_its_own(loop, run, socket_pair, count):
    choose = random.Random(count)

    class Answering(Recorder):
        def data_received(self, data):
            super().data_received(data)
            while data:  # in pieces
                n = choose.randrange(1, len(data) + 1)
                self.transport.write(data[:n])
                data = data[n:]

    async def main():
        pairs = []
        for _ in range(count):
            (ours, peer), server, client = socket_pair(), Answering(), Recorder()
            await loop.create_connection(lambda protocol=server: protocol, sock=ours)
            await loop.create_connection(lambda protocol=client: protocol, sock=peer)
            pairs.append((server, client, bytearray()))
        for _ in range(10):
            for number, (_, client, sent) in enumerate(pairs):
                message = b"<%d>" % number * choose.choice([1, 2, 30, 1000])
                sent += message
                client.transport.write(message)
            for server, client, sent in pairs:
                assert await client.received(len(sent)) == sent
                assert server.data == sent
        for _, client, _ in pairs:
            client.transport.close()
        for server, _, _ in pairs:
            assert await server.lost() is None

    run(main())


def test_connections_that_end_among_many(loop, run, socket_pair):
    async def main():
        protocols, peers = [], []
        for _ in range(40):
            ours, peer = socket_pair()
            _, protocol = await loop.create_connection(Recorder, sock=ours)
            protocols.append(protocol)
            peers.append(peer)
        for word in (b"first", b"second"):
            for peer in peers:
                peer.send(word)
        for protocol in protocols:
            await protocol.received(len(b"firstsecond"))
        for number, (protocol, peer) in enumerate(zip(protocols, peers)):
            if number % 4 == 1:
                peer.close()
            else:
                peer.send(b"third")
            if number % 4 == 2:
                protocol.transport.close()
            elif number % 4 == 3:
                protocol.transport.pause_reading()
            protocol.transport.write(b"out")
        for number, protocol in enumerate(protocols):
            if number % 4 == 0:
                assert await protocol.received(16) == b"firstsecondthird"
            elif number % 4 == 1:
                assert isinstance(await protocol.lost(), (type(None), ConnectionError))
            elif number % 4 == 2:
                assert await protocol.lost() is None
            else:
                assert protocol.data == b"firstsecond"
                protocol.transport.resume_reading()
                assert await protocol.received(16) == b"firstsecondthird"
        for number, peer in enumerate(peers):
            if number % 4 in (0, 3):
                assert await loop.sock_recv(peer, 10) == b"out"
                protocols[number].transport.close()
                assert await protocols[number].lost() is None

    run(main())


def test_writes_around_a_pause_leave_once_and_in_order(loop, run, socket_pair):
    async def main():
        protocols, peers = [], []
        for _ in range(10):
            ours, peer = socket_pair()
            _, protocol = await loop.create_connection(Recorder, sock=ours)
            protocols.append(protocol)
            peers.append(peer)
        for protocol in protocols:
            protocol.transport.write(b"one ")
            protocol.transport.pause_reading()
            protocol.transport.write(b"two ")
            protocol.transport.resume_reading()
            protocol.transport.write(b"three")
        await turns(2)
        for protocol, peer in zip(protocols, peers):
            protocol.transport.close()
            assert await protocol.lost() is None
            sent = b""
            while data := await loop.sock_recv(peer, 100):
                sent += data
            assert sent == b"one two three"

    run(main())


@pytest.fixture
def crowd(script, monkeypatch):
    """Runs the body of a coroutine in a program with CROWD, in which seccomp.py and forking.py are found."""
    monkeypatch.delenv("GOLOOP_IO_URING", raising=False)
    script.prelude += f"sys.path.insert(0, {HERE!r})\nimport forking, seccomp\n" + textwrap.dedent(CROWD)

    def run_main(body):
        return script(
            "async def main():\n"
            + textwrap.indent(textwrap.dedent(body), "    ")
            + "\n    await close_all()\n\nrun(main())\n"
        )

    return run_main


def rings_with(out):
    if out.endswith("no seccomp\n"):
        pytest.skip("this system lets no process have a seccomp filter")
    numbers = [int(number) for number in out.split()]
    if numbers[0] == 0:
        pytest.skip("this system has no io_uring for us")
    return numbers


@pytest.mark.goloop_only
@pytest.mark.linux_only
class TestIoUring:
    def test_is_opened_by_many_connections(self, crowd):
        numbers = rings_with(
            crowd("""
            before = rings()
            await open_all()
            batches = await talk()
            print(batches, before, rings())
        """)
        )
        assert numbers[1:] == [0, 1]

    def test_is_not_opened_where_the_environment_forbids_it(self, crowd, monkeypatch):
        monkeypatch.setenv("GOLOOP_IO_URING", "0")
        assert (
            crowd("""
            await open_all()
            print(await talk(), rings())
        """)
            == "0 0\n"
        )

    @pytest.mark.parametrize("value", ["2", "yes"])
    def test_environment_says_0_or_1(self, loop_factory, monkeypatch, value):
        monkeypatch.setenv("GOLOOP_IO_URING", value)
        with pytest.raises(ValueError, match="GOLOOP_IO_URING is 0 or 1"):
            loop_factory()

    def test_is_done_without_where_a_container_forbids_it(self, crowd):
        out = crowd("""
            seccomp.refuse("io_uring_setup")
            await open_all()
            print(await talk(), rings())
        """)
        assert out in ("0 0\n", "no seccomp\n")

    def test_is_given_up_where_it_is_forbidden_later(self, crowd):
        numbers = rings_with(
            crowd("""
            await open_all()
            print(await talk())
            seccomp.refuse("io_uring_enter")
            after = await talk()
            print(rings(), await talk() - after)
        """)
        )
        assert numbers[1:] == [0, 0]

    def test_is_not_inherited(self, crowd):
        numbers = rings_with(
            crowd("""
            await open_all()
            print(await talk(), flush=True)
            forking.wait(forking.fork(lambda: print(rings(), flush=True)))
            print(int(await talk() > 0), rings())
        """)
        )
        assert numbers[1:] == [0, 1, 1]

    def test_closes_with_its_loop(self, crowd):
        numbers = rings_with(
            crowd("""
            await open_all()
            print(await talk())
            import atexit

            atexit.register(lambda: print(rings()))
        """)
        )
        assert numbers[1:] == [0]
