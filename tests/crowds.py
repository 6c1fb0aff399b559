"""Turns of many short callbacks, in which goloop lets what is written leave together."""

import asyncio
import socket

CROWD = 12  # callbacks of one turn, such as a server under load has
BRISK = 1500  # short callbacks, after which goloop lets a crowd's writes leave together
PIECE = bytes(range(250)) * 240  # of many writes, less than a buffer's limit


def kernel_has(sock):
    """What the socket has received so far, without waiting."""
    try:
        return sock.recv(1 << 20, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return b""


async def crowd(loop, rounds):
    """Callbacks in turns of a crowd, each of them short."""
    for _ in range(rounds):
        for _ in range(CROWD):
            loop.call_soon(int)
        await asyncio.sleep(0)
