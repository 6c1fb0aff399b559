"""TLS connections that something happens to: their objects, their errors, handshakes in between."""

import asyncio
import gc
import logging
import socket
import ssl
import weakref

import pytest

from protocols import BufferedRecorder, Echo, Recorder, turns

pytestmark = pytest.mark.since("3.11")  # before, sslproto is another one, and goloop uses it as it is


def test_context_with_an_object_class_of_its_own_is_asked(loop, run, serve_tls, client_context, authority):
    calls = []

    class Object(ssl.SSLObject):
        def read(self, *args):
            calls.append("read")
            return super().read(*args)

        def write(self, data):
            calls.append("write")
            return super().write(data)

    context = ssl.create_default_context()
    authority.configure_trust(context)
    context.sslobject_class = Object

    async def main():
        server, port = await serve_tls()
        transport, protocol = await loop.create_connection(Recorder, "127.0.0.1", port, ssl=context)
        calls.clear()
        transport.write(b"hello")
        assert calls == ["write"]
        assert await protocol.received(5) == b"hello"
        assert "read" in calls
        transport.close()
        await protocol.lost()
        server.close()

    run(main())


def test_client_may_be_asked_for_its_certificate_after_the_handshake(loop, run, authority):
    """Handshake messages between records of data, in both directions."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(server_context)
    authority.configure_trust(server_context)
    server_context.verify_mode = ssl.CERT_REQUIRED
    client_context = ssl.create_default_context()
    authority.configure_trust(client_context)
    authority.issue_cert("client.test").configure_cert(client_context)
    server_context.minimum_version = client_context.minimum_version = ssl.TLSVersion.TLSv1_3
    server_context.post_handshake_auth = client_context.post_handshake_auth = True
    server_context.verify_mode = ssl.CERT_OPTIONAL
    accepted = []

    class Asking(Echo):
        def connection_made(self, transport):
            super().connection_made(transport)
            accepted.append(self)

        def data_received(self, data):
            if data.startswith(b"ask"):
                self.transport.get_extra_info("ssl_object").verify_client_post_handshake()
            super().data_received(data)

    async def main():
        server = await loop.create_server(Asking, "127.0.0.1", 0, ssl=server_context)
        address = server.sockets[0].getsockname()
        transport, protocol = await loop.create_connection(Recorder, *address, ssl=client_context)
        sent = b""
        for chunk in (b"before", b"ask", b"x" * 40_000, b"after"):
            transport.write(chunk)
            sent += chunk
            assert await protocol.received(len(sent)) == sent
        subject = accepted[0].transport.get_extra_info("ssl_object").getpeercert()["subjectAltName"]
        assert ("DNS", "client.test") in subject
        transport.close()
        await protocol.lost()
        server.close()

    run(main())


def test_connection_is_collected_with_its_cycles(loop, run, serve_tls, client_context):
    async def main():
        server, port = await serve_tls()
        transport, protocol = await loop.create_connection(Recorder, "127.0.0.1", port, ssl=client_context)
        transport.write(b"hello")
        await protocol.received(5)
        ssl_protocol = transport._ssl_protocol
        ssl_protocol.itself = ssl_protocol._app_protocol.cycle = ssl_protocol
        gone = [weakref.ref(ssl_protocol), weakref.ref(protocol), weakref.ref(transport)]
        transport.abort()
        await protocol.lost()
        server.close()
        return gone

    gone = run(main())
    gc.collect()
    assert [ref() for ref in gone] == [None] * 3


class Below(asyncio.Transport):
    """A transport that start_tls takes, and that goes nowhere."""

    _start_tls_compatible = True

    def write(self, data):
        pass

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass

    def close(self):
        pass

    def set_protocol(self, protocol):
        self.protocol = protocol


def test_protocol_that_nobody_holds_is_collected(loop, run, client_context):
    async def main():
        below = Below()
        task = asyncio.ensure_future(
            loop.start_tls(below, Recorder(), client_context, server_hostname="localhost")
        )
        await turns(3)
        ssl_protocol = below.protocol
        assert ssl_protocol._transport is below
        task.cancel()
        await asyncio.wait([task])
        ssl_protocol._handshake_timeout_handle.cancel()
        ssl_protocol._app_transport._closed = True  # or it warns
        ssl_protocol.itself = ssl_protocol
        return weakref.ref(ssl_protocol)

    gone = run(main())
    gc.collect()
    assert gone() is None


def test_failure_of_a_callback_is_logged_with_its_traceback_in_debug_mode(
    loop, run, serve_tls, client_context, caplog
):
    class Failing(Recorder):
        def data_received(self, data):
            raise OSError("on purpose")

    async def main():
        loop.set_debug(True)
        server, port = await serve_tls()
        transport, protocol = await loop.create_connection(Failing, "127.0.0.1", port, ssl=client_context)
        transport.write(b"hello")
        assert str(await protocol.lost()) == "on purpose"
        loop.set_debug(False)
        server.close()

    with caplog.at_level(logging.DEBUG, "asyncio"):
        run(main())
    (record,) = (record for record in caplog.records if "Fatal error on SSL protocol" in record.getMessage())
    assert record.exc_info[0] is OSError
    assert record.exc_info[2] is not None


@pytest.mark.parametrize("data", ["text", None, 7, [b"bytes"]], ids=repr)
def test_write_of_what_is_no_bytes_is_refused(loop, run, serve_tls, client_context, data):
    async def main():
        server, port = await serve_tls()
        transport, protocol = await loop.create_connection(Recorder, "127.0.0.1", port, ssl=client_context)
        with pytest.raises(
            TypeError, match=f"data: expecting a bytes-like instance, got '?{type(data).__name__}"
        ):
            transport.write(data)
        with pytest.raises(TypeError):
            transport.write()
        transport.write(data=b"hello")
        assert await protocol.received(5) == b"hello"
        transport.close()
        await protocol.lost()
        server.close()

    run(main())


def test_last_records_fill_a_bytearray_to_its_end(loop, run, serve_tls, client_context):
    """A paused connection has ended when it is resumed, and what came lies in several records."""
    data = bytes(range(256)) * 200
    senders = []

    class Sender(Recorder):
        def connection_made(self, transport):
            super().connection_made(transport)
            senders.append(self)

    async def main():
        server, port = await serve_tls(Sender)
        try:
            await receive(port)
        finally:
            server.close()

    async def receive(port):
        receiver = BufferedRecorder(size=40_000)
        transport, _ = await loop.create_connection(lambda: receiver, "127.0.0.1", port, ssl=client_context)
        transport.pause_reading()
        transport.write(b"ready")
        while not senders:
            await asyncio.sleep(0)
        await senders[0].received(5)
        senders[0].transport.write(data)
        await turns(20)
        senders[0].transport.get_extra_info("socket").shutdown(socket.SHUT_WR)
        await turns(20)
        transport.resume_reading()
        await receiver.lost()
        assert receiver.data == data[:40_000]
        senders[0].transport.abort()
        await senders[0].lost()

    run(main())


@pytest.mark.parametrize("end", ["close", "abort", "eof_received", "connection_lost", "detached"])
def test_write_to_a_connection_that_ends_is_taken(loop, run, serve_tls, client_context, end):
    """And dropped, but for what is written before TLS has ended."""

    class Writes(Recorder):
        def write(self, *ends):
            if end in ends:
                for _ in range(7):  # of a lost one asyncio warns from the sixth on
                    self.transport.write(b"last")
                self.transport.writelines([b"last", bytearray(b"last")])

        def connection_made(self, transport):
            super().connection_made(transport)
            transport.write(b"first")
            writers.append(self)

        def eof_received(self):
            self.write("eof_received")
            return super().eof_received()

        def connection_lost(self, exc):
            self.write("eof_received", "connection_lost")
            super().connection_lost(exc)

    async def main():
        server, port = await serve_tls(Writes)
        transport, protocol = await loop.create_connection(Recorder, "127.0.0.1", port, ssl=client_context)
        assert await protocol.received(5) == b"first"
        (writer,) = writers
        if end in ("eof_received", "connection_lost"):
            transport.close()
        elif end == "detached":  # the transport beneath has gone, and TLS has not been told as yet
            writer.transport._ssl_protocol._transport.abort()
            for _ in range(7):
                writer.transport.write(b"last")
        else:
            getattr(writer.transport, end)()
            writer.write(end)
        await writer.lost()
        writer.write("detached")
        await protocol.lost()
        assert protocol.data == b"first"
        server.close()

    writers = []
    run(main())
