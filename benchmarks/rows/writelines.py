"""Some pieces to one stream at a time, as clients of databases and servers of web pages write them."""

from __future__ import annotations

import asyncio
import socket
from functools import partial

from rows.host import Host, Outcome
from rows.row import InProcess

LOT = 1000
SIZES = ((1, 100), (2, 512), (2, 16384))  # pieces, bytes of each


def write(host: Host, pieces: int, size: int) -> Outcome:
    """``writelines()``, and the other end reads all of it."""
    loop = host.loop
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    theirs.setblocking(False)
    transport, _ = loop.run_until_complete(loop.create_connection(asyncio.Protocol, sock=ours))
    data = [bytes(size) for _ in range(pieces)]
    into = bytearray(pieces * size)
    done = loop.create_future()
    left = 0

    def step() -> None:
        nonlocal left
        transport.writelines(data)
        if transport.get_write_buffer_size() or theirs.recv_into(into) != len(into):
            raise RuntimeError("not all of it was sent at once")
        left -= 1
        if left:
            loop.call_soon(step)
        else:
            done.set_result(None)

    def lot() -> int:
        nonlocal done, left
        done, left = loop.create_future(), LOT
        loop.call_soon(step)
        loop.run_until_complete(done)
        return LOT

    outcome = host.lots(lot)
    transport.close()
    loop.run_until_complete(asyncio.sleep(0))
    theirs.close()
    return outcome


def row(pieces: int, size: int) -> InProcess:
    what = f"writelines() of {pieces} times {size} bytes to a Unix socket, nothing else at the same time"
    return InProcess(
        f"writelines-{pieces}x{size}",
        "calls/s",
        what,
        default=False,
        body=partial(write, pieces=pieces, size=size),
    )


ROWS = [row(pieces, size) for pieces, size in SIZES]
