"""uvicorn and aiohttp under load for GOLOOP_SOAK_SECONDS (default 5): no error, and nothing grows.

200 connections send requests, each closes after some and comes back. Descriptors and resident memory are taken
when the server has warmed up, and at the end. The client runs on asyncio, whatever the server does.

uvloop is under the same load to compare. It has to answer without error as well; what it keeps is printed beside
what the others keep, and is no failure of ours.
"""

import asyncio
import faulthandler
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import psutil
import pytest

SECONDS = float(os.environ.get("GOLOOP_SOAK_SECONDS", "5"))
CONNECTIONS = 200
REQUESTS = 50  # of a connection
GROWTH = 6 << 20  # bytes that an allocator may differ by between two looks at a server that does not leak

LOOPS = {
    "asyncio": "asyncio:SelectorEventLoop",
    "goloop": "goloop:new_event_loop",
    "uvloop": "uvloop:new_event_loop",
}


def uvicorn_command(loop):
    return [
        *[sys.executable, "-m", "uvicorn", "uvicorn_app:app", "--loop", loop, "--http", "httptools"],
        *["--port", "0", "--no-access-log", "--backlog", "1000"],
    ]


def aiohttp_command(loop):
    return [sys.executable, "aiohttp_server.py", loop]


@pytest.fixture(params=[uvicorn_command, aiohttp_command], ids=["uvicorn", "aiohttp"])
def server(request, loop_name):
    """A server process and its address."""
    process = subprocess.Popen(
        request.param(LOOPS[loop_name]),
        cwd=pathlib.Path(__file__).parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines = []
    for line in process.stdout:
        lines.append(line)
        if found := re.search(r"http://([\d.]+):(\d+)", line):
            break
    else:
        raise AssertionError("".join(lines))
    yield process, (found[1], int(found[2]))
    if process.poll() is None:
        process.kill()
    process.communicate()


async def answer(reader):
    """The body of a response."""
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK"), head
    size = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
    return await reader.readexactly(size)


async def load(address, number, until):
    """Ask until a time; every answer carries the question. Returns the number of answers."""
    answers = 0
    while time.monotonic() < until:
        reader, writer = await asyncio.open_connection(*address)
        for step in range(REQUESTS):
            body = b"%06d %06d " % (number, step) * (1 + step * 3)
            writer.write(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            assert await answer(reader) == body
            answers += 1
            if time.monotonic() > until:
                break
        writer.close()
        await writer.wait_closed()
    return answers


async def ask(address, path):
    reader, writer = await asyncio.open_connection(*address)
    writer.write(b"GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % path)
    body = await answer(reader)
    writer.close()
    await writer.wait_closed()
    return body.decode()


async def soak(address, seconds):
    until = time.monotonic() + seconds
    return sum(await asyncio.gather(*[load(address, number, until) for number in range(CONNECTIONS)]))


async def settled(address, server, descriptors):
    """Wait until the server has closed what the clients have; returns its descriptors."""
    deadline = time.monotonic() + 5
    while server.num_fds() > descriptors and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    return server.num_fds()


@pytest.mark.linux_only
@pytest.mark.compared
@pytest.mark.timeout(60 + SECONDS)
def test_soak(server, loop_name, record_property):
    faulthandler.cancel_dump_traceback_later()  # pytest.ini's is for tests of 30 s; this one's client has its limit below
    process, address = server
    meter = psutil.Process(process.pid)

    async def main():
        assert (await ask(address, b"/loop")).partition(".")[0] == loop_name
        start_fds = meter.num_fds()
        idle = start_fds + (loop_name == "goloop")  # its io_uring comes with the load
        first = await soak(address, SECONDS / 3)
        warm_fds = await settled(address, meter, idle)
        warm = meter.memory_info().rss
        threads = meter.num_threads()
        answers = await soak(address, SECONDS * 2 / 3)
        fds = await settled(address, meter, idle)
        growth = meter.memory_info().rss - warm
        record_property("answers", first + answers)
        record_property("descriptors", f"{start_fds} at the start, {warm_fds} when warm, {fds} at the end")
        record_property("threads", f"{threads} when warm, {meter.num_threads()} at the end")
        record_property("resident memory", f"{warm >> 10} KiB when warm, {growth >> 10:+} KiB since")
        assert answers > CONNECTIONS
        assert await ask(address, b"/hello") == "hello"
        if loop_name == "uvloop":
            return
        assert fds <= warm_fds <= idle
        assert growth < GROWTH
        assert meter.num_threads() <= threads + 1  # Go may start one more

    asyncio.run(asyncio.wait_for(main(), 50 + SECONDS))
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=10)
    assert "Traceback" not in out and "ERROR" not in out, out
