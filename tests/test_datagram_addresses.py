"""Where datagrams go and come from: IPv4, IPv6, Unix, names, groups."""

import asyncio
import errno
import socket
import sys

import pytest

from protocols import DatagramEcho, has_ipv6, sockname, turns

LOOPBACK = "127.0.0.1"


def test_unix_sockets_by_path(run, endpoint, tmp_path):
    async def main():
        path, other = str(tmp_path / "server"), str(tmp_path / "client")
        server, _ = await endpoint(DatagramEcho, family=socket.AF_UNIX, local_addr=path)
        client, answers = await endpoint(family=socket.AF_UNIX, local_addr=other, remote_addr=path)
        free, more = await endpoint(family=socket.AF_UNIX, local_addr=str(tmp_path / "free"))
        client.sendto(b"connected")
        for data, addr in (
            (b"str", path),
            (b"bytes", path.encode()),
            (b"bytearray", bytearray(path.encode())),
        ):
            free.sendto(data, addr)
        assert await answers.arrived(1) == [b"connected"]
        assert await more.arrived(3) == [b"str", b"bytes", b"bytearray"]
        assert {addr for _, addr in more.datagrams} == {path}
        assert (sockname(client), client.get_extra_info("peername")) == (other, path)

    run(main())


@pytest.mark.linux_only
def test_unix_sockets_in_the_abstract_namespace(run, endpoint, tmp_path):
    async def main():
        path = f"\0goloop-{tmp_path}"
        server, _ = await endpoint(DatagramEcho, family=socket.AF_UNIX, local_addr=path)
        client, answers = await endpoint(family=socket.AF_UNIX, local_addr=path + "-client")
        client.sendto(b"hidden", path)
        assert await answers.arrived(1) == [b"hidden"]
        assert answers.datagrams[0][1] == path.encode()

    run(main())


def test_a_peer_without_a_name_has_no_address(run, endpoint, tmp_path):
    async def main():
        path = str(tmp_path / "server")
        _, received = await endpoint(family=socket.AF_UNIX, local_addr=path)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"who", path)
            expected = None if sys.platform == "linux" else ""
            await received.arrived(1)
            assert received.datagrams == [(b"who", expected)]

    run(main())


class Moving:
    """A port that is another one each time that somebody asks."""

    def __init__(self, *ports):
        self.ports = list(ports)

    def __index__(self):
        return self.ports.pop(0)


@pytest.mark.parametrize("kind", ["constant", "moving"])
def test_datagrams_go_to_the_address_that_each_names(run, endpoint, kind):
    async def main():
        (one, first), (other, second) = [await endpoint(local_addr=(LOOPBACK, 0)) for _ in range(2)]
        ports = [sockname(each)[1] for each in (one, other, one, one, other)]
        sender, _ = await endpoint(local_addr=(LOOPBACK, 0))
        if kind == "moving":
            addr = (LOOPBACK, Moving(*ports))
            addrs = [addr] * len(ports)
        else:
            known = {port: (LOOPBACK, port) for port in ports}
            addrs = [known[port] for port in ports]
        for n, addr in enumerate(addrs):
            sender.sendto(b"%d" % n, addr)
        assert await first.arrived(3) == [b"0", b"2", b"3"]
        assert await second.arrived(2) == [b"1", b"4"]

    run(main())


def test_a_port_is_asked_once_what_it_is(run, endpoint):
    async def main():
        receiver, got = await endpoint(local_addr=(LOOPBACK, 0))
        sender, _ = await endpoint(local_addr=(LOOPBACK, 0))
        for host in (LOOPBACK, "localhost"):
            sender.sendto(b"x", (host, Moving(sockname(receiver)[1])))
        assert await got.arrived(2) == [b"x", b"x"]

    run(main())


@pytest.mark.parametrize("host", ["localhost", "", "127.0.1", "<broadcast>"])
def test_sendto_takes_the_hosts_that_sockets_take(run, endpoint, host):
    async def main():
        transport, received = await endpoint(local_addr=("0.0.0.0", 0), allow_broadcast=True)
        port = sockname(transport)[1]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            try:
                plain.sendto(b"plain", (host, port))
                await received.arrived(1)
            except OSError as exc:
                transport.sendto(b"ours", (host, port))
                failure = await received.failed()
                assert (type(failure), failure.errno) == (type(exc), exc.errno)
                return
        transport.sendto(b"ours", (host, port))
        assert await received.arrived(2) == [b"plain", b"ours"]

    run(main())


def test_ipv6_addresses_of_every_length(run, endpoint):
    if not has_ipv6():
        pytest.skip("this system has no IPv6")

    async def main():
        server, received = await endpoint(local_addr=("::1", 0))
        port = sockname(server)[1]
        client, failing = await endpoint(local_addr=("::1", 0))
        loopback = socket.if_nametoindex("lo" if sys.platform == "linux" else "lo0")
        addresses = [("::1", port), ("::1", port, 0), ("0:0::1", port, 7, 0), ("::1", port, 0, loopback)]
        for number, addr in enumerate(addresses):
            client.sendto(b"%d" % number, addr)
        assert await received.arrived(4) == [b"0", b"1", b"2", b"3"]
        assert {addr for _, addr in received.datagrams} == {sockname(client)}
        assert failing.failures == []

    run(main())


