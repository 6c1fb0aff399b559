"""Hosts that need one test each."""

import asyncio
import socket

import aiosqlite
import httpx
import hypercorn.asyncio
import hypercorn.config
import pytest
import uvicorn_app
from hosting import running_on


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_hypercorn(run, loop_name):
    async def main():
        assert running_on(loop_name)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            config = hypercorn.config.Config()
            config.bind = [f"fd://{listener.detach()}"]
            config.loglevel = "ERROR"
            stop = asyncio.Event()
            sock = socket.socket(fileno=int(config.bind[0][5:]))
            address = sock.getsockname()
            sock.detach()
        server = asyncio.ensure_future(
            hypercorn.asyncio.serve(uvicorn_app.app, config, shutdown_trigger=stop.wait)
        )
        async with httpx.AsyncClient(base_url="http://{}:{}".format(*address)) as client:
            assert (await client.get("/loop")).text.partition(".")[0] == loop_name
            answers = await asyncio.gather(
                *[client.post("/echo", content=b"%d" % n * 1000) for n in range(20)]
            )
        stop.set()
        await server
        return [answer.content for answer in answers]

    assert run(main()) == [b"%d" % number * 1000 for number in range(20)]


def test_aiosqlite(run, loop_name):
    """A thread a connection, that answers through call_soon_threadsafe."""

    async def main():
        assert running_on(loop_name)
        async with aiosqlite.connect(":memory:") as database:
            await database.execute("create table numbers (number integer)")
            await asyncio.gather(
                *[database.execute("insert into numbers values (?)", [n]) for n in range(200)]
            )
            async with database.execute("select number from numbers order by number") as rows:
                numbers = [number async for (number,) in rows]
        return numbers

    assert run(main()) == list(range(200))
