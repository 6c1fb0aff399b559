"""create_unix_server and create_unix_connection: paths, addresses, credentials, clean-up."""

import asyncio
import contextlib
import errno
import os
import pathlib
import socket
import ssl
import struct
import sys
import tempfile
import uuid

import pytest

from certificates import Authority
from protocols import Echo, Recorder, turns

if sys.version_info < (3, 11):
    # There asyncio.sslproto does not mark a transport closed that its peer has closed.
    pytestmark = pytest.mark.filterwarnings("ignore:unclosed transport <asyncio.sslproto:ResourceWarning")


@pytest.fixture
def folder():
    """A folder with a short name: a socket's path has room for 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="unix") as folder:
        yield folder


@pytest.fixture
def path(folder):
    return os.path.join(folder, "socket")


@contextlib.asynccontextmanager
async def serving(loop, factory=Echo, *args, **options):
    server = await loop.create_unix_server(factory, *args, **options)
    try:
        yield server
    finally:
        server.close()
        await turns(3)


async def echoed(loop, *args, **options):
    transport, protocol = await loop.create_unix_connection(Recorder, *args, **options)
    transport.write(b"hello")
    assert await protocol.received(5) == b"hello"
    transport.close()
    assert await protocol.lost() is None


def identity(path):
    return os.stat(path).st_dev, os.stat(path).st_ino


@pytest.mark.parametrize("kind", [str, os.fsencode, pathlib.Path], ids=["str", "bytes", "Path"])
def test_any_kind_of_path(loop, run, path, kind):
    async def main():
        async with serving(loop, Echo, kind(path)) as server:
            assert server.sockets[0].getsockname() == path
            await echoed(loop, kind(path))

    run(main())


@pytest.mark.linux_only
@pytest.mark.parametrize("kind", [str, str.encode], ids=["str", "bytes"])
def test_abstract_address_has_no_file(loop, run, kind):
    name = f"\0goloop-{uuid.uuid4()}"
    accepted = []

    class Addressed(Echo):
        def connection_made(self, transport):
            super().connection_made(transport)
            accepted.append([transport.get_extra_info(key) for key in ("sockname", "peername")])

    async def main():
        async with serving(loop, Addressed, kind(name)) as server:
            assert server.sockets[0].getsockname() == name.encode()
            transport, protocol = await loop.create_unix_connection(Recorder, kind(name))
            assert transport.get_extra_info("peername") == name.encode()
            transport.write(b"x")
            await protocol.received(1)
            transport.close()
            await protocol.lost()
        assert accepted == [[name.encode(), ""]]

    run(main())


def test_addresses_of_both_sides(loop, run, path):
    accepted = []

    class Addressed(Echo):
        def connection_made(self, transport):
            super().connection_made(transport)
            accepted.append(transport)

    async def main():
        async with serving(loop, Addressed, path):
            transport, protocol = await loop.create_unix_connection(Recorder, path)
            assert transport.get_extra_info("sockname") == ""
            assert transport.get_extra_info("peername") == path
            assert transport.get_extra_info("socket").family == socket.AF_UNIX
            transport.write(b"x")
            await protocol.received(1)
            (server_side,) = accepted
            assert server_side.get_extra_info("sockname") == path
            assert server_side.get_extra_info("peername") == ""
            assert server_side.get_extra_info("socket").getsockname() == path
            transport.close()
            await protocol.lost()
            await server_side.get_protocol().lost()
        # What nobody asked for while it was open, too.
        return server_side.get_extra_info("sockname"), server_side.get_extra_info("peername")

    assert run(main()) == (path, "")


def test_address_of_an_accepted_socket_may_be_asked_for_late(loop, run, path):
    accepted = []

    class Late(Echo):
        def connection_lost(self, exc):
            super().connection_lost(exc)
            accepted.append([self.transport.get_extra_info(key) for key in ("sockname", "peername")])

    async def main():
        async with serving(loop, Late, path):
            await echoed(loop, path)
            while not accepted:
                await turns(1)

    run(main())
    assert accepted == [[path, ""]]


@pytest.mark.parametrize("length", [20, 60, 107])
def test_path_of_the_peer(loop, run, folder, length):
    ours = os.path.join(folder, "a")
    theirs = os.path.join(folder, "b").ljust(length, "b")
    ours = ours.ljust(length, "a")
    accepted = []

    class Addressed(Echo):
        def connection_made(self, transport):
            super().connection_made(transport)
            accepted.append([transport.get_extra_info(key) for key in ("sockname", "peername")])

    async def main():
        async with serving(loop, Addressed, ours):
            sock = socket.socket(socket.AF_UNIX)
            sock.bind(theirs)
            sock.setblocking(False)
            await loop.sock_connect(sock, ours)
            await echoed(loop, sock=sock)

    run(main())
    assert accepted == [[ours, theirs]]


@pytest.mark.linux_only
def test_credentials_of_the_peer(loop, run, path):
    seen = []

    def credentials(transport):
        sock = transport.get_extra_info("socket")
        return struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))

    class Checked(Echo):
        def connection_made(self, transport):
            super().connection_made(transport)
            seen.append(credentials(transport))

    async def main():
        async with serving(loop, Checked, path):
            transport, protocol = await loop.create_unix_connection(Recorder, path)
            seen.append(credentials(transport))
            transport.write(b"x")
            await protocol.received(1)
            transport.close()
            await protocol.lost()

    run(main())
    assert seen == [(os.getpid(), os.getuid(), os.getgid())] * 2


# the file


@pytest.mark.since("3.13")
def test_closed_server_takes_its_file_away(loop, run, path):
    async def main():
        async with serving(loop, Echo, path):
            assert os.path.exists(path)
        assert not os.path.exists(path)

    run(main())


@pytest.mark.until("3.13")
def test_closed_server_leaves_its_file(loop, run, path):
    async def main():
        async with serving(loop, Echo, path):
            pass
        assert os.path.exists(path)

    run(main())


@pytest.mark.since("3.13")
def test_cleanup_can_be_turned_off(loop, run, path):
    async def main():
        async with serving(loop, Echo, path, cleanup_socket=False):
            pass
        assert os.path.exists(path)

    run(main())


@pytest.mark.since("3.13")
def test_cleanup_leaves_the_file_of_another(loop, run, path):
    async def main():
        async with serving(loop, Echo, path):
            os.rename(path, path + ".old")  # so that the other gets an inode of its own
            with socket.socket(socket.AF_UNIX) as other:
                other.bind(path)
                theirs = identity(path)
        assert identity(path) == theirs

    run(main())


@pytest.mark.since("3.13")
def test_cleanup_does_not_mind_a_missing_file(loop, run, path):
    async def main():
        async with serving(loop, Echo, path):
            os.unlink(path)
        async with serving(loop, Echo, sock=bound(path)):
            assert os.path.exists(path)
        assert not os.path.exists(path)

    run(main())


@pytest.mark.goloop_only  # asyncio's child takes away what its parent still listens at
def test_forked_child_that_closes_the_server_leaves_the_file(script, path):
    said = script(f"""
        import warnings
        warnings.simplefilter("ignore")  # of a fork with threads

        async def main():
            loop = asyncio.get_running_loop()
            server = await loop.create_unix_server(asyncio.Protocol, {path!r})
            child = os.fork()
            if child == 0:
                server.close()
                os._exit(0)
            print(os.waitpid(child, 0)[1], os.path.exists({path!r}))
            transport, _ = await loop.create_unix_connection(asyncio.Protocol, {path!r})
            transport.close()
            server.close()
            await asyncio.sleep(0.01)
        run(main())
    """)
    assert said == "0 True\n"


def bound(path):
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(path)
    return sock


def test_file_that_a_dead_server_left_is_replaced(loop, run, path):
    async def main():
        bound(path).close()
        async with serving(loop, Echo, path):
            await echoed(loop, path)

    run(main())


def test_file_that_is_no_socket_is_kept(loop, run, path):
    async def main():
        pathlib.Path(path).write_text("precious")
        with pytest.raises(OSError, match=f"Address '{path}' is already in use$") as raised:
            await loop.create_unix_server(Echo, path)
        assert raised.value.errno == errno.EADDRINUSE
        assert pathlib.Path(path).read_text() == "precious"

    run(main())


# errors


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda folder: folder + "/missing", FileNotFoundError),
        (lambda folder: folder, ConnectionRefusedError),
        (lambda folder: "/dev/null/socket", NotADirectoryError),
        (lambda folder: folder + "/" + "x" * 200, OSError),
        (lambda folder: "\0" + "x" * 200, OSError),
        (lambda folder: folder + "/nul\0inside", FileNotFoundError),
    ],
    ids=["missing", "folder", "below a file", "too long", "abstract too long", "nul"],
)
def test_connection_that_cannot_be(loop, run, folder, make, error):
    async def main():
        with pytest.raises(error) as raised:
            await loop.create_unix_connection(Recorder, make(folder))
        return type(raised.value), raised.value.errno, str(raised.value)

    kind, number, text = run(main())
    assert kind is error
    if kind is OSError:
        assert (number, text) == (None, "AF_UNIX path too long")


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda folder: folder + "/missing/socket", FileNotFoundError),
        (lambda folder: "/dev/null/socket", NotADirectoryError),
        (lambda folder: folder + "/" + "x" * 200, OSError),
    ],
    ids=["missing folder", "below a file", "too long"],
)
def test_server_that_cannot_be(loop, run, folder, caplog, make, error):
    async def main():
        with pytest.raises(error) as raised:
            await loop.create_unix_server(Echo, make(folder))
        return type(raised.value)

    assert run(main()) is error


def test_permission_to_connect_is_asked_for(script, folder, path):
    os.chmod(folder, 0o755)
    with bound(path) as sock:
        sock.listen()
        os.chmod(path, 0)
        said = script(f"""
            if os.geteuid() == 0:
                os.seteuid(65534)
            async def main():
                loop = asyncio.get_running_loop()
                try:
                    await loop.create_unix_connection(asyncio.Protocol, {path!r})
                except PermissionError as exc:
                    print(exc)
            run(main())
        """)
    assert said == "[Errno 13] Permission denied\n"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"path": "x", "sock": ...}, "path and sock can not be specified at the same time"),
        ({}, "no path and sock were specified"),
        ({"path": "x", "ssl": True}, "you have to pass server_hostname when using ssl"),
        ({"path": "x", "server_hostname": "x"}, "server_hostname is only meaningful with ssl"),
        ({"path": "x", "ssl_handshake_timeout": 1}, "ssl_handshake_timeout is only meaningful with ssl"),
    ],
    ids=lambda value: "" if isinstance(value, str) else "-".join(value),
)
def test_arguments_of_a_connection(loop, run, options, text):
    async def main():
        with socket.socket(socket.AF_UNIX) as sock:
            given = {key: sock if value is ... else value for key, value in options.items()}
            with pytest.raises(ValueError) as raised:
                await loop.create_unix_connection(Recorder, **given)
        return str(raised.value)

    assert run(main()) == text


@pytest.mark.parametrize("method", ["create_unix_server", "create_unix_connection"])
@pytest.mark.parametrize("kind", ["inet", "datagram"])
def test_socket_of_another_kind_is_refused(loop, run, method, kind):
    async def main():
        arguments = {
            "inet": (socket.AF_INET, socket.SOCK_STREAM),
            "datagram": (socket.AF_UNIX, socket.SOCK_DGRAM),
        }
        with socket.socket(*arguments[kind]) as sock:
            with pytest.raises(ValueError, match="^A UNIX Domain Stream Socket was expected, got <socket"):
                await getattr(loop, method)(Recorder, sock=sock)

    run(main())


@pytest.fixture
def full(path):
    """A listening socket that has no room for another connection: connect() says EAGAIN, which begins nothing."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(bound(path))
        listener.listen(0)
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                sock = stack.enter_context(socket.socket(socket.AF_UNIX))
                sock.setblocking(False)
                sock.connect(path)
        yield listener


