"""Clients of databases as people use them: real servers, on the core of the load generator."""

from __future__ import annotations

import asyncio

from rows.host import Host, Outcome
from rows.row import InProcess

LOT = 100
CLIENTS = 10


def select(host: Host) -> Outcome:
    """``SELECT 1`` by asyncpg, on ten connections."""
    import asyncpg

    loop = host.loop

    async def connect() -> list[asyncpg.Connection]:
        where = {"host": "127.0.0.1", "port": int(host.service), "user": "goloop", "ssl": False}
        return [await asyncpg.connect(**where, database="postgres") for _ in range(CLIENTS)]

    async def ask(connection: asyncpg.Connection) -> None:
        for _ in range(LOT):
            if await connection.fetchval("SELECT 1") != 1:
                raise RuntimeError("SELECT 1 is not 1")

    async def together() -> None:
        await asyncio.gather(*map(ask, connections))

    async def close() -> None:
        for connection in connections:
            await connection.close()

    def lot() -> int:
        loop.run_until_complete(together())
        return LOT * CLIENTS

    connections = loop.run_until_complete(connect())
    outcome = host.lots(lot)
    loop.run_until_complete(close())
    return outcome


def get(host: Host) -> Outcome:
    """``GET`` by redis-py, on ten connections."""
    from redis.asyncio import Redis

    loop = host.loop
    value = bytes(1024)

    async def connect() -> list[Redis]:
        clients = [Redis(port=int(host.service), single_connection_client=True) for _ in range(CLIENTS)]
        for client in clients:
            await client.set("key", value)
        return clients

    async def ask(client: Redis) -> None:
        for _ in range(LOT):
            if await client.get("key") != value:
                raise RuntimeError("another value came back")

    async def together() -> None:
        await asyncio.gather(*map(ask, clients))

    async def close() -> None:
        for client in clients:
            await client.aclose()

    def lot() -> int:
        loop.run_until_complete(together())
        return LOT * CLIENTS

    clients = loop.run_until_complete(connect())
    outcome = host.lots(lot)
    loop.run_until_complete(close())
    return outcome


ROWS = [
    InProcess(
        "asyncpg-select",
        "selects/s",
        "SELECT 1 by asyncpg, 10 connections to PostgreSQL",
        body=select,
        service="postgres",
    ),
    InProcess(
        "redis-get",
        "gets/s",
        "GET of 1 KiB by redis-py, 10 connections to Redis",
        body=get,
        service="redis",
    ),
]
