"""The loop's methods for plain sockets: sock_accept, then sock_recv and sock_sendall on each connection.

Echoes until the peer hangs up; with --once one message, then closes.
"""

from __future__ import annotations

import asyncio
import socket

from servers import common

READ_SIZE = 64 * 1024  # room of one read


async def echo(sock: socket.socket) -> None:
    """What came in goes out."""
    loop = asyncio.get_running_loop()
    with sock:
        try:
            while data := await loop.sock_recv(sock, READ_SIZE):
                await loop.sock_sendall(sock, data)
        except ConnectionError:
            pass  # the load generator hangs up in mid-message when its time is over


async def echo_once(sock: socket.socket) -> None:
    """The same for one message, which arrives in one piece."""
    loop = asyncio.get_running_loop()
    with sock:
        try:
            if data := await loop.sock_recv(sock, READ_SIZE):
                await loop.sock_sendall(sock, data)
        except ConnectionError:
            pass


def main() -> None:
    parser = common.parser(__doc__)
    parser.add_argument("--once", action="store_true")
    options = parser.parse_args()
    serve = echo_once if options.once else echo
    tasks: set[asyncio.Task[None]] = set()

    async def accept(listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            sock, _ = await loop.sock_accept(listener)
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            task = loop.create_task(serve(sock))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    async def start() -> None:
        listener, where = common.listener(options)
        tasks.add(asyncio.create_task(accept(listener)))
        common.ready(where)

    common.serve(options, start)


if __name__ == "__main__":
    main()
