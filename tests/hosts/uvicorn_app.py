"""The application of test_uvicorn.py and test_hypercorn.py, also for `python -m uvicorn uvicorn_app:app`."""

import asyncio

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute

events = []  # what the tests of one process look at


async def hello(request):
    return PlainTextResponse("hello")


async def which_loop(request):
    return PlainTextResponse(type(asyncio.get_running_loop()).__module__)


async def echo(request):
    return Response(await request.body(), media_type="application/octet-stream")


async def count(request):
    """Counts a body as it arrives."""
    total = 0
    async for chunk in request.stream():
        total += len(chunk)
    return PlainTextResponse(str(total))


async def stream(request):
    async def body():
        for number in range(int(request.path_params["chunks"])):
            yield b"%08d" % number * 1000
            await asyncio.sleep(0)

    return StreamingResponse(body())


async def endless(request):
    async def body():
        try:
            while True:
                yield b"x" * 10_000
                await asyncio.sleep(0.001)
        finally:
            events.append("stream ended")

    return StreamingResponse(body())


async def slow(request):
    print("slow request begun", flush=True)
    await asyncio.sleep(0.5)
    return PlainTextResponse("done")


async def websocket(socket):
    await socket.accept()
    async for message in socket.iter_bytes():
        await socket.send_bytes(message)
    events.append("websocket ended")


app = Starlette(
    routes=[
        Route("/hello", hello),
        Route("/loop", which_loop),
        Route("/echo", echo, methods=["POST"]),
        Route("/count", count, methods=["POST"]),
        Route("/stream/{chunks}", stream),
        Route("/endless", endless),
        Route("/slow", slow),
        WebSocketRoute("/ws", websocket),
    ]
)
