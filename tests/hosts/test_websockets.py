"""The websockets library: server and client on the loop under test, and a client of threads."""

import asyncio
import os

import pytest
import websockets
import websockets.sync.client
from hosting import certificates, running_on, until


async def echo(connection):
    async for message in connection:
        await connection.send(message)


def port_of(server):
    return next(iter(server.sockets)).getsockname()[1]


def test_messages_fragments_and_pings(run, loop_name):
    async def parts():
        for number in range(10):
            yield f"part {number} "

    async def main():
        assert running_on(loop_name)
        async with websockets.serve(echo, "127.0.0.1", 0, max_size=None) as server:
            uri = f"ws://127.0.0.1:{port_of(server)}"
            async with websockets.connect(uri, max_size=None) as client:
                for message in ("", "text", b"bytes", os.urandom(70_000), os.urandom(3_000_000)):
                    await client.send(message)
                    assert await client.recv() == message
                await client.send(parts())
                assert await client.recv() == "".join([f"part {number} " for number in range(10)])
                assert await (await client.ping()) >= 0

    run(main())


def test_fifty_clients_at_once(run):
    async def main():
        async with websockets.serve(echo, "127.0.0.1", 0, compression=None) as server:

            async def ask(number):
                async with websockets.connect(
                    f"ws://127.0.0.1:{port_of(server)}", compression=None
                ) as client:
                    for step in range(20):
                        await client.send(f"{number} {step}")
                    return [await client.recv() for step in range(20)]

            return await asyncio.gather(*[ask(number) for number in range(50)])

    assert run(main()) == [[f"{number} {step}" for step in range(20)] for number in range(50)]


def test_broadcast_and_close_of_the_server(run):
    async def main():
        async with websockets.serve(echo, "127.0.0.1", 0) as server:
            clients = [await websockets.connect(f"ws://127.0.0.1:{port_of(server)}") for _ in range(20)]
            await until(lambda: len(server.connections) == 20)
            websockets.broadcast(server.connections, "to all")
            heard = [await client.recv() for client in clients]
            server.close()
            codes = []
            for client in clients:
                with pytest.raises(websockets.ConnectionClosedOK):
                    await client.recv()
                codes.append(client.close_code)
            await server.wait_closed()
        return heard, codes

    assert run(main()) == (["to all"] * 20, [1001] * 20)


def test_peer_that_vanishes_is_told(run):
    async def main():
        lost = asyncio.get_running_loop().create_future()

        async def handler(connection):
            try:
                await connection.recv()
            except websockets.ConnectionClosedError as exc:
                lost.set_result(exc)

        async with websockets.serve(handler, "127.0.0.1", 0) as server:
            client = await websockets.connect(f"ws://127.0.0.1:{port_of(server)}")
            client.transport.abort()
            return await lost

    assert run(main()).rcvd is None


@pytest.mark.since("3.11")  # until then the standard library forgot to mark TLS transports as closed
def test_tls(run):
    server_context, client_context = certificates()

    async def main():
        async with websockets.serve(echo, "localhost", 0, ssl=server_context, max_size=None) as server:
            uri = f"wss://localhost:{port_of(server)}"
            async with websockets.connect(uri, ssl=client_context, max_size=None) as client:
                message = os.urandom(2_000_000)
                await client.send(message)
                return await client.recv() == message

    assert run(main())


def test_client_of_another_thread(loop, run):
    def ask(port):
        with websockets.sync.client.connect(f"ws://127.0.0.1:{port}") as client:
            client.send("from a thread")
            return client.recv()

    async def main():
        async with websockets.serve(echo, "127.0.0.1", 0) as server:
            port = port_of(server)
            return await asyncio.gather(*[loop.run_in_executor(None, ask, port) for _ in range(5)])

    assert run(main()) == ["from a thread"] * 5
