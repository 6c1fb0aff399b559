"""asyncpg and a PostgreSQL server: TCP, Unix sockets and TLS that begins within the connection."""

import asyncio

import asyncpg
import pytest
from hosting import running_on
from services import free_port, postgres_cluster

AT_ONCE = 40


@pytest.fixture(scope="module")
def cluster():
    with postgres_cluster() as ways:
        yield ways


# The sslproto of 3.10 hands over what it has after pause_reading(), which breaks asyncpg's COPY on asyncio as well.
@pytest.fixture(params=["tcp", "unix", pytest.param("tls", marks=pytest.mark.since("3.11"))])
def address(request, cluster):
    return cluster[request.param]


@pytest.fixture
def tcp(cluster):
    return cluster["tcp"]


def test_values_there_and_back(run, loop_name, address):
    async def main():
        assert running_on(loop_name)
        connection = await asyncpg.connect(**address)
        text = "".join(map(chr, range(1, 2000))) * 700
        row = await connection.fetchrow(
            "select $1::int + 1 as n, $2::text as t, $3::bytea as b", 41, text, b"\0" * 10**6
        )
        secure = await connection.fetchval("select ssl from pg_stat_ssl where pid = pg_backend_pid()")
        await connection.close()
        assert (row["n"], row["t"], row["b"]) == (42, text, b"\0" * 10**6)
        assert secure is bool(address.get("ssl"))

    run(main())


def test_many_queries_through_a_pool(run, address):
    async def main():
        async with asyncpg.create_pool(**address, min_size=2, max_size=10) as pool:

            async def ask(number):
                async with pool.acquire() as connection, connection.transaction():
                    rows = await connection.fetch(
                        "select $1::int * i as product from generate_series(1, 50) i", number
                    )
                    return [row["product"] for row in rows]

            return await asyncio.gather(*[ask(number) for number in range(AT_ONCE)])

    assert run(main()) == [[number * i for i in range(1, 51)] for number in range(AT_ONCE)]


def test_copy_in_and_out(run, address):
    async def main():
        connection = await asyncpg.connect(**address)
        await connection.execute("create temporary table copied (n int, t text)")
        records = [(n, f"row {n}") for n in range(50_000)]
        await connection.copy_records_to_table("copied", records=records)
        received = []

        async def take(data):
            received.append(bytes(data))

        await connection.copy_from_query("select * from copied order by n", output=take)
        await connection.close()
        return records, b"".join(received).decode()

    records, text = run(main())
    assert text == "".join(f"{n}\t{t}\n" for n, t in records)


async def under_way(connection, observer):
    """Wait until the server is at a query of a connection."""
    query = "select state = 'active' from pg_stat_activity where pid = $1"
    while not await observer.fetchval(query, connection.get_server_pid()):
        pass


def test_query_that_is_timed_out_or_cancelled_and_the_next(run, address):
    async def main():
        connection, observer = await asyncpg.connect(**address), await asyncpg.connect(**address)
        with pytest.raises(asyncio.TimeoutError):
            await connection.fetchval("select pg_sleep(60)", timeout=0.05)
        task = asyncio.ensure_future(connection.fetchval("select pg_sleep(60)"))
        await under_way(connection, observer)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await connection.fetchval("select 1") == 1
        await connection.close()
        await observer.close()

    run(main())


def test_notifications(run, tcp):
    async def main():
        heard = asyncio.Queue()
        listener, speaker = await asyncpg.connect(**tcp), await asyncpg.connect(**tcp)
        await listener.add_listener(
            "news", lambda connection, pid, channel, payload: heard.put_nowait(payload)
        )
        for number in range(20):
            await speaker.execute(f"notify news, 'number {number}'")
        assert [await heard.get() for _ in range(20)] == [f"number {number}" for number in range(20)]
        await listener.close()
        await speaker.close()

    run(main())


def test_server_that_ends_the_connection(run, address):
    async def main():
        async with asyncpg.create_pool(**address, min_size=1, max_size=2) as pool:
            async with pool.acquire() as other, pool.acquire() as victim:
                waiting = asyncio.ensure_future(victim.fetchval("select pg_sleep(60)"))
                await under_way(victim, other)
                assert await other.fetchval("select pg_terminate_backend($1)", victim.get_server_pid())
                with pytest.raises((asyncpg.AdminShutdownError, asyncpg.ConnectionDoesNotExistError)):
                    await waiting
            assert await pool.fetchval("select 1") == 1

    run(main())


def test_port_where_nobody_listens(run, tcp):
    with pytest.raises(ConnectionRefusedError):
        run(asyncpg.connect(**{**tcp, "port": free_port()}))