async def by_sock_connect(loop, path):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, path)
        assert sock.getpeername() == path


async def by_create_unix_connection(loop, path):
    transport, protocol = await loop.create_unix_connection(Recorder, path)
    assert transport.get_extra_info("peername") == path
    transport.close()
    await protocol.lost()


CONNECTS = [by_sock_connect, by_create_unix_connection]


@pytest.mark.parametrize("connect", CONNECTS)
def test_connection_waits_for_a_server_that_has_no_room(loop, run, path, full, connect):
    async def main():
        task = loop.create_task(connect(loop, path))
        done, _ = await asyncio.wait([task], timeout=0.05)
        assert not done
        while not task.done():
            with contextlib.suppress(BlockingIOError):
                full.accept()[0].close()
            await asyncio.sleep(0)
        await task

    run(main())


@pytest.mark.parametrize("connect", CONNECTS)
def test_wait_for_a_server_that_has_no_room_ends_with_it(loop, run, path, full, connect):
    async def main():
        waiting = [loop.create_task(connect(loop, path)) for _ in range(2)]
        await asyncio.wait(waiting, timeout=0.01)
        waiting[0].cancel()
        full.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting[0]
        with pytest.raises(ConnectionRefusedError):
            await waiting[1]

    run(main())


# traffic


