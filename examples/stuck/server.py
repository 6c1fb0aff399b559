"""An aiohttp server with bad handlers, watched by goloop, or on another loop by the usual tools.

python examples/stuck/server.py --loop goloop --control /tmp/stuck.sock
curl http://127.0.0.1:8080/native?seconds=5 & curl --unix-socket /tmp/stuck.sock http://x/stack
"""

import argparse
import importlib
import socket

import blocks
import tools
from aiohttp import web


def handler(block):
    async def handle(request):
        block(float(request.query.get("seconds", 5)))
        return web.Response(text="done\n")

    return handle


async def healthz(request):
    """The application's own, as most have one."""
    return web.Response(text="ok\n")


def application(watched):
    app = web.Application()
    app.router.add_get("/healthz", healthz)
    for name, block in blocks.ALL.items():
        app.router.add_get(f"/{name}", handler(block))
    if not watched:
        app.cleanup_ctx.append(tools.begin)
    return app


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--loop", choices=["goloop", "uvloop", "asyncio"], default="goloop")
    parser.add_argument("--control", help="where goloop's endpoint is to listen")
    parser.add_argument("--port", type=int, default=8080, help="0 for any that is free")
    options = parser.parse_args()

    if options.loop == "goloop":
        import goloop.control

        goloop.watch(tools.LATE)
        if options.control:
            goloop.control.serve(options.control, stuck=tools.LATE)
    event_loop = importlib.import_module(options.loop).new_event_loop()
    listener = socket.create_server(("127.0.0.1", options.port))
    print(listener.getsockname()[1], flush=True)
    web.run_app(
        application(options.loop == "goloop"), sock=listener, loop=event_loop, access_log=None, print=None
    )


if __name__ == "__main__":
    main()
