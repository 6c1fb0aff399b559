"""Threads that do the same thing at once, and the echo server and the client that their loops run."""

import asyncio
import threading
import time


def threads_of(function, count):
    """Start `count` daemon threads of function(number)."""
    threads = [threading.Thread(target=function, args=[number], daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    return threads


def join(threads, limit=20):
    deadline = time.monotonic() + limit
    for thread in threads:
        thread.join(deadline - time.monotonic())
    assert not any(thread.is_alive() for thread in threads)


async def echo(reader, writer):
    while data := await reader.read(100_000):
        writer.write(data)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def ask(address, number, rounds, size=100):
    """Send numbered messages and compare what comes back; returns how many were right."""
    reader, writer = await asyncio.open_connection(*address)
    right = 0
    for step in range(rounds):
        message = b"%06d %06d " % (number, step) * size
        writer.write(message)
        right += await reader.readexactly(len(message)) == message
    writer.close()
    await writer.wait_closed()
    return right


def at_once(function, count, limit=20):
    """Call function(number) in `count` threads that begin together; returns what each returned, raises what one raised."""
    ready = threading.Barrier(count)
    results = {}

    def call(number):
        ready.wait(limit)
        try:
            results[number] = function(number)
        except BaseException as exc:
            results[number] = exc

    join(threads_of(call, count), limit)
    for result in results.values():
        if isinstance(result, BaseException):
            raise result
    return [results[number] for number in range(count)]
