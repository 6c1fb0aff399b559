"""Datagrams that cannot be sent, and protocols that raise."""

import errno
import socket

import pytest

from protocols import DatagramRecorder, has_ipv6, sockname, turns

LOOPBACK = "127.0.0.1"


def test_what_is_no_bytes_is_refused_at_the_call(run, endpoint):
    async def main():
        transport, _ = await endpoint()
        for data in ("text", 3, None, [b"x"]):
            with pytest.raises(TypeError) as info:
                transport.sendto(data, (LOOPBACK, 9))
            assert (
                str(info.value) == f"data argument must be a bytes-like object, not {type(data).__name__!r}"
            )
        with pytest.raises(TypeError):
            transport.sendto()
        with pytest.raises(TypeError):
            transport.sendto(b"x", (LOOPBACK, 9), 3)
        with pytest.raises(TypeError):
            transport.sendto(b"x", address=(LOOPBACK, 9))
        assert not transport.is_closing()

    run(main())


def test_another_address_than_that_of_a_connected_socket_is_refused(run, endpoint, peer):
    async def main():
        transport, _ = await endpoint(remote_addr=peer.getsockname())
        with pytest.raises(ValueError) as info:
            transport.sendto(b"x", (LOOPBACK, 1))
        assert str(info.value) == f"Invalid address: must be None or {peer.getsockname()}"
        transport.sendto(data=b"named", addr=peer.getsockname())
        await turns(2)
        assert peer.recv(10) == b"named"

    run(main())


@pytest.mark.parametrize(
    "addr",
    [
        None,
        (),
        (LOOPBACK,),
        (LOOPBACK, 70000),
        (LOOPBACK, -1),
        (LOOPBACK, "9"),
        (3, 9),
        "text",
        (LOOPBACK, 9, 0),
        (LOOPBACK + "\0", 9),
    ],
    ids=repr,
)
def test_an_address_that_is_none_is_the_sockets_error_and_the_end(run, endpoint, errors, addr):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain, pytest.raises(Exception) as info:
        plain.sendto(b"x", addr)

    async def main():
        transport, protocol = await endpoint()
        transport.sendto(b"x", addr)
        assert transport.is_closing()
        lost = await protocol.lost()
        assert (type(lost), str(lost)) == (info.type, str(info.value))
        assert errors.messages() == ["Fatal write error on datagram transport"]
        assert errors[0]["transport"] is transport
        assert errors[0]["protocol"] is protocol

    run(main())


def test_a_flow_label_that_is_too_large_is_the_end(run, endpoint, errors):
    if not has_ipv6():
        pytest.skip("this system has no IPv6")

    async def main():
        transport, protocol = await endpoint(local_addr=("::1", 0))
        transport.sendto(b"x", ("::1", 9, 0x100000, 0))
        assert isinstance(await protocol.lost(), OverflowError)

    run(main())


def test_a_name_that_nobody_has_is_told(run, endpoint):
    async def main():
        transport, protocol = await endpoint()
        transport.sendto(b"x", ("goloop.invalid", 9))
        assert isinstance(await protocol.failed(), socket.gaierror)
        assert not transport.is_closing()

    run(main())


def test_a_path_that_cannot_be_is_told(run, endpoint, tmp_path):
    async def main():
        transport, protocol = await endpoint(family=socket.AF_UNIX, local_addr=str(tmp_path / "s"))
        transport.sendto(b"x", "/" + 200 * "x")
        assert str(await protocol.failed()) == "AF_UNIX path too long"
        protocol.failures.clear()
        transport.sendto(b"x", str(tmp_path / "nobody"))
        assert isinstance(await protocol.failed(), FileNotFoundError)

    run(main())


def test_a_datagram_that_is_too_large_is_told_and_the_others_leave(run, endpoint, peer):
    async def main():
        transport, protocol = await endpoint(remote_addr=peer.getsockname())
        for data in (b"before", bytes(1 << 17), b"behind"):
            transport.sendto(data)
        failure = await protocol.failed()
        assert (failure.errno, len(protocol.failures)) == (errno.EMSGSIZE, 1)
        assert [peer.recv(10), peer.recv(10)] == [b"before", b"behind"]
        assert transport.get_write_buffer_size() == 0

    run(main())


@pytest.mark.parametrize("end", ["close", "abort"])
def test_what_could_not_be_sent_before_the_end_is_told_before_connection_lost(run, endpoint, peer, end):
    async def main():
        transport, protocol = await endpoint()
        for data in (b"before", bytes(1 << 17), bytes(1 << 17)):
            transport.sendto(data, peer.getsockname())
        getattr(transport, end)()
        await protocol.lost()
        assert protocol.calls == ["connection_made", "error_received", "error_received", "connection_lost"]
        assert peer.recv(10) == b"before"

    run(main())


def test_a_protocol_that_closes_at_the_first_failure_hears_of_the_second(run, endpoint, peer):
    class Closing(DatagramRecorder):
        def error_received(self, exc):
            super().error_received(exc)
            self.transport.close()

    async def main():
        transport, protocol = await endpoint(Closing, local_addr=(LOOPBACK, 0))
        transport.sendto(bytes(1 << 17), peer.getsockname())
        transport.sendto(bytes(1 << 17), peer.getsockname())
        await protocol.lost()
        assert protocol.calls == ["connection_made", "error_received", "error_received", "connection_lost"]

    run(main())


def test_a_port_that_nobody_has_is_told_and_the_socket_goes_on(run, endpoint):
    async def main():
        server, _ = await endpoint()
        addr = sockname(server)
        client, protocol = await endpoint(remote_addr=addr)
        server.close()
        await turns(2)
        client.sendto(b"anyone?")
        assert isinstance(await protocol.failed(), ConnectionRefusedError)
        _, received = await endpoint(local_addr=addr)
        client.sendto(b"again")
        assert await received.arrived(1) == [b"again"]
        assert not client.is_closing()

    run(main())


def test_an_error_of_the_protocol_is_reported_and_the_transport_goes_on(run, endpoint, errors, peer):
    problem = ValueError("of the protocol")

    async def main():
        transport, protocol = await endpoint(lambda: DatagramRecorder(errors={"datagram_received": problem}))
        peer.sendto(b"one", sockname(transport))
        peer.sendto(b"two", sockname(transport))
        assert await protocol.arrived(2) == [b"one", b"two"]
        assert [context["exception"] for context in errors] == [problem]
        assert not transport.is_closing()

    run(main())


def test_an_exit_in_datagram_received_leaves_the_loop(loop, run, endpoint, peer):
    transport, protocol = run(endpoint(lambda: DatagramRecorder(errors={"datagram_received": SystemExit(3)})))
    peer.sendto(b"exit", sockname(transport))
    peer.sendto(b"then", sockname(transport))
    with pytest.raises(SystemExit):
        run(protocol.arrived(2))
    run(protocol.arrived(2))
