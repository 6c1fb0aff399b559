"""How a connected stream socket becomes an end, and servers that come and go."""

import asyncio
import os
import socket

from ends import BufferedEnd, ProtocolEnd, SockEnd, StreamEnd, WatchEnd

RAW, TRANSPORTS = (SockEnd, WatchEnd), (ProtocolEnd, BufferedEnd, StreamEnd)


def new_end(loop, rng, gentle):
    """An end over a transport to come, and the protocol to give to it."""
    end = rng.choice(TRANSPORTS)(loop, rng)
    end.views = gentle
    return end, getattr(end, "protocol", end)


async def stream_end(stress, link, sock, rng, ssl=None, server_side=False):
    """An end over a connected socket. When this is cancelled, the socket is closed at once, as programs do.

    Under TLS it is left to the transport, which goes on with its shutdown.
    """
    loop = stress.loop
    if ssl is None and rng.random() < 0.4:
        return rng.choice(RAW)(loop, sock, rng, stress.gentle, link)
    end, protocol = new_end(loop, rng, stress.gentle)
    try:
        if server_side:
            await loop.connect_accepted_socket(lambda: protocol, sock, ssl=ssl)
        else:
            name = ssl and "localhost"
            await loop.create_connection(lambda: protocol, sock=sock, ssl=ssl, server_hostname=name)
    except BaseException:
        if ssl is None:
            sock.close()
        raise
    return end


async def connected_end(stress, link, server, rng):
    """Connect to a server in one of asyncio's ways."""
    loop, unix, ssl = stress.loop, server.family == socket.AF_UNIX, server.ssl and stress.client_context
    if rng.random() < 0.5:
        end, protocol = new_end(loop, rng, stress.gentle)
        options = {"ssl": ssl, "server_hostname": ssl and "localhost"}
        if unix:
            await loop.create_unix_connection(lambda: protocol, server.address, **options)
        else:
            await loop.create_connection(lambda: protocol, *server.address, **options)
        return end
    sock = socket.socket(server.family)
    sock.setblocking(False)
    try:
        await loop.sock_connect(sock, server.address)
    except BaseException:
        if stress.gentle:
            await asyncio.sleep(0)
        sock.close()
        raise
    return await stream_end(stress, link, sock, rng, ssl)


class Server:
    """One server. `links` are those that are on their way to it; `joined` when it has heard of them."""

    def __init__(self, stress, rng):
        self.stress, self.rng = stress, rng
        self.family = rng.choice((socket.AF_INET, socket.AF_INET, socket.AF_UNIX))
        self.ssl = stress.server_context if rng.random() < 0.25 else None
        self.links = set()
        self._accepting = self._server = None
        self.closed = False

    def __repr__(self):
        return f"{self.family.name}{' tls' * bool(self.ssl)}{' sock_accept' * bool(self._accepting)}"

    async def open(self):
        listener = socket.socket(self.family)
        listener.setblocking(False)
        if self.family == socket.AF_UNIX:
            self.address = os.path.join(self.stress.folder, f"server-{self.stress.serial()}")
            listener.bind(self.address)
        else:
            listener.bind(("127.0.0.1", 0))
            self.address = listener.getsockname()
        listener.listen(1000)
        loop = self.stress.loop
        if self.rng.random() < 0.3:
            self._listener = listener
            self._accepting = self.stress.start(self._accept())
        elif self.family == socket.AF_UNIX:
            self._server = await loop.create_unix_server(self._factory, sock=listener, ssl=self.ssl)
        else:
            self._server = await loop.create_server(self._factory, sock=listener, ssl=self.ssl)
        return self

    def _factory(self):
        end, protocol = new_end(self.stress.loop, self.rng, self.stress.gentle)
        end.made = lambda end: self.stress.serve(self, end)
        return protocol

    async def _accept(self):
        try:
            while not self.closed:
                sock, _ = await self.stress.loop.sock_accept(self._listener)
                self.stress.start(self._accepted(sock))
        except asyncio.CancelledError:
            pass
        finally:
            self._listener.close()

    async def _accepted(self, sock):
        try:
            end = await stream_end(self.stress, None, sock, self.rng, self.ssl, server_side=True)
        except OSError:
            return  # cut in its handshake: its other end knows
        self.stress.serve(self, end)

    def close(self):
        self.closed = True
        for link in list(self.links):
            link.cut = True  # its connection may lie in the backlog still
        if self._accepting and not self.stress.gentle:
            self._accepting.cancel()
        elif self._accepting:
            with socket.socket(self.family) as last:
                last.connect(self.address)
        if self._server:
            self._server.close()
        if self.family == socket.AF_UNIX and os.path.exists(self.address):
            os.unlink(self.address)
