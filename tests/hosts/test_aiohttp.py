"""aiohttp's server and client, both on the loop under test."""

import asyncio
import contextlib
import os

import aiohttp
import pytest
from aiohttp import web
from hosting import certificates, running_on, until

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@contextlib.asynccontextmanager
async def serving(handlers, **options):
    """Serve {path: handler} on the running loop; gives the port."""
    app = web.Application(client_max_size=1 << 26)
    for path, handler in handlers.items():
        app.router.add_route("*", path, handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, **options)
    await site.start()
    try:
        yield site._server.sockets[0].getsockname()[1]
    finally:
        await runner.cleanup()


async def hello(request):
    return web.Response(text="hello")


async def echo(request):
    return web.Response(body=await request.read())


def test_keep_alive_and_concurrent_requests(run, loop_name):
    async def which(request):
        return web.json_response([running_on(loop_name), id(request.transport)])

    async def main():
        assert running_on(loop_name)
        async with serving({"/": which, "/echo": echo}) as port, aiohttp.ClientSession() as session:
            transports = set()
            for _ in range(20):
                async with session.get(f"http://127.0.0.1:{port}/") as response:
                    right, transport = await response.json()
                    assert right
                    transports.add(transport)

            async def ask(number):
                async with session.post(
                    f"http://127.0.0.1:{port}/echo", data=b"%d" % number * 1000
                ) as response:
                    return await response.read()

            answers = await asyncio.gather(*[ask(number) for number in range(100)])
        return len(transports), answers

    assert run(main()) == (1, [b"%d" % number * 1000 for number in range(100)])


def test_chunked_upload_and_download(run):
    async def count(request):
        total = 0
        async for chunk in request.content.iter_any():
            total += len(chunk)
        return web.Response(text=str(total))

    async def stream(request):
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        for number in range(300):
            await response.write(b"%08d" % number * 1000)
        await response.write_eof()
        return response

    async def chunks():
        for _ in range(300):
            yield b"x" * 20_000

    async def main():
        async with serving({"/count": count, "/stream": stream}) as port, aiohttp.ClientSession() as session:
            async with session.post(f"http://127.0.0.1:{port}/count", data=chunks()) as response:
                assert await response.text() == "6000000"
            async with session.get(f"http://127.0.0.1:{port}/stream") as response:
                return await response.read()

    assert run(main()) == b"".join(b"%08d" % number * 1000 for number in range(300))


@pytest.mark.parametrize("size", [0, 1, 100_000, 20_000_000])
def test_file_response(run, tmp_path, size):
    """A big file leaves by sendfile; a range of it too."""
    content = os.urandom(size)
    (tmp_path / "file").write_bytes(content)

    async def file(request):
        return web.FileResponse(tmp_path / "file")

    async def main():
        async with serving({"/": file}) as port, aiohttp.ClientSession() as session:
            for _ in range(2):  # the connection serves on after a file
                async with session.get(f"http://127.0.0.1:{port}/") as response:
                    assert await response.read() == content
            if size > 2:
                async with session.get(
                    f"http://127.0.0.1:{port}/", headers={"Range": "bytes=1-"}
                ) as response:
                    assert (response.status, await response.read()) == (206, content[1:])

    run(main())


def test_websocket(run):
    async def socket(request):
        websocket = web.WebSocketResponse(max_msg_size=0, heartbeat=0.05)
        await websocket.prepare(request)
        async for message in websocket:
            if message.type is aiohttp.WSMsgType.BINARY:
                await websocket.send_bytes(message.data)
        ended.append(websocket.close_code)
        return websocket

    async def main():
        async with serving({"/": socket}) as port, aiohttp.ClientSession() as session:
            async with session.ws_connect(f"http://127.0.0.1:{port}/", max_msg_size=0) as websocket:
                for size in (0, 1, 126, 70_000, 1_000_000):
                    message = os.urandom(size)
                    await websocket.send_bytes(message)
                    assert await websocket.receive_bytes() == message
                await asyncio.gather(*[websocket.send_bytes(b"%d" % number) for number in range(100)])
                answers = [await websocket.receive_bytes() for _ in range(100)]
                await websocket.close(code=4000)
            await until(lambda: ended)
        return sorted(map(int, answers))

    ended = []
    assert run(main()) == list(range(100))
    assert ended == [4000]


def test_client_that_disconnects_cancels_the_handler(run):
    events = []

    async def hang(request):
        events.append("begun")
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            events.append("cancelled")
            raise

    async def main():
        async with serving({"/": hang}) as port:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await until(lambda: events)
            writer.transport.abort()
            await until(lambda: len(events) == 2)

    run(main())
    assert events == ["begun", "cancelled"]


def test_server_that_disconnects_is_told_to_the_client(run):
    async def drop(request):
        request.transport.abort()
        return web.Response()

    async def main():
        async with serving({"/": drop, "/hello": hello}) as port, aiohttp.ClientSession() as session:
            for _ in range(10):
                with pytest.raises(aiohttp.ClientConnectionError):
                    await session.get(f"http://127.0.0.1:{port}/")
                async with session.get(f"http://127.0.0.1:{port}/hello") as response:
                    assert await response.text() == "hello"

    run(main())


def test_timeout_of_the_client(run):
    async def hang(request):
        await asyncio.sleep(1000)

    async def main():
        timeout = aiohttp.ClientTimeout(total=0.05)
        async with serving({"/": hang}) as port, aiohttp.ClientSession(timeout=timeout) as session:
            with pytest.raises(asyncio.TimeoutError):
                await session.get(f"http://127.0.0.1:{port}/")

    run(main())


def test_tls(run):
    server_context, client_context = certificates()

    async def main():
        body = os.urandom(900_000)
        async with (
            serving({"/": echo}, ssl_context=server_context) as port,
            aiohttp.ClientSession() as session,
        ):

            async def ask(number):
                data = b"%d " % number + body
                async with session.post(
                    f"https://localhost:{port}/", data=data, ssl=client_context
                ) as response:
                    return await response.read() == data

            answers = await asyncio.gather(*[ask(number) for number in range(5)])
        await asyncio.sleep(0.05)  # aiohttp's documented grace for closing TLS connections
        return answers

    assert run(main()) == [True] * 5


def test_unix_socket(run, tmp_path):
    async def main():
        runner = web.AppRunner(web.Application())
        runner.app.router.add_get("/", hello)
        await runner.setup()
        await web.UnixSite(runner, str(tmp_path / "socket")).start()
        connector = aiohttp.UnixConnector(path=str(tmp_path / "socket"))
        async with aiohttp.ClientSession(connector=connector) as session:
            async with session.get("http://localhost/") as response:
                text = await response.text()
        await runner.cleanup()
        return text

    assert run(main()) == "hello"