def test_many_connections_at_once(loop, run, path):
    async def main():
        async with serving(loop, Echo, path, backlog=1000):

            async def one(number):
                transport, protocol = await loop.create_unix_connection(Recorder, path)
                data = b"%d," % number * 2000
                transport.write(data)
                assert await protocol.received(len(data)) == data
                transport.close()
                await protocol.lost()

            await asyncio.gather(*[one(number) for number in range(200)])

    run(main())


def test_megabytes_arrive_whole(loop, run, path):
    async def main():
        data = os.urandom(8 << 20)
        async with serving(loop, Echo, path):
            transport, protocol = await loop.create_unix_connection(Recorder, path)
            transport.write(data)
            transport.write_eof()
            assert await protocol.received(len(data)) == data
            await protocol.lost()

    run(main())


def test_socket_pair_is_a_connection(loop, run, socket_pair):
    async def main():
        ours, theirs = socket_pair()
        near, protocol = await loop.create_unix_connection(Recorder, sock=ours)
        far, _ = await loop.create_unix_connection(Echo, sock=theirs)
        assert [near.get_extra_info(key) for key in ("sockname", "peername")] == ["", ""]
        near.write(b"hello")
        assert await protocol.received(5) == b"hello"
        far.close()
        assert await protocol.lost() is None

    run(main())


def test_tls_over_a_unix_socket(loop, run, path):
    authority = Authority()
    inside = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(inside)
    outside = ssl.create_default_context()
    authority.configure_trust(outside)

    async def main():
        async with serving(loop, Echo, path, ssl=inside):
            transport, protocol = await loop.create_unix_connection(
                Recorder, path, ssl=outside, server_hostname="localhost"
            )
            assert transport.get_extra_info("peername") == path
            assert transport.get_extra_info("cipher")
            transport.write(b"x" * 300_000)
            assert await protocol.received(300_000) == b"x" * 300_000
            transport.close()
            await protocol.lost()

    run(main())


def test_server_that_does_not_serve_yet(loop, run, path):
    async def main():
        async with serving(loop, Echo, path, start_serving=False) as server:
            assert not server.is_serving()
            with pytest.raises(ConnectionRefusedError):
                await loop.create_unix_connection(Recorder, path)
            await server.start_serving()
            await echoed(loop, path)

    run(main())
