"""Loops inside greenlets: the C stack is switched away in the middle of a callback, as gevent does."""

import asyncio
import socket

import greenlet
import pytest


def test_two_loops_interleave_in_greenlets_of_one_thread(loop_factory):
    first, second = loop_factory(), loop_factory()
    steps = []

    def step(name, other):
        steps.append(name)
        running = asyncio._get_running_loop()
        asyncio._set_running_loop(None)
        if not other().dead:
            other().switch()
        asyncio._set_running_loop(running)
        steps.append(name + " again")

    def serve(loop, name, other):
        for number in range(3):
            loop.call_later(0.001 * number, step, f"{name}{number}", other)
        loop.call_later(0.01, loop.stop)
        loop.run_forever()
        loop.close()

    one = greenlet.greenlet(lambda: serve(first, "a", lambda: two))
    two = greenlet.greenlet(lambda: serve(second, "b", lambda: one))
    while not (one.dead and two.dead):
        for each in (one, two):
            if not each.dead:
                each.switch()
    expected = [f"{name}{number}{again}" for name in "ab" for number in range(3) for again in ("", " again")]
    assert sorted(steps) == sorted(expected)
    assert steps[:2] == ["a0", "b0"]


def test_callback_that_is_switched_away_finishes_when_it_is_switched_back(loop):
    steps = []
    hub = greenlet.getcurrent()

    def callback():
        steps.append("before")
        hub.switch()
        steps.append("after")
        loop.stop()

    loop.call_soon(callback)
    worker = greenlet.greenlet(loop.run_forever)
    worker.switch()
    steps.append("hub")
    worker.switch()
    assert worker.dead
    assert steps == ["before", "hub", "after"]


def test_loop_that_sleeps_in_a_greenlet_still_reads(loop):
    ours, peer = socket.socketpair()
    seen = []

    def read():
        seen.append(ours.recv(10))
        loop.stop()

    with ours, peer:
        ours.setblocking(False)
        loop.add_reader(ours, read)
        loop.call_later(0.01, peer.send, b"hello")
        greenlet.greenlet(loop.run_forever).switch()
        loop.remove_reader(ours)
    assert seen == [b"hello"]


def test_exception_thrown_into_a_switched_away_callback_is_reported(loop, errors):
    hub = greenlet.getcurrent()
    loop.call_soon(hub.switch)
    worker = greenlet.greenlet(loop.run_forever)
    worker.switch()
    loop.call_soon(loop.stop)
    worker.throw(LookupError("thrown"))
    assert worker.dead
    assert str(errors[0]["exception"]) == "thrown"
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()


def await_only(awaitable):
    """Wait for an awaitable in code that is not async: hand it to the greenlet that runs the coroutine."""
    return greenlet.getcurrent().parent.switch(awaitable)


async def greenlet_spawn(function, *args):
    """Run a function that may call await_only(), as SQLAlchemy's bridge of this name does."""
    worker = greenlet.greenlet(function)
    result = worker.switch(*args)
    while not worker.dead:
        try:
            value = await result
        except BaseException as exc:
            result = worker.throw(exc)
        else:
            result = worker.switch(value)
    return result


def query(reader, writer, number):
    """A driver's synchronous code over asyncio streams."""
    writer.write(b"%d\n" % number)
    await_only(writer.drain())
    await_only(asyncio.sleep(0.001))
    return int(await_only(reader.readline()))


async def echo(reader, writer):
    while data := await reader.read(100):
        writer.write(data)
    writer.close()


def test_bridge_of_synchronous_code_over_streams(run):
    async def client(address, number):
        reader, writer = await asyncio.open_connection(*address)
        answers = [await greenlet_spawn(query, reader, writer, 100 * number + step) for step in range(10)]
        writer.close()
        await writer.wait_closed()
        return answers

    async def main():
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        clients = await asyncio.gather(*[client(address, number) for number in range(20)])
        server.close()
        await server.wait_closed()
        return clients

    assert run(main()) == [[100 * number + step for step in range(10)] for number in range(20)]


def test_bridge_carries_errors_and_cancellation(run):
    seen = []

    def wait_in_vain():
        try:
            await_only(asyncio.get_running_loop().create_future())
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    def connect_to_nobody(address):
        try:
            await_only(asyncio.open_connection(*address))
        except ConnectionRefusedError:
            return "refused"

    async def main():
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            seen.append(await greenlet_spawn(connect_to_nobody, unused.getsockname()))
        task = asyncio.ensure_future(greenlet_spawn(wait_in_vain))
        await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())
    assert seen == ["refused", "cancelled"]


def test_transport_callback_that_is_switched_away_loses_no_data(loop, tcp_pair):
    """A greenlet switch beneath data_received: the rest of the batch waits, none of it is delivered twice."""
    hub = greenlet.getcurrent()
    received = []

    class Switching(asyncio.Protocol):
        def data_received(self, data):
            received.append(data)
            hub.switch()
            transport.write(b"seen")

    async def connect():
        return await loop.create_connection(Switching, sock=ours)

    ours, peer = tcp_pair()
    transport, _ = loop.run_until_complete(connect())
    worker = greenlet.greenlet(loop.run_forever)
    for data in (b"one", b"two"):
        peer.send(data)
        worker.switch()
    assert received == [b"one", b"two"]
    loop.call_later(0.001, loop.stop)
    worker.switch()
    assert worker.dead
    transport.close()
    loop.stop()
    loop.run_forever()
    assert peer.recv(100) == b"seenseen"


def test_gevent_hub_in_the_same_thread(script):
    """The loop runs in a greenlet of a real gevent hub, whose own greenlets take their turns with its callbacks."""
    out = script("""
        import gevent, gevent.event

        steps = []

        def cooperate():
            steps.append("callback")
            running = asyncio._get_running_loop()
            asyncio._set_running_loop(None)
            gevent.sleep(0.001)  # the hub runs, beneath a callback of the loop
            asyncio._set_running_loop(running)
            steps.append("callback again")

        async def echo(reader, writer):
            writer.write(await reader.readline())
            writer.close()

        async def main():
            loop = asyncio.get_running_loop()
            server = await asyncio.start_server(echo, "127.0.0.1", 0)
            for _ in range(5):
                loop.call_soon(cooperate)
                reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
                writer.write(b"hello\\n")
                assert await reader.readline() == b"hello\\n"
                writer.close()
                await writer.wait_closed()
            server.close()
            finished.set()

        def tick():
            while not finished.is_set():
                steps.append("tick")
                gevent.sleep(0.0005)

        finished = gevent.event.Event()
        ticking = gevent.spawn(tick)
        running = gevent.spawn(run, main())
        gevent.joinall([ticking, running], timeout=10, raise_error=True)
        assert running.ready()
        print(steps.count("callback"), steps.count("callback again"), steps.count("tick") >= 5)
    """)
    assert out == "5 5 True\n"
