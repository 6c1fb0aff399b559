"""anyio, which httpx, Starlette and others stand on: its tasks, sockets, threads and its own runner."""

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
from hosting import running_on


async def echo(stream):
    async with stream:
        async for data in stream:
            await stream.send(data)


async def serve_and_ask():
    """A listener in a task group, twenty clients, and the cancellation of the listener."""
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        right = []

        async def ask(number):
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                message = b"%04d" % number * 1000
                await stream.send(message)
                answer = b""
                while len(answer) < len(message):
                    answer += await stream.receive()
                right.append(answer == message)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, echo)
            async with anyio.create_task_group() as clients:
                for number in range(20):
                    clients.start_soon(ask, number)
            tasks.cancel_scope.cancel()
    return right


def test_sockets_in_task_groups(run):
    assert run(serve_and_ask()) == [True] * 20


def test_cancel_scopes_and_timeouts(run):
    async def main():
        with pytest.raises(TimeoutError):
            with anyio.fail_after(0.01):
                await anyio.sleep(1000)
        with anyio.move_on_after(0.01) as scope:
            await anyio.sleep_forever()
        assert scope.cancelled_caught

    run(main())


def test_threads_there_and_back(run):
    def work(number):
        return anyio.from_thread.run(double, number)

    async def double(number):
        await anyio.sleep(0.001)
        return 2 * number

    async def main():
        return [await anyio.to_thread.run_sync(work, number) for number in range(10)]

    assert run(main()) == [2 * number for number in range(10)]


def test_anyios_own_runner_takes_the_factory(loop_factory, loop_name):
    async def main():
        assert running_on(loop_name)
        return await serve_and_ask()

    assert anyio.run(main, backend_options={"loop_factory": loop_factory}) == [True] * 20


def test_blocking_portal(loop_factory, loop_name):
    """A loop in a thread, for synchronous programs: what Starlette's TestClient runs in."""

    async def which():
        return running_on(loop_name)

    with anyio.from_thread.start_blocking_portal(backend_options={"loop_factory": loop_factory}) as portal:
        assert portal.call(which)
        assert portal.call(serve_and_ask) == [True] * 20


def test_wait_readable(run, socket_pair):
    async def main():
        ours, peer = socket_pair()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.wait_readable, ours)
            await anyio.sleep(0.001)
            peer.send(b"x")
        return ours.recv(10)

    assert run(main()) == b"x"
