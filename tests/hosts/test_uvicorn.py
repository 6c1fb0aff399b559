"""uvicorn with httptools and both websocket implementations, under a Starlette and a FastAPI application."""

import asyncio
import contextlib
import http.client
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import sys

import fastapi
import httpx
import pytest
import uvicorn
import uvicorn_app
import websockets
from hosting import running_on, until

from certificates import Authority

# The hosts' own deprecations are no matter of the loop.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@contextlib.asynccontextmanager
async def serving(app, **options):
    """Serve the application on the running loop; gives the host and port."""
    options = {"http": "httptools", "log_level": "warning", "lifespan": "off", **options}
    server = uvicorn.Server(uvicorn.Config(app, **options))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        task = asyncio.ensure_future(server.serve([listener]))
        await until(lambda: server.started or task.done())
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await task


def test_keep_alive_and_concurrent_requests(run, loop_name):
    async def main():
        assert running_on(loop_name)
        async with serving(uvicorn_app.app) as host:
            async with httpx.AsyncClient(base_url=f"http://{host}") as client:
                assert (await client.get("/loop")).text.partition(".")[0] == loop_name
                for _ in range(30):
                    assert (await client.get("/hello")).text == "hello"
                answers = await asyncio.gather(
                    *[client.post("/echo", content=b"%d" % number * 1000) for number in range(50)]
                )
        return [answer.content for answer in answers]

    assert run(main()) == [b"%d" % number * 1000 for number in range(50)]


def test_connection_is_kept_alive(run):
    """Two requests through one socket, and a third of an older HTTP that closes it."""

    async def main():
        async with serving(uvicorn_app.app) as host:
            reader, writer = await asyncio.open_connection(*host.split(":"))
            for _ in range(2):
                writer.write(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200")
                assert await reader.readexactly(5) == b"hello"
            writer.write(2 * b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")  # pipelined
            writer.write(b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            rest = await reader.read()
            writer.close()
            await writer.wait_closed()
            return rest.count(b"\r\n\r\nhello")

    assert run(main()) == 3


def test_big_and_streamed_bodies(run):
    async def chunks():
        for _ in range(200):
            yield b"x" * 30_000

    async def main():
        async with serving(uvicorn_app.app) as host:
            async with httpx.AsyncClient(base_url=f"http://{host}", timeout=15) as client:
                body = os.urandom(5_000_000)
                assert (await client.post("/echo", content=body)).content == body
                assert (await client.post("/count", content=chunks())).text == "6000000"
                streamed = (await client.get("/stream/300")).content
        return streamed

    assert run(main()) == b"".join(b"%08d" % number * 1000 for number in range(300))


def test_client_that_goes_away_ends_the_stream(run):
    async def main():
        uvicorn_app.events.clear()
        async with serving(uvicorn_app.app) as host:
            async with httpx.AsyncClient(base_url=f"http://{host}") as client:
                async with client.stream("GET", "/endless") as response:
                    async for _ in response.aiter_bytes():
                        break
            await until(lambda: uvicorn_app.events)
        return uvicorn_app.events

    assert run(main()) == ["stream ended"]


@pytest.mark.parametrize("implementation", ["websockets-sansio", "wsproto"])
def test_websocket(run, implementation):
    async def main():
        uvicorn_app.events.clear()
        async with serving(uvicorn_app.app, ws=implementation) as host:
            async with websockets.connect(f"ws://{host}/ws", max_size=None) as client:
                for size in (0, 1, 125, 126, 70_000, 1_000_000):
                    message = os.urandom(size)
                    await client.send(message)
                    assert await client.recv() == message
                for number in range(100):
                    await client.send(b"%d" % number)
                answers = [await client.recv() for _ in range(100)]
            await until(lambda: uvicorn_app.events)
        return answers, uvicorn_app.events

    assert run(main()) == ([b"%d" % number for number in range(100)], ["websocket ended"])


def test_tls(run):
    authority = Authority()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    client_context = ssl.create_default_context()
    authority.configure_trust(client_context)
    files = {"ssl_certfile": certificate.certificate, "ssl_keyfile": certificate.key}

    async def main():
        async with serving(uvicorn_app.app, **files) as host:
            async with httpx.AsyncClient(base_url=f"https://{host}", verify=client_context) as client:
                body = os.urandom(500_000)
                assert (await client.post("/echo", content=body)).content == body
                return (await client.get("/hello")).text

    assert run(main()) == "hello"


def test_fastapi_with_background_task_lifespan_and_thread(run):
    events = []

    @contextlib.asynccontextmanager
    async def lifespan(app):
        events.append("up")
        yield
        events.append("down")

    app = fastapi.FastAPI(lifespan=lifespan)

    @app.get("/items/{number}")
    def item(number: int, tasks: fastapi.BackgroundTasks):  # not async: a thread's work
        tasks.add_task(events.append, number)
        return {"number": number}

    async def main():
        async with serving(app, lifespan="on") as host:
            async with httpx.AsyncClient(base_url=f"http://{host}") as client:
                answers = await asyncio.gather(*[client.get(f"/items/{number}") for number in range(20)])
                assert (await client.get("/items/x")).status_code == 422
        return [answer.json()["number"] for answer in answers]

    assert run(main()) == list(range(20))
    assert events[0] == "up" and events[-1] == "down"
    assert sorted(events[1:-1]) == list(range(20))


@pytest.fixture
def command_line(loop_name):
    """`python -m uvicorn`, as a user starts it; gives the process and its address."""
    loop = "asyncio" if loop_name == "asyncio" else "goloop:new_event_loop"
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "uvicorn_app:app",
        "--loop",
        loop,
        "--http",
        "httptools",
        "--port",
        "0",
    ]
    process = subprocess.Popen(
        command,
        cwd=pathlib.Path(__file__).parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    lines = []
    for line in process.stderr:
        lines.append(line)
        if found := re.search(r"running on http://(\S+):(\d+)", line):
            break
    else:
        raise AssertionError("".join(lines))
    yield process, (found[1], int(found[2]))
    if process.poll() is None:
        process.kill()
    process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_command_line_and_graceful_shutdown(command_line, loop_name, number):
    """The request under way is answered, then the process ends as uvicorn ends it: by the signal itself."""
    process, address = command_line
    client = http.client.HTTPConnection(*address, timeout=10)
    client.request("GET", "/loop")
    assert client.getresponse().read().decode().partition(".")[0] == loop_name
    client.request("GET", "/slow")
    # The access log shares stdout.
    while process.stdout.readline().strip() != "slow request begun":
        pass
    process.send_signal(number)
    assert client.getresponse().read() == b"done"
    client.close()
    _, err = process.communicate(timeout=10)
    assert "Finished server process" in err
    assert "Traceback" not in err or number == signal.SIGINT
    assert process.returncode == (-number if number == signal.SIGTERM else process.returncode)
    assert process.returncode in (0, -number, 128 + number)
