"""What a program may write about goloop with types: checked by mypy and pyright, and never run."""

from __future__ import annotations

import asyncio
import functools
import selectors
import socket
import sys
from pathlib import Path
from typing import Any

import goloop
import goloop.control
import goloop.otel
import goloop.selectors
import goloop.testing
import goloop.workers
from goloop.metrics import Metrics, Times

if sys.version_info >= (3, 11):
    from typing import assert_type
else:
    from typing_extensions import assert_type


class Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class Datagrams(asyncio.DatagramProtocol):
    count = 0


async def main() -> int:
    return 1


def running() -> None:
    assert_type(goloop.run(main()), int)
    assert_type(goloop.run(main(), debug=True), int)
    if sys.version_info >= (3, 12):
        assert_type(asyncio.run(main(), loop_factory=goloop.new_event_loop), int)
    if sys.version_info >= (3, 11):
        with asyncio.Runner(loop_factory=goloop.new_event_loop) as runner:
            assert_type(runner.run(main()), int)
    assert_type(goloop.new_event_loop(), goloop.Loop)
    assert_type(goloop.__version__, str)


def policies() -> None:
    goloop.install()
    policy = goloop.EventLoopPolicy()
    assert_type(policy.new_event_loop(), asyncio.AbstractEventLoop)
    if sys.version_info < (3, 14):
        asyncio.set_event_loop_policy(policy)
        with goloop.ChildWatcher() as watcher:
            assert_type(watcher.is_active(), bool)


def add(a: int, b: int) -> int:
    return a + b


def scheduling(loop: goloop.Loop) -> None:
    standard: asyncio.SelectorEventLoop = loop
    standard.close()
    assert_type(loop.call_soon(add, 1, 2), asyncio.Handle)
    assert_type(loop.call_soon_threadsafe(add, 1, 2), asyncio.Handle)
    timer = loop.call_later(0.5, add, 1, 2)
    assert_type(timer, asyncio.TimerHandle)
    assert_type(loop.call_at(loop.time() + 1, add, 1, 2), asyncio.TimerHandle)
    assert_type(loop.create_task(main()), "asyncio.Task[int]")
    assert_type(loop.run_until_complete(main()), int)
    assert_type(loop.is_running() or loop.is_closed() or loop.get_debug(), bool)
    assert_type(loop.allow_nested(), None)


async def network(loop: goloop.Loop) -> None:
    transport, protocol = await loop.create_connection(Echo, "localhost", 80, ssl=True)
    assert_type(transport, asyncio.Transport)
    assert_type(protocol, Echo)
    _, datagrams = await loop.create_datagram_endpoint(Datagrams, local_addr=("127.0.0.1", 0))
    assert_type(datagrams, Datagrams)
    reading, echo = await loop.connect_read_pipe(Echo, sys.stdin)
    assert_type(reading, asyncio.ReadTransport)
    assert_type(echo, Echo)
    writing, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, sys.stdout)
    assert_type(writing, asyncio.WriteTransport)
    server = await loop.create_server(Echo, "127.0.0.1", 0)
    server.close()
    with socket.socket() as sock:
        assert_type(await loop.sock_recv(sock, 1024), bytes)
    assert_type((await loop.getnameinfo(("127.0.0.1", 80)))[0], str)


def listen(report: dict[str, Any]) -> None:
    print(report["event"], report["seconds"])


def observing(loop: goloop.Loop) -> None:
    goloop.watch()
    goloop.watch(0.25, to=Path("/var/log/stalls"))
    goloop.watch(0.25, to=listen)
    goloop.unwatch()
    metrics = loop.metrics()
    assert_type(metrics, Metrics)
    assert_type(metrics.lag, Times)
    assert_type(metrics.lag.p99, float)
    assert_type(metrics.callbacks, int)
    assert_type(goloop.control.loops(), list[Metrics])
    assert_type(goloop.control.metrics_of(loop), Metrics)
    assert_type(goloop.control.serve(":9100", stuck=2), str)
    assert_type(goloop.control.serve(Path("/run/app.sock")), str)
    goloop.control.unserve()
    assert_type(goloop.control.stalls(), list[dict[str, Any]])
    goloop.otel.instrument(threshold=0.25)
    goloop.otel.uninstrument()


def selecting() -> None:
    selector = goloop.selectors.EpollSelector()
    base: selectors.BaseSelector = selector
    base.register(0, goloop.selectors.EVENT_READ | goloop.selectors.EVENT_WRITE)
    assert_type(selector.select(1.0), list[tuple[selectors.SelectorKey, int]])
    assert_type(selector.fileno(), int)
    asyncio.SelectorEventLoop(goloop.selectors.DefaultSelector())
    goloop.selectors.PollSelector().close()
    goloop.selectors.SelectSelector().close()
    goloop.selectors.KqueueSelector().close()


async def testing() -> None:
    loop = goloop.testing.virtual_loop(start=10, grace=0.1)
    assert_type(loop, goloop.testing.VirtualLoop)
    assert_type(loop.time(), float)
    with loop.hold():
        pass
    factory = functools.partial(goloop.testing.virtual_loop, grace=1)
    if sys.version_info >= (3, 12):
        asyncio.run(main(), loop_factory=factory)


def serving() -> list[type]:
    return [goloop.workers.UvicornWorker, goloop.workers.UvicornH11Worker, goloop.workers.AiohttpWorker]
