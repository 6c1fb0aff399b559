"""TLS while memory is short."""

import asyncio
import ssl

from attempt import Echo, Taker, Wrong
from operations import DATA

from certificates import Authority


def encrypted(attempt):
    """TLS: what comes is a beginning of what was sent, and all of it unless the connection fails."""
    loop = attempt.open()
    server_context, client_context = contexts()
    accepted = []

    class Greeter(Echo):
        def connection_made(self, transport):
            super().connection_made(transport)
            accepted.append(transport)

    server = attempt.run(loop.create_server(Greeter, "127.0.0.1", 0, ssl=server_context))
    attempt.cleanup.callback(server.close)
    transport, protocol = attempt.run(
        loop.create_connection(
            Taker, *server.sockets[0].getsockname(), ssl=client_context, server_hostname="localhost"
        )
    )

    async def main():
        transport.write(DATA)
        while len(b"".join(protocol.data)) < len(DATA) and not protocol.lost:
            await asyncio.sleep(0)

    try:
        attempt.starve(main())
    finally:
        attempt.settle()
        if not transport.is_closing():
            transport.write(b"last")
        attempt.settle()
        got = b"".join(protocol.data)
        if not (DATA + b"last").startswith(got) and not got == b"last":
            raise Wrong(f"{len(got)} bytes that are no beginning")
        transport.abort()
        for other in accepted:
            other.abort()
        attempt.settle()


def handshake(attempt):
    loop = attempt.open()
    server_context, client_context = contexts()
    server = attempt.run(loop.create_server(Echo, "127.0.0.1", 0, ssl=server_context))
    attempt.cleanup.callback(server.close)

    async def main():
        transport, protocol = await loop.create_connection(
            Taker, *server.sockets[0].getsockname(), ssl=client_context, server_hostname="localhost"
        )
        transport.abort()

    attempt.starve(main())


_contexts = []


def contexts():
    if not _contexts:
        authority = Authority()
        server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(server_context)
        client_context = ssl.create_default_context()
        authority.configure_trust(client_context)
        _contexts.extend((server_context, client_context))
    return _contexts
