"""A small aiohttp application on goloop (or, to compare, on uvloop or asyncio).

python examples/hello_aiohttp.py [--loop goloop] [--port 8080]
curl http://127.0.0.1:8080/hello/you
"""

import argparse
import asyncio
import importlib
import itertools
import socket

from aiohttp import web

numbers = web.AppKey("numbers", itertools.count)


@web.middleware
async def count(request, handler):
    """Number the answers."""
    response = await handler(request)
    response.headers["X-Answer"] = str(next(request.app[numbers]))
    return response


async def hello(request):
    return web.json_response({"hello": request.match_info["name"]})


async def loop(request):
    """Say which loop this handler runs on."""
    kind = type(asyncio.get_running_loop())
    return web.Response(text=f"{kind.__module__}.{kind.__qualname__}")


def application():
    app = web.Application(middlewares=[count])
    app[numbers] = itertools.count(1)
    app.router.add_get("/hello/{name}", hello)
    app.router.add_get("/loop", loop)
    return app


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--loop", choices=["goloop", "uvloop", "asyncio"], default="goloop")
    parser.add_argument("--port", type=int, default=8080, help="0 for any that is free")
    options = parser.parse_args()

    event_loop = importlib.import_module(options.loop).new_event_loop()
    listener = socket.create_server(("127.0.0.1", options.port), backlog=1024)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    web.run_app(application(), sock=listener, loop=event_loop, access_log=None, print=None)


if __name__ == "__main__":
    main()
