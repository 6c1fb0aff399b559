"""redis-py's asyncio client, which uses streams, and a Redis server: TCP and Unix sockets."""

import asyncio
import os

import pytest
import redis.asyncio
from hosting import running_on
from services import free_port, redis_server


@pytest.fixture(scope="module")
def server():
    """How to reach a new server: keywords of redis.asyncio.Redis, by name of the way."""
    with redis_server() as (port, unix):
        yield {"tcp": {"host": "127.0.0.1", "port": port}, "unix": {"unix_socket_path": unix}}


@pytest.fixture(params=["tcp", "unix"])
def address(request, server):
    return server[request.param]


def test_values_of_any_size(run, loop_name, address):
    async def main():
        assert running_on(loop_name)
        async with redis.asyncio.Redis(**address) as client:
            for size in (0, 1, 4096, 65_536, 5_000_000):
                value = os.urandom(size)
                await client.set("value", value)
                assert await client.get("value") == value

    run(main())


def test_pipeline_and_many_at_once(run, address):
    async def main():
        async with redis.asyncio.Redis(**address, max_connections=20) as client:
            async with client.pipeline(transaction=False) as pipeline:
                for number in range(5000):
                    pipeline.set(f"key {number}", number)
                assert await pipeline.execute() == [True] * 5000
            for start in range(0, 200, 20):
                values = await asyncio.gather(*[client.get(f"key {n}") for n in range(start, start + 20)])
                assert values == [b"%d" % n for n in range(start, start + 20)]

    run(main())


def test_published_messages(run, address):
    async def main():
        async with redis.asyncio.Redis(**address) as client, client.pubsub() as listener:
            await listener.subscribe("news")
            assert (await listener.get_message(timeout=5))["type"] == "subscribe"
            for number in range(100):
                await client.publish("news", f"number {number}")
            heard = [(await listener.get_message(timeout=5))["data"] for _ in range(100)]
            assert heard == [b"number %d" % number for number in range(100)]

    run(main())


def test_blocking_pop_that_is_cancelled_takes_nothing(run, address):
    async def main():
        async with redis.asyncio.Redis(**address) as client, redis.asyncio.Redis(**address) as other:
            await client.delete("queue")
            task = asyncio.ensure_future(client.blpop("queue", 60))
            while not (await other.info("clients"))["blocked_clients"]:
                pass
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            while (await other.info("clients"))["blocked_clients"]:
                pass
            await other.rpush("queue", "a", "b")
            assert await client.blpop("queue", 60) == (b"queue", b"a")
            assert await client.lrange("queue", 0, -1) == [b"b"]

    run(main())


def test_server_that_goes_away(run, server):
    async def main():
        async with (
            redis.asyncio.Redis(**server["tcp"]) as client,
            redis.asyncio.Redis(**server["unix"]) as other,
        ):
            number = await client.client_id()
            await other.client_kill_filter(_id=number)
            assert await client.ping()  # by a new connection
            assert await client.client_id() != number
        with pytest.raises(redis.asyncio.ConnectionError):
            async with redis.asyncio.Redis(host="127.0.0.1", port=free_port()) as nobody:
                await nobody.ping()

    run(main())