def test_a_name_waits_its_turn_behind_a_full_socket(run, endpoint, peer, monkeypatch):
    sendto = socket.socket.sendto
    tries = []

    def full_at_first(sock, *args):
        tries.append(args)
        if len(tries) == 1:
            raise BlockingIOError(errno.EAGAIN, "full")
        return sendto(sock, *args)

    async def main():
        transport, protocol = await endpoint()
        loop = asyncio.get_running_loop()
        arrived = loop.create_future()
        loop.add_reader(peer, lambda: arrived.done() or arrived.set_result(peer.recv(10)))
        transport.sendto(b"late", ("localhost", peer.getsockname()[1]))
        assert transport.get_write_buffer_size() in (0, 4, 12)  # 0: sent when its queue was asked for
        try:
            assert await arrived == b"late"
        finally:
            loop.remove_reader(peer)
        assert protocol.failures == []

    monkeypatch.setattr(socket.socket, "sendto", full_at_first, raising=False)
    run(main())
    assert tries[0] == (b"late", ("localhost", peer.getsockname()[1]))


def test_broadcast(run, endpoint):
    async def main():
        server, received = await endpoint(local_addr=("0.0.0.0", 0))
        target = ("127.255.255.255", sockname(server)[1])
        allowed, _ = await endpoint(local_addr=(LOOPBACK, 0), allow_broadcast=True)
        allowed.sendto(b"to all", target)
        assert await received.arrived(1) == [b"to all"]
        forbidden, protocol = await endpoint()
        forbidden.sendto(b"to all", target)
        assert isinstance(await protocol.failed(), PermissionError)
        bound, _ = await endpoint(
            remote_addr=target, allow_broadcast=True
        )  # has an address, is not connected
        bound.sendto(b"to mine")
        bound.sendto(b"to mine again", target)
        assert (await received.arrived(3))[1:] == [b"to mine", b"to mine again"]
        with pytest.raises(ValueError, match="Invalid address: must be None or"):
            bound.sendto(b"x", (LOOPBACK, 1))

    run(main())


def test_multicast(run, endpoint):
    group = "239.255.77.77"

    async def main():
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        receiver.bind(("", 0))
        receiver.setsockopt(
            socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + socket.inet_aton(LOOPBACK)
        )
        _, received = await endpoint(sock=receiver)
        sender, _ = await endpoint()
        sender.get_extra_info("socket").setsockopt(
            socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(LOOPBACK)
        )
        sender.sendto(b"to the group", (group, receiver.getsockname()[1]))
        assert await received.arrived(1) == [b"to the group"]
        assert received.datagrams[0][1] == sockname(sender)

    run(main())


@pytest.mark.skipif(not hasattr(socket, "SO_REUSEPORT"), reason="this system has no SO_REUSEPORT")
def test_reuse_port(run, endpoint):
    async def main():
        first, _ = await endpoint(local_addr=(LOOPBACK, 0), reuse_port=True)
        second, _ = await endpoint(local_addr=sockname(first), reuse_port=True)
        assert sockname(second) == sockname(first)
        with pytest.raises(OSError, match=r"[Aa]ddress already in use"):
            await endpoint(local_addr=sockname(first))

    run(main())


def test_an_unconnected_socket_without_an_address_can_be_bound_later(run, endpoint, peer):
    async def main():
        transport, received = await endpoint(family=socket.AF_INET)
        transport.sendto(b"ping", peer.getsockname())
        await turns(2)
        data, addr = peer.recvfrom(10)
        peer.sendto(b"pong", (LOOPBACK, addr[1]))
        assert (data, await received.arrived(1)) == (b"ping", [b"pong"])

    run(main())


def test_a_socket_of_another_kind_is_refused(run, endpoint):
    async def main():
        with (
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock,
            pytest.raises(ValueError, match="was expected"),
        ):
            await endpoint(sock=sock)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            with pytest.raises(ValueError, match="socket modifier keyword arguments"):
                await endpoint(sock=sock, allow_broadcast=True)
            transport, _ = await endpoint(sock=sock)
            assert sock.gettimeout() == 0
            with pytest.raises(RuntimeError, match="is used by transport"):
                asyncio.get_running_loop().add_reader(sock, print)
            transport.abort()
            await turns(2)

    run(main())


@pytest.mark.since("3.12")  # before, asyncio lets another transport take the descriptor away
def test_a_socket_has_one_transport(run, endpoint):
    async def main():
        transport, _ = await endpoint()
        sock = transport._sock
        with pytest.raises(RuntimeError, match="is used by transport"):
            await endpoint(sock=sock)

    run(main())


@pytest.mark.parametrize("address", [(), (None,)], ids=["no address", "None"])
def test_peer_without_a_name(run, endpoint, address):
    """The other end of a socketpair: it is the peer although it has no name."""

    async def main():
        ours, peer = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        ours.setblocking(False)
        with peer:
            transport, protocol = await endpoint(sock=ours)
            assert transport.get_extra_info("peername") == ""
            for data in (b"one", b"two"):
                transport.sendto(data, *address)
                peer.send(b"re: " + data)
            assert await protocol.arrived(2) == [b"re: one", b"re: two"]
            assert [sender for _, sender in protocol.datagrams] == [None, None]
            peer.setblocking(False)
            assert [peer.recv(10), peer.recv(10)] == [b"one", b"two"]

    run(main())


def test_peer_without_a_name_may_be_passed_by(run, endpoint, unix_peer):
    async def main():
        ours, peer = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        ours.setblocking(False)
        with peer:
            transport, _ = await endpoint(sock=ours)
            transport.sendto(b"to another", unix_peer.getsockname())
            await turns(1)
            assert unix_peer.recv(20) == b"to another"

    run(main())


def test_socket_that_is_connected_later(run, endpoint, peer):
    async def main():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        transport, protocol = await endpoint(sock=sock)
        sock.connect(peer.getsockname())
        transport.sendto(b"ping")
        await turns(1)
        assert peer.recv(20) == b"ping"
        assert protocol.failures == []

    run(main())
