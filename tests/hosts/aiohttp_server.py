"""`python aiohttp_server.py MODULE:FACTORY`: the server of test_soak.py, which prints its port."""

import importlib
import os
import sys

from aiohttp import web


async def hello(request):
    return web.Response(text="hello")


async def echo(request):
    return web.Response(body=await request.read())


async def which_loop(request):
    return web.Response(text=type(request.loop).__module__)


def main():
    module, factory = sys.argv[1].split(":")
    loop = getattr(importlib.import_module(module), factory)()
    app = web.Application()
    app.add_routes([web.get("/hello", hello), web.post("/echo", echo), web.get("/loop", which_loop)])
    runner = web.AppRunner(app, access_log=None, handle_signals=True)
    loop.run_until_complete(runner.setup())
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1000)
    loop.run_until_complete(site.start())
    os.write(1, b"http://127.0.0.1:%d\n" % site._server.sockets[0].getsockname()[1])
    try:
        loop.run_forever()
    except web.GracefulExit:
        pass
    loop.run_until_complete(runner.cleanup())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


if __name__ == "__main__":
    main()
